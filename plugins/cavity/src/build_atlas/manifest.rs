//! What an atlas set says of itself, and the report.

use super::head::Head;
use super::left_out::LeftOut;
use crate::atlas::{STEP_HU, STEP_MM};
use ichor_image::Affine;
use ichor_sdk::json::{Map, Value, json};
use ichor_sdk::{Cell, Table};

/// Entries of a manifest.
pub type About = Map<String, Value>;

fn entries(value: Value) -> About {
    match value {
        Value::Object(map) => map,
        _ => About::new(),
    }
}

/// Of the whole set.
pub fn of_set(name: &str, licence: &str, spacing_mm: f64, margin_mm: f64) -> About {
    entries(json!({
        "name": name,
        "licence": licence,
        "tool": "build-atlas 1.0.0",
        "convention": "inner table, plane of the foramen magnum",
        "spacing_mm": spacing_mm,
        "margin_mm": margin_mm,
        "distance_step_mm": STEP_MM,
        "density_step_hu": STEP_HU,
    }))
}

/// Of a head.
pub fn of_head(head: &Head) -> About {
    entries(json!({
        "name": head.name,
        "ct_sha256": head.sha256[0],
        "cavity_sha256": head.sha256[1],
        "shape": head.scan.shape,
        "spacing_mm": head.scan.spacing().map(|s| rounded(s, 1e4)),
        "volume_ml": rounded(head.ml, 1e2),
    }))
}

/// What was found of a head, besides.
pub fn measured(mut about: About, map: Option<&Affine>, result: Option<&LeftOut>) -> About {
    if let Some(map) = map {
        about.insert("mean_to_scan".into(), json!(map.0.map(|row| row.map(|v| rounded(v, 1e6)))));
    }
    if let Some(result) = result {
        about.insert("left_out_dice_fused".into(), rounded(result.fused, 1e4).into());
        about.insert("left_out_dice".into(), rounded(result.whole, 1e4).into());
    }
    about
}

fn rounded(value: f64, by: f64) -> f64 {
    (value * by).round() / by
}

/// The report.
pub fn report(heads: &[Head], results: &[Option<LeftOut>]) -> Table {
    let columns = ["atlas", "volume", "likeness", "dice_fused", "dice", "verdict", "state", "reason"];
    let mut table = Table::new(&columns);
    let define = [
        "name of the head",
        "volume of the cavity",
        "left out: correlation with the mean of the others round the cavity",
        "left out: Dice coefficient of the fused others and the mask, on 2 mm",
        "left out: Dice coefficient of what cavity-atlas finds and the mask, on the scan's voxels",
        "left out: worst verdict of the checks of cavity-atlas",
        "kept or rejected",
        "why it was rejected",
    ];
    for (column, text) in table.columns.iter_mut().zip(define) {
        column.definition = Some(text.to_owned());
    }
    table.columns[1].unit = Some("mL".into());
    for (head, result) in heads.iter().zip(results) {
        let of = |value: &dyn Fn(&LeftOut) -> f64| Cell::from(result.as_ref().map(value));
        table.rows.push(vec![
            head.name.as_str().into(),
            head.ml.into(),
            of(&|r| r.likeness),
            of(&|r| r.fused),
            of(&|r| r.whole),
            result.as_ref().map(|r| r.verdict).into(),
            if head.wrong.is_some() { "rejected" } else { "kept" }.into(),
            head.wrong.as_deref().unwrap_or("").into(),
        ]);
    }
    table
}
