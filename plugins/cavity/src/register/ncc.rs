//! Normalised cross-correlation under a linear map, with its gradient and Gauss-Newton matrix.
//!
//! With f̂ = (f - mean f) / |f - mean f| and m̂ likewise, 2 (1 - NCC) = |f̂ - m̂|², a least-squares problem whose
//! residuals have the Jacobian (I - m̂ m̂ᵀ) P J / |m - mean m|, P taking the mean away and J = ∂m/∂p (Evangelidis
//! and Psarakis, "Parametric image alignment using enhanced correlation coefficient maximization", IEEE TPAMI
//! 30(10):1858, 2008).

use super::linear::{Linear, RADIUS_MM, Twelve};
use super::pyramid::Level;
use super::sampler::Sampler;
use super::samples::Samples;
use ichor_image::parallel::map_ranges;
use ichor_image::{Affine, Parallel};

/// Samples whose sums are made in f32 before they go into f64.
const BLOCK: usize = 512;
/// Blocks of a piece of work.
const GRAIN: usize = 8 * BLOCK;

/// How alike two images are under a map, and how that changes.
#[derive(Clone, Debug)]
pub struct Likeness {
    /// The measure; the larger the better.
    pub value: f64,
    /// Its derivatives.
    pub gradient: Twelve,
    /// Approximates its second derivatives, negated; symmetric, no eigenvalue below 0.
    pub curvature: [Twelve; 12],
    /// Share of the samples that meet the moving image.
    pub overlap: f64,
}

/// How the moving image is looked up from the fixed one's samples.
pub struct Lookup<'a> {
    sampler: Sampler<'a>,
    to_voxel: Affine,
    inverse: [[f32; 3]; 3],
}

/// A sample's place on the moving grid: matrix and offset for places relative to the centre.
type Place = ([[f32; 3]; 3], [f32; 3]);

impl<'a> Lookup<'a> {
    /// Into a level of the moving image; `None` if its grid has no inverse.
    pub fn new(level: &'a Level) -> Option<Self> {
        let to_voxel = level.grid.affine.inverse().ok()?;
        let inverse = to_voxel.0.map(|row| [row[0] as f32, row[1] as f32, row[2] as f32]);
        Some(Self { sampler: Sampler::new(level), to_voxel, inverse })
    }

    fn place(&self, map: &Linear) -> Place {
        let offset = self.to_voxel.apply(map.apply([0.0; 3]));
        let m = self
            .to_voxel
            .0
            .map(|row| [0, 1, 2].map(|c| (0..3).map(|k| row[k] * map.matrix[k][c]).sum::<f64>() as f32));
        (m, offset.map(|v| v as f32))
    }

    #[inline]
    fn at(&self, (m, t): &Place, p: &[f32; 4]) -> Option<(f32, [f32; 3])> {
        let row = |r: usize| m[r][0] * p[0] + m[r][1] * p[1] + m[r][2] * p[2] + t[r];
        self.sampler.at([row(0), row(1), row(2)])
    }

    /// The gradient per mm in the moving world.
    #[inline]
    fn in_world(&self, [x, y, z]: [f32; 3]) -> [f32; 3] {
        let m = &self.inverse;
        [0, 1, 2].map(|c| x * m[0][c] + y * m[1][c] + z * m[2][c])
    }

    /// NCC alone, and the overlap: for first looks, on the calling thread.
    pub fn ncc(&self, samples: &Samples, map: &Linear) -> (f64, f64) {
        let place = self.place(map);
        let mut sums = Values::default();
        for p in &samples.points {
            if let Some((m, _)) = self.at(&place, p) {
                sums.add(p[3], m);
            }
        }
        (sums.ncc(), sums.n / samples.points.len().max(1) as f64)
    }

    /// The moving values at all samples, NaN where they do not meet.
    pub fn values(&self, par: &dyn Parallel, samples: &Samples, map: &Linear) -> Vec<f32> {
        let place = self.place(map);
        let parts = map_ranges(par, samples.points.len(), GRAIN, &|range| {
            let one = |p: &[f32; 4]| self.at(&place, p).map_or(f32::NAN, |(m, _)| m);
            samples.points[range].iter().map(one).collect::<Vec<f32>>()
        });
        parts.concat()
    }

