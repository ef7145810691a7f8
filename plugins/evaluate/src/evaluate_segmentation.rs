//! How well a mask matches its reference.

use crate::convention::Convention;
use crate::distances::{Distances, distances};
use crate::grids::same_grid;
use crate::lesions::{Lesions, lesions};
use crate::metric::Metric;
use crate::window::Window;
use ichor_sdk::prelude::*;

/// Measures how well a mask matches its reference: Dice, Hausdorff distances, volume difference, lesions found.
///
/// Row `all` is the whole case: Dice, Hausdorff distance (`hd`), its 95th percentile (`hd95`), modified Hausdorff
/// distance (`mhd`), contour mean distance (`cmd`), average symmetric surface distance (`assd`), surface Dice,
/// volume differences, and how many lesions were hit, missed and falsely found. Rows `1`, `2`, ... are the lesions
/// of the reference by decreasing volume, rows `false-1`, ... those of the mask that share no voxel with the
/// reference; lesions are connected by faces, edges or corners.
///
/// Distances are in mm between voxel centres through the affine, thick slices and gantry tilt included. What lies
/// outside the image is background, so a mask that is cut by the border of the image has a surface there.
///
/// Tools disagree on what these distances are, so `convention` says between which points they are taken:
///
/// - `paper`: `hd`, `hd95` and `mhd` between all voxels of the masks, `cmd` and surface Dice between border voxels
///   (as `border6`). So Patel 2019 must have measured: in its Table 2 the contour mean distance is above the modified
///   Hausdorff distance in every column, which cannot be when both are means over the same points, and its 95th
///   percentiles of 0 mm need points that lie in both masks. The paper does not print its formulas.
/// - `border6`: all between voxels with one of six neighbours in the background. MONAI and MetricsReloaded.
/// - `voxels`: all between all voxels of the masks. `cmd` is SimpleITK's average Hausdorff distance.
/// - `axial4`: all between voxels with one of four neighbours of their axial slice in the background: contours.
/// - `medpy`: as `border6`, but the 95th percentile is of both directions together. MedPy.
/// - `surface-distance`: all between surface elements weighted by their area. surface-distance (DeepMind).
///
/// Empty masks have defined answers. Both empty: Dice and surface Dice 1, distances and volume differences 0. One
/// empty: Dice and surface Dice 0, distances undefined (null); the volume difference in % is undefined when it is
/// the reference.
#[derive(Stage)]
#[stage(id = "evaluate-segmentation", version = "1.0.0")]
#[input(mask, kind = "mask", doc = "what is evaluated")]
#[input(reference, kind = "mask", doc = "what it should be, on the same grid")]
#[output(table, kind = "table", doc = "measurements: lesion, name, value, unit, definition")]
pub struct EvaluateSegmentation {
    /// Between which points distances are taken and how they are summed up.
    #[param(default = "paper")]
    convention: Convention,
    /// Up to which distance surfaces agree, for the surface Dice.
    #[param(default = 1.0, min = 0, unit = "mm")]
    tolerance_mm: f64,
    /// The least fraction of a lesion of the reference that must be in the mask for the lesion to be hit; with 0, one
    /// voxel is enough.
    #[param(default = 0.0, min = 0, max = 1)]
    hit_fraction: f64,
    /// Also has rows for each lesion.
    #[param(default = true)]
    per_lesion: bool,
}

impl Run for EvaluateSegmentation {
    fn run(&self, run: &Context) -> Result<()> {
        let (mask, reference) = (run.input(Self::MASK)?, run.input(Self::REFERENCE)?);
        same_grid(mask.grid(), reference.grid())?;
        if mask.grid().shape.iter().any(|n| *n > 1 << 30) || mask.grid().len() > 1 << 31 {
            return Err(Error::unsupported("masks of more than 2^31 voxels are not evaluated; crop them"));
        }
        let table =
            self.evaluate(run, mask.mask()?, reference.mask()?, mask.grid(), &|| run.check_cancelled())?;
        run.emit_table(Self::TABLE, &table)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let (mask, reference) = (run.input(Self::MASK)?, run.input(Self::REFERENCE)?);
        same_grid(mask.grid(), reference.grid())?;
        // Surfaces as search trees and rows as runs: of a cavity on a voxel in 25.
        Ok(Need { scratch_bytes: mask.grid().len() as u64, device_bytes: 0 })
    }
}

