//! Features of one lesion for `tests/peers/radiomics.py` by Ichor's stage: prints how long they took and what they are
//! as JSON, and says nothing of what came before.
//!
//! `radiomics CT MASK morphology|texture AGGREGATION`
//!
//! One thread: seconds of the clock are at least those of the processor.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark for developers")]

use ichor_tests::stage::{Bench, table};
use serde_json::{Map, json};
use std::sync::Arc;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let bench = Bench::new(1);
    let load = |path: &str, kind: &str| {
        let out = bench.run("load-nifti", json!({ "source": path, "kind": kind }), &[]).unwrap();
        Arc::clone(&out["image"])
    };
    let (ct, mask) = (load(&arguments[0], "volume"), load(&arguments[1], "mask"));
    let shape = arguments[2] == "morphology";
    let params = json!({
        "morphology": shape, "intensity": !shape, "texture": !shape, "aggregation": arguments[3],
    });
    let start = Instant::now();
    let out = bench.run("radiomics", params, &[("ct", &ct), ("mask", &mask)]).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let t = table(&out["table"]);
    let found: Map<String, _> = t["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row[1].as_str().unwrap().to_owned(), row[2].clone()))
        .collect();
    println!("{}", json!({ "seconds": seconds, "found": found }));
}
