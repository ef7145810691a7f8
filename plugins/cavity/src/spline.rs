//! Smooth displacements: cubic B-splines on a lattice of control points.
//!
//! Rueckert et al., "Nonrigid registration using free-form deformations", IEEE TMI 18(8):712, 1999, eq. 2.

use ichor_image::{Affine, GeometryError, Grid};

/// x -> x + u(x), u a cubic B-spline whose control points lie at the voxels of a grid.
///
/// As in ITK's `BSplineTransform`, u is 0 wherever one of the four control points along an axis would lie outside
/// the lattice; those made here have three layers of zeros at each border, so that u and two derivatives end
/// there without a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Spline {
    lattice: Grid,
    to_lattice: Affine,
    coefficients: Vec<f32>,
}

/// Weights of the four control points round a place `f` in [0, 1] past the second, and their derivatives.
pub fn weights(f: f64) -> ([f64; 4], [f64; 4]) {
    let g = 1.0 - f;
    let inner = |t: f64| (4.0 - 3.0 * t * t * (2.0 - t)) / 6.0;
    let slope = |t: f64| 1.5 * t * t - 2.0 * t;
    ([g * g * g / 6.0, inner(f), inner(g), f * f * f / 6.0], [-0.5 * g * g, slope(f), -slope(g), 0.5 * f * f])
}

impl Spline {
    /// Coefficients in mm, RAS+: all of x, then y, then z, control points x fastest.
    ///
    /// # Errors
    /// The lattice's affine has no inverse.
    ///
    /// # Panics
    /// There are not three coefficients for each control point.
    pub fn new(lattice: Grid, coefficients: Vec<f32>) -> Result<Self, GeometryError> {
        assert_eq!(coefficients.len(), 3 * lattice.len(), "coefficients and lattice disagree");
        Ok(Self { to_lattice: lattice.affine.inverse()?, lattice, coefficients })
    }

    /// The control points.
    pub fn lattice(&self) -> &Grid {
        &self.lattice
    }

    /// As given to [`Spline::new`].
    pub fn coefficients(&self) -> &[f32] {
        &self.coefficients
    }

    /// From world coordinates to those of the lattice.
    pub fn to_lattice(&self) -> &Affine {
        &self.to_lattice
    }

    /// First of the four control points along `axis` and the place past the second; none where u is 0.
    pub(crate) fn place(&self, axis: usize, at: f64) -> Option<(usize, f64)> {
        let n = self.lattice.shape[axis];
        // The far border belongs to the last cell; NaN to none.
        if n < 4 || !(at >= 1.0 && at <= n as f64 - 2.0) {
            return None;
        }
        let cell = (at as usize).min(n - 3);
        Some((cell - 1, at - cell as f64))
    }

    /// The displacement in mm at a place of the lattice, and its derivatives along the lattice's axes.
    fn at(&self, p: [f64; 3]) -> Option<([f64; 3], [[f64; 3]; 3])> {
        let [x, y, z] = [self.place(0, p[0])?, self.place(1, p[1])?, self.place(2, p[2])?];
        let [(wx, dx), (wy, dy), (wz, dz)] = [weights(x.1), weights(y.1), weights(z.1)];
        let [nx, ny, _] = self.lattice.shape;
        let (mut u, mut d) = ([0.0; 3], [[0.0; 3]; 3]);
        for (c, all) in self.coefficients.chunks_exact(self.lattice.len()).enumerate() {
            for k in 0..4 {
                for j in 0..4 {
                    let row = &all[x.0 + nx * (y.0 + j + ny * (z.0 + k))..][..4];
                    let (mut value, mut slope) = (0.0, 0.0);
                    for i in 0..4 {
                        value += wx[i] * f64::from(row[i]);
                        slope += dx[i] * f64::from(row[i]);
                    }
                    u[c] += wz[k] * wy[j] * value;
                    d[c][0] += wz[k] * wy[j] * slope;
                    d[c][1] += wz[k] * dy[j] * value;
                    d[c][2] += dz[k] * wy[j] * value;
                }
            }
        }
        Some((u, d))
    }

    /// u at a world place, in mm.
    pub fn displacement(&self, world: [f64; 3]) -> [f64; 3] {
        self.at(self.to_lattice.apply(world)).map_or([0.0; 3], |(u, _)| u)
    }

    /// Derivatives of x + u(x) at a world place: row c holds those of component c.
    pub fn jacobian(&self, world: [f64; 3]) -> [[f64; 3]; 3] {
        let mut out = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        if let Some((_, d)) = self.at(self.to_lattice.apply(world)) {
            for (row, d) in out.iter_mut().zip(d) {
                for (c, cell) in row.iter_mut().enumerate() {
                    *cell += (0..3).map(|a| d[a] * self.to_lattice.0[a][c]).sum::<f64>();
                }
            }
        }
        out
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ichor_image::random::normal_at;

    /// A spline of random coefficients on a tilted lattice, with the three layers of zeros.
    pub fn wavy(sd: f64, seed: u64) -> Spline {
        let (s, c) = 0.2f64.sin_cos();
        let h = 25.0;
        let affine =
            Affine([[-h * c, h * s, 0.0, 110.0], [-h * s, -h * c, 1.0, 120.0], [0.0, 0.0, 1.1 * h, -130.0]]);
        let lattice = Grid::new([11, 10, 9], affine).unwrap();
        let n = lattice.len();
        let inner = |at: usize| {
            let [i, j, k] = [at % 11, at / 11 % 10, at / 110];
            (3..8).contains(&i) && (3..7).contains(&j) && (3..6).contains(&k)
        };
        let coefficients = (0..3 * n)
            .map(|m| if inner(m % n) { (sd * normal_at(seed, m as u64)) as f32 } else { 0.0 })
            .collect();
        Spline::new(lattice, coefficients).unwrap()
    }

    #[test]
    fn derivatives_are_those_of_finite_differences() {
        let spline = wavy(6.0, 3);
        let middle = spline.lattice().affine.apply([5.0, 4.3, 3.8]);
        for n in 0..50u64 {
            let p: [f64; 3] = std::array::from_fn(|a| middle[a] + 25.0 * normal_at(n, a as u64));
            let jacobian = spline.jacobian(p);
            for c in 0..3 {
                let step = |h: f64| {
                    let mut q = p;
                    q[c] += h;
                    let u = spline.displacement(q);
                    [0, 1, 2].map(|r| q[r] + u[r])
                };
                let (a, b) = (step(1e-3), step(-1e-3));
                for r in 0..3 {
                    let slope = (a[r] - b[r]) / 2e-3;
                    assert!((slope - jacobian[r][c]).abs() < 1e-4, "{slope} for {}", jacobian[r][c]);
                }
            }
        }
    }

    #[test]
    fn it_ends_without_a_step_and_is_nothing_beyond() {
        let spline = wavy(6.0, 4);
        let at = |p: [f64; 3]| spline.displacement(spline.lattice().affine.apply(p));
        for p in [[1.001, 4.0, 4.0], [8.999, 4.0, 4.0], [5.0, 1.001, 4.0], [5.0, 4.0, 6.999]] {
            assert!(at(p).iter().all(|u| u.abs() < 1e-6), "{:?}", at(p));
        }
        assert_eq!([at([0.9, 4.0, 4.0]), at([5.0, 8.1, 4.0]), at([f64::NAN; 3])], [[0.0; 3]; 3]);
        assert!(at([5.0, 4.0, 4.0]).iter().any(|u| u.abs() > 0.1));
    }
}