impl EvaluateSegmentation {
    fn evaluate(
        &self,
        par: &dyn Parallel,
        mask: &[u8],
        reference: &[u8],
        grid: &Grid,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<Table> {
        let mut table = Table::measurements();
        let window = Window::new(par, mask, reference, grid);
        go_on()?;
        let found = window.map_or(Lesions::default(), |w| lesions(par, &w, self.hit_fraction));
        let overlap = found.overlap;
        go_on()?;
        let axial = grid.affine.orientation().iter().position(|c| matches!(c, 'S' | 'I')).unwrap_or(2);
        let between = match &window {
            None => Some(Distances::AGREE),
            Some(w) if overlap.mask > 0 && overlap.reference > 0 => {
                let metric = Metric::of(grid);
                Some(distances(par, w, metric, axial, self.convention, self.tolerance_mm))
            }
            Some(_) => None,
        };
        let ml = grid.voxel_volume_mm3() / 1000.0;
        self.case_rows(&mut table, between, &found, ml);
        if self.per_lesion {
            lesion_rows(&mut table, &found, ml);
        }
        Ok(table)
    }

    fn case_rows(&self, table: &mut Table, between: Option<Distances>, found: &Lesions, ml: f64) {
        let mut add = |name: &str, value: Cell, unit: &str, definition: &str| {
            table.measure("all", name, value, unit, definition);
        };
        let overlap = &found.overlap;
        let (points, surface) = (self.convention.points(), self.convention.surface());
        let percentile = self.convention.percentile();
        let (hits, falses) = (found.reference.iter().filter(|f| f.hit).count(), found.false_.len());
        let [mask_ml, reference_ml] = [overlap.mask, overlap.reference].map(|n| n as f64 * ml);
        let percent = overlap.volume_difference_percent();

        add("convention", self.convention.name().into(), "", "between which points distances are taken");
        add(
            "dice",
            overlap.dice().into(),
            "1",
            "twice the voxels in both masks over the voxels of both masks",
        );
        add(
            "hd",
            between.map(|d| d.hd).into(),
            "mm",
            &format!("Hausdorff distance: largest distance; {points}"),
        );
        add("hd95", between.map(|d| d.hd95).into(), "mm", &format!("{percentile}; {points}"));
        add(
            "mhd",
            between.map(|d| d.mhd).into(),
            "mm",
            &format!("modified Hausdorff distance: larger of the two mean directed distances; {points}"),
        );
        add(
            "cmd",
            between.map(|d| d.cmd).into(),
            "mm",
            &format!("contour mean distance: mean of the two mean directed distances; {surface}"),
        );
        add(
            "assd",
            between.map(|d| d.assd).into(),
            "mm",
            &format!("average symmetric surface distance: mean over the points of both; {surface}"),
        );
        let within = format!("part of both surfaces within {} mm of the other; {surface}", self.tolerance_mm);
        add("surface_dice", between.map_or(0.0, |d| d.surface_dice).into(), "1", &within);
        add(
            "avd",
            percent.map(f64::abs).into(),
            "%",
            "absolute volume difference, of the reference's volume",
        );
        add("avd_ml", (mask_ml - reference_ml).abs().into(), "mL", "absolute volume difference");
        add("vd", percent.into(), "%", "volume difference, mask minus reference, of the reference's volume");
        add("vd_ml", (mask_ml - reference_ml).into(), "mL", "volume difference, mask minus reference");
        add("volume", mask_ml.into(), "mL", "volume of the mask");
        add("volume_reference", reference_ml.into(), "mL", "volume of the reference");
        add("sensitivity", overlap.sensitivity().into(), "1", "part of the reference that is in the mask");
        add("precision", overlap.precision().into(), "1", "part of the mask that is in the reference");
        add("lesions_reference", found.reference.len().into(), "1", "lesions of the reference");
        add("lesions_hit", hits.into(), "1", "lesions of the reference that were found");
        add(
            "lesions_missed",
            (found.reference.len() - hits).into(),
            "1",
            "lesions of the reference not found",
        );
        add(
            "lesions_false",
            falses.into(),
            "1",
            "lesions of the mask that share no voxel with the reference",
        );
    }
}

fn lesion_rows(table: &mut Table, found: &Lesions, ml: f64) {
    for (n, lesion) in found.reference.iter().enumerate() {
        let name = (n + 1).to_string();
        let mut add = |quantity: &str, value: Cell, unit: &str, definition: &str| {
            table.measure(&name, quantity, value, unit, definition);
        };
        let (all, part) = (lesion.voxels as f64, lesion.overlap as f64);
        add("status", if lesion.hit { "hit" } else { "missed" }.into(), "", "whether the lesion was found");
        add("volume_reference", (all * ml).into(), "mL", "volume of the lesion in the reference");
        add("overlap", (part * ml).into(), "mL", "volume of the lesion that is in the mask");
        add("sensitivity", (part / all).into(), "1", "part of the lesion that is in the mask");
        let dice = 2.0 * part / (all + lesion.covered_by as f64);
        add(
            "dice",
            dice.into(),
            "1",
            "Dice of the lesion and the lesions of the mask that share voxels with it",
        );
    }
    for (n, voxels) in found.false_.iter().enumerate() {
        let name = format!("false-{}", n + 1);
        table.measure(&name, "status", "false", "", "in the mask, and no voxel of it in the reference");
        table.measure(&name, "volume", *voxels as f64 * ml, "mL", "volume of the lesion in the mask");
    }
}

#[cfg(test)]
mod tests;
