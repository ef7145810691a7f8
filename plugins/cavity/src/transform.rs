//! Maps from world to world: what registration finds and warping applies.

use crate::spline::Spline;
use ichor_image::parallel::map_ranges;
use ichor_image::{Affine, Grid, Parallel};

/// One map of several that are applied one after another.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Rotation, scale, shear and shift; the matrix takes world mm to world mm.
    Linear(Affine),
    /// Smooth displacements.
    Spline(Spline),
}

/// Takes a place of the fixed image, RAS+ mm, to the place of the moving image that belongs there.
///
/// The last part is applied first, as in ITK's `CompositeTransform`; no part is the identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transform {
    parts: Vec<Part>,
}

impl Part {
    /// Where a place goes.
    pub fn apply(&self, p: [f64; 3]) -> [f64; 3] {
        match self {
            Self::Linear(map) => map.apply(p),
            Self::Spline(spline) => {
                let u = spline.displacement(p);
                [0, 1, 2].map(|a| p[a] + u[a])
            }
        }
    }
}

/// World places of a piece of work.
const CHUNK: usize = 1024;

/// The map that moves nothing.
pub const IDENTITY: Affine = Affine([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]);

/// Determinant of a 3x3 matrix.
pub fn determinant(m: &[[f64; 3]; 3]) -> f64 {
    m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
}

impl Transform {
    /// Parts in ITK's order, the last applied first; neighbours that are linear become one.
    pub fn new(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut out: Vec<Part> = Vec::new();
        for part in parts {
            match (out.last_mut(), part) {
                (Some(Part::Linear(before)), Part::Linear(after)) => *before = before.after(&after),
                (_, part) => out.push(part),
            }
        }
        Self { parts: out }
    }

    /// The parts, the last applied first.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// `self` after `first`: x -> self(first(x)). An image that was registered to a template with `first`, the
    /// template to an atlas with `self`: the atlas at the image's places.
    #[must_use]
    pub fn after(&self, first: &Self) -> Self {
        Self::new(self.parts.iter().chain(&first.parts).cloned())
    }

    /// The whole map, if it is linear.
    pub fn linear(&self) -> Option<Affine> {
        match &self.parts[..] {
            [] => Some(IDENTITY),
            [Part::Linear(map)] => Some(*map),
            _ => None,
        }
    }

    /// Where a place goes.
    pub fn apply(&self, place: [f64; 3]) -> [f64; 3] {
        self.parts.iter().rev().fold(place, |p, part| part.apply(p))
    }

    /// Derivatives at a place: row c holds those of component c.
    pub fn jacobian(&self, place: [f64; 3]) -> [[f64; 3]; 3] {
        let mut p = place;
        let mut out = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        for part in self.parts.iter().rev() {
            let own = match part {
                Part::Linear(map) => map.0.map(|row| [row[0], row[1], row[2]]),
                Part::Spline(spline) => spline.jacobian(p),
            };
            out = own.map(|row| [0, 1, 2].map(|c| (0..3).map(|k| row[k] * out[k][c]).sum()));
            p = part.apply(p);
        }
        out
    }

    /// The place that goes to `to`, by Newton's method from the inverse of the linear parts; `None` if there is
    /// none within 1e-6 mm, as where the map folds.
    pub fn invert(&self, to: [f64; 3]) -> Option<[f64; 3]> {
        let mut linear = IDENTITY;
        for part in &self.parts {
            if let Part::Linear(map) = part {
                linear = linear.after(map);
            }
        }
        let mut p = linear.inverse().ok()?.apply(to);
        for _ in 0..50 {
            let now = self.apply(p);
            let off = [0, 1, 2].map(|a| to[a] - now[a]);
            if off.iter().map(|x| x * x).sum::<f64>().sqrt() < 1e-6 {
                return Some(p);
            }
            let j = self.jacobian(p);
            let step = Affine([0, 1, 2].map(|r| [j[r][0], j[r][1], j[r][2], 0.0])).inverse().ok()?.apply(off);
            p = [0, 1, 2].map(|a| p[a] + step[a]);
        }
        None
    }

