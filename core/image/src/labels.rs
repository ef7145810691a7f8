//! Masks and label maps on other grids.

use crate::resample::{Interpolation, Resampling, Sample, interpolate, nearest};
use crate::{Bounds, Grid, Parallel, parallel::for_each_chunk, parallel::map_ranges};
use std::collections::BTreeMap;

/// Voxels of a piece of work.
const CHUNK: usize = 1 << 16;
/// Shares closer than this to each other are equal, so that rounding never decides.
const EQUAL: f32 = 1e-5;

/// A label map or mask on another grid; no label comes out that was not there, or `outside`.
///
/// With [`Interpolation::Nearest`] labels are copied. Else every label is interpolated (and averaged, if that is
/// asked for) as a volume that is 1 on it and 0 elsewhere, and the label with the largest share wins. On a tie a
/// label beats the background, 0, and a lower one a higher one; for a mask that is the rule "at least 0.5".
pub fn resample_labels<T: Sample + Ord>(
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
        return out.copy_from_slice(data);
    }
    if how.interpolation == Interpolation::Nearest {
        return nearest(par, data, from, to, outside, out);
    }
    let zero = T::default();
    let boxes = boxes(par, data, from.shape);
    let labels: Vec<T> = boxes.keys().copied().filter(|l| *l != zero).collect();
    if let [label] = labels[..] {
        let pick = |share: f32| if share >= 0.5 - EQUAL { label } else { zero };
        return interpolate(par, data, from, to, how, outside, |v| one_if(v == label), pick, out);
    }
    // The background is everywhere; the labels then compete with it, each around its own voxels only.
    let mut share = vec![0f32; to.len()];
    let at_zero = |v: T| one_if(v == zero);
    interpolate(par, data, from, to, how, f32::INFINITY, at_zero, |v| v, &mut share);
    for_each_chunk(par, out, CHUNK, &|n, part| {
        for (o, s) in part.iter_mut().zip(&share[n * CHUNK..]) {
            *o = if *s == f32::INFINITY { outside } else { zero };
        }
    });
    for label in labels {
        let Some(bounds) = boxes.get(&label) else { continue };
        let Some((near, target)) = around(bounds, from, to, how) else { continue };
        let part = near.cut(data, from.shape, zero);
        let mut votes = vec![0f32; target.shape().iter().product()];
        let grids = (from.window(&near), to.window(&target));
        let at_label = |v: T| one_if(v == label);
        interpolate(par, &part, &grids.0, &grids.1, how, 0.0, at_label, |v| v, &mut votes);
        target.rows(to.shape, |window, volume, n| {
            let here = out[volume..][..n].iter_mut().zip(&mut share[volume..][..n]);
            for ((o, best), &vote) in here.zip(&votes[window..][..n]) {
                let wins = if *o == zero { vote >= *best - EQUAL } else { vote > *best + EQUAL };
                if wins && vote > EQUAL {
                    (*o, *best) = (label, vote);
                }
            }
        });
    }
}

fn one_if(yes: bool) -> f32 {
    f32::from(u8::from(yes))
}

/// The box around each label.
fn boxes<T: Sample + Ord>(par: &dyn Parallel, data: &[T], [nx, ny, nz]: [usize; 3]) -> BTreeMap<T, Bounds> {
    let grow = |boxes: &mut BTreeMap<T, Bounds>, label: T, b: Bounds| {
        let all = boxes.entry(label).or_insert(b);
        all.begin = std::array::from_fn(|a| all.begin[a].min(b.begin[a]));
        all.end = std::array::from_fn(|a| all.end[a].max(b.end[a]));
    };
    let parts = map_ranges(par, ny * nz, 1024, &|rows| {
        let mut boxes = BTreeMap::new();
        for r in rows {
            let row = &data[r * nx..][..nx];
            let (j, k) = ((r % ny) as isize, (r / ny) as isize);
            let mut begin = 0;
            while begin < nx {
                let label = row[begin];
                let end = row[begin..].iter().position(|v| *v != label).map_or(nx, |n| begin + n);
                let b = Bounds { begin: [begin as isize, j, k], end: [end as isize, j + 1, k + 1] };
                grow(&mut boxes, label, b);
                begin = end;
            }
        }
        boxes
    });
    let mut all = BTreeMap::new();
    for part in parts {
        part.into_iter().for_each(|(label, b)| grow(&mut all, label, b));
    }
    all
}

