//! Lattices of control points that lie along the fixed image's axes, and how a level's voxels lie on them.

use crate::spline::weights;
use ichor_image::{Affine, Bounds, Grid};

/// Layers of zeros at each border, see [`crate::spline::Spline`].
pub const BORDER: usize = 3;
/// Free control points beyond those that a voxel of the domain depends on.
const MARGIN: i64 = 1;

/// Control points at whole multiples of `step` voxels of the finest grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Lattice {
    /// Voxels of the finest grid from one to the next.
    pub step: [f64; 3],
    /// The first, in steps.
    pub first: [i64; 3],
    /// How many.
    pub shape: [usize; 3],
}

impl Lattice {
    /// Round voxels `bounds` of the finest grid, `mm` apart.
    pub fn new(base: &Grid, bounds: &Bounds, mm: f64) -> Self {
        let step = base.spacing().map(|s| mm / s);
        let border = BORDER as i64 + MARGIN;
        let first = [0, 1, 2].map(|a| (bounds.begin[a] as f64 / step[a]).floor() as i64 - 1 - border);
        let last = [0, 1, 2].map(|a| ((bounds.end[a] - 1) as f64 / step[a]).floor() as i64 + 2 + border);
        Self { step, first, shape: [0, 1, 2].map(|a| (last[a] - first[a] + 1) as usize) }
    }

    /// Control points.
    pub fn points(&self) -> usize {
        self.shape.iter().product()
    }

    /// As a grid of the world.
    pub fn grid(&self, base: &Grid) -> Grid {
        let origin = base.affine.apply([0, 1, 2].map(|a| self.first[a] as f64 * self.step[a]));
        let row = |r: usize| {
            let m = base.affine.0[r];
            [m[0] * self.step[0], m[1] * self.step[1], m[2] * self.step[2], origin[r]]
        };
        Grid { shape: self.shape, affine: Affine([row(0), row(1), row(2)]) }
    }

    /// Sets the layers at the borders to 0.
    pub fn clear_border(&self, values: &mut [f32]) {
        let [nx, ny, nz] = self.shape;
        for volume in values.chunks_exact_mut(self.points()) {
            for (n, v) in volume.iter_mut().enumerate() {
                let at = [(n % nx, nx), (n / nx % ny, ny), (n / nx / ny, nz)];
                if at.iter().any(|&(i, n)| i < BORDER || i + BORDER >= n) {
                    *v = 0.0;
                }
            }
        }
    }

    /// The coefficients here of a spline whose control points are twice as far apart: the same function, but for
    /// what its control points do that lie beyond these (Lane and Riesenfeld's subdivision).
    pub fn refined(&self, coarse: &Self, from: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(3 * self.points());
        for volume in from.chunks_exact(coarse.points()) {
            let mut data = volume.to_vec();
            let mut shape = coarse.shape;
            for a in 0..3 {
                let mut next_shape = shape;
                next_shape[a] = self.shape[a];
                let stride: usize = shape[..a].iter().product();
                let outer: usize = shape[a + 1..].iter().product();
                let mut next = vec![0f32; next_shape.iter().product()];
                for m in 0..self.shape[a] {
                    let knot = self.first[a] + m as i64;
                    let half = knot.div_euclid(2);
                    let taps: &[(i64, f32)] = if knot.rem_euclid(2) == 0 {
                        &[(-1, 0.125), (0, 0.75), (1, 0.125)]
                    } else {
                        &[(0, 0.5), (1, 0.5)]
                    };
                    for (off, weight) in taps {
                        let s = half + off - coarse.first[a];
                        if s < 0 || s >= shape[a] as i64 {
                            continue;
                        }
                        for o in 0..outer {
                            let to = &mut next[stride * (m + next_shape[a] * o)..][..stride];
                            let from = &data[stride * (s as usize + shape[a] * o)..][..stride];
                            to.iter_mut().zip(from).for_each(|(t, f)| *t += weight * f);
                        }
                    }
                }
                (data, shape) = (next, next_shape);
            }
            out.extend(data);
        }
        self.clear_border(&mut out);
        out
    }

    /// For each voxel along axis `a` of the grid that `halvings` of the finest lead to, the first of its four control
    /// points and their weights; voxels must lie within the bounds that the lattice was made for.
    pub fn taps(&self, a: usize, voxels: usize, halvings: usize) -> Vec<(usize, [f32; 4])> {
        let scale = (1u64 << halvings) as f64;
        let one = |i: usize| {
            let place = ((i as f64 + 0.5) * scale - 0.5) / self.step[a] - self.first[a] as f64;
            let cell = place.floor().clamp(1.0, self.shape[a] as f64 - 3.0);
            (cell as usize - 1, weights((place - cell).clamp(0.0, 1.0)).0.map(|w| w as f32))
        };
        (0..voxels).map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spline::Spline;
    use ichor_image::random;

    fn base() -> Grid {
        let affine = Affine([[-2.0, 0.0, 0.0, 90.0], [0.0, -1.9, 0.6, 80.0], [0.0, 0.6, 1.9, -70.0]]);
        Grid::new([90, 100, 80], affine).unwrap()
    }

    #[test]
    fn a_finer_lattice_holds_the_same_spline() {
        let base = base();
        let bounds = Bounds { begin: [13, 5, 20], end: [80, 91, 66] };
        let (coarse, fine) = (Lattice::new(&base, &bounds, 40.0), Lattice::new(&base, &bounds, 20.0));
        let mut c: Vec<f32> =
            (0..3 * coarse.points()).map(|n| 5.0 * random::normal_at(2, n as u64) as f32).collect();
        coarse.clear_border(&mut c);
        let f = fine.refined(&coarse, &c);
        let coarse = Spline::new(coarse.grid(&base), c).unwrap();
        let fine = Spline::new(fine.grid(&base), f).unwrap();
        for n in 0..200u64 {
            let voxel = [0, 1, 2].map(|a| {
                let (begin, end) = (bounds.begin[a] as f64, bounds.end[a] as f64 - 1.0);
                begin + (end - begin) * random::uniform_at(3 + a as u64, n)
            });
            let (a, b) =
                (coarse.displacement(base.affine.apply(voxel)), fine.displacement(base.affine.apply(voxel)));
            assert!((0..3).all(|r| (a[r] - b[r]).abs() < 1e-4), "{a:?} {b:?} at {voxel:?}");
        }
    }
}
