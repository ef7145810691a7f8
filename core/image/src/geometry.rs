//! Where voxels are: shape and affine.

use std::fmt;

/// The 3x4 matrix that takes voxel indices (i, j, k, 1) to RAS+ world coordinates in mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine(pub [[f64; 4]; 3]);

/// Why a shape and an affine make no grid.
#[derive(Clone, Debug, PartialEq)]
pub enum GeometryError {
    /// An entry of the affine is NaN or infinite.
    NotFinite,
    /// The affine maps voxels onto a plane, a line or a point.
    Singular,
    /// A dimension is zero, or the number of voxels overflows.
    BadShape([usize; 3]),
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite => write!(f, "the affine has an entry that is NaN or infinite"),
            Self::Singular => write!(f, "the affine is singular: it gives voxels no volume"),
            Self::BadShape([x, y, z]) => write!(f, "{x} x {y} x {z} is no shape for a volume"),
        }
    }
}

impl std::error::Error for GeometryError {}

impl Affine {
    /// Axis-aligned voxels of the given spacing (mm) with voxel (0, 0, 0) at `origin` (RAS+ mm).
    pub fn from_spacing(spacing: [f64; 3], origin: [f64; 3]) -> Self {
        let mut m = [[0.0; 4]; 3];
        for a in 0..3 {
            m[a][a] = spacing[a];
            m[a][3] = origin[a];
        }
        Self(m)
    }

    /// Takes voxel coordinates, fractions allowed, to world coordinates in mm.
    pub fn apply(&self, v: [f64; 3]) -> [f64; 3] {
        self.0.map(|r| r[0] * v[0] + r[1] * v[1] + r[2] * v[2] + r[3])
    }

    /// Length of each voxel axis in mm.
    pub fn spacing(&self) -> [f64; 3] {
        std::array::from_fn(|c| self.0.iter().map(|r| r[c] * r[c]).sum::<f64>().sqrt())
    }

    /// Determinant of the 3x3 part; its absolute value is the voxel's volume in mm³, shear included.
    pub fn determinant(&self) -> f64 {
        let m = &self.0;
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    }

    /// The map from world coordinates in mm to voxel coordinates.
    ///
    /// # Errors
    /// [`GeometryError::NotFinite`] and [`GeometryError::Singular`].
    pub fn inverse(&self) -> Result<Self, GeometryError> {
        self.check()?;
        let m = &self.0;
        let d = self.determinant();
        let mut out = [[0.0; 4]; 3];
        for (r, row) in out.iter_mut().enumerate() {
            for (c, cell) in row.iter_mut().take(3).enumerate() {
                // Cofactor of the transposed entry; cyclic indices carry the sign.
                let (a, b) = ((c + 1) % 3, (c + 2) % 3);
                let (p, q) = ((r + 1) % 3, (r + 2) % 3);
                *cell = (m[a][p] * m[b][q] - m[a][q] * m[b][p]) / d;
            }
            row[3] = -(row[0] * m[0][3] + row[1] * m[1][3] + row[2] * m[2][3]);
        }
        Ok(Self(out))
    }

    /// `self` after `first`: the map v -> self(first(v)).
    pub fn after(&self, first: &Self) -> Self {
        let mut out = [[0.0; 4]; 3];
        for (r, row) in out.iter_mut().enumerate() {
            for (c, cell) in row.iter_mut().enumerate() {
                *cell = (0..3).map(|k| self.0[r][k] * first.0[k][c]).sum::<f64>()
                    + if c == 3 { self.0[r][3] } else { 0.0 };
            }
        }
        Self(out)
    }

    /// Refuses entries that are not finite and voxels without volume.
    ///
    /// # Errors
    /// [`GeometryError::NotFinite`] and [`GeometryError::Singular`].
    pub fn check(&self) -> Result<(), GeometryError> {
        if !self.0.iter().flatten().all(|x| x.is_finite()) {
            return Err(GeometryError::NotFinite);
        }
        let s = self.spacing();
        // Relative, so that micrometre voxels pass and a flattened axis does not.
        if self.determinant().abs() <= 1e-9 * s[0] * s[1] * s[2] || s.iter().any(|&x| x <= 1e-9) {
            return Err(GeometryError::Singular);
        }
        Ok(())
    }

    /// The anatomical direction in which each voxel axis mostly points, e.g. `LPS`.
    pub fn orientation(&self) -> [char; 3] {
        let s = self.spacing();
        // The best assignment of voxel axes to world axes, so that no letter occurs twice.
        let mut best = ([0usize, 1, 2], f64::NEG_INFINITY);
        for p in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let score: f64 = (0..3).map(|c| self.0[p[c]][c].abs() / s[c].max(1e-300)).sum();
            if score > best.1 + 1e-12 {
                best = (p, score);
            }
        }
        std::array::from_fn(|c| {
            let world = best.0[c];
            ["RL", "AP", "SI"][world].as_bytes()[usize::from(self.0[world][c] < 0.0)] as char
        })
    }
}

