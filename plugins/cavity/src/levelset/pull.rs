//! The speed that Hounsfield units give the front: where the half height between brain and bone lies along the
//! normal of the front.

use super::Densities;
use super::band::{Band, around};
use ichor_image::Parallel;

/// The distance where no bone lies ahead: the prior rules there.
pub const NO_BONE: f32 = f32::INFINITY;
/// A distance that is not known yet.
pub const UNKNOWN: f32 = f32::NAN;
/// The distance where the search begins in bone, mm.
const IN_BONE: f32 = -100.0;
/// How far behind the front the search begins, mm.
const BEHIND: f32 = 3.0;
/// Step of the search, mm.
const STEP: f32 = 1.0;
/// A peak ends where HU falls below this share of it; thin bone with more bone behind it has a peak of its own.
const FALL: f32 = 0.7;
/// How far the peak is followed from where bone begins, mm.
const PEAK: f32 = 5.0;
/// Where the front is so near to its edge, mm, its normal is that of the edge.
const REST: f32 = 0.1;
/// Thickness of the inner table, mm (1 to 2 mm: textbooks), and the density of diploe over its.
const TABLE: f32 = 1.5;
const DIPLOE: f32 = 0.4;
/// Half way between brain and air, HU.
const AIR: f32 = -480.0;
/// Positions of the longest search.
const MOST: usize = 64;

/// What is needed beside phi.
pub struct Scene<'a> {
    /// CT, HU.
    pub hu: &'a [f32],
    /// Of CT and phi.
    pub shape: [usize; 3],
    /// mm.
    pub spacing: [f32; 3],
    /// What a voxel of the scan averages over along each axis, mm.
    pub slab: [f32; 3],
    /// Brain and bone.
    pub densities: Densities,
}

/// Finds the distance to the edge, in mm along the outward normal, for the voxels within 2 mm of the front where
/// `edge` does not know it, or within 1 mm where the normal may have turned since.
///
/// The CT is read along the normal, from 3 mm behind the front outward. The first peak of at least
/// `densities.bone` is the inner table, and the edge is where HU first cross half way between brain and that peak,
/// so that thin or blurred bone has an edge at the same place as thick bone. In thick slices the level is a little
/// higher than half ([`height`]), so that it is the middle of the slab that lies at the inner table. Where the search begins in bone the
/// edge is far behind. A front that went into air before any bone has its edge half way to air.
pub fn find(par: &dyn Parallel, scene: &Scene, phi: &[f32], band: &Band, edge: &mut [f32]) {
    let inverse = scene.spacing.map(|h| 1.0 / h);
    let reach = scene.spacing.iter().fold(2.0, |w: f32, h| w.max(1.6 * h));
    let known: &[f32] = edge;
    let found = band.map(par, &|run, out| {
        let rows = around(phi, scene.shape, run);
        let [nx, ny, _] = scene.shape;
        let first = run.at - nx * (run.row[0] + ny * run.row[1]);
        for (n, out) in out.iter_mut().enumerate() {
            let at = phi[run.at + n];
            let old = known[run.at + n];
            // Far voxels wait until the front comes nearer; at a front that rests nothing turns any more.
            let rests = (old + at).abs() < REST || at.abs() >= 1.0;
            if at.abs() >= reach || !old.is_nan() && rests {
                *out = old;
                continue;
            }
            let gradient = [
                (rows[4][n + 2] - rows[4][n]) * inverse[0],
                (rows[5][n + 1] - rows[3][n + 1]) * inverse[1],
                (rows[7][n + 1] - rows[1][n + 1]) * inverse[2],
            ];
            let length = gradient.iter().map(|v| v * v).sum::<f32>().sqrt();
            if length < 1e-6 {
                *out = if old.is_nan() { NO_BONE } else { old };
                continue;
            }
            let across: f32 = (0..3).map(|a| (scene.slab[a] * gradient[a] / length).powi(2)).sum();
            // Voxels a mm along the normal.
            let normal = std::array::from_fn(|a| gradient[a] / length * inverse[a]);
            let place = [first + n, run.row[0], run.row[1]].map(|v| v as f32);
            *out = along(scene, place, normal, [-(at + BEHIND), scene.densities.range - at], across.sqrt());
        }
    });
    band.each(&found, |at, value| edge[at] = value);
}

/// The share of the peak's height above brain at which the inner table lies in the middle of a slab of `slab` mm,
/// for a skull whose inner table of 1.5 mm lies over diploe of 0.4 its density: one half for thin slabs, more for
/// thick ones, in which the table alone is the first half.
fn height(slab: f32) -> f32 {
    let bone = |mm: f32| mm.min(TABLE) + DIPLOE * (mm - TABLE).max(0.0);
    let slab = slab.max(1.0);
    bone(0.5 * slab) / bone(slab)
}

