//! Axial slices in millimetres.

use ichor_image::Grid;

/// How slices of k lie in the world; their axes i and j need not be at right angles.
#[derive(Clone, Copy, Debug)]
pub struct Plane {
    /// Voxel steps along i and j in two directions of the slice's plane that are at right angles, mm.
    steps: [[f64; 2]; 2],
    /// Distance from one slice to the next at right angles to them, mm: less than the voxel's length along k
    /// when the gantry was tilted.
    pub slice_spacing: f64,
}

impl Plane {
    pub fn of(grid: &Grid) -> Self {
        let axis = |c: usize| [grid.affine.0[0][c], grid.affine.0[1][c], grid.affine.0[2][c]];
        let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        let (u, v) = (axis(0), axis(1));
        let length = dot(u, u).sqrt();
        let along = dot(u, v) / length;
        let across = (dot(v, v) - along * along).sqrt();
        Self {
            steps: [[length, 0.0], [along, across]],
            slice_spacing: grid.voxel_volume_mm3() / (length * across),
        }
    }

    /// Position in the plane of (i, j), fractions allowed, mm.
    pub fn apply(&self, [i, j]: [f64; 2]) -> [f64; 2] {
        let [u, v] = self.steps;
        [i * u[0] + j * v[0], i * u[1] + j * v[1]]
    }

    /// Lengths of a voxel along i and j, mm.
    pub fn pitch(&self) -> [f64; 2] {
        self.steps.map(|s| s[0].hypot(s[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Affine;

    #[test]
    fn tilted_gantry_brings_slices_closer() {
        // Slices step 5 mm along the table, their plane is tilted by 20 degrees.
        let (s, c) = 20f64.to_radians().sin_cos();
        let affine = Affine([[-0.5, 0.0, 0.0, 0.0], [0.0, -0.5 * c, 0.0, 0.0], [0.0, -0.5 * s, 5.0, 0.0]]);
        let plane = Plane::of(&Grid::new([4, 4, 4], affine).unwrap());
        assert!((plane.slice_spacing - 5.0 * c).abs() < 1e-12);
        assert!((plane.pitch()[1] - 0.5).abs() < 1e-12);
        assert!((plane.apply([2.0, -4.0])[1] + 2.0).abs() < 1e-12);
    }
}
