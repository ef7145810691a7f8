//! The front's motion.

use super::band::{Band, Run, around, row_starts};
use super::edge::edge_indicator;
use super::pull::{self, NO_BONE, Scene, UNKNOWN};
use super::redistance::redistance;
use super::{Densities, Motion};
use ichor_image::{Parallel, parallel::for_each_chunk};
use ichor_sdk::Result;

/// Distance from the edge within which the speed falls from 1 to 0, mm.
const RAMP: f32 = 0.75;
/// Steps between which distances and the band are made anew.
pub const ROUND: u32 = 5;

/// What the front moves in.
pub struct Field<'a> {
    /// CT, HU, with the shape of phi.
    pub hu: &'a [f32],
    /// Signed distance to the prior, mm, correct near its front and of the right sign elsewhere.
    pub prior: &'a [f32],
    /// Voxels along each axis.
    pub shape: [usize; 3],
    /// mm.
    pub spacing: [f64; 3],
    /// What a voxel of the scan averages over along each axis, mm.
    pub slab: [f64; 3],
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Steps made.
    pub steps: u32,
    /// How far the front moved in the last round, back and forth, mean over its voxels, mm.
    pub moved: f64,
    /// Voxels of the band at the end.
    pub band: usize,
    /// Share of the front, at the end, ahead of which no bone lies: where the prior decided.
    pub open: f64,
}

/// Half the width of the band, mm: 3 mm, and 2.5 voxels along any axis.
pub fn half_width(spacing: [f64; 3]) -> f32 {
    spacing.into_iter().fold(3.0, |w: f64, h| w.max(2.5 * h)) as f32
}

/// Makes a function that is below 0 inside a signed distance near its front, and as large as the band is wide
/// elsewhere.
pub fn start(par: &dyn Parallel, phi: &mut [f32], shape: [usize; 3], spacing: [f64; 3]) {
    let width = half_width(spacing);
    let far = width + spacing.into_iter().fold(0.0, f64::max) as f32;
    let smallest = spacing.into_iter().fold(f64::INFINITY, f64::min) as f32;
    // A ball of that radius fits into so many layers of neighbours by face.
    let layers = (3f32.sqrt() * width / smallest).ceil() as usize;
    let band = Band::new(par, &crossing(par, phi, shape), shape, 0.5, layers);
    let steps = (2.0 * width / smallest).ceil() as usize;
    redistance(par, phi, shape, spacing.map(|h| h as f32), &band, steps, Some(far));
}

/// 0 where a neighbour by face is on the other side, 1 elsewhere.
fn crossing(par: &dyn Parallel, phi: &[f32], [nx, ny, nz]: [usize; 3]) -> Vec<f32> {
    let mut out = vec![1f32; phi.len()];
    for_each_chunk(par, &mut out, nx * ny, &|k, plane| {
        for (j, out) in plane.chunks_mut(nx).enumerate() {
            let row = |j: usize, k: usize| &phi[nx * (j + ny * k)..][..nx];
            let x = row(j, k);
            let others = [
                row(j.saturating_sub(1), k),
                row((j + 1).min(ny - 1), k),
                row(j, k.saturating_sub(1)),
                row(j, (k + 1).min(nz - 1)),
            ];
            for (i, out) in out.iter_mut().enumerate() {
                let inside = x[i] < 0.0;
                let mut differ = (x[i.saturating_sub(1)] < 0.0) != inside;
                differ |= (x[(i + 1).min(nx - 1)] < 0.0) != inside;
                others.iter().for_each(|o| differ |= (o[i] < 0.0) != inside);
                *out = if differ { 0.0 } else { 1.0 };
            }
        }
    });
    out
}

