//! A haematoma on two scans.

mod growth;
mod rows;

use growth::Growth;
use ichor_sdk::prelude::*;
use rows::Volumes;

/// Compares a haematoma with its follow-up: change of volume, expansion by the usual definitions, where it grew.
///
/// `followup` lies on the grid of `baseline`, as `register` and `apply-transform` bring it there. Volumes are compared
/// as scanned: `followup_native` is the follow-up's mask on its own grid; without it, the registered mask's volume is
/// taken and said to be. Growth is what the follow-up covers beyond `margin_mm` from the baseline, so that a
/// registration a voxel off does not make any.
///
/// With both CTs, `ct` and `followup_ct` on the same grid, the Dice of what is bone in both tells whether they lie on
/// each other. For research use.
#[derive(Stage)]
#[stage(id = "compare-followup", version = "1.0.0")]
#[input(baseline, kind = "mask", doc = "haematoma on the first scan")]
#[input(
    followup,
    kind = "mask",
    grid = "baseline",
    doc = "haematoma on the second scan, registered to the first"
)]
#[input(followup_native, kind = "mask", optional, doc = "haematoma on the second scan as scanned")]
#[input(ct, kind = "volume", unit = "HU", grid = "baseline", optional, doc = "first CT")]
#[input(
    followup_ct,
    kind = "volume",
    unit = "HU",
    grid = "baseline",
    optional,
    doc = "second CT, registered"
)]
#[output(table, kind = "table", doc = "measurements: lesion, name, value, unit, definition")]
#[output(
    labels,
    kind = "labels",
    grid = "baseline",
    doc = "1 blood on both scans, 2 growth, 3 blood on the first only, 4 on the second only but within margin_mm"
)]
pub struct CompareFollowup {
    /// Distance from the baseline within which new blood counts as uncertain.
    #[param(default = 1.0, min = 0.0, max = 20.0, unit = "mm")]
    margin_mm: f64,

    /// Growth in pieces below this is left out.
    #[param(default = 0.1, min = 0.0, unit = "mL")]
    min_growth_ml: f64,

    /// Standard deviation of repeated measurements of a volume: with it, an expansion that 1.96 standard deviations of
    /// a difference could undo is called indeterminate.
    #[param(min = 0.0, unit = "mL")]
    measurement_sd_ml: Option<f64>,

    /// Least Dice of bone for the scans to lie on each other.
    #[param(default = 0.9, min = 0.0, max = 1.0)]
    min_bone_dice: f64,
}

impl Run for CompareFollowup {
    fn run(&self, run: &Context) -> Result<()> {
        let (baseline, followup) = (run.input(Self::BASELINE)?, run.input(Self::FOLLOWUP)?);
        let grid = baseline.grid();
        if !followup.grid().same_as(grid) {
            return Err(Error::bad_input(
                "the follow-up's mask is not on the baseline's grid; bring it there with register and apply-transform",
            ));
        }
        let (first, second) = (baseline.mask()?, followup.mask()?);
        let native = run.optional(Self::FOLLOWUP_NATIVE)?;
        let ml = |mask: &[u8], grid: &Grid| count(run, mask) as f64 * grid.voxel_volume_mm3() / 1000.0;
        let volumes = Volumes {
            baseline: ml(first, grid),
            registered: ml(second, grid),
            native: native.map(|m| Ok::<_, Error>(ml(m.mask()?, m.grid()))).transpose()?,
        };
        let growth = Growth::of(run, first, second, grid, self.margin_mm, self.min_growth_ml);
        run.check_cancelled()?;
        let bone = match (run.optional(Self::CT)?, run.optional(Self::FOLLOWUP_CT)?) {
            (Some(a), Some(b)) => {
                if !a.grid().same_as(grid) || !b.grid().same_as(grid) {
                    return Err(Error::bad_input(
                        "a CT is not on the baseline mask's grid; register it first",
                    ));
                }
                let (a, b) = (a.to_f32(run), b.to_f32(run));
                Some(growth::bone_dice(run, &a, &b))
            }
            _ => None,
        };
        if let Some(Some(dice)) = bone
            && dice < self.min_bone_dice
        {
            run.warn(&format!(
                "bone of the two scans overlaps with a Dice of {dice:.3} only: check the registration"
            ));
        }
        let mut table = Table::measurements();
        rows::rows(&mut table, &volumes, &growth, bone, self);
        run.emit_table(Self::TABLE, &table)?;
        let labels = run.new_labels::<u8>(Self::LABELS, grid)?;
        for (out, kind) in labels.iter_mut().zip(&growth.kinds) {
            *out = *kind as u8;
        }
        Ok(())
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let baseline = run.input(Self::BASELINE)?;
        let _ = run.new_labels::<u8>(Self::LABELS, baseline.grid())?;
        let voxels = baseline.grid().len() as u64;
        let cts = if run.optional(Self::CT)?.is_some() { 8 * voxels } else { 0 };
        // Kinds, and a window of a quarter of the image with distances and components.
        Ok(Need { scratch_bytes: (voxels + 5 * voxels).max(voxels + cts), device_bytes: 0 })
    }
}

fn count(par: &dyn Parallel, mask: &[u8]) -> usize {
    map_ranges(par, mask.len(), 1 << 20, &|r| mask[r].iter().filter(|m| **m != 0).count()).iter().sum()
}

#[cfg(test)]
mod tests;
