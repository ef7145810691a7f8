//! Volumes on other grids.

mod axis;
mod general;
mod map;
mod sample;
mod separable;

use crate::bspline::prefilter;
use crate::parallel::for_each_chunk;
use crate::permute::permuted;
use crate::{Grid, Parallel, gaussian};
use axis::Axis;
use map::Map;
pub use sample::Sample;

/// How values between voxel centres are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The value of the nearest voxel; half way, of the one with the higher index.
    Nearest,
    /// Linear along each axis.
    Linear,
    /// Cubic B-spline through the voxels, mirrored at the borders. Overshoots at edges.
    Cubic,
}

/// How a volume is resampled.
#[derive(Clone, Copy, Debug)]
pub struct Resampling {
    /// The interpolation.
    pub interpolation: Interpolation,
    /// Whether axes that are coarsened are smoothed first. Not with [`Interpolation::Nearest`].
    ///
    /// A voxel that averages over its width w is taken for a Gaussian of full width at half maximum w; smoothing
    /// by the difference of two such widths makes old voxels see what new ones would: with f the new spacing
    /// over the old one, sigma = sqrt(f² - 1) / (2 sqrt(2 ln 2)) old voxels (Cardoso et al., "Scale factor
    /// point spread function matching: beyond aliasing in image resampling", MICCAI 2015). Along axes that are
    /// not coarsened sigma is 0.
    pub anti_alias: bool,
}

/// `data` on another grid, without smoothing; voxels whose centres lie outside the voxels of `from` become
/// `outside`. Between the outermost voxel centres and the border of the field of view the edge is repeated
/// (nearest, linear) or mirrored (cubic). When the grids are the same the values are too.
pub fn resample(
    par: &dyn Parallel,
    data: &[f32],
    from: &Grid,
    to: &Grid,
    how: Interpolation,
    outside: f32,
) -> Vec<f32> {
    let mut out = vec![0.0; to.len()];
    let how = Resampling { interpolation: how, anti_alias: false };
    resample_into(par, data, from, to, how, outside, &mut out);
    out
}

/// As [`resample`], for any voxel type, into memory that is there already. Whole numbers are rounded to nearest
/// and clamped to their range; with [`Interpolation::Nearest`] values are copied, whatever they are.
pub fn resample_into<T: Sample>(
    par: &dyn Parallel,
    data: &[T],
    from: &Grid,
    to: &Grid,
    how: Resampling,
    outside: T,
    out: &mut [T],
) {
    assert_eq!(data.len(), from.len(), "array and grid disagree");
    assert_eq!(out.len(), to.len(), "array and grid disagree");
    if from.same_as(to) {
        out.copy_from_slice(data);
    } else if how.interpolation == Interpolation::Nearest {
        nearest(par, data, from, to, outside, out);
    } else {
        interpolate(par, data, from, to, how, outside, T::to_f32, T::from_f32, out);
    }
}

/// The value of the nearest voxel.
pub(crate) fn nearest<T: Sample>(
    par: &dyn Parallel,
    data: &[T],
    from: &Grid,
    to: &Grid,
    outside: T,
    out: &mut [T],
) {
    match Map::new(from, to) {
        None => out.fill(outside),
        Some(Map::General(map)) => general::nearest(par, data, from.shape, &map, to.shape, outside, out),
        Some(Map::Aligned { order, scale, shift }) => {
            let turned = turned(par, data, from.shape, order);
            let n = order.map(|a| from.shape[a]);
            let axes = [0, 1, 2]
                .map(|b| Axis::new(n[b], to.shape[b], scale[b], shift[b], Interpolation::Nearest, 0.0));
            separable::nearest(par, turned.as_deref().unwrap_or(data), n, &axes, outside, out);
        }
    }
}

