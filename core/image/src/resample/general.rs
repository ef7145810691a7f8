//! Resampling between grids that are rotated or sheared against each other.

use super::axis::{self, SNAP, clamped};
use super::{Interpolation, Sample, lanczos};
use crate::bspline::{self, mirror};
use crate::{Affine, Parallel, parallel::for_each_chunk};

/// Where new voxels lie among the old ones.
pub(crate) struct Place<'a> {
    /// Of the old volume.
    pub(crate) shape: [usize; 3],
    /// New voxels to old ones.
    pub(crate) map: &'a Affine,
    /// Shape of the new volume.
    pub(crate) to: [usize; 3],
    /// Places around a new voxel's centre, in old voxels, whose mean is its value.
    pub(crate) points: &'a [[f64; 3]],
}

impl Place<'_> {
    fn is_inside(&self, p: [f64; 3]) -> bool {
        (0..3).all(|a| p[a] >= -0.5 - SNAP && p[a] <= self.shape[a] as f64 - 0.5 + SNAP)
    }

    fn strides(&self) -> [usize; 3] {
        [1, self.shape[0], self.shape[0] * self.shape[1]]
    }

    /// Calls `at(place in old voxels)` for every new voxel inside the old field of view.
    fn walk<D: Copy + Send + Sync>(
        &self,
        par: &dyn Parallel,
        outside: D,
        out: &mut [D],
        at: impl Fn([f64; 3]) -> D + Sync,
    ) {
        let [mx, my, _] = self.to;
        for_each_chunk(par, out, mx, &|r, row| {
            let start = self.map.apply([0.0, (r % my) as f64, (r / my) as f64]);
            let step = self.map.0.map(|row| row[0]);
            for (t, o) in row.iter_mut().enumerate() {
                let place: [f64; 3] = std::array::from_fn(|a| start[a] + t as f64 * step[a]);
                *o = if self.is_inside(place) { at(place) } else { outside };
            }
        });
    }

    /// The same with means of values around each place.
    fn average<D: Copy + Send + Sync>(
        &self,
        par: &dyn Parallel,
        outside: D,
        out: &mut [D],
        at: impl Fn([f64; 3]) -> f32 + Sync,
        finish: impl Fn(f32) -> D + Sync,
    ) {
        if self.points.len() == 1 {
            return self.walk(par, outside, out, |p| finish(at(p)));
        }
        self.walk(par, outside, out, |p| {
            let (mut sum, mut count) = (0.0, 0);
            for point in self.points {
                let q = std::array::from_fn(|a| p[a] + point[a]);
                if self.is_inside(q) {
                    sum += at(q);
                    count += 1;
                }
            }
            finish(if count == 0 { at(p) } else { sum / count as f32 })
        });
    }
}

pub(crate) fn nearest<T: Copy + Send + Sync>(
    par: &dyn Parallel,
    data: &[T],
    place: &Place,
    outside: T,
    out: &mut [T],
) {
    let shape = place.shape;
    place.walk(par, outside, out, |p| {
        let [i, j, k]: [usize; 3] = std::array::from_fn(|a| axis::nearest(p[a], shape[a]));
        data[i + shape[0] * (j + shape[1] * k)]
    });
}

/// `data` are spline coefficients for [`Interpolation::Cubic`].
#[allow(clippy::too_many_arguments)]
pub(crate) fn interpolate<S: Sample, D: Copy + Send + Sync>(
    par: &dyn Parallel,
    data: &[S],
    how: Interpolation,
    place: &Place,
    outside: D,
    value: impl Fn(S) -> f32 + Sync,
    finish: impl Fn(f32) -> D + Sync,
    out: &mut [D],
) {
    match how {
        Interpolation::Cubic => place.average(
            par,
            outside,
            out,
            |p| curve(data, place, p, bspline::weights, mirror, &value),
            finish,
        ),
        Interpolation::Lanczos => place.average(
            par,
            outside,
            out,
            |p| curve(data, place, p, lanczos::weights, clamped, &value),
            finish,
        ),
        _ => place.average(par, outside, out, |p| linear(data, place, p, &value), finish),
    }
}

fn linear<S: Copy>(data: &[S], place: &Place, p: [f64; 3], value: &impl Fn(S) -> f32) -> f32 {
    let stride = place.strides();
    let (mut base, mut step, mut f) = (0, [0usize; 3], [0f32; 3]);
    for a in 0..3 {
        let last = place.shape[a] - 1;
        let place = p[a].clamp(0.0, last as f64);
        let whole = place as usize;
        base += whole * stride[a];
        step[a] = if whole < last { stride[a] } else { 0 };
        f[a] = (place - whole as f64) as f32;
    }
    let mix = |a: f32, b: f32, f: f32| a + f * (b - a);
    let along_x = |at: usize| mix(value(data[at]), value(data[at + step[0]]), f[0]);
    let along_y = |at: usize| mix(along_x(at), along_x(at + step[1]), f[1]);
    mix(along_y(base), along_y(base + step[2]), f[2])
}

/// A sum over N voxels along each axis.
fn curve<S: Copy, const N: usize>(
    data: &[S],
    place: &Place,
    p: [f64; 3],
    weights: impl Fn(f64) -> [f64; N],
    border: impl Fn(isize, usize) -> usize,
    value: &impl Fn(S) -> f32,
) -> f32 {
    let (shape, stride) = (place.shape, place.strides());
    let before = N / 2 - 1;
    let (mut at, mut weight) = ([[0usize; N]; 3], [[0f32; N]; 3]);
    for a in 0..3 {
        // The floor of a place above -1; f64::floor is a call on processors without SSE 4.1.
        let base = (p[a] + 1.0) as isize - 1;
        weight[a] = weights(p[a] - base as f64).map(|w| w as f32);
        let first = base - before as isize;
        if first >= 0 && first + N as isize <= shape[a] as isize {
            at[a] = std::array::from_fn(|n| stride[a] * (first as usize + n));
        } else {
            at[a] = std::array::from_fn(|n| stride[a] * border(first + n as isize, shape[a]));
        }
    }
    let is_inner = at[0][0] + N - 1 == at[0][N - 1];
    let mut lines = [0f32; N];
    for z in 0..N {
        for y in 0..N {
            let (row, w) = (at[2][z] + at[1][y], weight[2][z] * weight[1][y]);
            if is_inner {
                let line = &data[row + at[0][0]..][..N];
                lines.iter_mut().zip(line).for_each(|(l, c)| *l += w * value(*c));
            } else {
                lines.iter_mut().zip(at[0]).for_each(|(l, x)| *l += w * value(data[row + x]));
            }
        }
    }
    lines.iter().zip(weight[0]).map(|(l, w)| l * w).sum()
}
