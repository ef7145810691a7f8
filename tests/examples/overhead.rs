//! What the engine costs a stage: a chain of 100 stages that hand a 512 x 512 x 400 int16 volume on.
//!
//! `cargo run --release -p ichor-tests --example overhead`; the figures go into docs/benchmarks/overhead.md.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark for developers")]

use ichor_tests::{Case, compile_plugin, root, run_ok};
use std::fmt::Write;

const STAGES: usize = 100;

fn main() {
    let case = Case::new();
    compile_plugin(&root().join("tests/bench/pass.c"), case.dir.path());
    let mut yaml = "ichor: 1\nstages:\n  s0: {use: bench-make}\n".to_owned();
    for n in 1..=STAGES {
        let _ = writeln!(yaml, "  s{n}: {{use: bench-pass, in: {{ct: s{}.ct}}}}", n - 1);
    }
    let pipeline = case.write("chain.yaml", yaml);
    let dir = case.path("");
    println!(
        "| mode | median per stage, µs | mean, µs | volume, MiB | peak of the host, MiB |\n|---|---|---|---|---|"
    );
    for mode in ["in-process", "worker"] {
        run_ok(["run", &pipeline, "-o", &case.path(mode), "--plugin-path", &dir, "--isolate", mode]);
        let record = case.record(&format!("{mode}/run.json"));
        let stages = record["stages"].as_array().unwrap();
        let passed = stages.iter().filter(|s| s["use"] == "bench-pass");
        let mut micros: Vec<f64> = passed.map(|s| s["seconds"].as_f64().unwrap() * 1e6).collect();
        micros.sort_by(f64::total_cmp);
        let (median, mean) = (micros[STAGES / 2], micros.iter().sum::<f64>() / STAGES as f64);
        let peak = record["peak_bytes"].as_f64().unwrap() / f64::from(1 << 20);
        println!("| {mode} | {median:.1} | {mean:.1} | 200 | {peak:.0} |");
    }
}