/// Linear or cubic interpolation of `value(voxel)`, stored as `finish(result)`.
#[allow(clippy::too_many_arguments)]
pub(crate) fn interpolate<S: Sample, D: Copy + Send + Sync>(
    par: &dyn Parallel,
    data: &[S],
    from: &Grid,
    to: &Grid,
    how: Resampling,
    outside: D,
    value: impl Fn(S) -> f32 + Sync,
    finish: impl Fn(f32) -> D + Sync,
    out: &mut [D],
) {
    let is_cubic = how.interpolation == Interpolation::Cubic;
    match Map::new(from, to) {
        None => out.fill(outside),
        Some(Map::General(map)) => {
            let sigma = map.0.map(|r| sigma(how, (r[0] * r[0] + r[1] * r[1] + r[2] * r[2]).sqrt()));
            if sigma == [0.0; 3] && !is_cubic {
                return general::linear(par, data, from.shape, &map, to.shape, outside, value, finish, out);
            }
            let mut floats = to_floats(par, data, &value);
            if sigma != [0.0; 3] {
                floats = gaussian(par, &floats, from.shape, sigma);
            }
            if is_cubic {
                prefilter(par, &mut floats, from.shape, [true; 3]);
                general::cubic(par, &floats, from.shape, &map, to.shape, outside, finish, out);
            } else {
                general::linear(par, &floats, from.shape, &map, to.shape, outside, |v| v, finish, out);
            }
        }
        Some(Map::Aligned { order, scale, shift }) => {
            let turned = turned(par, data, from.shape, order);
            let data = turned.as_deref().unwrap_or(data);
            let n = order.map(|a| from.shape[a]);
            let axes: [Axis; 3] = [0, 1, 2].map(|b| {
                let sigma = sigma(how, scale[b].abs());
                Axis::new(n[b], to.shape[b], scale[b], shift[b], how.interpolation, sigma)
            });
            // An axis on which every new centre is an old one needs no spline.
            let curved = [0, 1, 2].map(|b| is_cubic && axes[b].taps > 1);
            if curved == [false; 3] {
                return separable::sum(par, data, n, &axes, outside, value, finish, out);
            }
            let mut floats = to_floats(par, data, &value);
            drop(turned);
            prefilter(par, &mut floats, n, curved);
            separable::sum(par, &floats, n, &axes, outside, |v| v, finish, out);
        }
    }
}

/// Standard deviation, in old voxels, of the smoothing before an axis is coarsened by `factor`.
fn sigma(how: Resampling, factor: f64) -> f64 {
    // 2 sqrt(2 ln 2): full width at half maximum over sigma.
    const WIDTH: f64 = 2.354_820_045_030_949_3;
    // Less than a thousandth of a voxel is rounding of the affine.
    if how.anti_alias && factor > 1.001 { (factor * factor - 1.0).sqrt() / WIDTH } else { 0.0 }
}

/// The volume with its axes in the order of the new grid's, if that is another order.
fn turned<T: Sample>(par: &dyn Parallel, data: &[T], shape: [usize; 3], order: [usize; 3]) -> Option<Vec<T>> {
    (order != [0, 1, 2]).then(|| permuted(par, data, shape, order))
}

