//! Images at the places where a transform leads.

use crate::spline::{Spline, weights};
use crate::transform::{Part, Transform};
use ichor_image::resample::Sample;
use ichor_image::{
    Affine, Grid, Interpolation, Parallel, Profile, Resampling, parallel::for_each_chunk, resample_into,
    resample_labels,
};

/// Shares of labels closer than this are equal, so that rounding never decides.
const EQUAL: f32 = 1e-5;

/// `data` on the grid `to`: the voxel at world place x gets the value at `transform`(x). Values where that is outside
/// the voxels of `from` become `outside`; half a voxel beyond the outermost centres the edge goes on.
///
/// A linear transform is one of grids and done as [`resample_into`] does.
pub fn values<T: Sample>(
    par: &dyn Parallel,
    (data, from): (&[T], &Grid),
    transform: &Transform,
    how: Interpolation,
    outside: T,
    (out, to): (&mut [T], &Grid),
) {
    if let Some(from) = linear_grid(transform, from) {
        let how = Resampling { interpolation: how, profile: Profile::Point };
        return resample_into(par, data, &from, to, how, outside, out);
    }
    let smooth = (how == Interpolation::Cubic).then(|| coefficients(par, data, from.shape));
    let volume = Volume { data, shape: from.shape };
    rows(par, transform, from, (out, to), &|place| match (&smooth, how) {
        (Some(c), _) => volume.inside(place).map_or(outside, |p| T::from_f32(cubic(c, from.shape, p))),
        (None, Interpolation::Nearest) => volume.inside(place).map_or(outside, |p| volume.nearest(p)),
        (None, _) => volume.inside(place).map_or(outside, |p| T::from_f32(volume.linear(p))),
    });
}

/// As [`values`] for masks and labels, which are never blended: with [`Interpolation::Nearest`] copied, else each
/// voxel has the label with the largest share of the eight voxels round the place. On a tie a label beats the
/// background, and a lower one a higher one.
pub fn labels<T: Sample + Ord>(
    par: &dyn Parallel,
    (data, from): (&[T], &Grid),
    transform: &Transform,
    how: Interpolation,
    outside: T,
    (out, to): (&mut [T], &Grid),
) {
    if let Some(from) = linear_grid(transform, from) {
        let how = Resampling { interpolation: how, profile: Profile::Point };
        return resample_labels(par, data, &from, to, how, outside, out);
    }
    let volume = Volume { data, shape: from.shape };
    rows(par, transform, from, (out, to), &|place| {
        let Some(p) = volume.inside(place) else { return outside };
        if how == Interpolation::Nearest { volume.nearest(p) } else { winner(volume.corners(p)) }
    });
}

/// The grid on which the image lies in the fixed world, if the transform is linear.
fn linear_grid(transform: &Transform, from: &Grid) -> Option<Grid> {
    let back = transform.linear()?.inverse().ok()?;
    Some(Grid { shape: from.shape, affine: back.after(&from.affine) })
}

fn winner<T: Sample + Ord>(corners: [(T, f32); 8]) -> T {
    let zero = T::default();
    let (mut best, mut share) = (zero, -1.0f32);
    for (n, (label, _)) in corners.iter().enumerate() {
        if corners[..n].iter().any(|(l, _)| l == label) {
            continue;
        }
        let own: f32 = corners.iter().filter(|(l, _)| l == label).map(|(_, w)| w).sum();
        let preferred = best == zero || (*label != zero && *label < best);
        if own > share + EQUAL || (own >= share - EQUAL && preferred && *label != zero) {
            (best, share) = (*label, own);
        }
    }
    best
}

#[derive(Clone, Copy)]
struct Volume<'a, T> {
    data: &'a [T],
    shape: [usize; 3],
}

