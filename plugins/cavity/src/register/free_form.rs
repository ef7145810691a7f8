//! Free-form deformation: the coefficients of a spline that makes two images most alike and bends little.
//!
//! Rueckert et al., "Nonrigid registration using free-form deformations: application to breast MR images", IEEE TMI
//! 18(8):712, 1999. The spline is expanded axis by axis on the voxels of the fixed image, and forces on the voxels go
//! to the control points by the same sums transposed, so that a voxel costs 4 and not 64 products.

use super::bending::bending;
use super::head::Head;
use super::lattice::Lattice;
use super::mutual_information::mutual_information;
use super::ncc::Values;
use super::pyramid::Level;
use super::sampler::Sampler;
use super::samples::inside;
use crate::register::Metric;
use ichor_image::{Affine, Parallel, parallel::for_each_chunk};

/// Three components and room for a fourth number, so that four lanes are one operation.
type Four = [f32; 4];

/// A row of voxels of the domain.
struct Row {
    j: usize,
    /// Where its voxels begin among those of the slice.
    begin: usize,
    end: usize,
}

/// The voxels of a slice, and what is worked out on them.
struct Slice {
    rows: Vec<Row>,
    /// Along the row.
    i: Vec<u16>,
    fixed: Vec<f32>,
    /// The moving value's derivatives by the displacement, and the value; NaN outside.
    moving: Vec<Four>,
    sums: Values,
    /// Forces on the control points of a plane.
    plane: Vec<Four>,
}

/// What is lowered: (1 - NCC or - mutual information) + weight x bending energy.
pub struct FreeForm<'a> {
    sampler: Sampler<'a>,
    lattice: &'a Lattice,
    spacing: [f64; 3],
    taps: [Vec<(usize, [f32; 4])>; 3],
    /// From voxels of the fixed level to voxels of the moving one, and from mm of displacement.
    to_voxel: Affine,
    per_mm: [[f32; 3]; 3],
    slices: Vec<Slice>,
    metric: Metric,
    weight: f64,
}