    /// Sum over the samples of `force`, one number each, times the derivatives of the moving value.
    pub fn pull(&self, par: &dyn Parallel, samples: &Samples, map: &Linear, force: &[f32]) -> Twelve {
        let place = self.place(map);
        let parts = map_ranges(par, samples.points.len(), GRAIN, &|range| {
            let mut sum = [0f64; 12];
            for (p, &force) in samples.points[range.clone()].iter().zip(&force[range]) {
                if let Some((_, g)) = self.at(&place, p) {
                    for (s, j) in sum.iter_mut().zip(twelve(self.in_world(g), lever(p))) {
                        *s += f64::from(force * j);
                    }
                }
            }
            sum
        });
        parts.iter().fold([0.0; 12], |sum, part| std::array::from_fn(|n| sum[n] + part[n]))
    }

    /// NCC with its derivatives.
    pub fn likeness(&self, par: &dyn Parallel, samples: &Samples, map: &Linear) -> Likeness {
        let place = self.place(map);
        let middle = samples.points.iter().step_by(97).map(|p| p[3]).sum::<f32>()
            / samples.points.len().div_ceil(97).max(1) as f32;
        let parts = map_ranges(par, samples.points.len(), GRAIN, &|range| {
            let mut sums = Sums::default();
            for block in samples.points[range].chunks(BLOCK) {
                self.block(block, &place, middle, &mut sums);
            }
            sums
        });
        let mut sums = Sums::default();
        parts.iter().for_each(|part| sums.join(part));
        sums.likeness(samples.points.len())
    }

    fn block(&self, block: &[[f32; 4]], place: &Place, middle: f32, sums: &mut Sums) {
        // Lanes of x, y, z, 1; products of two of them; 10 of 12 are used.
        let (mut j, mut jf, mut jm) = ([[0f32; 4]; 3], [[0f32; 4]; 3], [[0f32; 4]; 3]);
        let mut jj = [[0f32; 12]; 6];
        for p in block {
            let Some((m, gradient)) = self.at(place, p) else { continue };
            let (f, m) = (p[3] - middle, m - middle);
            sums.values.add(f, m);
            let (g, h) = (self.in_world(gradient), lever(p));
            let hh = [
                h[0] * h[0],
                h[0] * h[1],
                h[0] * h[2],
                h[0],
                h[1] * h[1],
                h[1] * h[2],
                h[1],
                h[2] * h[2],
                h[2],
                1.0,
                0.0,
                0.0,
            ];
            let gg = [g[0] * g[0], g[0] * g[1], g[0] * g[2], g[1] * g[1], g[1] * g[2], g[2] * g[2]];
            for (row, g) in jj.iter_mut().zip(gg) {
                for (cell, h) in row.iter_mut().zip(hh) {
                    *cell += g * h;
                }
            }
            for a in 0..3 {
                let (gf, gm) = (g[a] * f, g[a] * m);
                for c in 0..4 {
                    j[a][c] += g[a] * h[c];
                    jf[a][c] += gf * h[c];
                    jm[a][c] += gm * h[c];
                }
            }
        }
        let add = |to: &mut Twelve, from: &[[f32; 4]; 3]| {
            to.iter_mut().zip(from.as_flattened()).for_each(|(t, f)| *t += f64::from(*f));
        };
        add(&mut sums.j, &j);
        add(&mut sums.jf, &jf);
        add(&mut sums.jm, &jm);
        for (to, from) in sums.jj.iter_mut().zip(&jj) {
            to.iter_mut().zip(from).for_each(|(t, f)| *t += f64::from(*f));
        }
    }
}

/// What a step of a matrix's columns and of the shift moves at a place.
#[inline]
fn lever(p: &[f32; 4]) -> [f32; 4] {
    const PER_MM: f32 = 1.0 / RADIUS_MM as f32;
    [p[0] * PER_MM, p[1] * PER_MM, p[2] * PER_MM, 1.0]
}

#[inline]
fn twelve(g: [f32; 3], h: [f32; 4]) -> [f32; 12] {
    std::array::from_fn(|n| g[n / 4] * h[n % 4])
}

/// Sums of values.
#[derive(Clone, Copy, Default, Debug)]
pub struct Values {
    /// How many.
    pub n: f64,
    f: f64,
    m: f64,
    ff: f64,
    mm: f64,
    fm: f64,
}

impl Values {
    /// A pair more.
    #[inline]
    pub fn add(&mut self, f: f32, m: f32) {
        let (f, m) = (f64::from(f), f64::from(m));
        self.n += 1.0;
        self.f += f;
        self.m += m;
        self.ff += f * f;
        self.mm += m * m;
        self.fm += f * m;
    }