/// The part of the old grid that a label's shares depend on, and the part of the new grid that they reach.
fn around(bounds: &Bounds, from: &Grid, to: &Grid, how: Resampling) -> Option<(Bounds, Bounds)> {
    let map = to.affine.inverse().ok()?.after(&from.affine);
    let back = from.affine.inverse().ok()?.after(&to.affine);
    // Of the interpolation and of what is averaged, in old voxels. A spline's prefilter reaches further; 12
    // voxels away it is below 1e-6.
    let own = match how.interpolation {
        Interpolation::Cubic => 12,
        Interpolation::Lanczos => 4,
        _ => 2,
    };
    let reach = how.profile.reach(&back, to.spacing()).map(|n| n + own);
    let touched = bounds.grown(reach);
    let near = touched.grown(reach).clipped(from.shape);
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for corner in 0..8 {
        let v = std::array::from_fn(|a| {
            if corner >> a & 1 == 0 { touched.begin[a] as f64 - 0.5 } else { touched.end[a] as f64 - 0.5 }
        });
        let p = map.apply(v);
        low = std::array::from_fn(|a| low[a].min(p[a]));
        high = std::array::from_fn(|a| high[a].max(p[a]));
    }
    let target = Bounds { begin: low.map(|v| v.floor() as isize), end: high.map(|v| v.ceil() as isize + 1) }
        .clipped(to.shape);
    (!target.shape().contains(&0)).then_some((near, target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profile;
    use crate::parallel::Threads;
    use crate::testing::pattern;
    use crate::{Affine, Serial};
    use Interpolation::{Cubic, Lanczos, Linear, Nearest};

    const SHAPE: [usize; 3] = [31, 22, 14];

    fn grid(shape: [usize; 3], affine: Affine) -> Grid {
        Grid::new(shape, affine).unwrap()
    }

    /// Balls of several labels, one inside another, one at the border.
    fn balls() -> Vec<u16> {
        let ball = |n: usize, c: [f64; 3], r: f64| {
            let v = [n % 31, n / 31 % 22, n / 31 / 22];
            (0..3).map(|a| (v[a] as f64 - c[a]).powi(2)).sum::<f64>() < r * r
        };
        (0..31 * 22 * 14)
            .map(|n| match () {
                () if ball(n, [9.0, 10.0, 6.0], 2.5) => 40_000,
                () if ball(n, [9.0, 10.0, 6.0], 5.5) => 2,
                () if ball(n, [30.0, 20.0, 13.0], 6.0) => 7,
                () if ball(n, [16.0, 10.0, 7.0], 3.0) => 3,
                () => 0,
            })
            .collect()
    }

    #[test]
    fn shares_are_counted_as_if_each_label_were_resampled_whole() {
        let from = grid(SHAPE, Affine::from_spacing([0.5, 0.5, 2.0], [0.0; 3]));
        let (s, c) = 0.2f64.sin_cos();
        let tilted =
            Affine([[0.6 * c, -0.6 * s, 0.0, 1.0], [0.6 * s, 0.6 * c, 0.0, -1.0], [0.0, 0.0, 1.1, -2.0]]);
        let data = balls();
        for to in [
            from.respaced([0.7, 0.4, 1.0]).unwrap(),
            from.respaced([1.3, 1.1, 5.0]).unwrap(),
            grid([24, 20, 27], tilted),
        ] {
            for (interpolation, profile) in [
                (Linear, Profile::Point),
                (Linear, Profile::Gaussian),
                (Cubic, Profile::Gaussian),
                (Linear, Profile::Slab([0.0; 3])),
                (Lanczos, Profile::Slab([0.0, 0.0, 7.0])),
            ] {
                let how = Resampling { interpolation, profile };
                let share = |label: u16| {
                    let one: Vec<f32> = data.iter().map(|v| one_if(*v == label)).collect();
                    let mut out = vec![0f32; to.len()];
                    crate::resample_into(&Serial, &one, &from, &to, how, -1.0, &mut out);
                    out
                };
                let shares = [0, 2, 3, 7, 40_000].map(|l| (l, share(l)));
                let mut out = vec![0u16; to.len()];
                resample_labels(&Threads(3), &data, &from, &to, how, 9, &mut out);
                let mut seen = [0usize; 6];
                for (n, &got) in out.iter().enumerate() {
                    let of = |l: u16| shares.iter().find(|s| s.0 == l).map(|s| s.1[n]);
                    if shares[0].1[n] == -1.0 {
                        assert_eq!(got, 9);
                        seen[5] += 1;
                        continue;
                    }
                    let most = shares.iter().map(|s| s.1[n]).fold(f32::MIN, f32::max);
                    assert!(of(got).unwrap() > most - 3e-5, "voxel {n}: {got}");
                    seen[shares.iter().position(|s| s.0 == got).unwrap()] += 1;
                }
                assert!(seen[..5].iter().all(|n| *n > 0), "{seen:?}");
            }
        }
    }

    #[test]
    fn a_mask_is_cut_at_one_half() {
        let from = grid([6, 1, 1], Affine::from_spacing([1.0; 3], [0.0; 3]));
        let to = grid([3, 1, 1], Affine::from_spacing([2.0, 1.0, 1.0], [0.5, 0.0, 0.0]));
        let mut out = [9u8; 3];
        let how = Resampling { interpolation: Linear, profile: Profile::Point };
        resample_labels(&Serial, &[0, 1, 1, 1, 0, 0], &from, &to, how, 0, &mut out);
        assert_eq!(out, [1, 1, 0]);
        resample_labels(&Serial, &[0; 6], &from, &to, how, 0, &mut out);
        assert_eq!(out, [0; 3]);
        resample_labels(&Serial, &[1; 6], &from, &to, how, 0, &mut out);
        assert_eq!(out, [1; 3]);
    }

    #[test]
    fn nearest_copies_labels_that_no_float_can_hold() {
        let from = grid([4, 3, 2], Affine::from_spacing([1.0; 3], [0.0; 3]));
        let data: Vec<u32> = pattern([4, 3, 2]).iter().map(|v| u32::MAX - *v as u32).collect();
        let mut out = vec![0; 8 * 6 * 4];
        let how = Resampling { interpolation: Nearest, profile: Profile::Gaussian };
        let to = from.respaced([0.5; 3]).unwrap();
        resample_labels(&Serial, &data, &from, &to, how, 0, &mut out);
        for (n, v) in out.iter().enumerate() {
            assert_eq!(*v, data[n % 8 / 2 + 4 * (n / 8 % 6 / 2 + 3 * (n / 48 / 2))]);
        }
    }
}
