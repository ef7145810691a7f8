//! Which old voxels, with which weights, make each new voxel along one axis.

use crate::bspline::{mirror, weights};
use crate::filter::kernel;
use crate::resample::Interpolation;
use std::ops::Range;

/// Places closer than this to a voxel centre, in voxels, are on it; affines that went through f32 files miss it
/// by less.
pub(crate) const SNAP: f64 = 1e-4;

/// For each new voxel, `taps` old voxels and their weights.
pub(crate) struct Axis {
    pub(crate) taps: usize,
    /// `taps` entries a new voxel.
    pub(crate) index: Vec<u32>,
    pub(crate) weight: Vec<f32>,
    /// New voxels whose centres lie in the old field of view; the others have no meaningful taps.
    pub(crate) inside: Range<usize>,
}

/// The place on or near a voxel centre, and whether it lies within the voxels of an axis of `n`.
pub(crate) fn snapped(place: f64, n: usize) -> (f64, bool) {
    let whole = place.round();
    let place = if (place - whole).abs() < SNAP { whole } else { place };
    (place, place >= -0.5 - SNAP && place <= n as f64 - 0.5 + SNAP)
}

/// The voxel nearest to a place that lies inside.
pub(crate) fn nearest(place: f64, n: usize) -> usize {
    ((place + 0.5 + SNAP).max(0.0) as usize).min(n - 1)
}

impl Axis {
    /// New voxel t of `m` lies at `scale * t + shift` on an axis of `n` voxels, smoothed by `sigma` voxels.
    pub(crate) fn new(n: usize, m: usize, scale: f64, shift: f64, how: Interpolation, sigma: f64) -> Self {
        let places: Vec<(f64, bool)> = (0..m).map(|t| snapped(scale * t as f64 + shift, n)).collect();
        let begin = places.iter().position(|p| p.1).unwrap_or(0);
        let end = places.iter().rposition(|p| p.1).map_or(0, |t| t + 1);
        let on_centres = sigma == 0.0 && places[begin..end].iter().all(|p| p.0.fract() == 0.0);
        let mut axis = Self { taps: 1, index: Vec::new(), weight: Vec::new(), inside: begin..end };
        if how == Interpolation::Nearest || on_centres {
            axis.index = places.iter().map(|p| nearest(p.0, n) as u32).collect();
            axis.weight = vec![1.0; m];
            return axis;
        }
        let half = kernel(sigma);
        let radius = half.len() - 1;
        let is_cubic = how == Interpolation::Cubic;
        let before = if is_cubic { 1 } else { 0 };
        axis.taps = 2 * radius + if is_cubic { 4 } else { 2 };
        for &(place, _) in &places {
            let base = place.floor();
            let f = place - base;
            let cubic = weights(f);
            let linear = [1.0 - f, f];
            let curve: &[f64] = if is_cubic { &cubic } else { &linear };
            for tap in 0..axis.taps {
                let offset = tap as isize - radius as isize - before;
                let at = base as isize + offset;
                axis.index
                    .push(if is_cubic { mirror(at, n) } else { at.clamp(0, n as isize - 1) as usize } as u32);
                // The curve's weights smeared by the kernel.
                let weight = curve.iter().enumerate().map(|(c, w)| {
                    let away = (c as isize - before - offset).unsigned_abs();
                    half.get(away).map_or(0.0, |g| w * f64::from(*g))
                });
                axis.weight.push(weight.sum::<f64>() as f32);
            }
        }
        axis
    }

    /// The taps of new voxel `t`, without those of no weight.
    pub(crate) fn of(&self, t: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let range = t * self.taps..(t + 1) * self.taps;
        let pairs = self.index[range.clone()].iter().zip(&self.weight[range]);
        pairs.filter(|(_, w)| **w != 0.0).map(|(i, w)| (*i as usize, *w))
    }

    /// The old voxels that are used at all.
    pub(crate) fn used(&self) -> Range<usize> {
        let used = &self.index[self.inside.start * self.taps..self.inside.end * self.taps];
        match (used.iter().min(), used.iter().max()) {
            (Some(&min), Some(&max)) => min as usize..max as usize + 1,
            _ => 0..0,
        }
    }
}
