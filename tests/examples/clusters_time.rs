//! Times the removal of small clusters from a raw mask of 512 x 512 x 400 voxels: `clusters_time MASK THREADS
//! algorithm|labels|stage`, for `tests/peers/clusters.py`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark for developers")]

use ichor_host::Value;
use ichor_image::{Clusters, Connectivity, parallel::Threads};
use ichor_spec::{Kind, Unit};
use ichor_tests::stage::{Affine, Bench, DType, Grid};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

const SHAPE: [usize; 3] = [512, 512, 400];
const SPACING: [f64; 3] = [0.43, 0.43, 0.45];
const LEAST_ML: f64 = 0.1;

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

/// Clusters of at least 0.1 mL of a mask in memory, as a new mask, and as labels too where asked.
fn algorithm(mask: &[u8], threads: usize, labels: bool) -> (Vec<u8>, usize) {
    let par = Threads(threads);
    let found = Clusters::new(&par, mask, SHAPE, Connectivity::TwentySix);
    let least = (LEAST_ML * 1000.0 / SPACING.iter().product::<f64>()).ceil() as usize;
    let mut out = vec![0u8; mask.len()];
    let stays = |label: u32| found.sizes[label as usize - 1] >= least;
    found.paint(&par, &mut out, &|label| u8::from(stays(label)));
    if labels {
        let mut numbers = vec![0u16; mask.len()];
        found.paint(&par, &mut numbers, &|label| if stays(label) { label as u16 } else { 0 });
        std::hint::black_box(numbers);
    }
    (out, found.sizes.len())
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (threads, what) = (args[2].parse().unwrap(), args[3].as_str());
    let bytes = std::fs::read(&args[1]).unwrap();
    let (wall, used, kept, clusters) = if what == "stage" {
        let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
        let bench = Bench::with_plugins(threads, &folder);
        let grid = Grid::new(SHAPE, Affine::from_spacing(SPACING, [0.0; 3])).unwrap();
        let kind = (Kind::Mask, Unit::Label, DType::U8);
        let mask = Arc::new(Value::from_voxels(bench.host.pool(), kind, &grid, &bytes).unwrap());
        drop(bytes);
        let (wall, used) = (Instant::now(), cpu());
        let out =
            bench.run("filter-clusters", json!({ "min_volume_ml": LEAST_ML }), &[("mask", &mask)]).unwrap();
        let (wall, used) = (wall.elapsed().as_secs_f64(), cpu() - used);
        (wall, used, out["mask"].bytes().iter().filter(|v| **v != 0).count(), None)
    } else {
        let (wall, used) = (Instant::now(), cpu());
        let (out, clusters) = algorithm(&bytes, threads, what == "labels");
        let (wall, used) = (wall.elapsed().as_secs_f64(), cpu() - used);
        (wall, used, out.iter().filter(|v| **v != 0).count(), Some(clusters))
    };
    println!(
        "{}",
        json!({ "wall": wall, "cpu": used, "peak": peak_mib(), "kept": kept, "clusters": clusters })
    );
}
