//! From the start on 2 mm to the mask on the scan's own voxels, by the level set or without it.

use super::{Options, Watch};
use crate::levelset::evolve::{Field, evolve, half_width, start};
use crate::levelset::finish::one_piece;
use crate::levelset::native::write;
use crate::levelset::work::{Work, part_of};
use crate::levelset::{Densities, Motion};
use ichor_image::{Grid, Interpolation, Parallel, bounding_box, parallel::map_ranges, resample};
use ichor_sdk::Result;

/// Where the front begins and what it holds to.
pub struct Front<'a> {
    /// The start.
    pub begin: &'a [u8],
    /// Distance to the surface of the atlases, mm.
    pub prior: &'a [f32],
    /// Whether there are atlases; without, the start is the prior.
    pub located: bool,
    /// Of both.
    pub grid: &'a Grid,
}

impl Front<'_> {
    /// Writes the mask and returns its volume in mL; an empty one where there is nothing to start from.
    ///
    /// # Errors
    /// The grid is impossible; those of `watch`.
    pub fn write<T: Copy + Sync + Into<f32>>(
        &self,
        par: &dyn Parallel,
        (hu, scan): (&[T], &Grid),
        options: &Options,
        mask: &mut [u8],
        watch: Watch,
    ) -> Result<f64> {
        let motion = Motion::default();
        let travel = f64::from(motion.time_step) * f64::from(motion.iterations);
        let Some(bounds) = bounding_box(par, self.begin, self.grid.shape) else {
            mask.fill(0);
            return Ok(0.0);
        };
        let margin = travel.min(15.0) + f64::from(half_width([2.0; 3])) + 3.0;
        let work = Work::new(scan, part_of(scan, self.grid, &bounds, margin)?)?;
        let (shape, spacing) = (work.grid.shape, work.grid.spacing());
        if shape.iter().any(|&n| n < 3) {
            mask.fill(0);
            return Ok(0.0);
        }
        let bring = |data: &[f32], outside: f32| {
            resample(par, data, self.grid, &work.grid, Interpolation::Linear, outside)
        };
        // Without skull and level set, the atlases' own surface, finer than voxels.
        let plain = !options.refine && !options.enclosure && self.located;
        let mut phi = if plain {
            bring(self.prior, crate::atlas::FAR_MM)
        } else {
            bring(&self.begin.iter().map(|&v| 0.5 - f32::from(v)).collect::<Vec<f32>>(), 0.5)
        };
        start(par, &mut phi, shape, spacing);
        if options.refine {
            watch(0.1, "averaging to 1 mm")?;
            let hu = work.bring(par, hu, scan, -1024.0);
            let prior = if self.located { bring(self.prior, crate::atlas::FAR_MM) } else { phi.clone() };
            let field = Field { hu: &hu, prior: &prior, shape, spacing, slab: work.slab };
            let check = |done: f64| watch(0.3 + 0.6 * done, "moving the front");
            evolve(par, &mut phi, &field, &motion, Densities::default(), &check)?;
        }
        if one_piece(par, &mut phi, shape) == 0 {
            mask.fill(0);
            return Ok(0.0);
        }
        watch(0.9, "writing the mask")?;
        write(par, &phi, &work, scan, mask)?;
        let count = map_ranges(par, mask.len(), 1 << 18, &|r| mask[r].iter().filter(|&&v| v != 0).count());
        Ok(count.iter().sum::<usize>() as f64 * scan.voxel_volume_mm3() / 1000.0)
    }
}
