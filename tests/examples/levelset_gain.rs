//! What `refine-levelset` gains on phantoms whose truth is known: 10 of thin and 10 of thick slices, everything
//! else drawn by the seed; and what it costs on 512 x 512 x 400 voxels.
//!
//! `cargo run --release -p ichor-tests --example levelset_gain [seeds | speed]`; the tables go into
//! docs/benchmarks/levelset.md.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark for developers")]

use ichor_host::Value;
use ichor_image::{Serial, erode};
use ichor_tests::cavity::{dice, hd95};
use ichor_tests::stage::{Bench, measured, table};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn refine(bench: &Bench, ct: &Arc<Value>, mask: Option<&Arc<Value>>, params: Json) -> Arc<Value> {
    let mut inputs = vec![("ct", ct)];
    inputs.extend(mask.map(|m| ("mask", m)));
    Arc::clone(&bench.run("refine-levelset", params, &inputs).unwrap()["mask"])
}

fn seeds(bench: &Bench, count: u64) {
    let kinds = [
        ("thin", json!({ "shape": [232, 256, 180], "spacing": [0.9, 0.9, 1.0] })),
        ("thick", json!({ "shape": [464, 512, 36], "spacing": [0.45, 0.45, 5.0] })),
    ];
    let starts = ["enclosure", "cavity-threshold", "truth, moved 4 mm and eroded 4 mm"];
    println!(
        "| slices | start | Dice before | after | least after | HD95 before, mm | after | volume before | after |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut quality = String::new();
    for (kind, shape) in &kinds {
        let (mut verdicts, mut ranges) = (BTreeMap::<_, u32>::new(), BTreeMap::<_, [f64; 2]>::new());
        let mut rows: Vec<Vec<[f64; 6]>> = vec![Vec::new(); starts.len()];
        for seed in 1..=count {
            let mut params = shape.clone();
            params["seed"] = json!(seed);
            let head = bench.run("phantom-head", params, &[]).unwrap();
            let (ct, truth) = (&head["ct"], head["cavity"].bytes());
            let grid = ct.grid().unwrap();
            let eroded = erode(&Serial, truth, grid.shape, grid.spacing(), 4.0);
            let shift = (4.0 / grid.spacing()[0]) as usize;
            let moved = bench.mask(&grid, |[i, j, k]| i >= shift && eroded[grid.index(i - shift, j, k)] != 0);
            let threshold = bench.run("cavity-threshold", json!({}), &[("ct", ct)]).unwrap();
            let pairs = [
                (refine(bench, ct, None, json!({ "iterations": 0 })), refine(bench, ct, None, json!({}))),
                (Arc::clone(&threshold["mask"]), refine(bench, ct, Some(&threshold["mask"]), json!({}))),
                (Arc::clone(&moved), refine(bench, ct, Some(&moved), json!({}))),
            ];
            for (n, mask) in [&head["cavity"], &pairs[0].1].into_iter().enumerate() {
                let made = bench.run("cavity-qc", json!({}), &[("ct", ct), ("mask", mask)]).unwrap();
                let t = table(&made["table"]);
                let rows = t["rows"].as_array().unwrap();
                let overall = rows.last().unwrap();
                *verdicts.entry((n, overall[4].to_string(), overall[5].to_string())).or_default() += 1;
                for row in rows.iter().filter(|r| r[1].is_number()) {
                    let (name, value) = (row[0].to_string(), row[1].as_f64().unwrap());
                    let seen = ranges.entry((n, name)).or_insert([value; 2]);
                    *seen = [seen[0].min(value), seen[1].max(value)];
                }
            }
            for ((before, after), row) in pairs.iter().zip(&mut rows) {
                let share = |m: &[u8]| {
                    let count = |m: &[u8]| m.iter().map(|&v| u64::from(v)).sum::<u64>() as f64;
                    count(m) / count(truth)
                };
                let (b, a) = (before.bytes(), after.bytes());
                row.push([
                    dice(b, truth),
                    dice(a, truth),
                    hd95(b, truth, &grid),
                    hd95(a, truth, &grid),
                    share(b),
                    share(a),
                ]);
            }
        }
        for (start, row) in starts.iter().zip(&rows) {
            let mean = |n: usize| row.iter().map(|r| r[n]).sum::<f64>() / row.len() as f64;
            let least = row.iter().map(|r| r[1]).fold(f64::INFINITY, f64::min);
            println!(
                "| {kind} | {start} | {:.4} | {:.4} | {least:.4} | {:.2} | {:.2} | {:.3} | {:.3} |",
                mean(0),
                mean(1),
                mean(2),
                mean(3),
                mean(4),
                mean(5)
            );
        }
        for ((n, verdict, why), count) in verdicts {
            quality += &format!("{kind}, {}: {count} {verdict} {why}\n", ["truth", "enclosure, refined"][n]);
        }
        for ((n, name), [low, high]) in ranges {
            quality +=
                &format!("{kind}, {}: {name} {low:.3} to {high:.3}\n", ["truth", "enclosure, refined"][n]);
        }
    }
    println!("\n{quality}");
}

/// CPU seconds of this process so far, in all its threads.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Memory of this process's own, without what it shares with the host's buffers, MB.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("RssAnon")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Runs `body` and returns the most memory of its own, looked at every millisecond.
fn peak(body: impl FnOnce()) -> f64 {
    let (done, before) = (AtomicBool::new(false), memory());
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = before;
            while !done.load(Ordering::Relaxed) {
                most = most.max(memory());
                std::thread::sleep(Duration::from_millis(1));
            }
            most - before
        });
        body();
        done.store(true, Ordering::Relaxed);
        watch.join().unwrap()
    })
}

