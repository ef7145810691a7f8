//! Small round lobes that hang on the main haematoma by a neck.

use super::slice::Slice;
use crate::diameter::largest_distance;
use ichor_image::{Serial, distance_to};

/// Most that a neck measures of its lobe's width.
const NECK: f64 = 0.7;
/// Least area over that of the convex hull: round or oval.
const SOLIDITY: f64 = 0.9;
/// Smallest lobe, mm²: a disc of 4 mm.
const AREA_MM2: f64 = 12.6;

/// Lobes of a slice's largest part: what an opening by a disc of 0.6 of the part's own inner radius, at most
/// 10 mm, leaves over, where it is round and its neck is at most 0.7 of its width. Each with its voxels.
pub fn joined(part: &Slice) -> Vec<Vec<[usize; 2]>> {
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
        let at = |i: usize, j: usize| i < nx && j < ny && core[i + nx * j] != 0;
        at(i.wrapping_sub(1), j) || at(i + 1, j) || at(i, j.wrapping_sub(1)) || at(i, j + 1)
    };
    let round = |lobe: &Slice| {
        let neck: Vec<[f64; 2]> =
            lobe.voxels().filter(|v| beside(*v)).map(|v| part.plane.apply(v.map(|n| n as f64))).collect();
        let Some((width, a, b)) = largest_distance(&Serial, &neck) else { return false };
        let width = width + px.min(py);
        let along = [(b[0] - a[0]) / width, (b[1] - a[1]) / width];
        let range = lobe
            .points()
            .map(|p| p[0] * along[0] + p[1] * along[1])
            .fold([f64::INFINITY, f64::NEG_INFINITY], |[l, h], s| [l.min(s), h.max(s)]);
        width <= NECK * (range[1] - range[0] + px.min(py)) && lobe.solidity() >= SOLIDITY
    };
    let lobes = Slice { mask: rest, ..*part }.parts();
    let found = lobes.iter().filter(|l| l.area_mm2() >= AREA_MM2 && round(l));
    found.map(|l| l.voxels().map(|v| [v[0] + low[0], v[1] + low[1]]).collect()).collect()
}