/// Moves the front until it rests. `phi` was made by [`start`]. `check` is asked once a round whether to go on and
/// told how far it is.
///
/// # Errors
/// What `check` returns.
pub fn evolve(
    par: &dyn Parallel,
    phi: &mut [f32],
    field: &Field,
    motion: &Motion,
    densities: Densities,
    check: &dyn Fn(f64) -> Result<()>,
) -> Result<Outcome> {
    let (shape, spacing) = (field.shape, field.spacing.map(|h| h as f32));
    let width = half_width(field.spacing);
    let motion = &Motion { time_step: stable(motion, spacing), ..*motion };
    let edge = edge_indicator(par, field.hu, shape, spacing, motion.edge_scale);
    let slab = field.slab.map(|h| h as f32);
    let scene = Scene { hu: field.hu, shape, spacing, slab, densities };
    let mut bone = vec![UNKNOWN; phi.len()];
    let mut outcome = Outcome { steps: 0, moved: f64::INFINITY, band: 0, open: 0.0 };
    while outcome.steps < motion.iterations && outcome.moved >= motion.tolerance {
        check(f64::from(outcome.steps) / f64::from(motion.iterations))?;
        if outcome.steps > 0 {
            let band = Band::new(par, phi, shape, width, 2);
            redistance(par, phi, shape, spacing, &band, 3, None);
        }
        let band = Band::new(par, phi, shape, width, 0);
        pull::find(par, &scene, phi, &band, &mut bone);
        let terms = Terms { phi: &[], edge: &edge, prior: field.prior, bone: &bone, shape, spacing, motion };
        outcome.moved = 0.0;
        for _ in 0..ROUND.min(motion.iterations - outcome.steps) {
            outcome.moved += terms.step(par, phi, &band);
            outcome.steps += 1;
        }
        outcome.band = band.len;
    }
    let (mut front, mut open) = (0usize, 0usize);
    for (p, s) in phi.iter().zip(&bone).filter(|(p, _)| p.abs() < 0.5 * spacing[0]) {
        front += usize::from(!p.is_nan());
        open += usize::from(*s == NO_BONE);
    }
    outcome.open = open as f64 / front.max(1) as f64;
    Ok(outcome)
}

/// The time step, shortened where the scheme would not be stable: a front at speed 1 may cross one voxel, at most
/// along a diagonal, and curvature and attraction spread less than one.
fn stable(motion: &Motion, spacing: [f32; 3]) -> f32 {
    let smallest = spacing.into_iter().fold(f32::INFINITY, f32::min);
    let squares: f32 = spacing.iter().map(|h| 1.0 / (h * h)).sum();
    let rate = 3f32.sqrt() * motion.propagation / smallest
        + 2.0 * motion.curvature * squares
        + motion.advection * squares
        + motion.prior;
    motion.time_step.min(1.0 / rate.max(1e-6))
}

/// The right side of the equation.
struct Terms<'a> {
    phi: &'a [f32],
    edge: &'a [f32],
    prior: &'a [f32],
    /// Distance to the edge along the normal.
    bone: &'a [f32],
    shape: [usize; 3],
    spacing: [f32; 3],
    motion: &'a Motion,
}

