//! Linear maps about a centre, and the directions in which each model may change them.

use crate::transform::determinant;
use ichor_image::Affine;

/// Distance in mm at which a unit step of a turn, scale or shear moves a place by 1 mm: that of the skull from the
/// middle of the head, so that all parameters move it alike.
pub const RADIUS_MM: f64 = 70.0;

/// What a map may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Turn and shift: 6 parameters.
    Rigid,
    /// And scale all axes alike: 7.
    Similarity,
    /// And scale and shear: 12.
    Affine,
}

/// A derivative or step of the 12 numbers of an affine map: for each row the three columns of the matrix times
/// [`RADIUS_MM`], then the shift in mm.
pub type Twelve = [f64; 12];

/// x -> M (x - centre) + centre + shift, world RAS+ mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear {
    /// The matrix.
    pub matrix: [[f64; 3]; 3],
    /// The centre.
    pub centre: [f64; 3],
    /// The shift.
    pub shift: [f64; 3],
}

impl Linear {
    /// As a matrix of world coordinates.
    pub fn affine(&self) -> Affine {
        Affine([0, 1, 2].map(|r| {
            let m = self.matrix[r];
            let turned: f64 = (0..3).map(|k| m[k] * self.centre[k]).sum();
            [m[0], m[1], m[2], self.centre[r] + self.shift[r] - turned]
        }))
    }

    /// The map of a matrix of world coordinates, about the origin.
    pub fn of(affine: &Affine) -> Self {
        let m = &affine.0;
        Self { matrix: m.map(|row| [row[0], row[1], row[2]]), centre: [0.0; 3], shift: m.map(|row| row[3]) }
    }

    /// Where the place `p` from the centre goes.
    pub fn apply(&self, p: [f64; 3]) -> [f64; 3] {
        [0, 1, 2].map(|r| {
            let turned: f64 = (0..3).map(|k| self.matrix[r][k] * p[k]).sum();
            turned + self.centre[r] + self.shift[r]
        })
    }

    /// The directions a model allows from here, as columns.
    pub fn directions(&self, model: Model) -> Vec<Twelve> {
        if model == Model::Affine {
            return (0..12).map(|n| std::array::from_fn(|m| f64::from(u8::from(m == n)))).collect();
        }
        let of_matrix =
            |m: [[f64; 3]; 3]| std::array::from_fn(|n| if n % 4 == 3 { 0.0 } else { m[n / 4][n % 4] });
        let mut out: Vec<Twelve> = (0..3).map(|axis| of_matrix(times(cross(axis), self.matrix))).collect();
        if model == Model::Similarity {
            out.push(of_matrix(self.matrix));
        }
        out.extend((0..3).map(|r| std::array::from_fn(|n| f64::from(u8::from(n == 4 * r + 3)))));
        out
    }

    /// The map after a step of `p` along [`Linear::directions`]; it stays one of the model.
    #[must_use]
    pub fn stepped(&self, model: Model, p: &[f64]) -> Self {
        let mut out = *self;
        let shift = match model {
            Model::Affine => {
                for (r, row) in out.matrix.iter_mut().enumerate() {
                    for (c, cell) in row.iter_mut().enumerate() {
                        *cell += p[4 * r + c] / RADIUS_MM;
                    }
                }
                [p[3], p[7], p[11]]
            }
            Model::Rigid | Model::Similarity => {
                out.matrix = times(rotation([p[0], p[1], p[2]].map(|v| v / RADIUS_MM)), out.matrix);
                if model == Model::Similarity {
                    let scale = (p[3] / RADIUS_MM).exp();
                    out.matrix = out.matrix.map(|row| row.map(|v| v * scale));
                }
                let last = p.len() - 3;
                [p[last], p[last + 1], p[last + 2]]
            }
        };
        out.shift = [0, 1, 2].map(|a| out.shift[a] + shift[a]);
        out
    }

