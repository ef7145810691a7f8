//! The grid on which the result lies.

use ichor_sdk::prelude::Grid;
use ichor_sdk::{Error, Result};

/// The reference's grid, or that of the image with another spacing (mm; 0 keeps an axis).
///
/// # Errors
/// Both or none are given, or the new grid is impossible.
pub fn target(image: &Grid, spacing: Option<[f64; 3]>, reference: Option<&Grid>) -> Result<Grid> {
    match (spacing, reference) {
        (None, Some(grid)) => Ok(*grid),
        (Some(spacing), None) => image.respaced(spacing).map_err(|error| {
            let [x, y, z] = spacing;
            Error::bad_params(format!("voxels of {x} x {y} x {z} mm over {image} make no grid: {error}"))
        }),
        (Some(_), Some(_)) => Err(Error::bad_params(
            "both `spacing` and an input `reference` are given, and either decides the grid; take one away",
        )),
        (None, None) => {
            Err(Error::bad_params("the new grid is not given; set `spacing` or connect `reference`"))
        }
    }
}

/// Whether the fields of view of two grids may have a voxel in common; `false` is certain.
pub fn may_overlap(image: &Grid, to: &Grid) -> Result<bool> {
    let map = image.affine.inverse()?.after(&to.affine);
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for corner in 0..8 {
        let v = std::array::from_fn(|a| if corner >> a & 1 == 0 { 0.0 } else { to.shape[a] as f64 - 1.0 });
        let p = map.apply(v);
        low = std::array::from_fn(|a| low[a].min(p[a]));
        high = std::array::from_fn(|a| high[a].max(p[a]));
    }
    Ok((0..3).all(|a| high[a] >= -0.5 && low[a] <= image.shape[a] as f64 - 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_sdk::prelude::Affine;

    fn grid(shape: [usize; 3], spacing: [f64; 3], origin: [f64; 3]) -> Grid {
        Grid::new(shape, Affine::from_spacing(spacing, origin)).unwrap()
    }

    #[test]
    fn exactly_one_thing_decides_the_grid() {
        let image = grid([100, 90, 20], [0.5, 0.5, 5.0], [0.0; 3]);
        let other = grid([7, 8, 9], [1.0; 3], [3.0; 3]);
        assert_eq!(target(&image, None, Some(&other)).unwrap(), other);
        assert_eq!(target(&image, Some([1.0, 0.0, 2.5]), None).unwrap().shape, [50, 90, 40]);
        let message = |r: Result<Grid>| r.unwrap_err().to_string();
        assert!(message(target(&image, None, None)).contains("set `spacing` or connect `reference`"));
        assert!(message(target(&image, Some([1.0; 3]), Some(&other))).contains("take one away"));
        assert!(message(target(&image, Some([1e-9, 1.0, 1.0]), None)).contains("make no grid"));
    }

    #[test]
    fn grids_apart_are_told() {
        let image = grid([10, 10, 10], [1.0; 3], [0.0; 3]);
        assert!(may_overlap(&image, &grid([3, 3, 3], [2.0; 3], [9.4, 0.0, 0.0])).unwrap());
        assert!(!may_overlap(&image, &grid([3, 3, 3], [2.0; 3], [9.6, 0.0, 0.0])).unwrap());
        assert!(!may_overlap(&image, &grid([3, 3, 3], [2.0; 3], [0.0, 0.0, -5.0])).unwrap());
    }
}
