//! Small round lobes that hang on the main haematoma by a neck.

use super::slice::Slice;
use crate::diameter::largest_distance;
use ichor_image::{Serial, distance_to};

/// Most that a neck measures of its lobe's width.
const NECK: f64 = 0.7;
/// Least area over that of the convex hull: round or oval.
const SOLIDITY: f64 = 0.9;
/// Smallest lobe, mm²: a disc of 4 mm.
pub const AREA_MM2: f64 = 12.6;

/// Less is an uneven edge, mm².
const LEAST_MM2: f64 = 3.0;

/// Lobes of a slice's largest part: what an opening by a disc of 0.6 of the part's own inner radius, at most
/// 10 mm, leaves over, where it is round and its neck is at most 0.7 of its width. Each with its voxels; what is left over
/// otherwise comes with `false`, from 3 mm² on: a lobe may look like that where it begins and ends.
pub fn joined(part: &Slice) -> Vec<(Vec<[usize; 2]>, bool)> {
    let (part, low) = part.cropped();
    let part = &part;
    let [nx, ny] = part.shape;
    let shape = [nx, ny, 1];
    let [px, py] = part.plane.pitch();
    let spacing = [px, py, 1.0];
    let outside: Vec<u8> = part.mask.iter().map(|v| 1 - v).collect();
    let inner = distance_to(&Serial, &outside, shape, spacing);
    let deepest = inner.iter().copied().fold(0f32, f32::max);
    if !deepest.is_finite() {
        return Vec::new(); // nothing outside
    }
    // An opening in the plane alone; `open` would take what is above and below for background.
    let radius = (0.6 * deepest).min(10.0);
    let eroded: Vec<u8> = inner.iter().map(|d| u8::from(*d > radius)).collect();
    let core: Vec<u8> =
        distance_to(&Serial, &eroded, shape, spacing).iter().map(|d| u8::from(*d <= radius)).collect();
    let rest: Vec<u8> = part.mask.iter().zip(&core).map(|(m, c)| m & (1 - c)).collect();
    let beside = |[i, j]: [usize; 2]| {
        // The outermost rows are free.
        (0..9).any(|n| core.get(i + n % 3 - 1 + nx * (j + n / 3 - 1)).is_some_and(|c| *c != 0))
    };
    let round = |lobe: &Slice| {
        let neck: Vec<[f64; 2]> =
            lobe.voxels().filter(|v| beside(*v)).map(|v| part.plane.apply(v.map(|n| n as f64))).collect();
        let Some((length, a, b)) = largest_distance(&Serial, &neck) else { return false };
        // A neck of one voxel has no direction, and is narrow.
        let pitch = px.min(py);
        let along = if length > 0.0 { [0, 1].map(|c| (b[c] - a[c]) / length) } else { [1.0, 0.0] };
        let range = lobe
            .points()
            .map(|p| p[0] * along[0] + p[1] * along[1])
            .fold([f64::INFINITY, f64::NEG_INFINITY], |[l, h], s| [l.min(s), h.max(s)]);
        length + pitch <= NECK * (range[1] - range[0] + pitch) && lobe.solidity() >= SOLIDITY
    };
    let lobes = Slice { mask: rest, ..*part }.parts(LEAST_MM2);
    let voxels = |l: &Slice| l.voxels().map(|v| [v[0] + low[0], v[1] + low[1]]).collect();
    lobes.iter().map(|l| (voxels(l), l.area_mm2() >= AREA_MM2 && round(l))).collect()
}