    /// And those of another part.
    pub fn join(&mut self, other: &Self) {
        self.n += other.n;
        self.f += other.f;
        self.m += other.m;
        self.ff += other.ff;
        self.mm += other.mm;
        self.fm += other.fm;
    }

    /// Means of both.
    pub fn means(&self) -> (f64, f64) {
        (self.f / self.n.max(1.0), self.m / self.n.max(1.0))
    }

    /// |f - mean f| and |m - mean m|; 0 for values that are all but equal.
    pub fn lengths(&self) -> (f64, f64) {
        let (f, m) = self.means();
        let length = |square: f64, mean: f64| {
            let left = square - self.n * mean * mean;
            if left > 1e-9 * square { left.sqrt() } else { 0.0 }
        };
        (length(self.ff, f), length(self.mm, m))
    }

    /// The normalised cross-correlation; 0 where one of the two is uniform.
    pub fn ncc(&self) -> f64 {
        let ((f, m), (lf, lm)) = (self.means(), self.lengths());
        if lf * lm > 0.0 { (self.fm - self.n * f * m) / (lf * lm) } else { 0.0 }
    }
}

#[derive(Clone, Default)]
struct Sums {
    values: Values,
    j: Twelve,
    jf: Twelve,
    jm: Twelve,
    jj: [[f64; 12]; 6],
}

impl Sums {
    fn join(&mut self, other: &Self) {
        self.values.join(&other.values);
        let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
        add(&mut self.j, &other.j);
        add(&mut self.jf, &other.jf);
        add(&mut self.jm, &other.jm);
        add(self.jj.as_flattened_mut(), other.jj.as_flattened());
    }

