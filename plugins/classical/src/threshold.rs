//! A mask from values.

use ichor_sdk::prelude::*;

/// Marks the voxels whose value lies between two limits, such as a probability of at least one half.
///
/// Limits are inclusive, in the unit of the image; a value that is not a number is not marked. With `inside`, voxels outside
/// of it are not marked either. For haematomas by Hounsfield units see `segment-threshold`.
#[derive(Stage)]
#[stage(id = "threshold", version = "1.0.0")]
#[input(image, kind = "volume|probs", doc = "values, of one channel")]
#[input(inside, kind = "mask", grid = "image", optional, doc = "where voxels may be marked")]
#[output(mask, kind = "mask", grid = "image", doc = "voxels between the limits")]
pub struct Threshold {
    /// Least value that is marked; none by default if `at_most` is given, else 0.5.
    at_least: Option<f64>,
    /// Greatest value that is marked.
    at_most: Option<f64>,
}

/// Voxels of a piece of work.
const CHUNK: usize = 1 << 16;

impl Run for Threshold {
    fn run(&self, run: &Context) -> Result<()> {
        let (least, most) = self.limits()?;
        let (image, inside) = (run.input(Self::IMAGE)?, run.optional(Self::INSIDE)?);
        let grid = *image.grid();
        if image.channels() != 1 {
            return Err(Error::bad_input(format!("the image has {} channels; give one", image.channels())));
        }
        if let Some(other) = inside.as_ref().filter(|m| !m.grid().same_as(&grid)) {
            return Err(Error::bad_input(format!(
                "the image has {grid} and `inside` {}, or they lie apart; resample one like the other",
                other.grid()
            )));
        }
        let inside = inside.map(|m| m.mask()).transpose()?;
        let mask = run.new_mask(Self::MASK, &grid)?;
        // Compared as f64, in which every voxel type is exact.
        match image.voxels() {
            Voxels::U8(v) => mark(run, v, inside, mask, |v| (least..=most).contains(&f64::from(v))),
            Voxels::I16(v) => mark(run, v, inside, mask, |v| (least..=most).contains(&f64::from(v))),
            Voxels::U16(v) => mark(run, v, inside, mask, |v| (least..=most).contains(&f64::from(v))),
            Voxels::U32(v) => mark(run, v, inside, mask, |v| (least..=most).contains(&f64::from(v))),
            Voxels::F32(v) => mark(run, v, inside, mask, |v| (least..=most).contains(&f64::from(v))),
        }
        Ok(())
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        self.limits()?;
        run.new_mask(Self::MASK, run.input(Self::IMAGE)?.grid())?;
        Ok(Need::default())
    }
}

impl Threshold {
    fn limits(&self) -> Result<(f64, f64)> {
        let default = if self.at_most.is_some() { f64::NEG_INFINITY } else { 0.5 };
        let (least, most) = (self.at_least.unwrap_or(default), self.at_most.unwrap_or(f64::INFINITY));
        if least > most {
            return Err(Error::bad_params(format!(
                "`at_least` is {least} and `at_most` {most}: nothing lies between"
            )));
        }
        Ok((least, most))
    }
}

fn mark<T: Copy + Sync>(
    par: &dyn Parallel,
    from: &[T],
    inside: Option<&[u8]>,
    mask: &mut [u8],
    marked: impl Fn(T) -> bool + Sync,
) {
    ichor_image::parallel::for_each_chunk(par, mask, CHUNK, &|n, to| {
        let begin = n * CHUNK;
        let end = begin + to.len();
        to.iter_mut().zip(&from[begin..end]).for_each(|(t, &v)| *t = u8::from(marked(v)));
        if let Some(inside) = inside {
            to.iter_mut().zip(&inside[begin..end]).for_each(|(t, &i)| *t &= u8::from(i != 0));
        }
    });
}
