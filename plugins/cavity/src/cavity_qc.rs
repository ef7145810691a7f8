//! The stage that says whether a cavity mask can be trusted.

use crate::quality::checks::{Limits, checks, overall, table, uncertain};
use crate::quality::{Masked, Verdict, measure};
use crate::segment::coarse::{Coarse, SPACING, share};
use ichor_sdk::prelude::*;

/// Checks a cranial cavity mask against what is known of cavities, without a truth.
///
/// Each check has a value, a range and a verdict: `pass` inside the range, `review` outside it, `fail` beyond what
/// can be right. The worst verdict is the last row, `overall`. The ranges are of adults; none of this proves a
/// mask right: a smooth mask of the right size can still be a few millimetres off.
#[derive(Stage)]
#[stage(id = "cavity-qc", version = "1.0.0")]
#[input(ct, kind = "volume", unit = "HU", doc = "head CT without contrast")]
#[input(mask, kind = "mask", grid = "ct", doc = "cranial cavity")]
#[input(
    agreement,
    kind = "probs",
    grid = "ct",
    optional,
    doc = "agreement of raters or atlases, from fuse-labels"
)]
#[output(
    table,
    kind = "table",
    doc = "a row a check: name, value, unit, range, verdict, reason; the last: overall"
)]
pub struct CavityQc {
    /// Volume of an adult's cavity.
    #[param(default = [1000.0, 2000.0], min = 0, max = 10000, unit = "mL")]
    volume_ml: [f64; 2],
    /// Outside it a volume cannot be right.
    #[param(default = [600.0, 2500.0], min = 0, max = 10000, unit = "mL")]
    volume_fail_ml: [f64; 2],
    /// Share of the surface within 3 mm of bone: at least the first, never below the second.
    #[param(default = [0.8, 0.4], min = 0, max = 1)]
    bone_contact: [f64; 2],
    /// Surface more than 4 mm from bone at the lowest opening, the foramen magnum.
    #[param(default = 15.0, min = 0, max = 500, unit = "cm²")]
    foramen_cm2: f64,
    /// The same at the largest other opening; a craniotomy has more.
    #[param(default = 3.0, min = 0, max = 500, unit = "cm²")]
    defect_cm2: f64,
    /// Volume from which bone lies ahead in fewer than 18 of 26 directions: at most the first, never above the
    /// second.
    #[param(default = [15.0, 150.0], min = 0, max = 10000, unit = "mL")]
    leak_ml: [f64; 2],
    /// Cross-section in the scan's highest slice, above which the vertex is missing.
    #[param(default = 1.0, min = 0, max = 500, unit = "cm²")]
    cut_above_cm2: f64,
    /// Cross-section in the scan's lowest slice, above which the base is missing. A foramen magnum has 8 cm².
    #[param(default = 10.0, min = 0, max = 500, unit = "cm²")]
    cut_below_cm2: f64,
    /// Share of the mask that is air: at most the first, never above the second.
    #[param(default = [0.02, 0.2], min = 0, max = 1)]
    air: [f64; 2],
    /// Median density.
    #[param(default = [18.0, 50.0], min = -1024, max = 3071, unit = "HU")]
    density_hu: [f64; 2],
    /// Share of the mask in its largest piece: at least the first, never below the second.
    #[param(default = [0.999, 0.9], min = 0, max = 1)]
    largest_piece: [f64; 2],
    /// 1 less the Dice coefficient of the mask and its mirror image: at most the first, never above the second.
    #[param(default = [0.07, 0.2], min = 0, max = 1)]
    asymmetry: [f64; 2],
    /// Voxels with an agreement above 0.1 and below 0.9, over those of at least 0.5: at most the first, never above
    /// the second.
    #[param(default = [0.12, 0.4], min = 0, max = 1)]
    uncertain: [f64; 2],
    /// Above it a voxel is bone; without it, 200 HU, and 150 HU for slices of more than 3 mm.
    #[param(min = 50, max = 1000, unit = "HU")]
    bone_hu: Option<f64>,
    /// End the run with an error when the overall verdict is `fail`.
    #[param(default = false)]
    strict: bool,
}

impl Run for CavityQc {
    fn run(&self, run: &Context) -> Result<()> {
        let ct = run.input(Self::CT)?;
        let (scan, mask) = (*ct.grid(), run.input(Self::MASK)?.mask()?);
        let agreement = run.optional(Self::AGREEMENT)?;
        let count = map_ranges(run, mask.len(), 1 << 18, &|r| mask[r].iter().filter(|&&v| v != 0).count());
        let volume = count.iter().sum::<usize>() as f64 * scan.voxel_volume_mm3() / 1000.0;
        let measures = match volume > 0.0 {
            false => None,
            true => {
                run.progress(0.1, "averaging to 2 mm");
                let coarse = match ct.voxels() {
                    Voxels::I16(hu) => self.coarse(run, hu, mask, &scan),
                    Voxels::U16(hu) => self.coarse(run, hu, mask, &scan),
                    _ => self.coarse(run, &ct.to_f32(run), mask, &scan),
                };
                run.check_cancelled()?;
                run.progress(0.5, "measuring");
                coarse.mask.contains(&1).then(|| measure(run, &coarse))
            }
        };
        let uncertain = agreement.as_ref().map(|a| uncertain(run, &a.to_f32(run)));
        let checks = checks(&self.limits(), volume, measures.as_ref(), uncertain);
        let (verdict, reasons) = overall(&checks);
        if self.strict && verdict == Verdict::Fail {
            return Err(Error::bad_input(format!("the cavity mask fails: {reasons}")));
        }
        if verdict != Verdict::Pass {
            run.warn(&format!("cavity mask, {}: {reasons}", verdict.name()));
        }
        run.emit_table(Self::TABLE, &table(&checks))
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let ct = run.input(Self::CT)?;
        let scan = ct.grid();
        let work = scan.len() as f64 * scan.voxel_volume_mm3() / SPACING.powi(3);
        let copy = if matches!(ct.dtype(), DType::I16 | DType::U16 | DType::F32) { 0 } else { 4 };
        Ok(Need { scratch_bytes: 32 * work as u64 + copy * scan.len() as u64, device_bytes: 0 })
    }
}

impl CavityQc {
    fn limits(&self) -> Limits {
        Limits {
            volume_ml: self.volume_ml,
            volume_fail_ml: self.volume_fail_ml,
            bone_contact: self.bone_contact,
            foramen_cm2: self.foramen_cm2,
            defect_cm2: self.defect_cm2,
            leak_ml: self.leak_ml,
            cut_above_cm2: self.cut_above_cm2,
            cut_below_cm2: self.cut_below_cm2,
            air: self.air,
            density_hu: self.density_hu,
            largest_piece: self.largest_piece,
            asymmetry: self.asymmetry,
            uncertain: self.uncertain,
        }
    }

    fn coarse<T: Copy + Sync + Into<f32>>(
        &self,
        par: &dyn Parallel,
        hu: &[T],
        mask: &[u8],
        scan: &Grid,
    ) -> Masked {
        let coarse = Coarse::new(par, hu, scan);
        let mask = share(par, mask, scan, &coarse.grid).iter().map(|&s| u8::from(s >= 0.5)).collect();
        let bone_hu = self.bone_hu.unwrap_or(if coarse.thickest > 3.0 { 150.0 } else { 200.0 }) as f32;
        Masked { hu: coarse.hu, mask, grid: coarse.grid, bone_hu }
    }
}
