//! The slices of a scan.

use ichor_image::Grid;

/// Number of slices and their thickness in mm, along the axis that runs most superior-inferior.
pub fn slices(grid: &Grid) -> (usize, f64) {
    let axis = grid.affine.orientation().iter().position(|c| matches!(c, 'S' | 'I')).unwrap_or(2);
    (grid.shape[axis], grid.spacing()[axis])
}