    /// Mean distance by which two maps move these places apart, mm.
    pub fn apart(&self, other: &Self, places: &[[f64; 3]]) -> f64 {
        let one = |p: &[f64; 3]| {
            let (a, b) = (self.apply(*p), other.apply(*p));
            (0..3).map(|n| (a[n] - b[n]).powi(2)).sum::<f64>().sqrt()
        };
        places.iter().map(one).sum::<f64>() / places.len() as f64
    }

    /// Whether it is a map that a head could undergo: no mirror image, no scale beyond 1/2 to 2.
    pub fn is_sound(&self) -> bool {
        (0.125..8.0).contains(&determinant(&self.matrix))
            && self.matrix.iter().flatten().all(|v| v.abs() < 3.0)
            && self.shift.iter().all(|v| v.abs() < 2000.0)
    }
}

/// Product of two matrices.
pub fn times(a: [[f64; 3]; 3], b: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    a.map(|row| [0, 1, 2].map(|c| (0..3).map(|k| row[k] * b[k][c]).sum()))
}

/// The matrix of the cross product with a unit vector along `axis`.
fn cross(axis: usize) -> [[f64; 3]; 3] {
    let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
    let mut m = [[0.0; 3]; 3];
    (m[a][b], m[b][a]) = (-1.0, 1.0);
    m
}

/// Rotation about the direction of a vector by its length in radians (Rodrigues' formula).
pub fn rotation(v: [f64; 3]) -> [[f64; 3]; 3] {
    let square: f64 = v.iter().map(|x| x * x).sum();
    let angle = square.sqrt();
    // sin(a)/a and (1 - cos(a))/a².
    let (s, c) = if angle < 1e-4 {
        (1.0 - square / 6.0, 0.5 - square / 24.0)
    } else {
        (angle.sin() / angle, (1.0 - angle.cos()) / square)
    };
    let k = [[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]];
    let kk = times(k, k);
    let cell = |r: usize, q: usize| f64::from(u8::from(r == q)) + s * k[r][q] + c * kk[r][q];
    [0, 1, 2].map(|r| [0, 1, 2].map(|q| cell(r, q)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Linear {
        Linear {
            matrix: times(rotation([0.2, -0.4, 0.1]), [[1.1, 0.0, 0.0], [0.0, 1.1, 0.0], [0.0, 0.0, 1.1]]),
            centre: [5.0, -20.0, 30.0],
            shift: [3.0, 2.0, -1.0],
        }
    }

    #[test]
    fn steps_follow_the_directions() {
        let map = start();
        for model in [Model::Rigid, Model::Similarity, Model::Affine] {
            for (n, direction) in map.directions(model).iter().enumerate() {
                let mut p = vec![0.0; map.directions(model).len()];
                p[n] = 1e-4;
                let next = map.stepped(model, &p);
                for r in 0..3 {
                    for c in 0..3 {
                        let slope = (next.matrix[r][c] - map.matrix[r][c]) / 1e-4 * RADIUS_MM;
                        assert!((slope - direction[4 * r + c]).abs() < 1e-4, "{model:?} {n}");
                    }
                    let slope = (next.shift[r] - map.shift[r]) / 1e-4;
                    assert!((slope - direction[4 * r + 3]).abs() < 1e-6, "{model:?} {n}");
                }
            }
        }
    }

    #[test]
    fn a_rigid_map_stays_rigid_and_the_matrix_form_agrees() {
        let mut map = start();
        for n in 0..50 {
            map = map.stepped(Model::Rigid, &[5.0, -3.0, f64::from(n), 1.0, 2.0, 3.0]);
        }
        assert!((determinant(&map.matrix) - 1.331).abs() < 1e-9);
        let p = [10.0, 20.0, -30.0];
        let world = [0, 1, 2].map(|a| p[a] + map.centre[a]);
        let (a, b) = (map.apply(p), map.affine().apply(world));
        assert!((0..3).all(|n| (a[n] - b[n]).abs() < 1e-9));
    }
}