impl<'a> FreeForm<'a> {
    /// Of two levels that `halvings` of the finest led to; `linear` is applied after the spline. `None` if the moving
    /// grid has no inverse.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        (fixed, moving): (&Level, &'a Level),
        halvings: usize,
        (head, head_halvings): (&Head, usize),
        lattice: &'a Lattice,
        mm: f64,
        linear: &Affine,
        metric: Metric,
        weight: f64,
    ) -> Option<Self> {
        let [nx, ny, nz] = fixed.grid.shape;
        let inverse = moving.grid.affine.inverse().ok()?.after(linear);
        let points = lattice.shape[0] * lattice.shape[1];
        let slice = |k: usize| {
            let (mut rows, mut i, mut values) = (Vec::new(), Vec::new(), Vec::new());
            for j in 0..ny {
                let begin = i.len();
                for (x, &v) in fixed.data[nx * (j + ny * k)..][..nx].iter().enumerate() {
                    if !v.is_nan() && inside(head, head_halvings, halvings, [x, j, k]) {
                        i.push(x as u16);
                        values.push(v);
                    }
                }
                if i.len() > begin {
                    rows.push(Row { j, begin, end: i.len() });
                }
            }
            let moving = vec![[0.0; 4]; i.len()];
            Slice { rows, i, fixed: values, moving, sums: Values::default(), plane: vec![[0.0; 4]; points] }
        };
        Some(Self {
            sampler: Sampler::new(moving),
            lattice,
            spacing: [mm; 3],
            taps: [0, 1, 2].map(|a| lattice.taps(a, fixed.grid.shape[a], halvings)),
            to_voxel: inverse.after(&fixed.grid.affine),
            per_mm: inverse.0.map(|row| [row[0] as f32, row[1] as f32, row[2] as f32]),
            slices: (0..nz).map(slice).collect(),
            metric,
            weight,
        })
    }

    /// Voxels that are compared.
    pub fn samples(&self) -> usize {
        self.slices.iter().map(|s| s.i.len()).sum()
    }

    /// How alike the images are without the bending energy, after [`FreeForm::energy`].
    pub fn ncc(&self) -> f64 {
        let mut sums = Values::default();
        self.slices.iter().for_each(|s| sums.join(&s.sums));
        sums.ncc()
    }

    /// The value and its derivatives by the coefficients.
    pub fn energy(&mut self, par: &dyn Parallel, coefficients: &[f32]) -> (f64, Vec<f32>) {
        let n = self.lattice.points();
        let control: Vec<Four> =
            (0..n).map(|m| [coefficients[m], coefficients[n + m], coefficients[2 * n + m], 0.0]).collect();
        let mut slices = std::mem::take(&mut self.slices);
        for_each_chunk(par, &mut slices, 1, &|k, slice| {
            slice.iter_mut().for_each(|slice| self.look_up(&control, k, slice));
        });
        let mut sums = Values::default();
        slices.iter().for_each(|s| sums.join(&s.sums));
        let ((mean_f, mean_m), (length_f, length_m)) = (sums.means(), sums.lengths());
        let (value, forces) = match self.metric {
            Metric::Ncc if length_f * length_m > 0.0 => (1.0 - sums.ncc(), None),
            Metric::Ncc => (1.0, Some(vec![0.0; slices.iter().map(|s| s.i.len()).sum()])),
            Metric::Mi => {
                let f: Vec<f32> = slices.iter().flat_map(|s| &s.fixed).copied().collect();
                let m: Vec<f32> = slices.iter().flat_map(|s| &s.moving).map(|m| m[3]).collect();
                let (value, mut forces) = mutual_information(par, &f, &m);
                forces.iter_mut().for_each(|f| *f = -*f);
                (-value, Some(forces))
            }
        };
        let begins: Vec<usize> = slices
            .iter()
            .scan(0, |at, s| {
                *at += s.i.len();
                Some(*at - s.i.len())
            })
            .collect();
        let (per_f, per_m) = (1.0 / length_f, sums.ncc() / length_m);
        let (a, b) = (-per_f / length_m, per_m / length_m);
        for_each_chunk(par, &mut slices, 1, &|k, slice| {
            slice.iter_mut().for_each(|slice| match &forces {
                Some(forces) => self.push(slice, |at, _, _| forces[begins[k] + at]),
                None => self.push(slice, |_, f, m| {
                    (a * (f64::from(f) - mean_f) + b * (f64::from(m) - mean_m)) as f32
                }),
            });
        });
        let points = self.lattice.shape[0] * self.lattice.shape[1];
        let mut total = vec![[0f32; 4]; n];
        for (slice, (first, w)) in slices.iter().zip(&self.taps[2]).filter(|(s, _)| !s.i.is_empty()) {
            for (t, w) in w.iter().enumerate() {
                add(&mut total[(first + t) * points..][..points], &slice.plane, *w);
            }
        }
        self.slices = slices;
        let (bent, mut gradient) = bending(coefficients, self.lattice.shape, self.spacing);
        for (m, t) in total.iter().enumerate() {
            for c in 0..3 {
                let g = &mut gradient[c * n + m];
                *g = t[c] + self.weight as f32 * *g;
            }
        }
        self.lattice.clear_border(&mut gradient);
        (value + self.weight * bent, gradient)
    }

    /// Moving values at the voxels of slice `k`.
    fn look_up(&self, control: &[Four], k: usize, slice: &mut Slice) {
        slice.sums = Values::default();
        if slice.i.is_empty() {
            return;
        }
        let [lx, ly, _] = self.lattice.shape;
        let mut plane = vec![[0f32; 4]; lx * ly];
        let (first, weights) = &self.taps[2][k];
        for (t, w) in weights.iter().enumerate() {
            add(&mut plane, &control[(first + t) * lx * ly..][..lx * ly], *w);
        }
        let mut line = vec![[0f32; 4]; lx];
        let step = self.to_voxel.0.map(|row| row[0] as f32);
        for row in &slice.rows {
            line.fill([0.0; 4]);
            let (first, weights) = &self.taps[1][row.j];
            for (t, w) in weights.iter().enumerate() {
                add(&mut line, &plane[(first + t) * lx..][..lx], *w);
            }
            let begin = self.to_voxel.apply([0.0, row.j as f64, k as f64]).map(|v| v as f32);
            for at in row.begin..row.end {
                let i = slice.i[at];
                let (first, w) = &self.taps[0][usize::from(i)];
                let mut u = [0f32; 4];
                for (control, w) in line[*first..][..4].iter().zip(w) {
                    for (u, c) in u.iter_mut().zip(control) {
                        *u += w * c;
                    }
                }
                let i = f32::from(i);
                let q = &self.per_mm;
                let p = [0, 1, 2]
                    .map(|r| begin[r] + i * step[r] + (q[r][0] * u[0] + q[r][1] * u[1] + q[r][2] * u[2]));
                slice.moving[at] = match self.sampler.at(p) {
                    None => [0.0, 0.0, 0.0, f32::NAN],
                    Some((m, g)) => {
                        slice.sums.add(slice.fixed[at], m);
                        let down = |c: usize| q[0][c] * g[0] + q[1][c] * g[1] + q[2][c] * g[2];
                        [down(0), down(1), down(2), m]
                    }
                };
            }
        }
    }

    /// Forces on the control points of a slice's plane; `force(n, f, m)` is that on voxel n.
    fn push(&self, slice: &mut Slice, force: impl Fn(usize, f32, f32) -> f32) {
        let lx = self.lattice.shape[0];
        slice.plane.fill([0.0; 4]);
        let mut line = vec![[0f32; 4]; lx];
        for row in &slice.rows {
            line.fill([0.0; 4]);
            for at in row.begin..row.end {
                let m = slice.moving[at];
                if m[3].is_nan() {
                    continue;
                }
                let force = force(at, slice.fixed[at], m[3]);
                let (first, w) = &self.taps[0][usize::from(slice.i[at])];
                for (control, w) in line[*first..][..4].iter_mut().zip(w) {
                    for (c, m) in control.iter_mut().zip(&m) {
                        *c += w * force * m;
                    }
                }
            }
            let (first, weights) = &self.taps[1][row.j];
            for (t, w) in weights.iter().enumerate() {
                add(&mut slice.plane[(first + t) * lx..][..lx], &line, *w);
            }
        }
    }
}

