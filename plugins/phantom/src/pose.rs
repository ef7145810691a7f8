//! The scanner's grid, and how the head lies in it.

use ichor_image::{Affine, Grid};
use ichor_sdk::{Error, Result};

/// A grid whose middle is the world's origin and whose axes point as the letters say.
///
/// # Errors
/// The letters name no three different axes, or the numbers make no grid.
pub fn grid(shape: [usize; 3], spacing: [f64; 3], orientation: &str) -> Result<Grid> {
    let letters: Vec<char> = orientation.to_uppercase().chars().collect();
    let axes: Vec<(usize, f64)> = letters
        .iter()
        .filter_map(|c| {
            let axis = ["RL", "AP", "SI"].iter().position(|pair| pair.contains(*c))?;
            Some((axis, if "RAS".contains(*c) { 1.0 } else { -1.0 }))
        })
        .collect();
    let once = |axis: usize| axes.iter().filter(|a| a.0 == axis).count() == 1;
    if letters.len() != 3 || axes.len() != 3 || !(0..3).all(once) {
        return Err(Error::bad_params(format!(
            "`orientation` is `{orientation}`; give three letters, one each of R or L, A or P, S or I, as in LPS"
        )));
    }
    let mut affine = Affine([[0.0; 4]; 3]);
    for (voxel_axis, &(world_axis, sign)) in axes.iter().enumerate() {
        let step = sign * spacing[voxel_axis];
        affine.0[world_axis][voxel_axis] = step;
        affine.0[world_axis][3] = -0.5 * step * (shape[voxel_axis] as f64 - 1.0);
    }
    Ok(Grid::new(shape, affine)?)
}

/// Rotation and shift of the head: world = rotation (p - pivot) + shift.
#[derive(Clone, Copy)]
pub struct Pose {
    rotation: [[f64; 3]; 3],
    shift: [f64; 3],
}

impl Pose {
    /// Angles in degrees about the R, A and S axis, applied in this order (pitch, roll, yaw; right-handed);
    /// shift in mm.
    pub fn new(degrees: [f64; 3], shift: [f64; 3]) -> Self {
        let [(sx, cx), (sy, cy), (sz, cz)] = degrees.map(|d| d.to_radians().sin_cos());
        let about_r = [[1.0, 0.0, 0.0], [0.0, cx, -sx], [0.0, sx, cx]];
        let about_a = [[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]];
        let about_s = [[cz, -sz, 0.0], [sz, cz, 0.0], [0.0, 0.0, 1.0]];
        Self { rotation: times(about_s, times(about_a, about_r)), shift }
    }

    /// The world's anterior direction in head coordinates: away from gravity for a patient on the back.
    pub fn up(self) -> [f32; 3] {
        std::array::from_fn(|n| self.rotation[1][n] as f32)
    }

    /// The map from voxels of `grid` to head coordinates.
    pub fn to_head(self, grid: &Grid, pivot: [f32; 3]) -> Affine {
        let mut inverse = Affine([[0.0; 4]; 3]);
        for (r, row) in inverse.0.iter_mut().enumerate() {
            for c in 0..3 {
                row[c] = self.rotation[c][r];
                row[3] -= row[c] * self.shift[c];
            }
            row[3] += f64::from(pivot[r]);
        }
        inverse.after(&grid.affine)
    }
}

fn times(a: [[f64; 3]; 3], b: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|k| a[r][k] * b[k][c]).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grid_is_centred_and_points_as_asked() {
        let g = grid([5, 7, 3], [0.5, 0.5, 5.0], "lpS").unwrap();
        assert_eq!(g.affine.orientation(), ['L', 'P', 'S']);
        assert_eq!(g.affine.apply([2.0, 3.0, 1.0]), [0.0; 3]);
        assert_eq!(grid([5, 7, 3], [1.0, 2.0, 3.0], "SAR").unwrap().affine.orientation(), ['S', 'A', 'R']);
        for bad in ["LLS", "LP", "LPSX", "XYZ", ""] {
            assert!(grid([5, 7, 3], [1.0; 3], bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn yaw_by_a_quarter_turns_right_to_anterior() {
        let pose = Pose::new([0.0, 0.0, 90.0], [0.0; 3]);
        let g = grid([3, 3, 3], [1.0; 3], "RAS").unwrap();
        // World (0, 1, 0) is the head's right side.
        let p = pose.to_head(&g, [0.0; 3]).apply([1.0, 2.0, 1.0]);
        assert!((p[0] - 1.0).abs() < 1e-12 && p[1].abs() < 1e-12);
        let up = pose.up();
        assert!((up[0] - 1.0).abs() < 1e-6 && up[1].abs() < 1e-6);
    }
}
