//! What the stages ask of their inputs.

use ichor_image::Grid;
use ichor_image::resample::Sample;
use ichor_sdk::{Error, Input, Result};

/// The voxels of a mask that lies on the grid of the image named `image`; none without one.
///
/// # Errors
/// It lies on another grid, or is 0 everywhere.
pub fn counts<'a>(mask: Option<Input<'a>>, grid: &Grid, name: &str, image: &str) -> Result<&'a [u8]> {
    let Some(mask) = mask else { return Ok(&[]) };
    if !mask.grid().same_as(grid) {
        return Err(Error::bad_input(format!(
            "`{name}` lies on {}, but `{image}` on {grid}; resample the mask to the image",
            mask.grid()
        )));
    }
    let voxels = mask.mask()?;
    if voxels.iter().all(|v| *v == 0) {
        return Err(Error::bad_input(format!("`{name}` is empty")));
    }
    Ok(voxels)
}

/// The nearest value that voxels of the type can have.
pub fn clip<T: Sample>(value: f32) -> T {
    T::from_f32(value)
}
