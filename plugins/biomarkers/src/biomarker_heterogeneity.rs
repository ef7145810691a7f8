//! How uneven the density of a haematoma is.

mod first_order;
mod rows;

use crate::density::{Analysis, Position, Scan, Settings, analyse};
use crate::lesion::axial;
use ichor_sdk::prelude::*;
use rows::Rows;

/// Measures the density of a haematoma: HU statistics, darker patches, blend, black-hole and swirl sign, fluid level.
///
/// Slices are those of the voxel axis that runs most superior-inferior. Lesions are connected by faces, edges or
/// corners. Patches and signs are looked for in each lesion of at least 0.5 mL, its holes in axial slices filled, from
/// 2 mm within its edge and between two of its own slices, where brain does not share voxels; what is undefined is
/// null and says why. `all` counts over lesions; a sign of `all` is one that any lesion has, and its details are those
/// of the largest lesion that has it, else of the largest.
///
/// A darker phase at the haematoma's edge is only seen when the mask covers it: a mask by a threshold in HU leaves it
/// out. Signs, grades and thresholds are computed surrogates of what readers see; none has been validated on patients.
/// For research use.
///
/// Where a definition says `fragile in`, the value moved on phantoms by more than 10 % (a sign or a count: in a tenth of
/// them) from thin slices to slices of 5 mm, by a shift of half a voxel, or when noise doubled (docs/benchmarks/density.md).
#[derive(Stage)]
#[stage(id = "biomarker-heterogeneity", version = "1.0.0")]
#[input(ct, kind = "volume", unit = "HU", doc = "non-contrast head CT")]
#[input(mask, kind = "mask", grid = "ct", doc = "haematoma")]
#[output(table, kind = "table", doc = "measurements: lesion, name, value, unit, definition")]
#[output(
    signs,
    kind = "labels",
    grid = "ct",
    doc = "1 patch at the edge, 2 encapsulated patch, 3 swirl, 4 black hole, 5 darker phase of a blend sign, 6 upper \
           phase of a fluid level; a patch has the highest number that is true"
)]
pub struct BiomarkerHeterogeneity {
    /// Also measures each lesion by itself: `1` is the largest, and so on by decreasing volume.
    #[param(default = false)]
    per_lesion: bool,

    /// Least difference between a patch and the clot.
    #[param(default = 5.0, min = 1.0, max = 100.0, unit = "HU")]
    min_delta_hu: f64,

    /// Least volume of a patch; half of it for one that is at least 28 HU darker than the clot.
    #[param(default = 0.1, min = 0.0, unit = "mL")]
    min_patch_ml: f64,

    /// HU of brain, with which the swirl sign compares; without it, the median of what lies 8 to 12 mm around the lesion.
    #[param(min = 0.0, max = 100.0, unit = "HU")]
    brain_hu: Option<f64>,

    /// How the patient lay: without it, a fluid level is not told from a blend sign.
    #[param(default = "unknown")]
    position: Position,
}

impl Run for BiomarkerHeterogeneity {
    fn run(&self, run: &Context) -> Result<()> {
        let (ct, mask) = (run.input(Self::CT)?, run.input(Self::MASK)?);
        let scan = Scan::of(&ct, &mask)?;
        let settings = Settings {
            min_delta_hu: self.min_delta_hu,
            min_patch_ml: self.min_patch_ml,
            brain_hu: self.brain_hu,
            position: self.position,
        };
        let analysis = analyse(run, &scan, &settings, &|| run.check_cancelled())?;
        run.emit_table(Self::TABLE, &measure(&scan, &analysis, self.per_lesion))?;
        let signs = run.new_labels::<u8>(Self::SIGNS, ct.grid())?;
        signs.fill(0);
        analysis.paint(signs);
        Ok(())
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let (ct, mask) = (run.input(Self::CT)?, run.input(Self::MASK)?);
        let _ = run.new_labels::<u8>(Self::SIGNS, ct.grid())?;
        let voxels = ct.grid().len() as u64;
        let copy = if axial(mask.grid()) == 2 { 0 } else { voxels };
        // A window of a quarter of the image: HU twice, distances, masks and labels; and the lesion's HU.
        Ok(Need { scratch_bytes: copy + 8 * voxels, device_bytes: 0 })
    }
}

fn measure(scan: &Scan, analysis: &Analysis, per_lesion: bool) -> Table {
    let mut table = Table::measurements();
    let mut rows = Rows::new(&mut table, "all");
    let core: Vec<f32> = analysis.lesions.iter().flat_map(|l| l.core_hu.iter().copied()).collect();
    first_order::rows(&mut rows, scan.hu_of(&analysis.whole), core, scan.grid.voxel_volume_mm3());
    let all: Vec<_> = analysis.judged().collect();
    rows.signs(&all, &analysis.reason());
    if per_lesion {
        for (n, lesion) in analysis.lesions.iter().enumerate() {
            let mut rows = Rows::new(&mut table, &(n + 1).to_string());
            let hu = scan.hu_of(&lesion.lesion);
            first_order::rows(&mut rows, hu, lesion.core_hu.clone(), scan.grid.voxel_volume_mm3());
            match &lesion.signs {
                Ok(signs) => rows.signs(&[signs], ""),
                Err(reason) => rows.signs(&[], reason),
            }
        }
    }
    table
}

#[cfg(test)]
mod tests;
