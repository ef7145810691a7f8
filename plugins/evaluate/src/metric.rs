//! Millimetres between voxels, shear included.

use ichor_image::Grid;

/// Turns differences of voxel indices into lengths in mm: the upper triangular matrix R with RᵀR = AᵀA, where A is the
/// affine's 3x3 part. On a grid without shear it is the spacing on the diagonal, so that a step along an axis is
/// exactly the spacing.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    r: [f64; 6],
    /// Whether the voxel axes are at right angles to each other.
    pub orthogonal: bool,
}

impl Metric {
    /// Of a grid's voxels.
    pub fn of(grid: &Grid) -> Self {
        let m = &grid.affine.0;
        let dot = |a: usize, b: usize| m.iter().map(|row| row[a] * row[b]).sum::<f64>();
        let s = grid.spacing();
        // Float32 affines of NIfTI files are at right angles up to about 1e-7.
        if [(0, 1), (0, 2), (1, 2)].iter().all(|&(a, b)| dot(a, b).abs() < 1e-5 * s[a] * s[b]) {
            return Self { r: [s[0], 0.0, 0.0, s[1], 0.0, s[2]], orthogonal: true };
        }
        let xx = s[0];
        let (xy, xz) = (dot(0, 1) / xx, dot(0, 2) / xx);
        let yy = (dot(1, 1) - xy * xy).max(0.0).sqrt();
        let yz = (dot(1, 2) - xy * xz) / yy;
        let zz = (dot(2, 2) - xz * xz - yz * yz).max(0.0).sqrt();
        Self { r: [xx, xy, xz, yy, yz, zz], orthogonal: false }
    }

    /// A place in mm, for a voxel or a difference of two.
    pub fn place(&self, [i, j, k]: [i32; 3]) -> [f64; 3] {
        let [i, j, k] = [i, j, k].map(f64::from);
        let r = &self.r;
        [r[0] * i + r[1] * j + r[2] * k, r[3] * j + r[4] * k, r[5] * k]
    }

    /// Squared distance in mm² between two voxel centres.
    pub fn square(&self, a: [i32; 3], b: [i32; 3]) -> f64 {
        let [x, y, z] = self.place([a[0] - b[0], a[1] - b[1], a[2] - b[2]]);
        x * x + y * y + z * z
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Affine;

    #[test]
    fn distances_are_those_of_the_affine() {
        let (s, c) = 18.5f64.to_radians().sin_cos();
        let affine =
            Affine([[-0.5, 0.0, 0.1, 30.0], [0.0, -0.5 * c, 0.0, 30.0], [0.02, -0.5 * s, 5.0, -20.0]]);
        let grid = Grid::new([9, 9, 9], affine).unwrap();
        let metric = Metric::of(&grid);
        assert!(!metric.orthogonal);
        for (a, b) in [([1, 2, 3], [8, 0, 4]), ([0, 0, 0], [0, 5, 1]), ([3, 3, 3], [3, 3, 8])] {
            let [p, q] = [a, b].map(|v: [i32; 3]| affine.apply(v.map(f64::from)));
            let want: f64 = (0..3).map(|n| (p[n] - q[n]).powi(2)).sum();
            assert!((metric.square(a, b) - want).abs() < 1e-10);
        }
        let turned = Affine([[0.0, 0.0, -5.0, 0.0], [0.43, 0.0, 0.0, 0.0], [0.0, -0.43, 0.0, 0.0]]);
        let metric = Metric::of(&Grid::new([9, 9, 9], turned).unwrap());
        assert!(metric.orthogonal && metric.square([1, 1, 2], [1, 1, 1]) == 25.0);
    }
}
