//! Smoothing.

use crate::{Parallel, parallel::for_each_chunk, stack::for_each_stack};

/// Voxels that are summed together in registers.
const LANES: usize = 16;

/// The volume convolved with a Gaussian of standard deviation `sigma_voxels` along each axis; 0 leaves an axis
/// untouched. The kernel ends at 4 sigma, rounded to whole voxels, and is normalised; beyond the border the
/// edge is repeated. The same as `scipy.ndimage.gaussian_filter(mode="nearest", truncate=4)` up to f32 rounding.
/// Memory: the result alone.
pub fn gaussian(par: &dyn Parallel, data: &[f32], shape: [usize; 3], sigma_voxels: [f64; 3]) -> Vec<f32> {
    let mut out = data.to_vec();
    gaussian_in_place(par, &mut out, shape, sigma_voxels);
    out
}

/// [`gaussian`] of a volume that is not needed afterwards: in its own memory.
pub fn gaussian_in_place(par: &dyn Parallel, data: &mut [f32], shape: [usize; 3], sigma_voxels: [f64; 3]) {
    let [nx, ny, _] = shape;
    assert_eq!(data.len(), shape.iter().product::<usize>(), "array and shape disagree");
    let [wx, wy, wz] = sigma_voxels.map(kernel);
    if data.is_empty() {
        return;
    }
    if wx.len() > 1 {
        for_each_chunk(par, data, nx * ny, &|_, plane| {
            let mut padded = Vec::with_capacity(nx + 2 * wx.len());
            plane.chunks_mut(nx).for_each(|row| along_x(row, &wx, &mut padded));
        });
    }
    for (axis, weights) in [(1, &wy), (2, &wz)] {
        if weights.len() > 1 {
            for_each_stack(par, data, shape, axis, &|_, rows| across(rows, weights));
        }
    }
}

/// Half of a symmetric Gaussian kernel: the weight of the centre, then of one voxel away, and so on.
pub(crate) fn kernel(sigma: f64) -> Vec<f32> {
    if sigma.is_nan() || sigma <= 0.0 {
        return vec![1.0];
    }
    let radius = (4.0 * sigma + 0.5) as usize;
    let weights: Vec<f64> = (0..=radius).map(|n| (-0.5 * (n as f64 / sigma).powi(2)).exp()).collect();
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.iter().map(|w| (w / sum) as f32).collect()
}

fn along_x(row: &mut [f32], weights: &[f32], padded: &mut Vec<f32>) {
    let radius = weights.len() - 1;
    let (Some(&first), Some(&last)) = (row.first(), row.last()) else { return };
    padded.clear();
    padded.resize(radius, first);
    padded.extend_from_slice(row);
    padded.resize(row.len() + 2 * radius, last);
    for (block, out) in row.chunks_mut(LANES).enumerate() {
        let centre = block * LANES + radius;
        let at = |offset: usize| &padded[offset..];
        sum(out, weights, |n| (at(centre - n), at(centre + n)));
    }
}

fn across(rows: &mut [&mut [f32]], weights: &[f32]) {
    // A copy in one piece: rows of a stack along z are far apart and would evict each other.
    let nx = rows.first().map_or(0, |row| row.len());
    let from: Vec<f32> = rows.iter().flat_map(|row| row.iter().copied()).collect();
    let last = rows.len() - 1;
    for (m, row) in rows.iter_mut().enumerate() {
        for (block, out) in row.chunks_mut(LANES).enumerate() {
            let at = |r: usize| &from[r * nx + block * LANES..];
            sum(out, weights, |n| (at(m.saturating_sub(n)), at((m + n).min(last))));
        }
    }
}

/// Sums pairs of values at equal distance from the centre, at most [`LANES`] voxels at a time.
fn sum<'a>(out: &mut [f32], weights: &[f32], pair: impl Fn(usize) -> (&'a [f32], &'a [f32])) {
    let mut acc = [0f32; LANES];
    let width = out.len();
    let (centre, _) = pair(0);
    if width == LANES {
        // The same loops with a length known to the compiler.
        for (a, v) in acc.iter_mut().zip(&centre[..LANES]) {
            *a = weights[0] * v;
        }
        for (n, w) in weights.iter().enumerate().skip(1) {
            let (left, right) = pair(n);
            for ((a, l), r) in acc.iter_mut().zip(&left[..LANES]).zip(&right[..LANES]) {
                *a += w * (l + r);
            }
        }
    } else {
        for (c, a) in acc[..width].iter_mut().enumerate() {
            *a = weights[0] * centre[c];
        }
        for (n, w) in weights.iter().enumerate().skip(1) {
            let (left, right) = pair(n);
            for (c, a) in acc[..width].iter_mut().enumerate() {
                *a += w * (left[c] + right[c]);
            }
        }
    }
    out.copy_from_slice(&acc[..width]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Serial;
    use crate::parallel::Threads;
    use crate::testing::{assert_near, pattern};

    const SHAPE: [usize; 3] = [23, 19, 17];

    #[test]
    fn values_are_those_of_scipy() {
        // scipy 1.17.1, ndimage.gaussian_filter(mode="nearest", truncate=4).
        let data = pattern(SHAPE);
        for (sigma, want) in [
            ([0.0, 1.3, 0.6], [16.18221, 45.76502, 53.31665, 58.87179, 47.41038]),
            ([3.1, 0.0, 2.5], [31.53354, 44.16058, 50.01003, 51.09869, 46.7801]),
            ([1.0; 3], [25.61466, 47.57249, 53.02158, 54.39298, 52.517]),
        ] {
            let out = gaussian(&Serial, &data, SHAPE, sigma);
            let places = [(0, 0, 0), (22, 18, 16), (11, 9, 8), (1, 17, 3), (20, 2, 15)];
            let got = places.map(|(i, j, k)| out[i + 23 * (j + 19 * k)]);
            assert_near(&got, &want, 2e-5);
            assert_eq!(gaussian(&Threads(3), &data, SHAPE, sigma), out);
        }
    }

    #[test]
    fn constants_stay_and_kernels_longer_than_the_volume_are_allowed() {
        for shape in [[1, 1, 1], [1, 40, 2], [3, 2, 1], [33, 1, 5]] {
            let n = shape.iter().product();
            let out = gaussian(&Serial, &vec![-1000.0; n], shape, [4.0, 9.0, 2.0]);
            assert_near(&out, &vec![-1000.0; n], 2e-3);
        }
        let data = pattern([5, 4, 3]);
        assert_eq!(gaussian(&Serial, &data, [5, 4, 3], [0.0; 3]), data);
    }
}