/// What is shown, the stage, its parameters and its inputs.
type Case<'a> = (&'a str, &'a str, Json, Vec<(&'a str, &'a Arc<Value>)>);

fn speed(bench: &Bench) {
    println!("| scan | stage | wall s | CPU s | memory of its own, MB |");
    println!("|---|---|---|---|---|");
    for (name, params) in [
        (
            "512 x 512 x 400, 0.45 x 0.45 x 0.5 mm",
            json!({ "shape": [512, 512, 400], "spacing": [0.45, 0.45, 0.5] }),
        ),
        ("512 x 512 x 36, 0.45 x 0.45 x 5 mm", json!({})),
    ] {
        let mut params = params;
        params["seed"] = json!(1);
        let head = bench.run("phantom-head", params, &[]).unwrap();
        let ct = &head["ct"];
        let threshold = bench.run("cavity-threshold", json!({}), &[("ct", ct)]).unwrap();
        let mask = &threshold["mask"];
        let only = |n: u32| json!({ "iterations": n });
        let runs: [Case; 7] = [
            ("cavity-threshold", "cavity-threshold", json!({}), vec![("ct", ct)]),
            ("refine-levelset", "refine-levelset", json!({}), vec![("ct", ct), ("mask", mask)]),
            ("refine-levelset, no steps", "refine-levelset", only(0), vec![("ct", ct), ("mask", mask)]),
            ("refine-levelset, no mask", "refine-levelset", json!({}), vec![("ct", ct)]),
            ("cavity-qc", "cavity-qc", json!({}), vec![("ct", ct), ("mask", mask)]),
            ("fuse-labels, majority of 3", "fuse-labels", json!({}), vec![("masks", mask); 3]),
            (
                "fuse-labels, staple of 3",
                "fuse-labels",
                json!({ "rule": "staple" }),
                vec![("masks", mask); 3],
            ),
        ];
        for (label, id, params, inputs) in runs {
            let (wall, before) = (Instant::now(), cpu());
            let made = bench.run(id, params.clone(), &inputs).unwrap();
            let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu() - before);
            // Once more, since looking costs time.
            let most = peak(|| {
                bench.run(id, params, &inputs).unwrap();
            });
            println!("| {name} | {label} | {wall:.2} | {cpu:.2} | {most:.0} |");
            if id == "refine-levelset" {
                let t = table(&made["table"]);
                let of = |name: &str| measured(&t, "all", name);
                println!("| | {} steps, band {}, moved {} | | | |", of("steps"), of("band"), of("moved"));
            }
        }
    }
}

fn main() {
    let bench = Bench::new(2);
    match std::env::args().nth(1).as_deref() {
        Some("speed") => speed(&bench),
        count => seeds(&bench, count.map_or(10, |n| n.parse().unwrap())),
    }
}
