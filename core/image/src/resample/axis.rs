//! Which old voxels, with which weights, make each new voxel along one axis.

use super::{Interpolation, lanczos};
use crate::bspline::{mirror, weights};
use crate::filter::kernel;
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
    /// The weights are those of spline coefficients, not of voxels.
    pub(crate) is_curved: bool,
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

/// The voxel at a position, or the one at the border beyond which it lies.
pub(crate) fn clamped(at: isize, n: usize) -> usize {
    at.clamp(0, n as isize - 1) as usize
}

/// What is done to an axis besides interpolating, in old voxels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Blur {
    None,
    /// Standard deviation.
    Gaussian(f64),
    /// Width of the interval that is averaged.
    Slab(f64),
}

impl Axis {
    /// New voxel t of `m` lies at `scale * t + shift` on an axis of `n` voxels.
    pub(crate) fn new(n: usize, m: usize, scale: f64, shift: f64, how: Interpolation, blur: Blur) -> Self {
        let places: Vec<(f64, bool)> = (0..m).map(|t| snapped(scale * t as f64 + shift, n)).collect();
        let begin = places.iter().position(|p| p.1).unwrap_or(0);
        let end = places.iter().rposition(|p| p.1).map_or(0, |t| t + 1);
        let inside = begin..end;
        let on_centres = blur == Blur::None && places[inside.clone()].iter().all(|p| p.0.fract() == 0.0);
        if how == Interpolation::Nearest || on_centres {
            let index = places.iter().map(|p| nearest(p.0, n) as u32).collect();
            return Self { taps: 1, index, weight: vec![1.0; m], inside, is_curved: false };
        }
        match blur {
            Blur::Slab(width) => Self::slab(n, &places, width, inside),
            Blur::Gaussian(sigma) => Self::curve(n, &places, how, sigma, inside),
            Blur::None => Self::curve(n, &places, how, 0.0, inside),
        }
    }

    /// The interpolation's weights, smeared by a Gaussian.
    fn curve(n: usize, places: &[(f64, bool)], how: Interpolation, sigma: f64, inside: Range<usize>) -> Self {
        let half = kernel(sigma);
        let radius = half.len() - 1;
        // The first voxel that counts, from the one before the place, and how many do.
        let (before, count) = match how {
            Interpolation::Cubic => (1, 4),
            Interpolation::Lanczos => (2, 6),
            _ => (0, 2),
        };
        let is_curved = how == Interpolation::Cubic;
        let taps = 2 * radius + count;
        let (mut index, mut weight) = (Vec::with_capacity(taps * places.len()), Vec::new());
        for &(place, _) in places {
            let base = place.floor();
            let f = place - base;
            let (cubic, lanczos) = (weights(f), lanczos::weights(f));
            let linear = [1.0 - f, f];
            let curve: &[f64] = match how {
                Interpolation::Cubic => &cubic,
                Interpolation::Lanczos => &lanczos,
                _ => &linear,
            };
            for tap in 0..taps {
                let offset = tap as isize - radius as isize - before;
                let at = base as isize + offset;
                index.push(if is_curved { mirror(at, n) } else { clamped(at, n) } as u32);
                let smeared = curve.iter().enumerate().map(|(c, w)| {
                    let away = (c as isize - before - offset).unsigned_abs();
                    half.get(away).map_or(0.0, |g| w * f64::from(*g))
                });
                weight.push(smeared.sum::<f64>() as f32);
            }
        }
        Self { taps, index, weight, inside, is_curved }
    }

    /// The lengths of the old voxels within `width` around each place, over their sum.
    fn slab(n: usize, places: &[(f64, bool)], width: f64, inside: Range<usize>) -> Self {
        let width = width.min(2.0 * n as f64);
        let taps = (width.ceil() as usize + 1).min(n);
        let (mut index, mut weight) = (Vec::with_capacity(taps * places.len()), Vec::new());
        for &(place, _) in places {
            // From here on voxel i reaches from i to i + 1.
            let edge = |v: f64| {
                let v = if (v - v.round()).abs() < SNAP { v.round() } else { v };
                v.clamp(0.0, n as f64)
            };
            let (low, high) = (edge(place + 0.5 - width / 2.0), edge(place + 0.5 + width / 2.0));
            let first = (low as usize).min(n - taps);
            let overlap = |i: usize| (high.min(i as f64 + 1.0) - low.max(i as f64)).max(0.0);
            let total = high - low;
            for i in first..first + taps {
                index.push(i as u32);
                let share = if total > 0.0 { overlap(i) / total } else { f64::from(u8::from(i == first)) };
                weight.push(share as f32);
            }
        }
        Self { taps, index, weight, inside, is_curved: false }
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
