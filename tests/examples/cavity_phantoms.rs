//! `cavity-atlas` on phantoms that are not in its set: thin and thick slices, haematomas, tilt, defects of the skull.
//!
//! `cargo run --release -p ichor-tests --example cavity_phantoms [count | ablation COUNT]`; the tables go into
//! docs/benchmarks/cavity.md. Half of the heads have thin slices and half thick ones.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark for developers")]

use ichor_image::random::uniform_at;
use ichor_tests::cavity::{Head, dice, hd95, numbers, thick, thin, verdicts};
use ichor_tests::stage::Bench;
use serde_json::{Value as Json, json};

/// Head `n` of the trial and what is special about it.
fn head(bench: &Bench, n: u64) -> (Head, String) {
    let (kind, params) = if n.is_multiple_of(2) { ("thin", thin()) } else { ("thick", thick()) };
    let ml = 100f64.powf(uniform_at(5, n));
    let at_skull = n / 2 % 5 == 1;
    let seed = json!({ "seed": 5000 + n, "haematoma_ml": if at_skull { 0.0 } else { ml } });
    let mut head = Head::phantom(bench, &params, seed);
    let side = if n % 4 < 2 { 1.0 } else { -1.0 };
    let what = match n / 2 % 5 {
        1 => {
            head = head.bleed([side, 0.3, 0.4], ml);
            "at the skull".to_owned()
        }
        2 => {
            let degrees = 25.0 * (2.0 * uniform_at(6, n) - 1.0);
            let spacing = head.grid.spacing();
            head = head.tilted(degrees, spacing);
            format!("tilt {degrees:.0} degrees")
        }
        3 => {
            let diameter = 20.0 + 40.0 * uniform_at(7, n);
            head = head.craniotomy([side, 0.2, 0.8], diameter);
            format!("hole {diameter:.0} mm")
        }
        4 => {
            head = head.fractures();
            "fractures".to_owned()
        }
        _ => "whole".to_owned(),
    };
    (head, format!("{kind}, {ml:.1} mL, {what}"))
}

fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}

fn summary(name: &str, rows: &[(f64, f64, bool)]) {
    let dice: Vec<f64> = rows.iter().map(|r| r.0).collect();
    let hd: Vec<f64> = rows.iter().map(|r| r.1).collect();
    let low = rows.iter().filter(|r| r.0 < 0.95).count();
    let hidden = rows.iter().filter(|r| r.0 < 0.95 && !r.2).count();
    println!(
        "| {name} | {} | {:.4} | {:.4} | {:.4} | {:.2} | {:.2} | {low} | {hidden} |",
        rows.len(),
        quantile(&dice, 0.5),
        quantile(&dice, 0.05),
        quantile(&dice, 0.0),
        quantile(&hd, 0.5),
        quantile(&hd, 0.95),
    );
}

const HEADER: &str = "| what | heads | Dice, median | 5 % | least | HD95, median, mm | 95 % | below 0.95 | unflagged |\n\
                      |---|---|---|---|---|---|---|---|---|";

fn main() {
    let bench = Bench::new(2);
    let mut args = std::env::args().skip(1);
    let first = args.next();
    let is_ablation = first.as_deref() == Some("ablation");
    let number = if is_ablation { args.next() } else { first };
    let count: u64 = number.map_or(50, |n| n.parse().unwrap());
    let off = json!({ "atlases": 1, "deformable": false, "enclosure": false, "refine": false });
    let with = |more: Json| {
        let mut params = off.clone();
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    let variants: Vec<(&str, Json)> = if is_ablation {
        vec![
            ("nearest atlas, affine", with(json!({}))),
            ("+ deformable", with(json!({ "deformable": true }))),
            ("5 atlases, affine", with(json!({ "atlases": 5 }))),
            ("5 atlases + deformable", with(json!({ "atlases": 5, "deformable": true }))),
            ("3, majority", with(json!({ "atlases": 3, "deformable": true, "fusion": "majority" }))),
            ("5, majority", with(json!({ "atlases": 5, "deformable": true, "fusion": "majority" }))),
            (
                "5, local-weighted",
                with(json!({ "atlases": 5, "deformable": true, "fusion": "local-weighted" })),
            ),
            ("5, staple", with(json!({ "atlases": 5, "deformable": true, "fusion": "staple" }))),
            ("12, mean", with(json!({ "atlases": 12, "deformable": true }))),
            (
                "5 + deformable + enclosure",
                with(json!({ "atlases": 5, "deformable": true, "enclosure": true })),
            ),
            ("affine + enclosure + level set", json!({ "deformable": false })),
            ("affine, 1 atlas + enclosure + level set", json!({ "deformable": false, "atlases": 1 })),
            ("deformable, 1 atlas + enclosure + level set", json!({ "atlases": 1 })),
            ("deformable + level set, no enclosure", json!({ "enclosure": false })),
            ("all (default)", json!({})),
        ]
    } else {
        vec![("all", json!({}))]
    };
    let mut results = vec![Vec::new(); variants.len() + 2];
    let mut kinds = [Vec::new(), Vec::new()];
    for n in 0..count {
        let (head, what) = head(&bench, n);
        let ct = head.value(&bench);
        if is_ablation {
            for (m, steps) in [(variants.len(), 0), (variants.len() + 1, 40)] {
                let made = bench.run("refine-levelset", json!({ "iterations": steps }), &[("ct", &ct)]);
                let row = made.map_or((0.0, f64::INFINITY, true), |made| {
                    let mask = made["mask"].bytes();
                    (dice(mask, &head.cavity), hd95(mask, &head.cavity, &head.grid), false)
                });
                results[m].push(row);
            }
        }
        for (m, (_, params)) in variants.iter().enumerate() {
            let made = bench.run("cavity-atlas", params.clone(), &[("ct", &ct)]).unwrap();
            let mask = made["mask"].bytes();
            let found = verdicts(&made["qc"]);
            let [overall, why] = &found["overall"];
            let row = (dice(mask, &head.cavity), hd95(mask, &head.cavity, &head.grid), overall != "pass");
            results[m].push(row);
            if !is_ablation {
                kinds[(n % 2) as usize].push(row);
                let q = numbers(&made["qc"]);
                let lost = head.blood.iter().zip(mask).filter(|(b, m)| **b != 0 && **m == 0).count();
                let blood = head.blood.iter().filter(|b| **b != 0).count().max(1);
                println!(
                    "{n}: {what}: Dice {:.4}, HD95 {:.2}, blood lost {:.4}, {overall} {why} (likeness {:.3}, atlas {:.3}, uncertain {:.3}, det {:.2})",
                    row.0,
                    row.1,
                    lost as f64 / blood as f64,
                    q["likeness"],
                    q["atlas_dice"],
                    q["uncertain"],
                    q["least_determinant"]
                );
            }
        }
    }
    println!("{HEADER}");
    if is_ablation {
        summary("enclosure alone", &results[variants.len()]);
        summary("enclosure + level set", &results[variants.len() + 1]);
    } else {
        summary("thin", &kinds[0]);
        summary("thick", &kinds[1]);
    }
    for ((name, _), rows) in variants.iter().zip(&results) {
        summary(name, rows);
    }
}
