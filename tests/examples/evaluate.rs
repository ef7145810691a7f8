//! One evaluation for `tests/peers/evaluate.py` by Ichor's stage: prints how long it took and what it found as JSON, and
//! says nothing of what came before.
//!
//! `evaluate MASK REFERENCE CONVENTION THREADS`

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark for developers")]

use ichor_tests::stage::{Bench, measured, table};
use serde_json::{Map, json};
use std::sync::Arc;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let bench = Bench::new(arguments[3].parse().unwrap());
    let load = |path: &str| {
        let out = bench.run("load-nifti", json!({ "source": path, "kind": "mask" }), &[]).unwrap();
        Arc::clone(&out["image"])
    };
    let (mask, reference) = (load(&arguments[0]), load(&arguments[1]));
    let params = json!({ "convention": arguments[2] });
    let start = Instant::now();
    let inputs = [("mask", &mask), ("reference", &reference)];
    let out = bench.run("evaluate-segmentation", params, &inputs).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let t = table(&out["table"]);
    let mut found = Map::new();
    for name in ["dice", "hd", "hd95", "mhd", "cmd", "avd"] {
        found.insert(name.into(), measured(&t, "all", name));
    }
    println!("{}", json!({ "seconds": seconds, "found": found }));
}
