//! The stage: an image at the places where a transform leads.

use crate::input::clip;
use crate::transform::Transform;
use crate::{transform_file, warp};
use ichor_image::Interpolation;
use ichor_image::resample::Sample;
use ichor_sdk::prelude::*;

/// Brings an image to the grid of a reference by a transform.
///
/// The transform takes places of the reference to those of the image, as `register` and ITK's tools write it: an ITK
/// transform in text (`.tfm`, `.txt`) that is affine, rigid (Euler, versor), a similarity, a translation or a cubic
/// B-spline, or a composite of them. Others are refused.
///
/// Kind, unit and type of the voxels stay. Voxels that the image does not reach become `outside`. Masks and labels
/// are never blended: `nearest` copies, and `linear` gives a voxel to the label with the largest share. Nothing is
/// averaged where the new voxels are coarser; `resample` does that.
#[derive(Stage)]
#[stage(id = "apply-transform", version = "1.0.0")]
#[input(image, kind = "volume|mask|labels", doc = "what is brought to the reference")]
#[input(
    transform,
    kind = "doc",
    doc = "ITK transform as text, from places of `reference` to those of `image`"
)]
#[input(reference, kind = "volume|mask|labels|probs", doc = "its grid is taken; its voxels are not")]
#[output(
    image,
    kind = "volume|mask|labels",
    like = "image",
    grid = "reference",
    doc = "the same on the grid of the reference"
)]
pub struct ApplyTransform {
    /// How values between voxel centres are made: `nearest`, `linear`, or `cubic` (B-spline through the voxels; not for
    /// masks and labels). `auto` is linear, for labels with the largest share.
    #[param(default = "auto")]
    interpolation: Choice,
    /// Value of voxels that the image does not reach; by default -1024 for HU and 0 otherwise.
    outside: Option<f64>,
}

#[derive(Clone, Copy, Param)]
enum Choice {
    Auto,
    Nearest,
    Linear,
    Cubic,
}

impl Run for ApplyTransform {
    fn run(&self, run: &Context) -> Result<()> {
        let transform = transform_file::read(run.input(Self::TRANSFORM)?.bytes())?;
        run.check_cancelled()?;
        run.progress(0.1, "warping");
        self.make(run, &transform)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let image = run.input(Self::IMAGE)?;
        self.make(run, &Transform::default())?;
        let is_cubic = matches!(self.interpolation, Choice::Cubic);
        let scratch_bytes = if is_cubic { 8 * image.grid().len() as u64 } else { 0 };
        Ok(Need { scratch_bytes: scratch_bytes + (16 << 20), device_bytes: 0 })
    }
}

impl ApplyTransform {
    /// Makes the output; in a plan without voxels.
    fn make(&self, run: &Context, transform: &Transform) -> Result<()> {
        let (image, reference) = (run.input(Self::IMAGE)?, run.input(Self::REFERENCE)?);
        let how = match (self.interpolation, image.kind()) {
            (Choice::Nearest, _) => Interpolation::Nearest,
            (Choice::Linear | Choice::Auto, _) => Interpolation::Linear,
            (Choice::Cubic, Kind::Volume) => Interpolation::Cubic,
            (Choice::Cubic, kind) => {
                return Err(Error::bad_params(format!(
                    "`interpolation: cubic` is not for {}; use linear or nearest",
                    kind.name()
                )));
            }
        };
        let work = Work { run, transform, how, outside: self.outside(&image)?, reference: reference.grid() };
        match (image.kind(), image.voxels()) {
            (Kind::Mask | Kind::Labels, Voxels::U8(v)) => work.labels(&image, v),
            (Kind::Mask | Kind::Labels, Voxels::U16(v)) => work.labels(&image, v),
            (Kind::Mask | Kind::Labels, Voxels::U32(v)) => work.labels(&image, v),
            (Kind::Volume, Voxels::U8(v)) => work.values(&image, v),
            (Kind::Volume, Voxels::I16(v)) => work.values(&image, v),
            (Kind::Volume, Voxels::U16(v)) => work.values(&image, v),
            (Kind::Volume, Voxels::U32(v)) => work.values(&image, v),
            (Kind::Volume, Voxels::F32(v)) => work.values(&image, v),
            (kind, _) => Err(Error::bad_input(format!(
                "input `image` is {} of type {:?}, which do not go together",
                kind.name(),
                image.dtype()
            ))),
        }
    }

    fn outside(&self, image: &Input) -> Result<f32> {
        let value = self.outside.unwrap_or(if image.unit() == Unit::Hu { -1024.0 } else { 0.0 });
        let fits = match image.kind() {
            Kind::Mask => value == 0.0 || value == 1.0,
            Kind::Labels => value >= 0.0 && value.fract() == 0.0,
            _ => value.is_finite(),
        };
        if fits {
            return Ok(value as f32);
        }
        Err(Error::bad_params(format!("`outside` is {value}, which {} cannot hold", image.kind().name())))
    }
}

struct Work<'a> {
    run: &'a Context<'a>,
    transform: &'a Transform,
    how: Interpolation,
    outside: f32,
    reference: &'a Grid,
}

impl Work<'_> {
    fn values<T: Voxel + Sample>(&self, image: &Input, data: &[T]) -> Result<()> {
        let out = self.run.new_like::<T>(ApplyTransform::IMAGE, image, self.reference)?;
        if !out.is_empty() {
            let (from, to) = ((data, image.grid()), (out, self.reference));
            warp::values(self.run, from, self.transform, self.how, clip(self.outside), to);
        }
        Ok(())
    }

    fn labels<T: Voxel + Sample + Ord>(&self, image: &Input, data: &[T]) -> Result<()> {
        let out = self.run.new_like::<T>(ApplyTransform::IMAGE, image, self.reference)?;
        if !out.is_empty() {
            let (from, to) = ((data, image.grid()), (out, self.reference));
            warp::labels(self.run, from, self.transform, self.how, clip(self.outside), to);
        }
        Ok(())
    }
}
