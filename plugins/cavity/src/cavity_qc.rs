//! The stage that says whether a cavity mask can be trusted.

use crate::quality::{Coarse, Measures, Verdict, measure};
use ichor_image::{Bounds, Interpolation, average_blocks, resample, upright};
use ichor_sdk::prelude::*;
use std::ops::RangeInclusive;

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

/// Voxels of the working grid, mm.
const SPACING: f64 = 2.0;
/// Densities that the middle of a brain cannot have.
const DENSITY_FAIL: [f64; 2] = [0.0, 90.0];
/// What has no worse verdict than `review`.
const ANY: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];

/// A row of the table.
struct Check {
    name: &'static str,
    value: f64,
    unit: &'static str,
    pass: [f64; 2],
    bear: [f64; 2],
    /// What is wrong when the value is too small, and when it is too large.
    reasons: [&'static str; 2],
}

impl Check {
    fn verdict(&self) -> Verdict {
        Verdict::of(self.value, self.pass, self.bear)
    }

    fn range(&self) -> String {
        match self.pass {
            [low, high] if low.is_finite() && high.is_finite() => format!("{low} to {high}"),
            [low, _] if low.is_finite() => format!("at least {low}"),
            [_, high] => format!("at most {high}"),
        }
    }

    fn reason(&self) -> &'static str {
        match self.verdict() {
            Verdict::Pass => "",
            _ if self.value > self.pass[1] => self.reasons[1],
            _ => self.reasons[0],
        }
    }
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
        let checks = self.checks(volume, measures.as_ref(), uncertain);
        let overall = checks.iter().map(Check::verdict).max().unwrap_or(Verdict::Fail);
        let failed: Vec<&str> =
            checks.iter().filter(|c| c.verdict() == Verdict::Fail).map(|c| c.reason()).collect();
        if self.strict && overall == Verdict::Fail {
            return Err(Error::bad_input(format!("the cavity mask fails: {}", failed.join("; "))));
        }
        if overall != Verdict::Pass {
            let reasons: Vec<&str> = checks.iter().map(Check::reason).filter(|r| !r.is_empty()).collect();
            run.warn(&format!("cavity mask, {}: {}", overall.name(), reasons.join("; ")));
        }
        run.emit_table(Self::TABLE, &table(&checks, overall))
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let ct = run.input(Self::CT)?;
        let scan = ct.grid();
        let work = scan.len() as f64 * scan.voxel_volume_mm3() / SPACING.powi(3);
        let copy = if matches!(ct.dtype(), DType::I16 | DType::U16 | DType::F32) { 0 } else { 4 };
        Ok(Need { scratch_bytes: 32 * work as u64 + copy * scan.len() as u64, device_bytes: 0 })
    }
}

/// Voxels on which raters do not agree, over those inside.
fn uncertain(par: &dyn Parallel, agreement: &[f32]) -> f64 {
    const DOUBT: RangeInclusive<f32> = 0.1..=0.9;
    let parts = map_ranges(par, agreement.len(), 1 << 18, &|r| {
        let part = &agreement[r];
        let doubt = part.iter().filter(|a| DOUBT.contains(a)).count();
        (doubt, part.iter().filter(|a| **a >= 0.5).count())
    });
    let (doubt, inside) = parts.iter().fold((0, 0), |s, p| (s.0 + p.0, s.1 + p.1));
    doubt as f64 / inside as f64
}

fn table(checks: &[Check], overall: Verdict) -> Table {
    let mut table = Table::new(&["name", "value", "unit", "range", "verdict", "reason"]);
    for check in checks {
        table.rows.push(vec![
            check.name.into(),
            check.value.into(),
            check.unit.into(),
            check.range().into(),
            check.verdict().name().into(),
            check.reason().into(),
        ]);
    }
    let reasons: Vec<&str> = checks.iter().map(Check::reason).filter(|r| !r.is_empty()).collect();
    table.rows.push(vec![
        "overall".into(),
        Cell::Null,
        "".into(),
        "".into(),
        overall.name().into(),
        reasons.join("; ").into(),
    ]);
    table
}

