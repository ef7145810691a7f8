//! Turns and mirrors the axes of an image.

use crate::put::{COPY, describe, put};
use ichor_sdk::prelude::*;

/// Puts the axes of an image in another order and direction.
///
/// Nothing is interpolated and nothing moves in the world: voxels change their places in memory and the affine
/// says so. Axes that are tilted count for the direction in which they mostly point, and stay tilted. An image that
/// is oriented as asked for passes through unchanged.
#[derive(Stage)]
#[stage(id = "reorient", version = "1.0.0")]
#[input(image, kind = "volume|mask|labels|probs", doc = "what is turned")]
#[output(image, kind = "volume|mask|labels|probs", like = "image", doc = "the same voxels in another order")]
pub struct Reorient {
    /// Where the axes i, j and k point: one of R and L, one of A and P, one of S and I, in any order. `RAS` is the
    /// world of NIfTI, `LPS` that of DICOM, `LAS` what many older programs write.
    #[param(default = "RAS")]
    orientation: String,
}

impl Run for Reorient {
    fn run(&self, run: &Context) -> Result<()> {
        self.make(run)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        self.make(run)?;
        // At most a copy with the axes in another order.
        let image = run.input(Self::IMAGE)?;
        let bytes = match image.dtype() {
            DType::U8 => 1,
            DType::I16 | DType::U16 => 2,
            DType::U32 | DType::F32 => 4,
        };
        let scratch_bytes = bytes * image.grid().len() as u64;
        Ok(Need { scratch_bytes, device_bytes: 0 })
    }
}

impl Reorient {
    fn make(&self, run: &Context) -> Result<()> {
        let image = run.input(Self::IMAGE)?;
        let mut letters = self.orientation.chars();
        let wanted = [letters.next(), letters.next(), letters.next()].map(Option::unwrap_or_default);
        let to = image.grid().reoriented(wanted).filter(|_| letters.next().is_none()).ok_or_else(|| {
            Error::bad_params(format!(
                "`{}` is no orientation; give one of R and L, one of A and P and one of S and I, such as RAS",
                self.orientation
            ))
        })?;
        if to == *image.grid() {
            return run.forward(Self::IMAGE, Self::IMAGE);
        }
        put(run, Self::IMAGE, &image, &to, COPY, 0.0)?;
        describe(run, Self::IMAGE, &image, None)
    }
}