fn add(to: &mut [Four], from: &[Four], weight: f32) {
    for (t, f) in to.as_flattened_mut().iter_mut().zip(from.as_flattened()) {
        *t += weight * f;
    }
}

#[cfg(test)]
mod tests {
    use super::super::ncc::tests::noise;
    use super::*;
    use ichor_image::{Bounds, Serial, random};

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let (fixed, other) = (noise(1, 32), noise(2, 32));
        let data = fixed.data.iter().zip(&other.data).map(|(f, m)| 0.6 * f + 0.4 * m).collect();
        let moving = Level { grid: other.grid, data };
        let mut domain = vec![0u8; 32 * 32 * 32];
        for (n, d) in domain.iter_mut().enumerate() {
            *d = u8::from([n % 32, n / 32 % 32, n / 1024].iter().all(|v| (6..26).contains(v)));
        }
        let head = Head { grid: fixed.grid, mask: domain.clone(), domain };
        let bounds = Bounds { begin: [6; 3], end: [26; 3] };
        let lattice = Lattice::new(&fixed.grid, &bounds, 14.0);
        // Half a voxel aside, so that small steps leave no cell of the moving image.
        let turn = Affine([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]]);
        let mut c: Vec<f32> =
            (0..3 * lattice.points()).map(|n| 0.2 * random::normal_at(5, n as u64) as f32).collect();
        lattice.clear_border(&mut c);
        for metric in [Metric::Ncc, Metric::Mi] {
            let mut form =
                FreeForm::new((&fixed, &moving), 0, (&head, 0), &lattice, 14.0, &turn, metric, 2.0).unwrap();
            let (_, gradient) = form.energy(&Serial, &c);
            let size = gradient.iter().map(|g| g.abs()).fold(0.0, f32::max);
            let mut tested = 0;
            for n in (0..c.len()).filter(|n| gradient[*n].abs() > 0.3 * size) {
                let mut at = |h: f32| {
                    let mut c = c.clone();
                    c[n] += h;
                    form.energy(&Serial, &c).0
                };
                let slope = (at(0.01) - at(-0.01)) / 0.02;
                let off = (slope as f32 - gradient[n]).abs();
                assert!(off < 2e-3 * size, "{metric:?} {n}: {slope} for {}", gradient[n]);
                tested += 1;
            }
            assert!(tested > 5, "{tested}");
        }
    }
}