impl Terms<'_> {
    /// One step; returns the mean change of phi in the front's voxels.
    fn step(&self, par: &dyn Parallel, phi: &mut [f32], band: &Band) -> f64 {
        let new = {
            let terms = Terms { phi, ..*self };
            band.map(par, &|run, out| terms.run(run, out))
        };
        let (mut sum, mut count) = (0f64, 0usize);
        band.put(&new, phi, |old, new| {
            if old.abs() < 0.5 {
                sum += f64::from((new - *old).abs());
                count += 1;
            }
            *old = new;
        });
        sum / count.max(1) as f64
    }

    fn run(&self, run: &Run, out: &mut [f32]) {
        let rows = row_starts(self.shape, run);
        for (block, out) in out.chunks_mut(LANES).enumerate() {
            let at = block * LANES;
            let own = |data: &[f32]| load(data, run.at + at);
            let near = |row: usize, dx: usize| load(self.phi, rows[row] + at + dx);
            let new = self.block(&near, own(self.bone), own(self.prior), own(self.edge));
            out.iter_mut().zip(new).for_each(|(out, new)| *out = new);
        }
        if self.motion.advection != 0.0 {
            self.advect(run, out);
        }
    }

    /// New values of voxels side by side. `near(row, dx)` are their neighbours: row 4 is their own, see [`around`],
    /// and dx 1 their own place.
    #[inline]
    fn block(&self, near: &impl Fn(usize, usize) -> Lanes, bone: Lanes, prior: Lanes, edge: Lanes) -> Lanes {
        let m = *self.motion;
        let [ix, iy, iz] = self.spacing.map(|h| 1.0 / h);
        let steepest = 2.0 * ix.max(iy).max(iz);
        let (here, left, right) = (near(4, 1), near(4, 0), near(4, 2));
        let (back, front, down, up) = (near(3, 1), near(5, 1), near(1, 1), near(7, 1));
        let xy = [near(5, 2), near(5, 0), near(3, 2), near(3, 0)];
        let xz = [near(7, 2), near(7, 0), near(1, 2), near(1, 0)];
        let yz = [near(8, 1), near(6, 1), near(2, 1), near(0, 1)];
        let mut out = [0f32; LANES];
        for i in 0..LANES {
            let c = here[i];
            let (xl, xr) = ((c - left[i]) * ix, (right[i] - c) * ix);
            let (yl, yr) = ((c - back[i]) * iy, (front[i] - c) * iy);
            let (zl, zr) = ((c - down[i]) * iz, (up[i] - c) * iz);
            // Outward speed, by Godunov's upwind gradient. It is that of the front's nearest place, c away along
            // the normal, so that phi stays a distance. What is not known yet is too far to matter.
            let has_edge = bone[i].abs() < f32::MAX;
            let speed = m.propagation * larger(smaller((bone[i] + c) / RAMP, 1.0), -1.0);
            let f = if has_edge { speed } else { 0.0 };
            let sign = if f < 0.0 { -1.0 } else { 1.0f32 };
            let upwind = |low: f32, high: f32| {
                let d = larger(larger(sign * low, -(sign * high)), 0.0);
                d * d
            };
            let gradient = (upwind(xl, xr) + upwind(yl, yr) + upwind(zl, zr)).sqrt();
            // kappa |grad phi| by central differences.
            let (px, py, pz) = (0.5 * (xl + xr), 0.5 * (yl + yr), 0.5 * (zl + zr));
            let (xx, yy, zz) = ((xr - xl) * ix, (yr - yl) * iy, (zr - zl) * iz);
            let mixed =
                |v: &[Lanes; 4], a: f32, b: f32| 0.25 * a * b * (v[0][i] - v[1][i] - v[2][i] + v[3][i]);
            let (qx, qy, qz) = (px * px, py * py, pz * pz);
            let cross =
                px * py * mixed(&xy, ix, iy) + px * pz * mixed(&xz, ix, iz) + py * pz * mixed(&yz, iy, iz);
            let bend = xx * (qy + qz) + yy * (qx + qz) + zz * (qx + qy) - 2.0 * cross;
            let bend = larger(smaller(bend / (qx + qy + qz + 1e-6), steepest), -steepest);
            let u = if has_edge { m.prior_at_bone } else { 1.0 };
            let u = if bone[i].is_nan() { 0.0 } else { u };
            let rate = m.curvature * edge[i] * bend - f * gradient - m.prior * u * (c - prior[i]);
            out[i] = c + m.time_step * rate;
        }
        out
    }

    /// Adds eta grad g . grad phi, upwind.
    fn advect(&self, run: &Run, out: &mut [f32]) {
        let [ix, iy, iz] = self.spacing.map(|h| 1.0 / h);
        let rows = around(self.phi, self.shape, run);
        let edge = around(self.edge, self.shape, run);
        for (i, out) in out.iter_mut().enumerate() {
            let c = rows[4][i + 1];
            let axes = [
                (edge[4][i + 2] - edge[4][i], c - rows[4][i], rows[4][i + 2] - c, ix),
                (edge[5][i + 1] - edge[3][i + 1], c - rows[3][i + 1], rows[5][i + 1] - c, iy),
                (edge[7][i + 1] - edge[1][i + 1], c - rows[1][i + 1], rows[7][i + 1] - c, iz),
            ];
            for (slope, low, high, inverse) in axes {
                let slope = 0.5 * slope * inverse;
                let along = if slope > 0.0 { high } else { low };
                *out += self.motion.time_step * self.motion.advection * slope * inverse * along;
            }
        }
    }
}

/// Voxels side by side that are worked on together.
const LANES: usize = 8;
type Lanes = [f32; LANES];

/// [`LANES`] values from `at`; 0 beyond the end.
#[inline]
fn load(data: &[f32], at: usize) -> Lanes {
    if let Some(all) = data.get(at..at + LANES).and_then(|s| <&Lanes>::try_from(s).ok()) {
        return *all;
    }
    std::array::from_fn(|n| data.get(at + n).copied().unwrap_or(0.0))
}

/// Maximum and minimum of numbers: one instruction each, unlike `f32::max`, which minds NaN.
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

#[cfg(test)]
mod tests;
