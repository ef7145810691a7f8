//! The rows, each with its definition.

use super::CompareFollowup;
use super::growth::{Growth, Kind};
use ichor_sdk::prelude::*;

/// Volumes in mL.
pub struct Volumes {
    pub baseline: f64,
    /// The follow-up on the baseline's grid.
    pub registered: f64,
    /// The follow-up as scanned.
    pub native: Option<f64>,
}

/// A definition of expansion: by volume, by percent, or by either.
struct Definition {
    name: &'static str,
    ml: Option<f64>,
    percent: Option<f64>,
    /// Whether the limits themselves count.
    inclusive: bool,
    text: &'static str,
}

const DEFINITIONS: [Definition; 6] = [
    Definition {
        name: "expansion",
        ml: Some(6.0),
        percent: Some(33.0),
        inclusive: false,
        text: "more than 6 mL or more than 33 % (Morotti, Neurocrit Care 2020; NAG, Sakuta 2018)",
    },
    Definition {
        name: "expansion_6ml_or_33pct_ge",
        ml: Some(6.0),
        percent: Some(33.0),
        inclusive: true,
        text: "at least 6 mL or at least 33 %",
    },
    Definition {
        name: "expansion_6ml_gt",
        ml: Some(6.0),
        percent: None,
        inclusive: false,
        text: "more than 6 mL",
    },
    Definition {
        name: "expansion_6ml_ge",
        ml: Some(6.0),
        percent: None,
        inclusive: true,
        text: "at least 6 mL (BRAIN, Wang 2015)",
    },
    Definition {
        name: "expansion_33pct_gt",
        ml: None,
        percent: Some(33.0),
        inclusive: false,
        text: "more than 33 %",
    },
    Definition {
        name: "expansion_12_5ml_or_33pct_ge",
        ml: Some(12.5),
        percent: Some(33.0),
        inclusive: true,
        text: "at least 12.5 mL or at least 33 % (Barras, Stroke 2009)",
    },
];

impl Definition {
    /// Whether a change is an expansion. Rounding in a volume never decides at a limit.
    fn holds(&self, change: f64, baseline: f64) -> bool {
        let over = |value: f64, limit: f64| {
            if self.inclusive { value >= limit - 1e-9 } else { value > limit + 1e-9 }
        };
        let percent = (baseline > 0.0).then(|| 100.0 * change / baseline);
        self.ml.is_some_and(|limit| over(change, limit))
            || self.percent.zip(percent).is_some_and(|(limit, percent)| over(percent, limit))
    }
}

