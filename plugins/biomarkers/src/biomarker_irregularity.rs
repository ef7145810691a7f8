//! How irregular a haematoma is.

mod foci;
mod fractal;
mod joined;
mod moments;
mod pockets;
mod profile;
mod rows;
mod slice;

use crate::lesion::{axial, axial_last, of_clusters};
use foci::Foci;
use ichor_image::{Clusters, Connectivity};
use ichor_sdk::prelude::*;
use rows::{apart, shape};

/// Measures how irregular a haematoma is: surface, protuberances, satellite and island sign.
///
/// Lengths are in mm, through the image's affine. Slices are those of the voxel axis that runs most
/// superior-inferior. Lesions are connected by faces, edges or corners; the largest is the main one. Shape is
/// null for fewer than 8 voxels or a single slice. Values without `_smooth` are those of the mask's own steps and
/// change with slice thickness: compare them between scans of the same thickness only.
///
/// Grades and signs are computed surrogates of what readers see, with thresholds of this project where a
/// definition says so; none has been validated on patients. For research use.
///
/// Where a definition says `fragile in`, the value moved on phantoms by more than 10 % (a sign or a count: in a tenth of
/// them) from thin slices to slices of 5 mm, by a shift of half a voxel, or when noise doubled (docs/benchmarks/irregularity.md).
#[derive(Stage)]
#[stage(id = "biomarker-irregularity", version = "1.0.0")]
#[input(mask, kind = "mask", doc = "haematoma, without blood in ventricles and subarachnoid space")]
#[output(table, kind = "table", doc = "measurements: lesion, name, value, unit, definition")]
pub struct BiomarkerIrregularity {
    /// Also measures each lesion by itself: `1` is the largest, and so on by decreasing volume.
    #[param(default = false)]
    per_lesion: bool,

    /// Lesions and foci below this volume count as noise.
    #[param(default = 0.05, min = 0.0, unit = "mL")]
    min_focus_ml: f64,
}

impl Run for BiomarkerIrregularity {
    fn run(&self, run: &Context) -> Result<()> {
        let input = run.input(Self::MASK)?;
        let table = measure(run, input.mask()?, input.grid(), self, &|| run.check_cancelled())?;
        run.emit_table(Self::TABLE, &table)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let input = run.input(Self::MASK)?;
        let voxels = input.grid().len() as u64;
        let copy = if axial(input.grid()) == 2 { 0 } else { voxels };
        let mm3 = (voxels as f64 * input.grid().voxel_volume_mm3()) as u64;
        // Lesions all over the image: a window, foci, and 1 mm voxels with a blur and an opening.
        Ok(Need { scratch_bytes: copy + 3 * voxels + 18 * mm3, device_bytes: 0 })
    }
}

fn measure(
    par: &dyn Parallel,
    mask: &[u8],
    grid: &Grid,
    settings: &BiomarkerIrregularity,
    check: &dyn Fn() -> Result<()>,
) -> Result<Table> {
    let (mask, grid) = axial_last(mask, grid);
    let found = Clusters::new(par, &mask, grid.shape, Connectivity::TwentySix);
    let (whole, mut each) = of_clusters(&found, true);
    each.sort_by_key(|lesion| std::cmp::Reverse(lesion.voxels())); // stable: ties stay in scan order
    check()?;
    let foci = each.first().map(|main| Foci::of(par, &whole, main, &grid, settings.min_focus_ml));
    let mut table = Table::measurements();
    let satellites = foci.as_ref().map(|f| f.satellites());
    shape(&mut table, par, "all", &whole, &grid, satellites);
    apart(&mut table, &whole, &each, &grid, foci.as_ref(), settings.min_focus_ml);
    if settings.per_lesion {
        for (n, lesion) in each.iter().enumerate() {
            check()?;
            shape(&mut table, par, &(n + 1).to_string(), lesion, &grid, None);
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests;