    /// The smallest determinant of the Jacobian over the determinant of the linear parts, at every second voxel
    /// of a grid where `inside` (all, if empty) is not 0: 1 where nothing is squeezed, 0 or less where the map
    /// folds.
    pub fn least_determinant(&self, par: &dyn Parallel, grid: &Grid, inside: &[u8]) -> f64 {
        let whole: f64 = self
            .parts
            .iter()
            .map(|part| if let Part::Linear(map) = part { map.determinant() } else { 1.0 })
            .product();
        if self.linear().is_some() {
            return 1.0;
        }
        let half = grid.shape.map(|n| n.div_ceil(2));
        let n = half.iter().product();
        let least = map_ranges(par, n, CHUNK, &|range| {
            range.fold(f64::INFINITY, |least, m| {
                let [i, j, k] = [m % half[0], m / half[0] % half[1], m / (half[0] * half[1])].map(|v| 2 * v);
                if inside.get(grid.index(i, j, k)) == Some(&0) {
                    return least;
                }
                let place = grid.affine.apply([i as f64, j as f64, k as f64]);
                least.min(determinant(&self.jacobian(place)) / whole)
            })
        });
        least.into_iter().fold(f64::INFINITY, f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spline::tests::wavy;
    use ichor_image::Serial;

    fn turned() -> Affine {
        let (s, c) = 0.4f64.sin_cos();
        Affine([[1.1 * c, -s, 0.0, 12.0], [s, c, 0.05, -7.0], [0.0, 0.1, 0.9, 3.0]])
    }

    fn near(a: [f64; 3], b: [f64; 3], within: f64) {
        assert!((0..3).all(|n| (a[n] - b[n]).abs() < within), "{a:?} for {b:?}");
    }

    #[test]
    fn parts_are_applied_from_the_last_and_linear_ones_join() {
        let (spline, turn) = (wavy(4.0, 1), turned());
        let one = Transform::new([Part::Linear(turn), Part::Spline(spline.clone())]);
        let other = Transform::new([Part::Spline(wavy(3.0, 2)), Part::Linear(turn)]);
        let both = other.after(&one);
        assert_eq!(both.parts().len(), 3);
        for p in [[0.0; 3], [20.0, -10.0, 5.0]] {
            let u = spline.displacement(p);
            near(one.apply(p), turn.apply([0, 1, 2].map(|a| p[a] + u[a])), 1e-12);
            near(both.apply(p), other.apply(one.apply(p)), 1e-9);
        }
        assert_eq!(Transform::default().linear(), Some(IDENTITY));
    }

    #[test]
    fn the_inverse_leads_back_and_derivatives_are_those_of_finite_differences() {
        let map = Transform::new([
            Part::Linear(turned()),
            Part::Spline(wavy(4.0, 5)),
            Part::Linear(turned()),
            Part::Spline(wavy(2.0, 6)),
        ]);
        for p in [[0.0; 3], [30.0, -20.0, 10.0], [-15.0, 40.0, -35.0], [300.0, 0.0, 0.0]] {
            near(map.invert(map.apply(p)).unwrap(), p, 1e-5);
            let jacobian = map.jacobian(p);
            for c in 0..3 {
                let step = |h: f64| {
                    let mut q = p;
                    q[c] += h;
                    map.apply(q)
                };
                let (a, b) = (step(1e-3), step(-1e-3));
                for r in 0..3 {
                    assert!(((a[r] - b[r]) / 2e-3 - jacobian[r][c]).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn folds_are_told() {
        let grid = Grid::new([60, 60, 60], Affine::from_spacing([4.0; 3], [-120.0; 3])).unwrap();
        let least = |sd: f64| {
            Transform::new([Part::Linear(turned()), Part::Spline(wavy(sd, 7))]).least_determinant(
                &Serial,
                &grid,
                &[],
            )
        };
        assert_eq!(Transform::new([Part::Linear(turned())]).least_determinant(&Serial, &grid, &[]), 1.0);
        assert!((0.4..1.0).contains(&least(2.0)), "{}", least(2.0));
        assert!(least(40.0) < 0.0);
    }
}
