//! Times `biomarker-irregularity` on a raw mask of 512 x 512 x 400 voxels: `shape_time MASK THREADS`, for
//! `tests/peers/shape.py`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark for developers")]

use ichor_host::Value;
use ichor_spec::{Kind, Unit};
use ichor_tests::stage::{Affine, Bench, DType, Grid, measured, table};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// User and system seconds of this process so far; clock ticks are 10 ms on Linux.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11..13].iter().map(|t| t.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let bench = Bench::with_plugins(args[2].parse().unwrap(), &folder);
    let grid = Grid::new([512, 512, 400], Affine::from_spacing([0.43, 0.43, 0.45], [0.0; 3])).unwrap();
    let kind = (Kind::Mask, Unit::Label, DType::U8);
    let mask = {
        let bytes = std::fs::read(&args[1]).unwrap();
        Arc::new(Value::from_voxels(bench.host.pool(), kind, &grid, &bytes).unwrap())
    };
    let (wall, used) = (Instant::now(), cpu());
    let out = bench.run("biomarker-irregularity", json!({}), &[("mask", &mask)]).unwrap();
    let (wall, used) = (wall.elapsed().as_secs_f64(), cpu() - used);
    let t = table(&out["table"]);
    let names = ["surface_area", "volume_mesh", "solidity", "max_diameter_3d", "sphericity"];
    let found: serde_json::Map<_, _> =
        names.iter().map(|n| ((*n).to_owned(), measured(&t, "all", n))).collect();
    println!("{}", json!({ "wall": wall, "cpu": used, "peak": peak_mib(), "found": found }));
}