pub fn rows(
    table: &mut Table,
    v: &Volumes,
    growth: &Growth,
    bone: Option<Option<f64>>,
    stage: &CompareFollowup,
) {
    let mut add = |name: &str, value: Cell, unit: &str, definition: &str, why: &str| {
        let null = matches!(value, Cell::Null) && !why.is_empty();
        let definition =
            if null { format!("{definition}; undefined here: {why}") } else { definition.into() };
        table.measure("all", name, value, unit, &definition);
    };
    let followup = v.native.unwrap_or(v.registered);
    let change = followup - v.baseline;
    let percent = (v.baseline > 0.0).then(|| 100.0 * change / v.baseline);
    let none = "there is no blood on the first scan";
    let from =
        if v.native.is_some() { "as scanned" } else { "on the baseline's grid, for want of followup_native" };
    add("baseline_volume", v.baseline.into(), "mL", "number of voxels times the volume of a voxel", "");
    add("followup_volume", followup.into(), "mL", &format!("the same, {from}"), "");
    let text = "the same of the follow-up on the baseline's grid: the overlay's, not for the change";
    add("followup_volume_registered", v.registered.into(), "mL", text, "");
    let off = v.native.filter(|n| *n > 0.0).map(|n| 100.0 * (v.registered / n - 1.0));
    let text = "registered over scanned volume, less 1: more than about 1 % tells of a resampling that changed the mask";
    add("registration_volume_error", off.into(), "%", text, "followup_native is missing or empty");
    add("volume_change", change.into(), "mL", "followup_volume less baseline_volume", "");
    add("volume_change_percent", percent.into(), "%", "volume_change over baseline_volume", none);
    for d in &DEFINITIONS {
        let text = format!("expansion: the volume grew by {}", d.text);
        // A percentage of nothing is no number, a rule in mL still holds.
        let defined = d.ml.is_some() || percent.is_some();
        let value = defined.then(|| d.holds(change, v.baseline));
        add(d.name, value.into(), "", &text, none);
        if let Some(sd) = stage.measurement_sd_ml {
            // The difference of two volumes has the spread √2 sd; a change of the baseline moves the percentage, too.
            let reach = 1.96 * std::f64::consts::SQRT_2 * sd;
            let ends = [change - reach, change + reach].map(|c| d.holds(c, v.baseline));
            let text = format!("whether {} could be otherwise within 1.96 √2 x {sd} mL", d.name);
            let value = defined.then(|| ends[0] != ends[1]);
            add(&format!("{}_indeterminate", d.name), value.into(), "", &text, none);
        }
    }

    let of = |kind: Kind| -> Cell { growth.ml[kind as usize].into() };
    let margin = stage.margin_mm;
    add("overlap_volume", of(Kind::Both), "mL", "blood on both scans, on the baseline's grid", "");
    let text = format!(
        "growth: blood on the second scan more than {margin} mm from that on the first, in pieces of at least {} mL",
        stage.min_growth_ml
    );
    add("growth_volume", of(Kind::Growth), "mL", &text, "");
    let text = format!("blood on the second scan only, within {margin} mm of the first or in smaller pieces");
    add("margin_volume", of(Kind::Margin), "mL", &text, "");
    add("gone_volume", of(Kind::Gone), "mL", "blood on the first scan only", "");
    let pieces = &growth.pieces;
    add(
        "growth_pieces",
        pieces.len().into(),
        "1",
        "pieces of growth that touch by a face, an edge or a corner",
        "",
    );
    let apart = pieces.iter().filter(|p| !p.1).count();
    let text = "pieces of growth that the follow-up does not join to the baseline: new foci";
    add("growth_pieces_apart", apart.into(), "1", text, "");
    let no_growth = if v.baseline > 0.0 { "it did not grow" } else { none };
    let largest = pieces.first().map(|p| p.0);
    add("growth_largest_piece", largest.into(), "mL", "largest piece of growth", "it did not grow");
    let text = "greatest distance of growth from the blood on the first scan";
    add("growth_reach", growth.reach_mm.into(), "mm", text, no_growth);
    for (a, letter) in ["r", "a", "s"].into_iter().enumerate() {
        let toward = ["right", "front", "top"][a];
        let name = format!("growth_centroid_{letter}");
        let text = format!("middle of the growth, toward the {toward}, on the baseline's scan");
        add(&name, growth.growth_middle.map(|c| c[a]).into(), "mm", &text, "it did not grow");
    }
    let shift = growth.baseline_middle.zip(growth.growth_middle);
    for (a, letter) in ["r", "a", "s"].into_iter().enumerate() {
        let toward = ["right", "front", "top"][a];
        let name = format!("growth_direction_{letter}");
        let text = format!("middle of the growth less middle of the baseline, toward the {toward}");
        add(&name, shift.map(|(from, to)| to[a] - from[a]).into(), "mm", &text, no_growth);
    }
    let total = growth.ml[Kind::Growth as usize];
    let known = (total > 0.0 && growth.baseline_middle.is_some()).then_some(total);
    for (n, side) in ["right", "left", "front", "back", "top", "bottom"].into_iter().enumerate() {
        let text = format!("part of the growth that lies mostly toward the {side} of the baseline's middle");
        let share = known.map(|total| growth.toward[n] / total);
        add(&format!("growth_share_{side}"), share.into(), "1", &text, no_growth);
    }
    let missing =
        if bone.is_some() { "neither CT has bone" } else { "ct and followup_ct are not both connected" };
    let dice = bone.flatten();
    let text = "Dice of voxels of at least 300 HU on both CTs, on the baseline's grid";
    add("bone_dice", dice.into(), "1", text, missing);
    let text = format!("bone_dice of at least {}: the scans lie on each other", stage.min_bone_dice);
    add("registration_ok", dice.map(|d| d >= stage.min_bone_dice).into(), "", &text, missing);
}
