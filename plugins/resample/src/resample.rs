//! Puts an image on another grid.

use crate::outside::outside;
use crate::put::{describe, put};
use crate::target::{may_overlap, target};
use ichor_image::{Interpolation, Profile, Resampling};
use ichor_sdk::prelude::*;

/// Puts an image on a grid with another spacing, or on the grid of a reference.
///
/// With `spacing`, the new grid covers the same field of view: its axes keep their directions, the outer corner
/// of the first voxel stays where it is, the spacing is exact, and an axis has round(extent / spacing) voxels.
///
/// Kind, unit and type of the voxels stay: CT in i16 comes out as i16, rounded to nearest. When the grid is the
/// one asked for already, the image passes through unchanged. On the grid of a reference, the result also has
/// what is known of how the reference's file wrote its grid down, so that save-nifti can write it again. Voxels whose centres lie outside the old field of
/// view become `outside`; up to half a voxel beyond the outermost centres the edge goes on.
///
/// Thick slices are made of thin ones with `profile: box`, as a scanner makes them: each is the mean of the thin
/// slices in it. `pipelines/sites` holds profiles of sites that do so.
///
/// Masks and labels are never blended: `nearest` copies, and the others interpolate (or average) the share of
/// each label and give a voxel to the label with the largest one, so that a mask is cut at one half.
/// Probabilities stay within 0 and 1.
#[derive(Stage)]
#[stage(id = "resample", version = "1.1.0")]
#[input(image, kind = "volume|mask|labels|probs", doc = "what is resampled")]
#[input(
    reference,
    kind = "volume|mask|labels|probs",
    optional,
    doc = "its grid is taken; its voxels are not"
)]
#[output(image, kind = "volume|mask|labels|probs", like = "image", doc = "the same on the new grid")]
pub struct Resample {
    /// Size of the new voxels along the image's own axes i, j and k; 0 keeps an axis as it is.
    #[param(min = 0, unit = "mm")]
    spacing: Option<[f64; 3]>,
    /// How values between voxel centres are made: `nearest`, `linear`, `cubic` (B-spline through the voxels,
    /// sharper, but overshoots at the edges of bone and air) or `lanczos` (windowed sinc of three voxels to either
    /// side, the sharpest, and rings). `auto` is linear for volumes and probabilities, since overshoot would move
    /// values across thresholds, and nearest for masks and labels.
    #[param(default = "auto")]
    interpolation: Choice,
    /// What a new voxel averages over along axes that become coarser, so that nothing finer shows up as false
    /// structure. `gaussian`: sigma = sqrt(f^2 - 1) / 2.3548 old voxels, f the new spacing over the old one
    /// (Cardoso et al., MICCAI 2015). `box`: the whole new voxel, or `thickness`, by the exact lengths with which
    /// old voxels lie in it, instead of interpolation: how thick slices are made of thin ones. `none`: its centre
    /// alone. With `nearest` nothing is averaged.
    #[param(default = "gaussian")]
    profile: Shape,
    /// For `box`, how thick the slab is that a new voxel averages over, along the axes i, j and k: slices may
    /// overlap or leave gaps. 0 is the new spacing where an axis becomes coarser, and no slab elsewhere.
    #[param(min = 0, unit = "mm")]
    thickness: Option<[f64; 3]>,
    /// An older way to say `profile`: true is `gaussian`, false `none`.
    anti_alias: Option<bool>,
    /// Value of voxels that the image does not reach; by default -1024 for HU and 0 otherwise.
    outside: Option<f64>,
}

#[derive(Clone, Copy, Param)]
enum Choice {
    Auto,
    Nearest,
    Linear,
    Cubic,
    Lanczos,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Param)]
enum Shape {
    Gaussian,
    Box,
    None,
}

impl Choice {
    fn resolved(self, kind: Kind) -> Interpolation {
        match (self, kind) {
            (Self::Nearest, _) | (Self::Auto, Kind::Mask | Kind::Labels) => Interpolation::Nearest,
            (Self::Linear | Self::Auto, _) => Interpolation::Linear,
            (Self::Cubic, _) => Interpolation::Cubic,
            (Self::Lanczos, _) => Interpolation::Lanczos,
        }
    }
}

impl Run for Resample {
    fn run(&self, run: &Context) -> Result<()> {
        let to = self.make(run)?;
        if !may_overlap(run.input(Self::IMAGE)?.grid(), &to)? {
            run.warn("image and reference do not overlap: every voxel of the result is outside the image");
        }
        Ok(())
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let (image, to) = (run.input(Self::IMAGE)?, self.make(run)?);
        let (old, new) = (image.grid().len() as u64, to.len() as u64);
        let is_nearest = self.interpolation.resolved(image.kind()) == Interpolation::Nearest;
        // At most: axes in another order, spline coefficients or a smoothed copy, and the shares of labels.
        let copies = if is_nearest { 0 } else { 8 * old };
        let shares = if image.kind() == Kind::Labels && !is_nearest { 8 * new } else { 0 };
        let scratch_bytes = if to.same_as(image.grid()) { 0 } else { 4 * old + copies + shares };
        Ok(Need { scratch_bytes, device_bytes: 0 })
    }
}

impl Resample {
    /// Makes the output, in a plan without voxels, and returns its grid.
    fn make(&self, run: &Context) -> Result<Grid> {
        let image = run.input(Self::IMAGE)?;
        let reference = run.optional(Self::REFERENCE)?;
        let to = target(image.grid(), self.spacing, reference.as_ref().map(Input::grid))?;
        let how =
            Resampling { interpolation: self.interpolation.resolved(image.kind()), profile: self.profile()? };
        let outside = outside(self.outside, image.kind(), image.unit(), "outside")?;
        let about = |input: &Input| input.meta().get("grid").cloned();
        let new = reference.as_ref().and_then(about);
        if to == *image.grid() && (new.is_none() || new == about(&image)) {
            run.forward(Self::IMAGE, Self::IMAGE)?;
            return Ok(to);
        }
        put(run, Self::IMAGE, &image, &to, how, outside)?;
        describe(run, Self::IMAGE, &image, new)?;
        Ok(to)
    }

    fn profile(&self) -> Result<Profile> {
        let shape = match (self.anti_alias, self.profile) {
            (Some(false), Shape::Gaussian) => Shape::None,
            (None, shape) | (Some(true), shape @ Shape::Gaussian) | (Some(false), shape @ Shape::None) => {
                shape
            }
            (Some(old), shape) => {
                return Err(Error::bad_params(format!(
                    "`anti_alias: {old}` and `profile: {}` say different things; leave out `anti_alias`",
                    format!("{shape:?}").to_lowercase()
                )));
            }
        };
        match (shape, self.thickness) {
            (Shape::Box, mm) => Ok(Profile::Slab(mm.unwrap_or_default())),
            (_, Some(_)) => {
                Err(Error::bad_params("`thickness` is for `profile: box`; leave it out or set that"))
            }
            (Shape::Gaussian, None) => Ok(Profile::Gaussian),
            (Shape::None, None) => Ok(Profile::Point),
        }
    }
}
