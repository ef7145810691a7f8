//! How well `register` finds maps that are known, on a real head and on phantoms.
//!
//! `cargo run --release -p ichor-tests --example register_trials [affine-head|affine-phantom|smooth] [count]`; the
//! tables go into docs/benchmarks/register.md.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark for developers")]

use ichor_host::Value;
use ichor_image::random::Random;
use ichor_spec::{Kind, Unit};
use ichor_tests::register::{Map, distances, moved};
use ichor_tests::shared_data;
use ichor_tests::stage::{Affine, Bench, DType, Grid, i16s, measured, table};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Voxels of the working grid, mm.
const VOXEL: f64 = 2.0;

struct Head {
    value: Arc<Value>,
    voxels: Vec<i16>,
    grid: Grid,
    centre: [f64; 3],
}

impl Head {
    fn new(value: &Arc<Value>) -> Self {
        let (voxels, grid) = (i16s(value), value.grid().unwrap());
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for n in (0..voxels.len()).step_by(101).filter(|&n| voxels[n] > -20) {
            let [nx, ny, _] = grid.shape;
            let p = grid.affine.apply([n % nx, n / nx % ny, n / nx / ny].map(|v| v as f64));
            (0..3).for_each(|a| sum[a] += p[a]);
            count += 1.0;
        }
        Self { value: Arc::clone(value), voxels, grid, centre: sum.map(|v| v / count) }
    }

    /// A grid of 2 mm round it that any pose fits into.
    fn room(&self) -> Grid {
        let shape = [130, 140, 130];
        let c = self.centre;
        let half = |a: usize| (shape[a] as f64 - 1.0) * VOXEL / 2.0;
        Grid::new(
            shape,
            Affine([
                [-VOXEL, 0.0, 0.0, c[0] + half(0)],
                [0.0, -VOXEL, 0.0, c[1] + half(1)],
                [0.0, 0.0, VOXEL, c[2] - half(2)],
            ]),
        )
        .unwrap()
    }
}

struct Trial {
    after: Vec<f64>,
    seconds: f64,
    report: Json,
}

fn trial(bench: &Bench, head: &Head, truth: &Map, params: Json) -> Trial {
    let to = head.room();
    let voxels = moved(&head.voxels, &head.grid, truth, &to);
    let bytes: Vec<u8> = voxels.iter().flat_map(|v| v.to_ne_bytes()).collect();
    let fixed = bench.value((Kind::Volume, Unit::Hu, DType::I16), &to, &bytes);
    let begin = cpu_seconds();
    let out = bench.run("register", params, &[("fixed", &fixed), ("moving", &head.value)]).unwrap();
    let seconds = cpu_seconds() - begin;
    let found = Map::parse(std::str::from_utf8(out["transform"].bytes()).unwrap());
    Trial { after: distances(&voxels, &to, truth, &found, 31), seconds, report: table(&out["report"]) }
}

/// CPU time of this process so far: user and system, all threads, in steps of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // After the name in brackets: state is field 3, user and system time are 14 and 15.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn mean(v: &[f64]) -> f64 {
    v.iter().sum::<f64>() / v.len() as f64
}

fn quantile(v: &[f64], q: f64) -> f64 {
    let mut v = v.to_vec();
    v.sort_by(f64::total_cmp);
    v[((v.len() - 1) as f64 * q).round() as usize]
}

fn affine(bench: &Bench, name: &str, heads: &[Head], count: usize) {
    let mut random = Random::new(20_261_124);
    let (mut means, mut seconds, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..count {
        let head = &heads[n % heads.len()];
        let truth = Map::random(&mut random, head.centre, 30.0, 30.0, [0.85, 1.15]);
        let trial = trial(bench, head, &truth, json!({}));
        let error = mean(&trial.after) / VOXEL;
        if error > 1.0 {
            let start = measured(&trial.report, "all", "start");
            let ncc = measured(&trial.report, "all", "ncc");
            failed.push(format!("trial {n}: {error:.1} voxels, ncc {ncc}, start {start}"));
        }
        means.push(error);
        seconds.push(trial.seconds);
    }
    let within: Vec<f64> = means.iter().copied().filter(|m| *m <= 1.0).collect();
    println!(
        "| {name} | {count} | {:.3} | {:.3} | {:.3} | {} | {:.2} |",
        mean(&within),
        quantile(&means, 0.5),
        quantile(&means, 0.95),
        failed.len(),
        mean(&seconds),
    );
    failed.iter().for_each(|f| println!("<!-- {f} -->"));
}

fn smooth(bench: &Bench, name: &str, heads: &[Head], count: usize, params: &Json) {
    let mut random = Random::new(20_261_125);
    let (mut before, mut after, mut p95, mut seconds) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut least = f64::INFINITY;
    for n in 0..count {
        let head = &heads[n % heads.len()];
        let turn = Map::random(&mut random, head.centre, 8.0, 8.0, [0.96, 1.04]);
        let bumps = Map::smooth(&mut random, head.centre, 4.0);
        let whole = Map::All(vec![turn, bumps]);
        let affine = trial(bench, head, &whole, json!({}));
        let trial = trial(bench, head, &whole, params.clone());
        before.push(mean(&affine.after));
        after.push(mean(&trial.after));
        p95.push(quantile(&trial.after, 0.95));
        seconds.push(trial.seconds);
        least = least.min(measured(&trial.report, "all", "least determinant").as_f64().unwrap());
    }
    println!(
        "| {name} | {count} | {:.2} | {:.2} | {:.2} | {:.2} | {least:.2} | {:.2} |",
        mean(&before),
        mean(&after),
        mean(&p95),
        after.iter().copied().fold(0.0, f64::max),
        mean(&seconds),
    );
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let what = args.first().map_or("all", String::as_str);
    let count = |default: usize| args.get(1).map_or(default, |n| n.parse().unwrap());
    let extra = args.get(2).map_or(json!({}), |text| serde_json::from_str(text).unwrap());
    let is = |name: &str| what == name || what == "all";
    let bench = Bench::new(1);
    let real = shared_data("head-ge-regular.nii.gz").map(|path| {
        let ct = bench.run("load-nifti", json!({ "source": path, "unit": "HU" }), &[]).unwrap();
        vec![Head::new(&ct["image"])]
    });
    let phantoms = || -> Vec<Head> {
        let params = |seed| json!({ "seed": seed, "shape": [120, 130, 110], "spacing": [1.8, 1.8, 1.8] });
        (1..=5).map(|seed| Head::new(&bench.run("phantom-head", params(seed), &[]).unwrap()["ct"])).collect()
    };
    if is("affine-head") || is("affine-phantom") {
        println!("| image | trials | mean error, voxels | median | 95 % | failures | CPU s |");
        println!("|---|---|---|---|---|---|---|");
    }
    if let Some(real) = real.as_ref().filter(|_| is("affine-head")) {
        affine(&bench, "real head", real, count(100));
    }
    if is("affine-phantom") {
        affine(&bench, "five phantoms", &phantoms(), count(100));
    }
    if is("smooth") {
        println!(
            "| image | trials | affine, mm | bspline, mm | 95 %, mm | worst mean, mm | least det | CPU s |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        let mut params = json!({ "model": "bspline" });
        for (key, value) in extra.as_object().unwrap() {
            params[key] = value.clone();
        }
        if let Some(real) = &real {
            smooth(&bench, "real head", real, count(20), &params);
        }
        smooth(&bench, "five phantoms", &phantoms(), count(20), &params);
    }
}
