//! Clips Hounsfield units, and scales them as networks want them.

use ichor_image::resample::Sample;
use ichor_sdk::prelude::*;

/// Clips the values of a CT to a window, and scales the window to 0 to 1.
///
/// The defaults are those of Patel et al., Scientific Reports 9, 2019: -200 to 200 HU become 0 to 1.
#[derive(Stage)]
#[stage(id = "window", version = "1.0.0")]
#[input(image, kind = "volume", unit = "HU", doc = "a CT")]
#[output(image, kind = "volume", grid = "image", unit_param = "unit", doc = "the values within the window")]
pub struct Window {
    /// Lower values become this.
    #[param(default = -200.0, unit = "HU")]
    lower: f64,
    /// Higher values become this.
    #[param(default = 200.0, unit = "HU")]
    upper: f64,
    /// What the result is in: `none` scales `lower` to 0 and `upper` to 1 (f32); `HU` clips and changes nothing
    /// else, not even the type.
    #[param(default = "none")]
    unit: Scale,
}

#[derive(Clone, Copy, PartialEq, Eq, Param)]
enum Scale {
    None,
    #[param(name = "HU")]
    Hu,
}

/// Voxels of a piece of work.
const CHUNK: usize = 1 << 16;

impl Run for Window {
    fn run(&self, run: &Context) -> Result<()> {
        if self.lower >= self.upper {
            return Err(Error::bad_params(format!(
                "`lower` is {} and `upper` {}, but must be below it",
                self.lower, self.upper
            )));
        }
        match run.input(Self::IMAGE)?.voxels() {
            Voxels::U8(v) => self.make(run, v),
            Voxels::I16(v) => self.make(run, v),
            Voxels::U16(v) => self.make(run, v),
            Voxels::U32(v) => self.make(run, v),
            Voxels::F32(v) => self.make(run, v),
        }
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        self.run(run)?;
        Ok(Need::default())
    }
}

impl Window {
    fn make<T: Voxel + Sample>(&self, run: &Context, from: &[T]) -> Result<()> {
        let image = run.input(Self::IMAGE)?;
        let (lower, upper) = (self.lower as f32, self.upper as f32);
        if self.unit == Scale::Hu {
            let out = run.new_volume::<T>(Self::IMAGE, Unit::Hu, image.grid())?;
            // Rounding a limit of whole numbers may leave the window by half a unit.
            each(run, from, out, |v| T::from_f32(v.to_f32().clamp(lower, upper)));
        } else {
            let out = run.new_volume::<f32>(Self::IMAGE, Unit::None, image.grid())?;
            let width = upper - lower;
            each(run, from, out, |v| (v.to_f32().clamp(lower, upper) - lower) / width);
        }
        Ok(())
    }
}

fn each<S: Copy + Sync, D: Send>(run: &Context, from: &[S], out: &mut [D], make: impl Fn(S) -> D + Sync) {
    for_each_chunk(run, out, CHUNK, &|n, part| {
        part.iter_mut().zip(&from[n * CHUNK..]).for_each(|(o, v)| *o = make(*v));
    });
}
