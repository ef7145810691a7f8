//! A working grid that stands upright with the patient.

use crate::{Affine, Grid};

/// The grid with axes at right angles, x toward the right, y toward the front, z toward the top, that holds all
/// voxel centres of `grid`. Its slices are parallel to those of the scan, so that a scan that ends inside the
/// head ends with a slice here too, and z counts slices across. Voxels are at most `spacing_mm` long.
/// An axis of the scan with one voxel makes one of two voxels.
pub fn upright(grid: &Grid, spacing_mm: [f64; 3]) -> Grid {
    let [x, y, z] = directions(grid);
    let mut range = [[f64::INFINITY, f64::NEG_INFINITY]; 3];
    for corner in 0..8 {
        let v = std::array::from_fn(|a| if corner >> a & 1 == 1 { grid.shape[a] as f64 - 1.0 } else { 0.0 });
        let p = grid.affine.apply(v);
        for (r, axis) in range.iter_mut().zip([x, y, z]) {
            let at = dot(p, axis);
            *r = [r[0].min(at), r[1].max(at)];
        }
    }
    // A little inside, so that rounding puts no voxel of the first or last slice outside the scan.
    let inset = spacing_mm.map(|s| 1e-4 * s);
    let length: [f64; 3] =
        std::array::from_fn(|a| (range[a][1] - range[a][0] - 2.0 * inset[a]).max(inset[a]));
    let shape: [usize; 3] = std::array::from_fn(|a| (length[a] / spacing_mm[a]).ceil() as usize + 1);
    let mut affine = Affine([[0.0; 4]; 3]);
    for (a, axis) in [x, y, z].into_iter().enumerate() {
        for (row, &part) in affine.0.iter_mut().zip(&axis) {
            row[a] = part * length[a] / (shape[a] - 1) as f64;
            row[3] += part * (range[a][0] + inset[a]);
        }
    }
    Grid { shape, affine }
}

/// Right, front and top: the scan's own in-plane axes, made to stand at right angles, and what is across them.
fn directions(grid: &Grid) -> [[f64; 3]; 3] {
    let spacing = grid.spacing();
    let letters = grid.affine.orientation();
    let toward = |positive: char, negative: char| {
        let axis = letters.iter().position(|&c| c == positive || c == negative).unwrap_or(0);
        let sign = if letters[axis] == positive { 1.0 } else { -1.0 };
        std::array::from_fn(|r| sign * grid.affine.0[r][axis] / spacing[axis])
    };
    let x: [f64; 3] = toward('R', 'L');
    let y: [f64; 3] = toward('A', 'P');
    let shear = dot(x, y);
    let y: [f64; 3] = std::array::from_fn(|r| y[r] - shear * x[r]);
    let y = y.map(|v| v / dot(y, y).sqrt());
    [x, y, [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flipped_and_permuted_axes_come_out_upright() {
        // Axes I, L, P.
        let affine = Affine([[0.0, -1.0, 0.0, 50.0], [0.0, 0.0, -1.5, 60.0], [-4.0, 0.0, 0.0, 100.0]]);
        let grid = Grid::new([20, 100, 80], affine).unwrap();
        let up = upright(&grid, [2.0; 3]);
        assert_eq!(up.affine.orientation(), ['R', 'A', 'S']);
        assert!(up.spacing().iter().all(|&s| s <= 2.0 && s > 1.9));
        let (low, high) = (up.affine.apply([0.0; 3]), up.affine.apply(up.shape.map(|n| n as f64 - 1.0)));
        for (found, expected) in low.iter().chain(&high).zip([-49.0, -58.5, 24.0, 50.0, 60.0, 100.0]) {
            assert!((found - expected).abs() < 1e-3, "{low:?} {high:?}");
        }
    }

    #[test]
    fn first_slice_of_a_tilted_scan_is_the_first_plane() {
        // Sheared by 18.5 degrees: rows follow the tilt, slices step along the table.
        let (s, c) = 18.5f64.to_radians().sin_cos();
        let affine = Affine([[-0.5, 0.0, 0.0, 0.0], [0.0, -0.5 * c, 0.0, 0.0], [0.0, -0.5 * s, 5.0, 0.0]]);
        let grid = Grid::new([300, 300, 30], affine).unwrap();
        let back = upright(&grid, [2.0; 3]).affine.inverse().unwrap();
        for v in [[0.0, 0.0, 0.0], [299.0, 0.0, 0.0], [10.0, 299.0, 0.0]] {
            assert!(back.apply(grid.affine.apply(v))[2].abs() < 1e-3);
        }
    }
}
