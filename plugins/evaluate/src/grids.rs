//! Whether two images lie on one grid.

use ichor_image::Grid;
use ichor_sdk::{Error, Result};

/// Refuses two grids that are not the same.
///
/// # Errors
/// [`Error::bad_input`] that says how they differ.
pub fn same_grid(mask: &Grid, reference: &Grid) -> Result<()> {
    if mask.same_as(reference) {
        return Ok(());
    }
    let advice = "bring one to the other's grid with `resample` (interpolation: nearest)";
    if mask.shape != reference.shape {
        return Err(Error::bad_input(format!(
            "mask and reference are not on the same grid: the mask has {mask}, the reference {reference}; {advice}"
        )));
    }
    let end = mask.shape.map(|n| n as f64 - 1.0);
    let apart = (0..8)
        .map(|corner| {
            let v: [f64; 3] = std::array::from_fn(|a| if corner >> a & 1 == 1 { end[a] } else { 0.0 });
            let (p, q) = (mask.affine.apply(v), reference.affine.apply(v));
            (0..3).map(|a| (p[a] - q[a]).powi(2)).sum::<f64>().sqrt()
        })
        .fold(0.0, f64::max);
    let how = match (mask.affine.orientation(), reference.affine.orientation()) {
        (a, b) if a != b => {
            let [a, b] = [a, b].map(String::from_iter);
            format!("the mask's axes run {a}, the reference's {b}")
        }
        _ if differ(mask.spacing(), reference.spacing()) => {
            let [a, b] = [mask, reference].map(|g| g.spacing().map(|s| (s * 1e5).round() / 1e5));
            format!("the mask's voxels are {a:?} mm, the reference's {b:?} mm")
        }
        _ => "they have the same shape and voxel size".into(),
    };
    Err(Error::bad_input(format!(
        "mask and reference are not on the same grid: {how}, and a corner of the image is {apart:.3} mm from its \
         counterpart; {advice}, or correct the wrong header"
    )))
}

fn differ(a: [f64; 3], b: [f64; 3]) -> bool {
    a.iter().zip(&b).any(|(a, b)| (a - b).abs() > 1e-5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Affine;

    #[test]
    fn the_error_says_how_grids_differ() {
        let grid = |shape, spacing, origin| Grid::new(shape, Affine::from_spacing(spacing, origin)).unwrap();
        let one = grid([10, 10, 4], [0.5, 0.5, 5.0], [0.0; 3]);
        assert!(same_grid(&one, &one).is_ok());
        let message = |other: &Grid| same_grid(&one, other).unwrap_err().to_string();
        assert!(message(&grid([10, 10, 5], [0.5, 0.5, 5.0], [0.0; 3])).contains("10 x 10 x 5 voxels"));
        assert!(message(&grid([10, 10, 4], [0.5, 0.5, 4.0], [0.0; 3])).contains("[0.5, 0.5, 4.0] mm"));
        let moved = message(&grid([10, 10, 4], [0.5, 0.5, 5.0], [0.0, 3.0, 4.0]));
        assert!(moved.contains("same shape and voxel size") && moved.contains("5.000 mm"), "{moved}");
        let flipped = grid([10, 10, 4], [-0.5, 0.5, 5.0], [4.5, 0.0, 0.0]);
        assert!(message(&flipped).contains("run RAS, the reference's LAS"));
    }
}
