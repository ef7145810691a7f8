//! Puts the voxels of an image on another grid, whatever their type.

use ichor_image::resample::Sample;
use ichor_image::{Interpolation, Profile, Resampling, resample_into, resample_labels};
use ichor_sdk::json::{Value, json};
use ichor_sdk::prelude::*;
use ichor_sdk::{InOut, Out};

/// Voxels of a piece of work.
const CHUNK: usize = 1 << 16;

/// Voxels are copied, whatever they are.
pub const COPY: Resampling = Resampling { interpolation: Interpolation::Nearest, profile: Profile::Point };

/// Makes the output at `port`, of the kind, unit and type of the image, on the grid `to`; in a plan without
/// voxels. `outside` is the value of voxels that the image does not reach.
///
/// # Errors
/// Kind and type of the image do not go together, the type cannot hold `outside`, or the host refuses.
pub fn put(
    run: &Context,
    port: InOut,
    image: &Input,
    to: &Grid,
    how: Resampling,
    outside: f64,
) -> Result<()> {
    let work = Work { run, port: port.into(), image, to, how, outside };
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
            let text =
                format!("input `image` is {kind:?} of type {:?}, which do not go together", image.dtype());
            return Err(Error::bad_input(text));
        }
    }
    Ok(())
}

/// Gives the output the image's metadata, but for `about`, what is said of the grid: that of the new one if it is
/// known. Of the old one's the code of the space stays: world coordinates are the same.
///
/// # Errors
/// Those of the host.
pub fn describe(run: &Context, port: InOut, image: &Input, about: Option<Value>) -> Result<()> {
    let Value::Object(mut meta) = image.meta() else {
        return about.map_or(Ok(()), |about| run.set_meta(port, &json!({ "grid": about })));
    };
    let code = meta.get("grid").map_or(Value::Null, |old| old["nifti"]["xform"].clone());
    let about = about.or_else(|| code.is_i64().then(|| json!({ "nifti": { "xform": code } })));
    match about {
        Some(about) => _ = meta.insert("grid".into(), about),
        None => _ = meta.remove("grid"),
    }
    if meta.is_empty() { Ok(()) } else { run.set_meta(port, &Value::Object(meta)) }
}

/// What does not depend on the type of the voxels.
struct Work<'a> {
    run: &'a Context<'a>,
    port: Out,
    image: &'a Input<'a>,
    to: &'a Grid,
    how: Resampling,
    outside: f64,
}

impl<'a> Work<'a> {
    fn labels<T: Voxel + Sample + Ord>(&self, from: &[T]) -> Result<()> {
        let outside = self.outside_as()?;
        let out = self.run.new_like::<T>(self.port, self.image, self.to)?;
        if !out.is_empty() {
            resample_labels(self.run, from, self.image.grid(), self.to, self.how, outside, out);
        }
        Ok(())
    }

    /// Volume by volume.
    fn values<T: Voxel + Sample>(&self, from: &[T]) -> Result<&'a mut [T]> {
        let outside = self.outside_as()?;
        let out = self.run.new_like::<T>(self.port, self.image, self.to)?;
        let channels = self.image.channels();
        let parts = from.chunks(self.image.grid().len()).zip(out.chunks_mut(self.to.len()));
        for (n, (from, out)) in parts.enumerate() {
            self.run.check_cancelled()?;
            self.run.progress(n as f64 / channels as f64, "resampling");
            resample_into(self.run, from, self.image.grid(), self.to, self.how, outside, out);
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
        Err(Error::bad_params(format!(
            "{asked}, the value of what the image does not reach, is one that voxels of type {dtype:?} cannot hold"
        )))
    }
}

/// Splines overshoot.
fn clamp(run: &Context, probabilities: &mut [f32]) {
    for_each_chunk(run, probabilities, CHUNK, &|_, part| {
        part.iter_mut().for_each(|p| *p = p.clamp(0.0, 1.0));
    });
}