    fn likeness(&self, samples: usize) -> Likeness {
        let v = &self.values;
        let overlap = v.n / samples.max(1) as f64;
        let ((f, m), (lf, lm)) = (v.means(), v.lengths());
        if lf * lm == 0.0 {
            return Likeness { value: 0.0, gradient: [0.0; 12], curvature: [[0.0; 12]; 12], overlap };
        }
        let ncc = v.ncc();
        let hf: Twelve = std::array::from_fn(|n| (self.jf[n] - f * self.j[n]) / lf);
        let hm: Twelve = std::array::from_fn(|n| (self.jm[n] - m * self.j[n]) / lm);
        let gradient = std::array::from_fn(|n| (hf[n] - ncc * hm[n]) / lm);
        // Where the product of rows a and b, and of columns a and b, was summed.
        const ROWS: [[usize; 3]; 3] = [[0, 1, 2], [1, 3, 4], [2, 4, 5]];
        const COLUMNS: [[usize; 4]; 4] = [[0, 1, 2, 3], [1, 4, 5, 6], [2, 5, 7, 8], [3, 6, 8, 9]];
        let cell = |a: usize, b: usize| {
            let jj = self.jj[ROWS[a / 4][b / 4]][COLUMNS[a % 4][b % 4]];
            (jj - self.j[a] * self.j[b] / v.n - hm[a] * hm[b]) / (lm * lm)
        };
        let curvature = std::array::from_fn(|a| std::array::from_fn(|b| cell(a, b)));
        Likeness { value: ncc, gradient, curvature, overlap }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::linear::{Model, rotation, times};
    use super::*;
    use ichor_image::{Grid, Serial, random};

    /// Smooth noise on 2 mm voxels.
    pub fn noise(seed: u64, n: usize) -> Level {
        let half = -(n as f64 - 1.0);
        let grid = Grid::new([n; 3], Affine::from_spacing([2.0; 3], [half; 3])).unwrap();
        let white: Vec<f32> =
            (0..grid.len()).map(|m| 3000.0 * random::normal_at(seed, m as u64) as f32).collect();
        let data = ichor_image::gaussian(&Serial, &white, grid.shape, [2.0; 3]);
        Level { grid, data: data.iter().map(|v| v + 300.0).collect() }
    }

    /// Samples in the middles of the moving image's cells, which small steps do not leave.
    pub fn samples(fixed: &Level) -> Samples {
        let [nx, ny, _] = fixed.grid.shape;
        let inner = |n: usize| [n % nx, n / nx % ny, n / nx / ny].iter().all(|&v| (8..nx - 8).contains(&v));
        let points = (0..fixed.data.len())
            .filter(|&n| inner(n))
            .map(|n| {
                let p = fixed.grid.affine.apply([n % nx, n / nx % ny, n / nx / ny].map(|v| v as f64));
                [p[0] as f32, p[1] as f32, p[2] as f32, fixed.data[n]]
            })
            .collect();
        Samples { centre: [0.0; 3], points, corners: [[20.0; 3]; 8] }
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let (fixed, moving) = (noise(1, 32), noise(2, 32));
        let mixed = fixed.data.iter().zip(&moving.data).map(|(f, m)| 0.6 * f + 0.4 * m).collect();
        let moving = Level { grid: moving.grid, data: mixed };
        let (samples, lookup) = (samples(&fixed), Lookup::new(&moving).unwrap());
        let map = Linear { matrix: rotation([0.0; 3]), centre: [0.0; 3], shift: [1.0; 3] };
        let at = lookup.likeness(&Serial, &samples, &map);
        let size = at.gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        for n in 0..12 {
            let value = |h: f64| {
                let mut p = [0.0; 12];
                p[n] = h;
                lookup.likeness(&Serial, &samples, &map.stepped(Model::Affine, &p)).value
            };
            let slope = (value(0.02) - value(-0.02)) / 0.04;
            assert!((slope - at.gradient[n]).abs() < 1e-4 * size, "{n}: {slope} for {}", at.gradient[n]);
        }
        assert!((lookup.ncc(&samples, &map).0 - at.value).abs() < 1e-8);
    }

    #[test]
    fn the_curvature_is_that_of_the_residuals() {
        // At the optimum of equal images the Gauss-Newton matrix is the Hessian.
        let fixed = noise(3, 32);
        let (samples, lookup) = (samples(&fixed), Lookup::new(&fixed).unwrap());
        let still = Linear { matrix: rotation([0.0; 3]), centre: [0.0; 3], shift: [0.0; 3] };
        let moved = |samples: &Samples, by: f32| Samples {
            points: samples.points.iter().map(|p| [p[0] + by, p[1] + by, p[2] + by, p[3]]).collect(),
            centre: samples.centre,
            corners: samples.corners,
        };
        // Values of the moving image where they are looked up, so that the match is exact.
        let mut samples = moved(&samples, 1.0);
        let values = lookup.values(&Serial, &samples, &still);
        samples.points.iter_mut().zip(values).for_each(|(p, v)| p[3] = v);
        let at = lookup.likeness(&Serial, &samples, &still);
        assert!((at.value - 1.0).abs() < 1e-9 && at.gradient.iter().all(|g| g.abs() < 1e-6));
        let value =
            |p: &[f64; 12]| lookup.likeness(&Serial, &samples, &still.stepped(Model::Affine, p)).value;
        for (a, b) in [(3, 3), (0, 0), (3, 7), (0, 5), (2, 11)] {
            let mut corner = [0.0; 4];
            for (n, c) in corner.iter_mut().enumerate() {
                let mut p = [0.0; 12];
                p[a] += if n & 1 == 0 { 0.1 } else { -0.1 };
                p[b] += if n & 2 == 0 { 0.1 } else { -0.1 };
                *c = value(&p);
            }
            let second = -(corner[0] - corner[1] - corner[2] + corner[3]) / 0.04;
            let size = (at.curvature[a][a] * at.curvature[b][b]).sqrt();
            assert!((second - at.curvature[a][b]).abs() < 0.02 * size, "{a} {b}: {second}");
        }
    }

    #[test]
    fn a_turned_image_is_looked_up_where_it_is() {
        let moving = noise(4, 24);
        let lookup = Lookup::new(&moving).unwrap();
        let map = Linear {
            matrix: times(rotation([0.1, 0.2, -0.3]), [[1.05, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
            centre: [1.0, 2.0, 3.0],
            shift: [0.5, -2.0, 1.0],
        };
        let samples =
            Samples { centre: map.centre, points: vec![[3.0, -4.0, 5.0, 0.0]], corners: [[0.0; 3]; 8] };
        let voxel = moving.grid.affine.inverse().unwrap().apply(map.apply([3.0, -4.0, 5.0]));
        let (want, _) = Sampler::new(&moving).at(voxel.map(|v| v as f32)).unwrap();
        assert!((lookup.values(&Serial, &samples, &map)[0] - want).abs() < 1e-2);
    }
}
