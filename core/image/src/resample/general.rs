//! Resampling between grids that are rotated or sheared against each other.

use super::axis::{self, SNAP};
use crate::bspline::{mirror, weights};
use crate::{Affine, Parallel, parallel::for_each_chunk};

/// Calls `at(place in old voxels)` for every new voxel inside the old field of view.
fn walk<D: Copy + Send + Sync>(
    par: &dyn Parallel,
    shape: [usize; 3],
    map: &Affine,
    [mx, my, _]: [usize; 3],
    outside: D,
    out: &mut [D],
    at: impl Fn([f64; 3]) -> D + Sync,
) {
    for_each_chunk(par, out, mx, &|r, row| {
        let start = map.apply([0.0, (r % my) as f64, (r / my) as f64]);
        let step = map.0.map(|row| row[0]);
        for (t, o) in row.iter_mut().enumerate() {
            let place: [f64; 3] = std::array::from_fn(|a| start[a] + t as f64 * step[a]);
            let is_inside =
                (0..3).all(|a| place[a] >= -0.5 - SNAP && place[a] <= shape[a] as f64 - 0.5 + SNAP);
            *o = if is_inside { at(place) } else { outside };
        }
    });
}

pub(crate) fn nearest<T: Copy + Send + Sync>(
    par: &dyn Parallel,
    data: &[T],
    shape: [usize; 3],
    map: &Affine,
    to: [usize; 3],
    outside: T,
    out: &mut [T],
) {
    walk(par, shape, map, to, outside, out, |p| {
        let [i, j, k]: [usize; 3] = std::array::from_fn(|a| axis::nearest(p[a], shape[a]));
        data[i + shape[0] * (j + shape[1] * k)]
    });
}

#[allow(clippy::too_many_arguments)]
pub(crate) fn linear<S: Copy + Sync, D: Copy + Send + Sync>(
    par: &dyn Parallel,
    data: &[S],
    shape: [usize; 3],
    map: &Affine,
    to: [usize; 3],
    outside: D,
    value: impl Fn(S) -> f32 + Sync,
    finish: impl Fn(f32) -> D + Sync,
    out: &mut [D],
) {
    let stride = [1, shape[0], shape[0] * shape[1]];
    walk(par, shape, map, to, outside, out, |p| {
        let (mut base, mut step, mut f) = (0, [0usize; 3], [0f32; 3]);
        for a in 0..3 {
            let last = shape[a] - 1;
            let place = p[a].clamp(0.0, last as f64);
            let whole = place as usize;
            base += whole * stride[a];
            step[a] = if whole < last { stride[a] } else { 0 };
            f[a] = (place - whole as f64) as f32;
        }
        let mix = |a: f32, b: f32, f: f32| a + f * (b - a);
        let along_x = |at: usize| mix(value(data[at]), value(data[at + step[0]]), f[0]);
        let along_y = |at: usize| mix(along_x(at), along_x(at + step[1]), f[1]);
        finish(mix(along_y(base), along_y(base + step[2]), f[2]))
    });
}

#[allow(clippy::too_many_arguments)]
pub(crate) fn cubic<D: Copy + Send + Sync>(
    par: &dyn Parallel,
    coefficients: &[f32],
    shape: [usize; 3],
    map: &Affine,
    to: [usize; 3],
    outside: D,
    finish: impl Fn(f32) -> D + Sync,
    out: &mut [D],
) {
    let stride = [1, shape[0], shape[0] * shape[1]];
    walk(par, shape, map, to, outside, out, |p| {
        let (mut at, mut weight) = ([[0usize; 4]; 3], [[0f32; 4]; 3]);
        for a in 0..3 {
            // The floor of a place above -1; f64::floor is a call on processors without SSE 4.1.
            let base = (p[a] + 1.0) as isize - 1;
            weight[a] = weights(p[a] - base as f64).map(|w| w as f32);
            if base >= 1 && base + 2 < shape[a] as isize {
                at[a] = std::array::from_fn(|n| stride[a] * (base as usize + n - 1));
            } else {
                at[a] = std::array::from_fn(|n| stride[a] * mirror(base + n as isize - 1, shape[a]));
            }
        }
        let is_inner = at[0][0] + 3 == at[0][3];
        let mut lines = [0f32; 4];
        for z in 0..4 {
            for y in 0..4 {
                let (row, w) = (at[2][z] + at[1][y], weight[2][z] * weight[1][y]);
                if is_inner {
                    let line = &coefficients[row + at[0][0]..][..4];
                    lines.iter_mut().zip(line).for_each(|(l, c)| *l += w * c);
                } else {
                    lines.iter_mut().zip(at[0]).for_each(|(l, x)| *l += w * coefficients[row + x]);
                }
            }
        }
        let sum: f32 = lines.iter().zip(weight[0]).map(|(l, w)| l * w).sum();
        finish(sum)
    });
}
