//! Volumes on other grids.

mod axis;
mod general;
mod lanczos;
mod map;
mod profile;
mod sample;
mod separable;

use crate::bspline::prefilter;
use crate::parallel::for_each_chunk;
use crate::permute::permuted;
use crate::{Grid, Parallel, gaussian_in_place};
use axis::{Axis, Blur};
use map::Map;
pub use profile::Profile;
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
    /// Sinc windowed by its own central lobe, three voxels to either side (Duchon, "Lanczos filtering in one and
    /// two dimensions", J. Appl. Meteor. 18:1016, 1979), weights normalised to 1, the edge repeated. The
    /// sharpest; rings at edges.
    Lanczos,
}

/// How a volume is resampled.
#[derive(Clone, Copy, Debug)]
pub struct Resampling {
    /// The interpolation.
    pub interpolation: Interpolation,
    /// What a new voxel averages over. Not with [`Interpolation::Nearest`].
    pub profile: Profile,
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
    let how = Resampling { interpolation: how, profile: Profile::Point };
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
        Some(Map::General(map)) => {
            let place = general::Place { shape: from.shape, map: &map, to: to.shape, points: &[[0.0; 3]] };
            general::nearest(par, data, &place, outside, out);
        }
        Some(Map::Aligned { order, scale, shift }) => {
            let turned = turned(par, data, from.shape, order);
            let n = order.map(|a| from.shape[a]);
            let axes = [0, 1, 2].map(|b| {
                Axis::new(n[b], to.shape[b], scale[b], shift[b], Interpolation::Nearest, Blur::None)
            });
            separable::nearest(par, turned.as_deref().unwrap_or(data), n, &axes, outside, out);
        }
    }
}