impl<T: Sample> Volume<'_, T> {
    /// The place, moved onto the outermost centres if it lies less than half a voxel beyond.
    fn inside(&self, p: [f64; 3]) -> Option<[f64; 3]> {
        let end = self.shape.map(|n| n as f64 - 0.5);
        (0..3)
            .all(|a| p[a] >= -0.5 && p[a] < end[a])
            .then(|| [0, 1, 2].map(|a| p[a].clamp(0.0, end[a] - 0.5)))
    }

    fn nearest(&self, p: [f64; 3]) -> T {
        let [i, j, k] = [0, 1, 2].map(|a| ((p[a] + 0.5) as usize).min(self.shape[a] - 1));
        self.data[i + self.shape[0] * (j + self.shape[1] * k)]
    }

    /// Linear along each axis.
    #[inline]
    fn linear(&self, p: [f64; 3]) -> f32 {
        let first = p.map(|v| v as usize);
        let [nx, ny, nz] = self.shape;
        let [x, y, z] = [0, 1, 2].map(|a| (p[a] - first[a] as f64) as f32);
        let [i, j, k] = first;
        // On the last centre the weight of what would be beyond is 0.
        let right = usize::from(i + 1 < nx);
        let back = if j + 1 < ny { nx } else { 0 };
        let up = if k + 1 < nz { nx * ny } else { 0 };
        let cell = &self.data[i + nx * (j + ny * k)..][..up + back + right + 1];
        let along = |at: usize| {
            let (a, b) = (cell[at].to_f32(), cell[at + right].to_f32());
            a + x * (b - a)
        };
        let (a, b, c, d) = (along(0), along(back), along(up), along(up + back));
        let (front, top) = (a + y * (b - a), c + y * (d - c));
        front + z * (top - front)
    }

    /// The eight voxels round a place, and their weights.
    fn corners(&self, p: [f64; 3]) -> [(T, f32); 8] {
        let first = [0, 1, 2].map(|a| (p[a] as usize).min(self.shape[a] - 1));
        let f = [0, 1, 2].map(|a| (p[a] - first[a] as f64) as f32);
        let stride = [1, self.shape[0], self.shape[0] * self.shape[1]];
        let base = first[0] + stride[1] * first[1] + stride[2] * first[2];
        // On the last centre the weight of what would be beyond is 0.
        let step = [0, 1, 2].map(|a| if first[a] + 1 < self.shape[a] { stride[a] } else { 0 });
        std::array::from_fn(|n| {
            let (mut at, mut weight) = (base, 1.0);
            for a in 0..3 {
                if n >> a & 1 == 1 {
                    at += step[a];
                    weight *= f[a];
                } else {
                    weight *= 1.0 - f[a];
                }
            }
            (self.data[at], weight)
        })
    }
}

fn coefficients<T: Sample>(par: &dyn Parallel, data: &[T], shape: [usize; 3]) -> Vec<f32> {
    let mut out: Vec<f32> = data.iter().map(|v| v.to_f32()).collect();
    ichor_image::bspline::prefilter(par, &mut out, shape, [true; 3]);
    out
}

/// A cubic B-spline, mirrored at the borders.
fn cubic(c: &[f32], shape: [usize; 3], p: [f64; 3]) -> f32 {
    let axes = [0, 1, 2].map(|a| {
        let first = p[a].floor();
        let taps = [-1, 0, 1, 2].map(|t| ichor_image::bspline::mirror(first as isize + t, shape[a]));
        // Without neighbours along an axis there is no prefilter along it either.
        let w = if shape[a] == 1 { [0.0, 1.0, 0.0, 0.0] } else { weights(p[a] - first).0 };
        (taps, w.map(|w| w as f32))
    });
    let mut sum = 0.0;
    for (k, wz) in axes[2].0.iter().zip(axes[2].1) {
        for (j, wy) in axes[1].0.iter().zip(axes[1].1) {
            let row = &c[shape[0] * (j + shape[1] * k)..][..shape[0]];
            let along: f32 = axes[0].0.iter().zip(axes[0].1).map(|(i, w)| w * row[*i]).sum();
            sum += wz * wy * along;
        }
    }
    sum
}

/// Sets each voxel of `out` to what `at` makes of its place in voxels of `from`.
fn rows<T: Copy + Send + Sync>(
    par: &dyn Parallel,
    transform: &Transform,
    from: &Grid,
    (out, to): (&mut [T], &Grid),
    at: &(dyn Fn([f64; 3]) -> T + Sync),
) {
    let Ok(to_voxel) = from.affine.inverse() else { return };
    let [nx, ny, _] = to.shape;
    for_each_chunk(par, out, nx * ny.min(16), &|n, part| {
        let mut line = Line { start: [0.0; 3], step: [0.0; 3], places: Vec::new(), count: nx };
        let mut scratch = Scratch::default();
        for (r, row) in part.chunks_exact_mut(nx).enumerate() {
            let r = n * ny.min(16) + r;
            line.start = to.affine.apply([0.0, (r % ny) as f64, (r / ny) as f64]);
            line.step = to.affine.0.map(|row| row[0]);
            line.places.clear();
            transform.parts().iter().rev().for_each(|part| line.pass(part, &mut scratch));
            line.linear(&to_voxel);
            for (i, o) in row.iter_mut().enumerate() {
                *o = at(line.place(i));
            }
        }
    });
}

/// Places of a row of voxels: on a line as long as nothing bent it.
struct Line {
    start: [f64; 3],
    step: [f64; 3],
    /// Empty while they are on a line.
    places: Vec<[f64; 3]>,
    count: usize,
}