fn to_floats<S: Sample>(par: &dyn Parallel, data: &[S], value: &(impl Fn(S) -> f32 + Sync)) -> Vec<f32> {
    const CHUNK: usize = 1 << 16;
    let mut out = vec![0f32; data.len()];
    for_each_chunk(par, &mut out, CHUNK, &|n, part| {
        let from = &data[n * CHUNK..][..part.len()];
        part.iter_mut().zip(from).for_each(|(o, &v)| *o = value(v));
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Threads, assert_near, pattern};
    use crate::{Affine, Serial};
    use Interpolation::{Cubic, Linear, Nearest};

    const SHAPE: [usize; 3] = [23, 19, 17];

    fn grid(shape: [usize; 3], affine: Affine) -> Grid {
        Grid::new(shape, affine).unwrap()
    }

    fn unit() -> Grid {
        grid(SHAPE, Affine::from_spacing([1.0; 3], [0.0; 3]))
    }

    /// One voxel at a place.
    fn at(p: [f64; 3]) -> Grid {
        grid([1; 3], Affine::from_spacing([1.0; 3], p))
    }

    /// The same, not parallel to anything.
    fn tilted_at(p: [f64; 3]) -> Grid {
        let (s, c) = 0.4f64.sin_cos();
        grid([1, 1, 2], Affine([[c, -s, 0.3, p[0]], [s, c, 0.0, p[1]], [0.1, 0.0, 1.0, p[2]]]))
    }

    #[test]
    fn values_are_those_of_scipy() {
        // scipy 1.17.1, ndimage.map_coordinates: order 3 with mode="mirror", order 1 with mode="nearest".
        let cases = [
            ([0.25, 0.5, 0.75], 50.56958, 45.25),
            ([10.3, 9.9, 8.1], 38.56988, 37.47),
            ([21.7, 17.2, 15.5], 51.18754, 49.88),
            ([-0.4, 3.3, 7.0], 52.80948, 70.1),
            ([22.3, 18.4, 16.45], 50.37493, 33.0),
            ([5.0, 6.0, 7.5], 52.4998, 52.5),
        ];
        let data = pattern(SHAPE);
        for (place, cubic, linear) in cases {
            for target in [at(place), tilted_at(place)] {
                let get = |how| resample(&Serial, &data, &unit(), &target, how, -1.0)[0];
                assert_near(&[get(Cubic), get(Linear)], &[cubic, linear], 3e-4);
            }
        }
    }

    #[test]
    fn axes_in_another_order_and_direction_move_values_exactly() {
        let data = pattern(SHAPE);
        // New axis 0 is old z backwards, 1 is old x, 2 is old y backwards.
        let to = grid(
            [17, 23, 19],
            Affine([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, -1.0, 18.0], [-1.0, 0.0, 0.0, 16.0]]),
        );
        for how in [Nearest, Linear, Cubic] {
            let out = resample(&Threads, &data, &unit(), &to, how, -1.0);
            for (a, b, c) in [(0, 0, 0), (16, 22, 18), (3, 7, 11)] {
                assert_eq!(out[a + 17 * (b + 23 * c)], data[b + 23 * ((18 - c) + 19 * (16 - a))]);
            }
        }
    }

    #[test]
    fn the_same_grid_gives_the_same_values() {
        let data: Vec<f32> = pattern(SHAPE).iter().map(|v| v * 0.37 - 1000.0).collect();
        for how in [Nearest, Linear, Cubic] {
            assert_eq!(resample(&Serial, &data, &unit(), &unit(), how, 0.0), data);
        }
    }

    /// A linear function of world position survives linear interpolation, and away from the borders cubic.
    #[test]
    fn a_ramp_in_world_space_stays_a_ramp() {
        let ramp = |p: [f64; 3]| (2.0 * p[0] - 3.0 * p[1] + 0.5 * p[2] + 7.0) as f32;
        let from = grid(
            [40, 42, 20],
            Affine([[-0.5, 0.0, 0.0, 9.0], [0.0, 0.48, -0.8, -6.0], [0.0, 0.1, 2.4, -20.0]]),
        );
        let fill = |g: &Grid| -> Vec<f32> {
            let [nx, ny, _] = g.shape;
            let place = |n: usize| [n % nx, n / nx % ny, n / nx / ny].map(|v| v as f64);
            (0..g.len()).map(|n| ramp(g.affine.apply(place(n)))).collect()
        };
        let data = fill(&from);
        // Coarser and finer on the same axes, tilted, and with axes exchanged.
        let inner = from.window(&crate::Bounds { begin: [10, 10, 6], end: [30, 32, 14] });
        let aligned = inner.respaced([0.8, 0.3, 1.7]).unwrap();
        let tilted = Affine([[0.7, 0.1, 0.0, -2.0], [-0.1, 0.7, 0.0, -2.0], [0.0, 0.05, 0.9, -1.0]]);
        let turned =
            Affine([[0.0, 0.0, 0.31, -2.0], [-0.8 / 2.5, 0.48, 0.0, -1.0], [2.4 / 2.5, 0.1, 0.0, 0.0]]);
        for to in [aligned, grid([5, 6, 4], tilted), grid([6, 5, 9], turned)] {
            let want = fill(&to);
            for how in [Linear, Cubic] {
                assert_near(&resample(&Threads, &data, &from, &to, how, f32::NAN), &want, 2e-3);
            }
        }
        // Smoothing with a symmetric kernel leaves a ramp too.
        let coarse = inner.respaced([2.0, 1.0, 3.0]).unwrap();
        let mut out = vec![0.0; coarse.len()];
        for interpolation in [Linear, Cubic] {
            let how = Resampling { interpolation, anti_alias: true };
            resample_into(&Threads, &data, &from, &coarse, how, f32::NAN, &mut out);
            assert_near(&out, &fill(&coarse), 2e-3);
        }
    }

    #[test]
    fn outside_the_field_of_view_is_told_apart_from_its_edge() {
        let from = grid([3, 1, 1], Affine::from_spacing([1.0; 3], [0.0; 3]));
        let to = grid([7, 1, 1], Affine::from_spacing([1.0; 3], [-1.6, 0.2, 0.0]));
        // Places -1.6, -0.6 | -0.4 is none | 0.4, 1.4, 2.4 inside | 3.4, 4.4
        let data = [10i16, 20, 30];
        let run = |interpolation| {
            let mut out = vec![0i16; 7];
            let how = Resampling { interpolation, anti_alias: true };
            resample_into(&Serial, &data, &from, &to, how, -1024, &mut out);
            out
        };
        assert_eq!(run(Linear), [-1024, -1024, 14, 24, 30, -1024, -1024]);
        assert_eq!(run(Nearest), [-1024, -1024, 10, 20, 30, -1024, -1024]);
        let away = grid([2, 2, 2], Affine::from_spacing([1.0; 3], [50.0, 0.0, 0.0]));
        for how in [Nearest, Linear, Cubic] {
            assert_eq!(resample(&Serial, &[1.0; 3], &from, &away, how, -5.0), [-5.0; 8]);
        }
    }

    #[test]
    fn smoothing_gives_the_stated_width_and_is_the_same_on_both_paths() {
        // Impulses seen by voxels twice as wide, on and between the new centres: together they keep their sum,
        // and spread with variance (2² - 1) / (8 ln 2).
        let from = grid([41, 1, 1], Affine::from_spacing([1.0; 3], [0.0; 3]));
        let to = grid([20, 1, 1], Affine::from_spacing([2.0, 1.0, 1.0], [0.0; 3]));
        let how = Resampling { interpolation: Linear, anti_alias: true };
        let (mut total, mut variance) = (0f32, 0f32);
        for centre in [20, 21] {
            let mut data = vec![0f32; 41];
            data[centre] = 1.0;
            let mut out = vec![0f32; 20];
            resample_into(&Serial, &data, &from, &to, how, 0.0, &mut out);
            for (t, v) in out.iter().enumerate() {
                total += v;
                variance += v * (2.0 * t as f32 - centre as f32).powi(2);
            }
        }
        assert!((total - 1.0).abs() < 1e-6, "{total}");
        assert!((variance - 3.0 / (8.0 * std::f32::consts::LN_2)).abs() < 2e-3, "{variance}");

        // A shear too small to see, but too large to be taken for none.
        let data = pattern(SHAPE);
        let aligned = grid([7, 9, 12], Affine::from_spacing([3.0, 2.0, 1.3], [1.5, 0.7, 0.2]));
        let mut sheared = aligned;
        sheared.affine.0[2][0] = 4e-4;
        for interpolation in [Linear, Cubic] {
            let how = Resampling { interpolation, anti_alias: true };
            let [mut a, mut b] = [vec![0f32; aligned.len()], vec![0f32; aligned.len()]];
            resample_into(&Threads, &data, &unit(), &aligned, how, 0.0, &mut a);
            resample_into(&Threads, &data, &unit(), &sheared, how, 0.0, &mut b);
            let inner = |v: &[f32]| v[2 + 7 * (4 + 9 * 6)];
            assert_near(&[inner(&a)], &[inner(&b)], 0.2);
        }
    }
}