impl CavityQc {
    fn coarse<T: Copy + Sync + Into<f32>>(
        &self,
        par: &dyn Parallel,
        hu: &[T],
        mask: &[u8],
        scan: &Grid,
    ) -> Coarse {
        let whole = Bounds { begin: [0; 3], end: scan.shape.map(|n| n as isize) };
        let (values, from) = average_blocks(par, hu, scan, &whole, SPACING);
        let grid = upright(&from, [SPACING; 3]);
        let hu = resample(par, &values, &from, &grid, Interpolation::Linear, -1024.0);
        let (share, from) = average_blocks(par, mask, scan, &whole, SPACING);
        let share = resample(par, &share, &from, &grid, Interpolation::Linear, 0.0);
        let mask = share.iter().map(|&s| u8::from(s >= 0.5)).collect();
        let thickest = scan.spacing().into_iter().fold(0.0, f64::max);
        let bone_hu = self.bone_hu.unwrap_or(if thickest > 3.0 { 150.0 } else { 200.0 }) as f32;
        Coarse { hu, mask, grid, bone_hu }
    }

    fn checks(&self, volume: f64, measures: Option<&Measures>, uncertain: Option<f64>) -> Vec<Check> {
        let at_least = |[pass, bear]: [f64; 2]| ([pass, f64::INFINITY], [bear, f64::INFINITY]);
        let at_most = |[pass, bear]: [f64; 2]| ([f64::NEG_INFINITY, pass], [f64::NEG_INFINITY, bear]);
        let look = |most: f64| ([f64::NEG_INFINITY, most], ANY);
        let check =
            |name, value, unit, (pass, bear), reasons| Check { name, value, unit, pass, bear, reasons };
        let mut out = vec![check(
            "volume",
            volume,
            "mL",
            (self.volume_ml, self.volume_fail_ml),
            ["the volume is too small for an adult", "the volume is too large for an adult"],
        )];
        if let Some(m) = measures {
            out.extend([
                check(
                    "bone_contact",
                    m.contact,
                    "",
                    at_least(self.bone_contact),
                    one("much of the surface is not at bone"),
                ),
                check(
                    "foramen_opening",
                    m.foramen_cm2,
                    "cm²",
                    look(self.foramen_cm2),
                    one("the lowest opening is larger than a foramen magnum"),
                ),
                check(
                    "defect_opening",
                    m.defect_cm2,
                    "cm²",
                    look(self.defect_cm2),
                    one("a large piece of the surface has no bone: a defect of the skull, or the mask ends short of it"),
                ),
                check("leak", m.leak_ml, "mL", at_most(self.leak_ml), one("the mask reaches outside the skull")),
                check(
                    "cut_above",
                    m.cut_cm2[1],
                    "cm²",
                    look(self.cut_above_cm2),
                    one("the scan ends inside the head: the vertex is cut"),
                ),
                check(
                    "cut_below",
                    m.cut_cm2[0],
                    "cm²",
                    look(self.cut_below_cm2),
                    one("the scan ends inside the head: the base is cut"),
                ),
                check("air", m.air, "", at_most(self.air), one("there is air inside")),
                check(
                    "density",
                    m.density,
                    "HU",
                    (self.density_hu, DENSITY_FAIL),
                    ["what is inside is less dense than brain", "what is inside is denser than brain"],
                ),
                check(
                    "largest_piece",
                    m.largest,
                    "",
                    at_least(self.largest_piece),
                    one("the mask is in pieces"),
                ),
                check(
                    "asymmetry",
                    m.asymmetry,
                    "",
                    at_most(self.asymmetry),
                    one("left and right differ much"),
                ),
            ]);
        }
        if let Some(share) = uncertain {
            out.push(check(
                "uncertain",
                share,
                "",
                at_most(self.uncertain),
                one("raters or atlases do not agree"),
            ));
        }
        out
    }
}

/// The same reason on both sides.
fn one(why: &'static str) -> [&'static str; 2] {
    [why, why]
}
