//! Puts an image on another grid.

use crate::outside::outside;
use crate::target::{may_overlap, target};
use ichor_image::resample::Sample;
use ichor_image::{Interpolation, Resampling, resample_into, resample_labels};
use ichor_sdk::prelude::*;

/// Voxels of a piece of work.
const CHUNK: usize = 1 << 16;

/// Puts an image on a grid with another spacing, or on the grid of a reference.
///
/// With `spacing`, the new grid covers the same field of view: its axes keep their directions, the outer corner
/// of the first voxel stays where it is, the spacing is exact, and an axis has round(extent / spacing) voxels.
///
/// Kind, unit and type of the voxels stay: CT in i16 comes out as i16, rounded to nearest. When the grid is the
/// one asked for already, the image passes through unchanged. Voxels whose centres lie outside the old field of
/// view become `outside`; up to half a voxel beyond the outermost centres the edge goes on.
///
/// Masks and labels are never blended: `nearest` copies, and `linear` and `cubic` interpolate the share of
/// each label and give a voxel to the label with the largest one, so that a mask is cut at one half.
/// Probabilities stay within 0 and 1.
#[derive(Stage)]
#[stage(id = "resample", version = "1.0.0")]
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
    /// How values between voxel centres are made: `nearest`, `linear`, or `cubic` (B-spline through the voxels,
    /// sharper, but overshoots at the edges of bone and air). `auto` is linear for volumes and probabilities,
    /// since overshoot would move values across thresholds, and nearest for masks and labels.
    #[param(default = "auto")]
    interpolation: Choice,
    /// Smooth along axes that become coarser, so that nothing finer than the new voxels shows up as false
    /// structure: a Gaussian of sigma = sqrt(f^2 - 1) / 2.3548 old voxels, f the new spacing over the old one
    /// (Cardoso et al., MICCAI 2015). Nothing is smoothed with `nearest`.
    #[param(default = true)]
    anti_alias: bool,
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

impl Choice {
    fn resolved(self, kind: Kind) -> Interpolation {
        match (self, kind) {
            (Self::Nearest, _) | (Self::Auto, Kind::Mask | Kind::Labels) => Interpolation::Nearest,
            (Self::Linear | Self::Auto, _) => Interpolation::Linear,
            (Self::Cubic, _) => Interpolation::Cubic,
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
        let outside = outside(self.outside, image.kind(), image.unit())?;
        if to.same_as(image.grid()) {
            run.forward(Self::IMAGE, Self::IMAGE)?;
            return Ok(to);
        }
        let work = Work {
            run,
            image: &image,
            to,
            how: Resampling {
                interpolation: self.interpolation.resolved(image.kind()),
                anti_alias: self.anti_alias,
            },
            outside,
        };
        match (image.kind(), image.voxels()) {
            (Kind::Mask | Kind::Labels, Voxels::U8(v)) => work.labels(v)?,
            (Kind::Mask | Kind::Labels, Voxels::U16(v)) => work.labels(v)?,
            (Kind::Mask | Kind::Labels, Voxels::U32(v)) => work.labels(v)?,
            (Kind::Probs, Voxels::F32(v)) => clamp(run, work.values(v)?),
            (Kind::Volume, Voxels::U8(v)) => drop(work.values(v)?),
            (Kind::Volume, Voxels::I16(v)) => drop(work.values(v)?),
            (Kind::Volume, Voxels::U16(v)) => drop(work.values(v)?),
            (Kind::Volume, Voxels::U32(v)) => drop(work.values(v)?),
            (Kind::Volume, Voxels::F32(v)) => drop(work.values(v)?),
            (kind, _) => {
                let text = format!(
                    "input `image` is {kind:?} of type {:?}, which do not go together",
                    image.dtype()
                );
                return Err(Error::bad_input(text));
            }
        }
        let meta = image.meta();
        if meta.is_object() {
            run.set_meta(Self::IMAGE, &meta)?;
        }
        Ok(to)
    }
}

/// What does not depend on the type of the voxels.
struct Work<'a> {
    run: &'a Context<'a>,
    image: &'a Input<'a>,
    to: Grid,
    how: Resampling,
    outside: f64,
}

impl<'a> Work<'a> {
    fn labels<T: Voxel + Sample + Ord>(&self, from: &[T]) -> Result<()> {
        let outside = self.outside_as()?;
        let out = self.run.new_like::<T>(Resample::IMAGE, self.image, &self.to)?;
        if !out.is_empty() {
            resample_labels(self.run, from, self.image.grid(), &self.to, self.how, outside, out);
        }
        Ok(())
    }

    /// Volume by volume.
    fn values<T: Voxel + Sample>(&self, from: &[T]) -> Result<&'a mut [T]> {
        let outside = self.outside_as()?;
        let out = self.run.new_like::<T>(Resample::IMAGE, self.image, &self.to)?;
        let channels = self.image.channels();
        let parts = from.chunks(self.image.grid().len()).zip(out.chunks_mut(self.to.len()));
        for (n, (from, out)) in parts.enumerate() {
            self.run.check_cancelled()?;
            self.run.progress(n as f64 / channels as f64, "resampling");
            resample_into(self.run, from, self.image.grid(), &self.to, self.how, outside, out);
        }
        Ok(out)
    }

    fn outside_as<T: Sample>(&self) -> Result<T> {
        let value = T::from_f32(self.outside as f32);
        // f32 keeps every value; what a whole type clamps or rounds is not what was asked for.
        if value.to_f32() == self.outside as f32 {
            return Ok(value);
        }
        let (asked, dtype) = (self.outside, self.image.dtype());
        Err(Error::bad_params(format!("`outside` is {asked}, which voxels of type {dtype:?} cannot hold")))
    }
}

/// Splines overshoot.
fn clamp(run: &Context, probabilities: &mut [f32]) {
    for_each_chunk(run, probabilities, CHUNK, &|_, part| {
        part.iter_mut().for_each(|p| *p = p.clamp(0.0, 1.0));
    });
}
