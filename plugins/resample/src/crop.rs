//! Cuts a box out of an image.

use crate::put::{COPY, describe, put};
use ichor_image::{Bounds, bounding_box};
use ichor_sdk::prelude::*;

/// Cuts a box out of an image.
///
/// The box is the one around a mask with a margin, or one of `extent` mm around the middle of the mask or image, or
/// a range of voxels. It runs along the image's axes, is cut off at the image's border, and moves nothing in the
/// world: voxels keep their values and places. Images on one grid are cut alike with the same mask and parameters;
/// `resample` with the whole image as its reference brings results back.
#[derive(Stage)]
#[stage(id = "crop", version = "1.0.0")]
#[input(image, kind = "volume|mask|labels|probs", doc = "what is cut")]
#[input(mask, kind = "mask", grid = "image", optional, doc = "around what the box is")]
#[output(image, kind = "volume|mask|labels|probs", like = "image", doc = "the part in the box")]
pub struct Crop {
    /// Wider than the mask on every side.
    #[param(default = 0.0, min = 0.0, unit = "mm")]
    margin: f64,
    /// What an empty mask means: an error, or the whole image.
    #[param(default = "fail")]
    if_empty: IfEmpty,
    /// Size of the box along the axes i, j and k, around the middle of the mask's box, or of the image if there is
    /// no mask; 0 is the whole axis. At the border it moves inwards.
    #[param(min = 0, unit = "mm")]
    extent: Option<[f64; 3]>,
    /// First voxel of the box along i, j and k, counted from 0.
    begin: Option<[usize; 3]>,
    /// One past the last voxel of the box along i, j and k.
    end: Option<[usize; 3]>,
}

#[derive(Clone, Copy, PartialEq, Eq, Param)]
enum IfEmpty {
    Fail,
    Whole,
}

impl Run for Crop {
    fn run(&self, run: &Context) -> Result<()> {
        let (image, mask) = (run.input(Self::IMAGE)?, run.optional(Self::MASK)?);
        let shape = image.grid().shape;
        self.check(mask.is_some(), shape)?;
        let around = match mask {
            None => None,
            Some(mask) => {
                let found = bounding_box(run, mask.mask()?, shape);
                if found.is_none() && self.if_empty == IfEmpty::Fail {
                    return Err(Error::bad_input(
                        "the mask is empty, so there is no box around it; `if_empty: whole` would keep the image",
                    ));
                }
                Some(found.unwrap_or(whole(shape)))
            }
        };
        self.make(run, &image, self.bounds(around, image.grid()))
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let (image, mask) = (run.input(Self::IMAGE)?, run.optional(Self::MASK)?);
        self.check(mask.is_some(), image.grid().shape)?;
        if mask.is_some() {
            return Err(Error::unsupported("where a mask is, is known when it is there"));
        }
        self.make(run, &image, self.bounds(None, image.grid()))?;
        Ok(Need::default())
    }
}

impl Crop {
    /// One way to say the box, and one that makes sense.
    fn check(&self, has_mask: bool, shape: [usize; 3]) -> Result<()> {
        let by_range = self.begin.is_some() || self.end.is_some();
        if by_range && (has_mask || self.extent.is_some()) {
            return Err(Error::bad_params(
                "`begin` and `end` say what the box is; take them away, or `extent` and the mask",
            ));
        }
        if !by_range && !has_mask && self.extent.is_none() {
            return Err(Error::bad_params(
                "nothing says what the box is; connect `mask`, or set `extent`, or `begin` and `end`",
            ));
        }
        if self.extent.is_some() && self.margin > 0.0 {
            return Err(Error::bad_params(
                "`margin` and `extent` both say how large the box is; take one away",
            ));
        }
        let (begin, end) = (self.begin.unwrap_or_default(), self.end.unwrap_or(shape));
        if (0..3).any(|a| begin[a] >= end[a] || end[a] > shape[a]) {
            return Err(Error::bad_params(format!(
                "voxels {begin:?} to {end:?} are no box in an image of {shape:?} voxels; `end` is one past the last"
            )));
        }
        Ok(())
    }

    fn bounds(&self, around: Option<Bounds>, grid: &Grid) -> Bounds {
        let (shape, spacing) = (grid.shape, grid.spacing());
        let within = |v: [usize; 3]| v.map(|n| n as isize);
        match (around, self.extent) {
            (around, Some(extent)) => {
                let around = around.unwrap_or(whole(shape));
                let size: [usize; 3] = std::array::from_fn(|a| match extent[a] {
                    0.0 => shape[a],
                    mm => ((mm / spacing[a]).round() as usize).clamp(1, shape[a]),
                });
                let begin = std::array::from_fn(|a| {
                    let middle = around.begin[a] + around.end[a] - size[a] as isize;
                    middle.div_euclid(2).clamp(0, (shape[a] - size[a]) as isize)
                });
                Bounds { begin, end: std::array::from_fn(|a| begin[a] + size[a] as isize) }
            }
            (Some(around), None) => {
                // Rounded up, but for what is rounding of the affine.
                around
                    .grown(spacing.map(|s| (self.margin / s - 1e-6).ceil().clamp(0.0, 1e9) as usize))
                    .clipped(shape)
            }
            (None, None) => Bounds {
                begin: within(self.begin.unwrap_or_default()),
                end: within(self.end.unwrap_or(shape)),
            },
        }
    }

    fn make(&self, run: &Context, image: &Input, bounds: Bounds) -> Result<()> {
        if bounds == whole(image.grid().shape) {
            return run.forward(Self::IMAGE, Self::IMAGE);
        }
        put(run, Self::IMAGE, image, &image.grid().window(&bounds), COPY, 0.0)?;
        describe(run, Self::IMAGE, image, None)
    }
}

fn whole(shape: [usize; 3]) -> Bounds {
    Bounds { begin: [0; 3], end: shape.map(|n| n as isize) }
}
