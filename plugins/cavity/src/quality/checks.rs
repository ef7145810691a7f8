//! The checks of a cavity mask, each with its range, verdict and reason.

use super::{Measures, Verdict};
use ichor_image::{Parallel, parallel::map_ranges};
use ichor_sdk::{Cell, Table};
use std::ops::RangeInclusive;

/// Densities that the middle of a brain cannot have.
const DENSITY_FAIL: [f64; 2] = [0.0, 90.0];
/// What has no worse verdict than `review`.
const ANY: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];

/// What passes and what fails: the parameters of `cavity-qc`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// mL.
    pub volume_ml: [f64; 2],
    /// mL.
    pub volume_fail_ml: [f64; 2],
    /// Share of the surface.
    pub bone_contact: [f64; 2],
    /// cm².
    pub foramen_cm2: f64,
    /// cm².
    pub defect_cm2: f64,
    /// mL.
    pub leak_ml: [f64; 2],
    /// cm².
    pub cut_above_cm2: f64,
    /// cm².
    pub cut_below_cm2: f64,
    /// Share of the mask.
    pub air: [f64; 2],
    /// HU.
    pub density_hu: [f64; 2],
    /// Share of the mask.
    pub largest_piece: [f64; 2],
    /// 1 less a Dice coefficient.
    pub asymmetry: [f64; 2],
    /// Share of the mask.
    pub uncertain: [f64; 2],
}

impl Default for Limits {
    /// The defaults of `cavity-qc`.
    fn default() -> Self {
        Self {
            volume_ml: [1000.0, 2000.0],
            volume_fail_ml: [600.0, 2500.0],
            bone_contact: [0.8, 0.4],
            foramen_cm2: 15.0,
            defect_cm2: 3.0,
            leak_ml: [15.0, 150.0],
            cut_above_cm2: 1.0,
            cut_below_cm2: 10.0,
            air: [0.02, 0.2],
            density_hu: [18.0, 50.0],
            largest_piece: [0.999, 0.9],
            asymmetry: [0.07, 0.2],
            uncertain: [0.12, 0.4],
        }
    }
}

/// A row of the table.
pub struct Check {
    /// What is checked.
    pub name: &'static str,
    /// What was found.
    pub value: f64,
    /// Of the value.
    pub unit: &'static str,
    /// Values that pass.
    pub pass: [f64; 2],
    /// Values that do not fail.
    pub bear: [f64; 2],
    /// What is wrong when the value is too small, and when it is too large.
    pub reasons: [&'static str; 2],
}

impl Check {
    /// How it stands.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(self.value, self.pass, self.bear)
    }

    fn range(&self) -> String {
        match self.pass {
            [low, high] if low.is_finite() && high.is_finite() => format!("{low} to {high}"),
            [low, _] if low.is_finite() => format!("at least {low}"),
            [_, high] => format!("at most {high}"),
        }
    }

    /// What is wrong; nothing if it passes.
    pub fn reason(&self) -> &'static str {
        match self.verdict() {
            Verdict::Pass => "",
            _ if self.value > self.pass[1] => self.reasons[1],
            _ => self.reasons[0],
        }
    }
}

/// Voxels on which raters do not agree, over those inside.
pub fn uncertain(par: &dyn Parallel, agreement: &[f32]) -> f64 {
    const DOUBT: RangeInclusive<f32> = 0.1..=0.9;
    let parts = map_ranges(par, agreement.len(), 1 << 18, &|r| {
        let part = &agreement[r];
        let doubt = part.iter().filter(|a| DOUBT.contains(a)).count();
        (doubt, part.iter().filter(|a| **a >= 0.5).count())
    });
    let (doubt, inside) = parts.iter().fold((0, 0), |s, p| (s.0 + p.0, s.1 + p.1));
    doubt as f64 / inside as f64
}

/// The table: a row a check, the last the worst verdict of all.
pub fn table(checks: &[Check]) -> Table {
    let overall = checks.iter().map(Check::verdict).max().unwrap_or(Verdict::Fail);
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

/// The checks of a mask of `volume` mL; without measures, of an empty one.
pub fn checks(
    limits: &Limits,
    volume: f64,
    measures: Option<&Measures>,
    uncertain: Option<f64>,
) -> Vec<Check> {
    let at_least = |[pass, bear]: [f64; 2]| ([pass, f64::INFINITY], [bear, f64::INFINITY]);
    let at_most = |[pass, bear]: [f64; 2]| ([f64::NEG_INFINITY, pass], [f64::NEG_INFINITY, bear]);
    let look = |most: f64| ([f64::NEG_INFINITY, most], ANY);
    let check = |name, value, unit, (pass, bear), reasons| Check { name, value, unit, pass, bear, reasons };
    let mut out = vec![check(
        "volume",
        volume,
        "mL",
        (limits.volume_ml, limits.volume_fail_ml),
        ["the volume is too small for an adult", "the volume is too large for an adult"],
    )];
    if let Some(m) = measures {
        out.extend([
                check(
                    "bone_contact",
                    m.contact,
                    "",
                    at_least(limits.bone_contact),
                    one("much of the surface is not at bone"),
                ),
                check(
                    "foramen_opening",
                    m.foramen_cm2,
                    "cm²",
                    look(limits.foramen_cm2),
                    one("the lowest opening is larger than a foramen magnum"),
                ),
                check(
                    "defect_opening",
                    m.defect_cm2,
                    "cm²",
                    look(limits.defect_cm2),
                    one("a large piece of the surface has no bone: a defect of the skull, or the mask ends short of it"),
                ),
                check("leak", m.leak_ml, "mL", at_most(limits.leak_ml), one("the mask reaches outside the skull")),
                check(
                    "cut_above",
                    m.cut_cm2[1],
                    "cm²",
                    look(limits.cut_above_cm2),
                    one("the scan ends inside the head: the vertex is cut"),
                ),
                check(
                    "cut_below",
                    m.cut_cm2[0],
                    "cm²",
                    look(limits.cut_below_cm2),
                    one("the scan ends inside the head: the base is cut"),
                ),
                check("air", m.air, "", at_most(limits.air), one("there is air inside")),
                check(
                    "density",
                    m.density,
                    "HU",
                    (limits.density_hu, DENSITY_FAIL),
                    ["what is inside is less dense than brain", "what is inside is denser than brain"],
                ),
                check(
                    "largest_piece",
                    m.largest,
                    "",
                    at_least(limits.largest_piece),
                    one("the mask is in pieces"),
                ),
                check(
                    "asymmetry",
                    m.asymmetry,
                    "",
                    at_most(limits.asymmetry),
                    one("left and right differ much"),
                ),
            ]);
    }
    if let Some(share) = uncertain {
        out.push(check(
            "uncertain",
            share,
            "",
            at_most(limits.uncertain),
            one("raters or atlases do not agree"),
        ));
    }
    out
}

/// The worst verdict, and the reasons of those that are not well, or of those that fail alone.
pub fn overall(checks: &[Check]) -> (Verdict, String) {
    let worst = checks.iter().map(Check::verdict).max().unwrap_or(Verdict::Fail);
    let told = checks.iter().filter(|c| worst != Verdict::Fail || c.verdict() == Verdict::Fail);
    let reasons: Vec<&str> = told.map(Check::reason).filter(|r| !r.is_empty()).collect();
    (worst, reasons.join("; "))
}

/// The same reason on both sides.
pub fn one(why: &'static str) -> [&'static str; 2] {
    [why, why]
}