impl Line {
    fn place(&self, i: usize) -> [f64; 3] {
        match self.places.get(i) {
            Some(place) => *place,
            None => [0, 1, 2].map(|a| self.start[a] + i as f64 * self.step[a]),
        }
    }

    fn linear(&mut self, map: &Affine) {
        self.start = map.apply(self.start);
        let s = self.step;
        self.step = map.0.map(|m| m[0] * s[0] + m[1] * s[1] + m[2] * s[2]);
        self.places.iter_mut().for_each(|p| *p = map.apply(*p));
    }

    fn pass(&mut self, part: &Part, scratch: &mut Scratch) {
        let spline = match part {
            Part::Linear(map) => return self.linear(map),
            Part::Spline(spline) => spline,
        };
        if !(self.places.is_empty() && along_a_row(spline, self, scratch)) {
            self.places = (0..self.count).map(|i| part.apply(self.place(i))).collect();
        }
    }
}

/// What rows of one volume have in common.
#[derive(Default)]
struct Scratch {
    controls: Vec<[f64; 3]>,
    /// Start and step of the rows along the lattice for which `taps` are.
    row: Option<[f64; 2]>,
    /// First control point and weights of each voxel; none where nothing is displaced.
    taps: Vec<Option<(usize, [f64; 4])>>,
}

