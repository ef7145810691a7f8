//! Noise of soft tissue, and how far it reaches from pixel to pixel.

use crate::voxels::{Sample, Visit};
use ichor_sdk::prelude::*;

/// Side of the windows, pixels.
const SIDE: usize = 5;
/// Windows are taken at every so many pixels.
const EVERY: usize = 3;
/// A window is of brain when all its pixels are from here to here, HU; noise of a sharp kernel fits.
const MEAN: [f32; 2] = [5.0, 60.0];
const ALL: [f32; 2] = [-80.0, 160.0];
/// Fewer windows say nothing.
const FEWEST: usize = 200;

/// What windows of soft tissue say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Median of the windows' standard deviations, HU.
    pub deviation: f64,
    /// Median correlation of neighbours along the first axis: high for smooth kernels, low for sharp ones.
    pub correlation: f64,
}

/// Measures in the plane of the two axes other than `axis`.
pub struct Measure<'a> {
    pub par: &'a dyn Parallel,
    pub shape: [usize; 3],
    pub axis: usize,
}

impl Visit for Measure<'_> {
    type Out = Option<Noise>;

    fn visit<T: Sample>(self, voxels: &[T]) -> Option<Noise> {
        let [a, b] = [0, 1, 2].into_iter().filter(|&n| n != self.axis).collect::<Vec<_>>().try_into().ok()?;
        let stride = [1, self.shape[0], self.shape[0] * self.shape[1]];
        let found = map_ranges(self.par, self.shape[self.axis], 1, &|range| {
            let mut out = Vec::new();
            for y in (0..self.shape[b].saturating_sub(SIDE - 1)).step_by(EVERY) {
                for x in (0..self.shape[a].saturating_sub(SIDE - 1)).step_by(EVERY) {
                    let corner = range.start * stride[self.axis] + x * stride[a] + y * stride[b];
                    out.extend(window(voxels, corner, stride[a], stride[b]));
                }
            }
            out
        });
        let found: Vec<[f64; 2]> = found.into_iter().flatten().collect();
        let middle = |n: usize| crate::place::median(&found.iter().map(|f| f[n]).collect::<Vec<_>>());
        (found.len() >= FEWEST).then(|| Noise { deviation: middle(0), correlation: middle(1) })
    }
}

/// Standard deviation and correlation of a window, if it is of soft tissue alone.
fn window<T: Sample>(voxels: &[T], corner: usize, right: usize, down: usize) -> Option<[f64; 2]> {
    // Most windows are of air or bone: one look tells.
    let middle = voxels.get(corner + SIDE / 2 * (right + down))?.hu();
    if !(ALL[0]..=ALL[1]).contains(&middle) {
        return None;
    }
    let mut all = [[0f32; SIDE]; SIDE];
    for (y, row) in all.iter_mut().enumerate() {
        for (x, v) in row.iter_mut().enumerate() {
            *v = voxels.get(corner + x * right + y * down)?.hu();
            if !(ALL[0]..=ALL[1]).contains(v) {
                return None;
            }
        }
    }
    let count = (SIDE * SIDE) as f32;
    let mean = all.iter().flatten().sum::<f32>() / count;
    if !(MEAN[0]..=MEAN[1]).contains(&mean) {
        return None;
    }
    let variance = all.iter().flatten().map(|v| (v - mean).powi(2)).sum::<f32>() / (count - 1.0);
    if variance <= 0.0 {
        return None;
    }
    let pairs = (SIDE * (SIDE - 1)) as f32;
    let together =
        all.iter().flat_map(|row| row.windows(2)).map(|p| (p[0] - mean) * (p[1] - mean)).sum::<f32>();
    Some([f64::from(variance.sqrt()), f64::from(together / pairs / variance)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Random, Serial};

    #[test]
    fn noise_is_measured() {
        let shape = [60, 60, 4];
        let mut random = Random::new(3);
        let n: usize = shape.iter().product();
        let white: Vec<f32> = (0..n).map(|_| 30.0 + 8.0 * random.normal() as f32).collect();
        for axis in 0..3 {
            let found = Measure { par: &Serial, shape, axis }.visit(&white);
            // Along the short axis there are too few windows.
            let Some(found) = found else {
                assert!(axis != 2);
                continue;
            };
            assert!((found.deviation - 8.0).abs() < 0.4, "{found:?}");
            assert!(found.correlation.abs() < 0.12, "{found:?}");
        }
        let smooth: Vec<f32> = white.windows(2).map(|p| p[0] + p[1] - 30.0).chain([30.0]).collect();
        let found = Measure { par: &Serial, shape, axis: 2 }.visit(&smooth).unwrap();
        assert!(found.correlation > 0.3, "{found:?}");
        assert_eq!(Measure { par: &Serial, shape, axis: 2 }.visit(&vec![-1000f32; n]), None);
    }
}