/// The lattice on which a volume lives. A voxel array never travels without one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Voxels along i (fastest), j and k.
    pub shape: [usize; 3],
    /// Voxel indices to RAS+ mm.
    pub affine: Affine,
}

impl Grid {
    /// A grid whose voxels have volume and whose size fits in memory's index range.
    ///
    /// # Errors
    /// [`GeometryError`] says which part is impossible.
    pub fn new(shape: [usize; 3], affine: Affine) -> Result<Self, GeometryError> {
        affine.check()?;
        let voxels = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        match voxels {
            Some(n) if n > 0 && n < (1 << 44) => Ok(Self { shape, affine }),
            _ => Err(GeometryError::BadShape(shape)),
        }
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Never true for a grid made by [`Grid::new`].
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Voxel size along each axis in mm.
    pub fn spacing(&self) -> [f64; 3] {
        self.affine.spacing()
    }

    /// Volume of a voxel in mm³, from the determinant, so that shear (gantry tilt) counts.
    pub fn voxel_volume_mm3(&self) -> f64 {
        self.affine.determinant().abs()
    }

    /// Position of voxel (i, j, k) in the array.
    pub fn index(&self, i: usize, j: usize, k: usize) -> usize {
        i + self.shape[0] * (j + self.shape[1] * k)
    }

    /// Whether both grids have the same shape and put every corner voxel within 1e-3 mm of each other.
    pub fn same_as(&self, other: &Self) -> bool {
        if self.shape != other.shape {
            return false;
        }
        let end = self.shape.map(|n| n as f64 - 1.0);
        (0..8).all(|corner| {
            let v: [f64; 3] = std::array::from_fn(|a| if corner >> a & 1 == 1 { end[a] } else { 0.0 });
            let (p, q) = (self.affine.apply(v), other.affine.apply(v));
            (0..3).all(|a| (p[a] - q[a]).abs() < 1e-3)
        })
    }
}

impl fmt::Display for Grid {
    /// For people: `512 x 512 x 36 voxels of 0.43 x 0.43 x 5 mm, LPS`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [x, y, z] = self.shape;
        let [a, b, c] = self.spacing().map(|s| (s * 1000.0).round() / 1000.0);
        let o: String = self.affine.orientation().iter().collect();
        write!(f, "{x} x {y} x {z} voxels of {a} x {b} x {c} mm, {o}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oblique() -> Affine {
        // 18.5 degrees of gantry tilt: axes L, P and a sheared S.
        let (s, c) = 18.5f64.to_radians().sin_cos();
        Affine([[-0.488, 0.0, 0.0, 120.0], [0.0, -0.488 * c, -4.0 * s, 90.0], [0.0, 0.488 * s, 4.0, -30.0]])
    }

    #[test]
    fn inverse_undoes_apply() {
        let a = oblique();
        let back = a.inverse().unwrap().apply(a.apply([3.0, 250.5, 17.25]));
        for (x, y) in back.iter().zip([3.0, 250.5, 17.25]) {
            assert!((x - y).abs() < 1e-9);
        }
        let id = a.inverse().unwrap().after(&a);
        assert!((id.0[1][1] - 1.0).abs() < 1e-12 && id.0[1][2].abs() < 1e-12 && id.0[2][3].abs() < 1e-9);
    }

    #[test]
    fn orientation_names_each_direction_once() {
        assert_eq!(oblique().orientation(), ['L', 'P', 'S']);
        assert_eq!(Affine::from_spacing([1.0; 3], [0.0; 3]).orientation(), ['R', 'A', 'S']);
        let swapped = Affine([[0.0, 0.0, -2.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0]]);
        assert_eq!(swapped.orientation(), ['A', 'I', 'L']);
    }

    #[test]
    fn volume_of_a_sheared_voxel_is_its_determinant() {
        let a = Affine([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 0.0], [0.0, 0.0, 3.0, 0.0]]);
        let g = Grid::new([2, 2, 2], a).unwrap();
        assert_eq!(g.voxel_volume_mm3(), 3.0);
    }

    #[test]
    fn impossible_grids_are_refused() {
        let mut nan = Affine::from_spacing([1.0; 3], [0.0; 3]);
        nan.0[1][3] = f64::NAN;
        assert_eq!(Grid::new([1, 1, 1], nan), Err(GeometryError::NotFinite));
        let flat = Affine::from_spacing([1.0, 1.0, 0.0], [0.0; 3]);
        assert_eq!(Grid::new([1, 1, 1], flat), Err(GeometryError::Singular));
        let unit = Affine::from_spacing([1.0; 3], [0.0; 3]);
        assert!(matches!(Grid::new([0, 1, 1], unit), Err(GeometryError::BadShape(_))));
        assert!(matches!(Grid::new([usize::MAX, 2, 2], unit), Err(GeometryError::BadShape(_))));
    }
}