/// A line that runs along the lattice's first axis meets the same control points of the other two all along: they are
/// summed once. False if it does not run so.
fn along_a_row(spline: &Spline, line: &mut Line, scratch: &mut Scratch) -> bool {
    let map = spline.to_lattice();
    let start = map.apply(line.start);
    let s = line.step;
    let step = map.0.map(|m| m[0] * s[0] + m[1] * s[1] + m[2] * s[2]);
    if [step[1], step[2]].iter().any(|v| v.abs() * line.count as f64 > 1e-6) {
        return false;
    }
    line.places = (0..line.count).map(|i| [0, 1, 2].map(|a| line.start[a] + i as f64 * s[a])).collect();
    let (Some((y, fy)), Some((z, fz))) = (spline.place(1, start[1]), spline.place(2, start[2])) else {
        return true;
    };
    let Scratch { controls, row, taps } = scratch;
    // Rows differ by rounding alone.
    let near = |[a, b]: [f64; 2]| (a - start[0]).abs() < 1e-9 && (b - step[0]).abs() < 1e-12;
    if !row.is_some_and(near) || taps.len() != line.count {
        *row = Some([start[0], step[0]]);
        let tap = |i: usize| spline.place(0, start[0] + i as f64 * step[0]).map(|(x, f)| (x, weights(f).0));
        *taps = (0..line.count).map(tap).collect();
    }
    let [nx, ny, _] = spline.lattice().shape;
    controls.clear();
    controls.resize(nx, [0.0; 3]);
    for (c, all) in spline.coefficients().chunks_exact(spline.lattice().len()).enumerate() {
        for (k, wz) in weights(fz).0.iter().enumerate() {
            for (j, wy) in weights(fy).0.iter().enumerate() {
                let row = &all[nx * (y + j + ny * (z + k))..][..nx];
                controls.iter_mut().zip(row).for_each(|(t, v)| t[c] += wz * wy * f64::from(*v));
            }
        }
    }
    for (p, tap) in line.places.iter_mut().zip(taps) {
        if let Some((x, w)) = tap {
            for (control, w) in controls[*x..][..4].iter().zip(w) {
                p.iter_mut().zip(control).for_each(|(p, c)| *p += *w * c);
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spline::tests::wavy;
    use ichor_image::{Serial, random};

    fn moving() -> (Vec<f32>, Grid) {
        let affine = Affine([[-2.5, 0.2, 0.0, 70.0], [0.1, -2.5, 0.3, 60.0], [0.0, 0.3, 4.0, -50.0]]);
        let grid = Grid::new([50, 44, 26], affine).unwrap();
        let data = (0..grid.len())
            .map(|n| {
                let p = grid.affine.apply([n % 50, n / 50 % 44, n / 2200].map(|v| v as f64));
                ((p[0] / 20.0).sin() * (p[1] / 25.0).cos() * 100.0 + p[2]) as f32
            })
            .collect();
        (data, grid)
    }

    fn transform() -> Transform {
        let (s, c) = 0.1f64.sin_cos();
        let turn = Affine([[c, -s, 0.0, 3.0], [s, c, 0.0, -4.0], [0.0, 0.0, 1.05, 2.0]]);
        Transform::new([Part::Linear(turn), Part::Spline(wavy(4.0, 9))])
    }

    /// Each voxel by the plain definition.
    fn plain(grid: &Grid, at: impl Fn([f64; 3]) -> f32) -> Vec<f32> {
        let [nx, ny, _] = grid.shape;
        let map = transform();
        (0..grid.len())
            .map(|n| at(map.apply(grid.affine.apply([n % nx, n / nx % ny, n / nx / ny].map(|v| v as f64)))))
            .collect()
    }

    #[test]
    fn rows_along_the_lattice_and_across_are_those_of_the_definition() {
        let (data, from) = moving();
        let back = from.affine.inverse().unwrap();
        let lattice = wavy(4.0, 9).lattice().affine;
        let along = Affine([0, 1, 2].map(|r| {
            let m = lattice.0[r];
            [m[0] / 9.0, m[1] / 8.0, m[2] / 7.0, m[3] + 3.0 * m[0] + 2.5 * m[1] + 2.0 * m[2]]
        }));
        let across = Affine::from_spacing([3.0, 4.0, 5.0], [-50.0, -60.0, -45.0]);
        for affine in [along, across] {
            let to = Grid::new([36, 30, 20], affine).unwrap();
            for (how, within) in [(Interpolation::Linear, 1e-3), (Interpolation::Cubic, 0.3)] {
                let mut out = vec![0f32; to.len()];
                values(&Serial, (&data, &from), &transform(), how, -999.0, (&mut out, &to));
                let volume = Volume { data: &data, shape: from.shape };
                let want = plain(&to, |p| {
                    volume
                        .inside(back.apply(p))
                        .map_or(-999.0, |p| volume.corners(p).iter().map(|(v, w)| w * v).sum())
                });
                let off = out.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                // Cubic and linear differ by the curvature of the image between its voxels.
                let within = if how == Interpolation::Cubic { within * 10.0 } else { within };
                assert!(off < within, "{how:?}: {off}");
                assert!(out.iter().filter(|v| **v != -999.0).count() > to.len() / 2);
            }
        }
    }

    #[test]
    fn cubic_goes_through_the_voxels() {
        let (data, from) = moving();
        let c = coefficients(&Serial, &data, from.shape);
        for n in (0..data.len()).step_by(997) {
            let p = [n % 50, n / 50 % 44, n / 2200].map(|v| v as f64);
            assert!((cubic(&c, from.shape, p) - data[n]).abs() < 2e-3);
        }
    }

    #[test]
    fn labels_are_never_blended_and_ties_go_to_the_lower_label() {
        let corner = |labels: [u8; 8]| winner(labels.map(|l| (l, 0.125)));
        assert_eq!(corner([0, 0, 0, 0, 5, 5, 5, 5]), 5);
        assert_eq!(corner([5, 5, 5, 5, 0, 0, 0, 0]), 5);
        assert_eq!(corner([9, 9, 9, 9, 5, 5, 5, 5]), 5);
        assert_eq!(corner([5, 5, 5, 9, 9, 9, 0, 0]), 5);
        assert_eq!(corner([0, 0, 0, 0, 0, 9, 9, 5]), 0);
        let (_, from) = moving();
        let data: Vec<u8> = (0..from.len()).map(|n| (random::at(1, n as u64 / 7) % 3 * 4) as u8).collect();
        let to = Grid::new([30; 3], Affine::from_spacing([3.0; 3], [-45.0; 3])).unwrap();
        for how in [Interpolation::Nearest, Interpolation::Linear] {
            let mut out = vec![0u8; to.len()];
            labels(&Serial, (&data, &from), &transform(), how, 7, (&mut out, &to));
            assert!(
                out.iter().all(|l| [0, 4, 8, 7].contains(l)) && [0, 4, 8].iter().all(|l| out.contains(l))
            );
        }
    }

    #[test]
    fn a_linear_transform_is_one_of_grids() {
        let (data, from) = moving();
        let turn = Affine([[0.9, 0.1, 0.0, 3.0], [0.0, 1.1, 0.0, -4.0], [0.0, 0.2, 1.0, 2.0]]);
        let to = Grid::new([30; 3], Affine::from_spacing([3.0; 3], [-45.0; 3])).unwrap();
        let mut out = vec![0f32; to.len()];
        let map = Transform::new([Part::Linear(turn)]);
        values(&Serial, (&data, &from), &map, Interpolation::Linear, -999.0, (&mut out, &to));
        let (volume, back) = (Volume { data: &data, shape: from.shape }, from.affine.inverse().unwrap());
        for n in (0..out.len()).step_by(7) {
            let p = turn.apply(to.affine.apply([n % 30, n / 30 % 30, n / 900].map(|v| v as f64)));
            let want = volume
                .inside(back.apply(p))
                .map_or(-999.0, |p| volume.corners(p).iter().map(|(v, w)| w * v).sum::<f32>());
            assert!((out[n] - want).abs() < 2e-2, "{} for {want}", out[n]);
        }
    }
}