/// The place t of the edge on the profile of HU at `place + t normal`, t in `range` mm, for a scan whose voxels
/// average over `slab` mm along the normal.
fn along(scene: &Scene, place: [f32; 3], normal: [f32; 3], [begin, end]: [f32; 2], slab: f32) -> f32 {
    let Densities { brain, bone, .. } = scene.densities;
    let sample = |t: f32| linear(scene.hu, scene.shape, std::array::from_fn(|a| place[a] + t * normal[a]));
    let mut profile = [0f32; MOST];
    let count = (((end - begin) / STEP) as usize + 1).clamp(2, MOST - 8);
    // Where the profile crosses `level` between positions n - 1 and n, which it does.
    let edge = |n: usize, profile: &[f32; MOST], level: f32| {
        let (mut low, mut high) = (profile[n - 1], profile[n]);
        let (mut from, mut to) = (begin + STEP * (n as f32 - 1.0), begin + STEP * n as f32);
        let crossing =
            |from: f32, to: f32, low: f32, high: f32| from + (to - from) * (level - low) / (high - low);
        for _ in 0..2 {
            let t = crossing(from, to, low, high);
            let v = sample(t);
            if (v < level) == (low < level) { (from, low) = (t, v) } else { (to, high) = (t, v) }
        }
        crossing(from, to, low, high)
    };
    let mut was_soft = false;
    for n in 0..count {
        let v = sample(begin + STEP * n as f32);
        profile[n] = v;
        if v >= bone {
            if n == 0 {
                return IN_BONE;
            }
            // Up to the peak, which may lie beyond the range.
            let (mut peak, mut top) = (v, n);
            let last = n + ((PEAK + slab) / STEP) as usize;
            for (m, slot) in profile.iter_mut().enumerate().take(last).skip(n + 1) {
                let v = sample(begin + STEP * m as f32);
                *slot = v;
                if v > peak {
                    (peak, top) = (v, m);
                } else if v < FALL * peak {
                    break;
                }
            }
            for side in [-0.5, 0.5] {
                peak = peak.max(sample(begin + STEP * (top as f32 + side)));
            }
            let level = brain + height(slab) * (peak - brain);
            let below = (0..top).rposition(|m| profile[m] < level);
            return below.map_or(IN_BONE, |m| edge(m + 1, &profile, level));
        }
        if v < AIR && was_soft {
            // It holds a front that went too far, and does not draw one through a hole of the skull to the skin.
            let t = edge(n, &profile, AIR);
            return if t < begin + BEHIND { t } else { NO_BONE };
        }
        was_soft |= v > AIR;
    }
    NO_BONE
}

/// The trilinear value at a position in voxels; beyond the border as at it. At least 2 voxels along each axis.
pub fn linear(data: &[f32], shape: [usize; 3], at: [f32; 3]) -> f32 {
    let mut cell = [0usize; 3];
    let mut f = [0f32; 3];
    for a in 0..3 {
        let v = at[a].clamp(0.0, (shape[a] - 1) as f32);
        cell[a] = (v as u32 as usize).min(shape[a] - 2);
        f[a] = v - cell[a] as f32;
    }
    let (y, z) = (shape[0], shape[0] * shape[1]);
    let cube = &data[cell[0] + y * cell[1] + z * cell[2]..][..z + y + 2];
    let pair = |n: usize| cube[n] + f[0] * (cube[n + 1] - cube[n]);
    let low = pair(0);
    let low = low + f[1] * (pair(y) - low);
    let high = pair(z);
    let high = high + f[1] * (pair(z + y) - high);
    low + f[2] * (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENSITIES: Densities = Densities { brain: 35.0, bone: 200.0, range: 12.0 };

    /// Distance from x to the edge along a row of HU, outward being toward higher x.
    fn edge(hu: &[f32], x: f32, phi: f32) -> f32 {
        // The same row four times.
        let hu = &hu.repeat(4)[..];
        let scene = Scene {
            hu,
            shape: [hu.len() / 4, 2, 2],
            spacing: [1.0; 3],
            slab: [1.0; 3],
            densities: DENSITIES,
        };
        along(&scene, [x, 0.0, 0.0], [1.0, 0.0, 0.0], [-(phi + BEHIND), DENSITIES.range - phi], 1.0)
    }

    #[test]
    fn edge_is_half_way_to_the_first_peak() {
        // Half of 35 and 1035 is 535: between 11 and 12 at 11.5. The brighter bone behind does not count.
        let mut hu = vec![35.0; 40];
        hu[12..16].copy_from_slice(&[1035.0, 900.0, 300.0, 1800.0]);
        for (x, want) in [(5.0, 6.5), (11.0, 0.5), (11.5, 0.0), (12.0, -0.5), (13.0, -1.5)] {
            let found = edge(&hu, x, x - 11.2);
            assert!((found - want).abs() < 0.05, "{found} at {x}");
        }
        // Thin bone of half the height has its edge in the same place.
        hu[12..16].copy_from_slice(&[535.0, 35.0, 35.0, 35.0]);
        assert!(edge(&hu, 11.5, 0.0).abs() < 0.05);
    }

    #[test]
    fn bone_air_and_nothing_ahead() {
        let soft = vec![35.0; 40];
        assert_eq!(edge(&soft, 10.0, 0.0), NO_BONE);
        assert_eq!(edge(&[900.0; 40], 10.0, 0.0), IN_BONE);
        let mut air = soft.clone();
        air[20..].fill(-995.0);
        assert!((edge(&air, 20.5, 0.0) + 1.0).abs() < 0.05);
        assert_eq!(edge(&air, 18.0, 0.0), NO_BONE);
        let mut far = soft;
        far[30..].fill(900.0);
        assert_eq!(edge(&far, 15.0, 0.0), NO_BONE);
        assert!((edge(&far, 19.0, 0.0) - 10.5).abs() < 0.05);
    }

    #[test]
    fn level_rises_with_the_slab() {
        // Of 5 mm: the first half has the table and 1 mm of diploe, the whole the table and 3.5 mm.
        for (slab, want) in [(0.5, 0.5), (1.5, 0.5), (5.0, (1.5 + 0.4) / (1.5 + 1.4))] {
            assert!((height(slab) - want).abs() < 1e-6, "{slab}");
        }
    }
}