/// Linear, cubic or Lanczos interpolation of `value(voxel)`, stored as `finish(result)`.
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
            let sigma = how.profile.sigma(&map);
            let place = general::Place {
                shape: from.shape,
                map: &map,
                to: to.shape,
                points: &how.profile.points(&map, to.spacing()),
            };
            if sigma == [0.0; 3] && !is_cubic {
                return general::interpolate(
                    par,
                    data,
                    how.interpolation,
                    &place,
                    outside,
                    value,
                    finish,
                    out,
                );
            }
            let mut floats = to_floats(par, data, &value);
            if sigma != [0.0; 3] {
                gaussian_in_place(par, &mut floats, from.shape, sigma);
            }
            if is_cubic {
                prefilter(par, &mut floats, from.shape, [true; 3]);
            }
            general::interpolate(par, &floats, how.interpolation, &place, outside, |v| v, finish, out);
        }
        Some(Map::Aligned { order, scale, shift }) => {
            let turned = turned(par, data, from.shape, order);
            let data = turned.as_deref().unwrap_or(data);
            let n = order.map(|a| from.shape[a]);
            let axes: [Axis; 3] = [0, 1, 2].map(|b| {
                let blur = how.profile.along(b, scale[b].abs(), to.spacing()[b]);
                Axis::new(n[b], to.shape[b], scale[b], shift[b], how.interpolation, blur)
            });
            // An axis on which every new centre is an old one, or that is averaged, needs no spline.
            let curved = [0, 1, 2].map(|b| is_cubic && axes[b].is_curved);
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
    use crate::parallel::Threads;
    use crate::testing::{assert_near, pattern};
    use crate::{Affine, Serial};
    use Interpolation::{Cubic, Lanczos, Linear, Nearest};
    use Profile::{Gaussian, Slab};

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

    /// numpy 2.4.6: `np.sinc(x) * np.sinc(x / 3)` over six voxels an axis, normalised, edge repeated.
    #[test]
    fn lanczos_values_are_those_of_the_formula() {
        let cases = [
            ([0.25, 0.5, 0.75], 52.35044),
            ([10.3, 9.9, 8.1], 38.94758),
            ([21.7, 17.2, 15.5], 46.71013),
            ([-0.4, 3.3, 7.0], 77.32233),
            ([22.3, 18.4, 16.45], 12.44839),
            ([5.0, 6.0, 7.5], 52.5),
        ];
        let data = pattern(SHAPE);
        for (place, want) in cases {
            for target in [at(place), tilted_at(place)] {
                assert_near(&resample(&Serial, &data, &unit(), &target, Lanczos, -1.0)[..1], &[want], 3e-4);
            }
        }
    }

    #[test]
    fn thick_slices_are_the_means_of_the_thin_ones_in_them() {
        // 40 slices of 0.5 mm make 4 of 5 mm: ten whole ones each.
        let thin = grid([7, 5, 40], Affine::from_spacing([0.43, 0.43, 0.5], [0.0; 3]));
        let data = pattern(thin.shape);
        let mean = |i: usize, j: usize, parts: &[(usize, f32)]| -> f32 {
            let sum: f32 = parts.iter().map(|(k, w)| w * data[thin.index(i, j, *k)]).sum();
            sum / parts.iter().map(|p| p.1).sum::<f32>()
        };
        let run = |to: &Grid, mm, interpolation| {
            let mut out = vec![0f32; to.len()];
            let how = Resampling { interpolation, profile: Slab(mm) };
            resample_into(&Threads(3), &data, &thin, to, how, -1.0, &mut out);
            out
        };
        let thick = thin.respaced([0.0, 0.0, 5.0]).unwrap();
        let whole = |k: usize| (10 * k..10 * k + 10).map(|k| (k, 1.0)).collect::<Vec<_>>();
        for interpolation in [Linear, Cubic, Lanczos] {
            let out = run(&thick, [0.0; 3], interpolation);
            for (n, v) in out.iter().enumerate() {
                assert_near(&[*v], &[mean(n % 7, n / 7 % 5, &whole(n / 35))], 1e-4);
            }
        }
        // Slabs of 1.7 mm: three whole slices around the centre, between slices 4 and 5, and 0.2 mm is left.
        let out = run(&thick, [0.0, 0.0, 1.7], Linear);
        let parts = [(3, 0.7), (4, 1.0), (5, 1.0), (6, 0.7)];
        assert_near(&out[..1], &[mean(0, 0, &parts)], 1e-4);
        // Slabs of 8 mm overlap, and what lies below the first slice does not count.
        let out = run(&thick, [0.0, 0.0, 8.0], Linear);
        assert_near(&out[..1], &[mean(0, 0, &(0..13).map(|k| (k, 1.0)).collect::<Vec<_>>())], 1e-4);
        // Slices of 4.7 mm share slices 9 and 18.
        let odd = thin.respaced([0.0, 0.0, 4.7]).unwrap();
        let out = run(&odd, [0.0; 3], Linear);
        let parts: Vec<(usize, f32)> = (9..19)
            .map(|k| {
                (
                    k,
                    if k == 9 {
                        0.6
                    } else if k == 18 {
                        0.8
                    } else {
                        1.0
                    },
                )
            })
            .collect();
        assert_near(&[out[odd.index(3, 2, 1)]], &[mean(3, 2, &parts)], 1e-4);
    }

    #[test]
    fn slabs_follow_a_tilted_slice() {
        // A volume that varies along its own z alone, seen by slices tilted by 30 degrees: a slab of 4 mm spans
        // 4 cos 30 mm of z, over which a parabola's mean is the value at the centre and the variance of a slab.
        let from = grid([30, 60, 60], Affine::from_spacing([1.0; 3], [0.0; 3]));
        let data: Vec<f32> = (0..from.len()).map(|n| ((n / 1800) as f32 - 30.0).powi(2)).collect();
        let (s, c) = 30f64.to_radians().sin_cos();
        let to = grid(
            [3, 3, 3],
            Affine([[1.0, 0.0, 0.0, 14.0], [0.0, c, -4.0 * s, 30.0], [0.0, s, 4.0 * c, 28.3]]),
        );
        let how = Resampling { interpolation: Cubic, profile: Slab([0.0; 3]) };
        let mut out = vec![0f32; 27];
        resample_into(&Threads(3), &data, &from, &to, how, -1.0, &mut out);
        for (n, v) in out.iter().enumerate() {
            let z = to.affine.apply([n % 3, n / 3 % 3, n / 9].map(|v| v as f64))[2] - 30.0;
            // Eight points stand for the slab: their variance is 63/64 of its own.
            let want = z * z + (4.0 * c).powi(2) / 12.0 * 63.0 / 64.0;
            assert_near(&[*v], &[want as f32], 2e-2);
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
        for how in [Nearest, Linear, Cubic, Lanczos] {
            let out = resample(&Threads(3), &data, &unit(), &to, how, -1.0);
            for (a, b, c) in [(0, 0, 0), (16, 22, 18), (3, 7, 11)] {
                assert_eq!(out[a + 17 * (b + 23 * c)], data[b + 23 * ((18 - c) + 19 * (16 - a))]);
            }
        }
    }

    #[test]
    fn the_same_grid_gives_the_same_values() {
        let data: Vec<f32> = pattern(SHAPE).iter().map(|v| v * 0.37 - 1000.0).collect();
        for how in [Nearest, Linear, Cubic, Lanczos] {
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
                assert_near(&resample(&Threads(3), &data, &from, &to, how, f32::NAN), &want, 2e-3);
            }
        }
        // Smoothing with a symmetric kernel leaves a ramp too.
        let coarse = inner.respaced([2.0, 1.0, 3.0]).unwrap();
        let mut out = vec![0.0; coarse.len()];
        for interpolation in [Linear, Cubic] {
            let how = Resampling { interpolation, profile: Gaussian };
            resample_into(&Threads(3), &data, &from, &coarse, how, f32::NAN, &mut out);
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
            let how = Resampling { interpolation, profile: Gaussian };
            resample_into(&Serial, &data, &from, &to, how, -1024, &mut out);
            out
        };
        assert_eq!(run(Linear), [-1024, -1024, 14, 24, 30, -1024, -1024]);
        assert_eq!(run(Nearest), [-1024, -1024, 10, 20, 30, -1024, -1024]);
        let away = grid([2, 2, 2], Affine::from_spacing([1.0; 3], [50.0, 0.0, 0.0]));
        for how in [Nearest, Linear, Cubic, Lanczos] {
            assert_eq!(resample(&Serial, &[1.0; 3], &from, &away, how, -5.0), [-5.0; 8]);
        }
    }

    #[test]
    fn smoothing_gives_the_stated_width_and_is_the_same_on_both_paths() {
        // Impulses seen by voxels twice as wide, on and between the new centres: together they keep their sum,
        // and spread with variance (2² - 1) / (8 ln 2).
        let from = grid([41, 1, 1], Affine::from_spacing([1.0; 3], [0.0; 3]));
        let to = grid([20, 1, 1], Affine::from_spacing([2.0, 1.0, 1.0], [0.0; 3]));
        let how = Resampling { interpolation: Linear, profile: Gaussian };
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
            let how = Resampling { interpolation, profile: Gaussian };
            let [mut a, mut b] = [vec![0f32; aligned.len()], vec![0f32; aligned.len()]];
            resample_into(&Threads(3), &data, &unit(), &aligned, how, 0.0, &mut a);
            resample_into(&Threads(3), &data, &unit(), &sheared, how, 0.0, &mut b);
            let inner = |v: &[f32]| v[2 + 7 * (4 + 9 * 6)];
            assert_near(&[inner(&a)], &[inner(&b)], 0.2);
        }
    }
}
