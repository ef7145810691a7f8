//! Writes `docs/benchmarks/nifti-edge.md`: what Ichor makes of each file of a folder next to what nibabel made of it
//! (`tests/peers/nifti-edge.tsv`), and what hostile files cost.
//!
//! `cargo run --release -p ichor-tests --example nifti_edge -- FOLDER > docs/benchmarks/nifti-edge.md`

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a table for people")]

use ichor_host::Value;
use ichor_tests::nifti::{absurd, bomb, gzip, misplaced, small};
use ichor_tests::stage::{Bench, DType, f32s, i16s};
use ichor_tests::{Case, root};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// A row of nibabel's table.
struct Known<'a> {
    file: &'a str,
    volume: Option<u64>,
    shape: &'a str,
    /// Minimum, maximum, sum, weighted sum, and the affine.
    numbers: Vec<f64>,
    error: &'a str,
}

fn known(line: &str) -> Known<'_> {
    let cells: Vec<&str> = line.split('\t').collect();
    let numbers = cells[3..8].iter().flat_map(|c| c.split(' ')).filter_map(|n| n.parse().ok()).collect();
    Known { file: cells[0], volume: cells[1].parse().ok(), shape: cells[2], numbers, error: cells[8] }
}

fn values(image: &Value) -> Vec<f64> {
    match image.dtype() {
        Some(DType::I16) => i16s(image).into_iter().map(f64::from).collect(),
        Some(DType::U16) => {
            image.bytes().as_chunks::<2>().0.iter().map(|b| u16::from_ne_bytes(*b).into()).collect()
        }
        _ => f32s(image).into_iter().map(f64::from).collect(),
    }
}

/// The largest relative difference of the values, and the largest of the affine in mm.
fn differences(image: &Arc<Value>, known: &Known) -> (f64, f64) {
    let v = values(image);
    let (min, max) = v.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |m, x| (m.0.min(*x), m.1.max(*x)));
    let sum: f64 = v.iter().sum();
    let weighted: f64 = v.iter().enumerate().map(|(n, x)| x * (n % 97) as f64).sum();
    let relative = |a: f64, b: f64| if a == b { 0.0 } else { (a - b).abs() / b.abs().max(1e-300) };
    let pairs = [min, max, sum, weighted].into_iter().zip(&known.numbers);
    let values = pairs.map(|(a, b)| relative(a, *b)).fold(0.0, f64::max);
    let affine = image.grid().unwrap().affine.0;
    let pairs = affine.as_flattened().iter().zip(&known.numbers[4..]);
    (values, pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max))
}

fn number(x: f64) -> String {
    if x == 0.0 { "0".into() } else { format!("{x:.0e}") }
}

/// Peak resident memory in kB, from `/proc`.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn main() {
    let folder = std::env::args().nth(1).unwrap();
    let table = std::fs::read_to_string(root().join("tests/peers/nifti-edge.tsv")).unwrap();
    let mut lines = table.lines();
    let version = lines.next().unwrap().trim_start_matches("# ");
    let bench = Bench::new(1);
    println!("# Odd and hostile NIfTI files\n");
    println!(
        "Made by `cargo run --release -p ichor-tests --example nifti_edge -- FOLDER`, where FOLDER holds the test files of \
         nifti-rs (`resources`, MIT or Apache-2.0) and nibabel (`tests/data`, MIT). The values beside are those of \
         {version}, kept in `tests/peers/nifti-edge.tsv` (`tests/peers/nifti_edge.py` makes it): minimum, maximum, sum and \
         the sum of value times position modulo 97 of all voxels, and the affine. Ichor reads whole numbers as int16 or \
         uint16 and everything else as float32, whose rounding is the difference that is left.\n"
    );
    println!(
        "| file | Ichor | values, largest relative difference | affine, largest difference in mm | nibabel |"
    );
    println!("|---|---|---|---|---|");
    let (mut read, mut refused, mut worst) = (0, 0, 0f64);
    for known in lines.skip(1).map(known) {
        let path = format!("{folder}/{}", known.file);
        let out = bench.run("load-nifti", json!({ "source": path, "volume": known.volume }), &[]);
        let log: Vec<String> = bench.log.lock().unwrap().drain(..).map(|l| l.1).collect();
        let note = if log.iter().any(|l| l.contains("A GUESS")) {
            ", left and right warned to be a guess"
        } else {
            ""
        };
        let peer =
            if known.error.is_empty() { known.shape.to_owned() } else { format!("refuses: {}", known.error) };
        let volume = known.volume.map_or(String::new(), |n| format!(" (volume {n})"));
        match out {
            Ok(out) => {
                read += 1;
                let image = &out["image"];
                let shape = image.grid().unwrap().shape.map(|n| n.to_string()).join("x");
                let dtype = image.dtype().map_or(String::new(), |d| format!("{d:?}").to_lowercase());
                let (v, a) = if known.error.is_empty() {
                    assert_eq!(shape, known.shape, "{}", known.file);
                    let (v, a) = differences(image, &known);
                    worst = worst.max(v);
                    (number(v), number(a))
                } else {
                    Default::default()
                };
                println!("| `{}`{volume} | {shape}, {dtype}{note} | {v} | {a} | {peer} |", known.file);
            }
            Err(e) => {
                refused += 1;
                let text = e.to_string().replace(&path, "...").replace(&folder, "...");
                println!("| `{}`{volume} | refused: {text} | | | {peer} |", known.file);
            }
        }
    }
    println!(
        "\n{read} files are read, {refused} refused; the largest relative difference is {}.\n",
        number(worst)
    );

    println!("## What a hostile file costs\n");
    println!(
        "Time from the call to the refusal in the same process, and by how much that call raised the process's peak \
         resident memory. `tests/tests/nifti_damage.rs` holds the same files against a limit of 16 MiB.\n"
    );
    println!("| file | bytes | ms | MiB | the sentence |\n|---|---|---|---|---|");
    let case = Case::new();
    let packed = |(name, file, _): &(&str, Vec<u8>, &str)| (format!("{name}, gzip"), gzip(file));
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for one in absurd().iter().chain(&misplaced()) {
        files.push((one.0.to_owned(), one.1.clone()));
        files.push(packed(one));
    }
    files.push(("1 MB that become 1 GB, for 24 voxels".into(), bomb(&small(), 1000)));
    let members = [gzip(&small()), bomb(&[], 10).repeat(1000)].concat();
    files.push(("10 MB in 1001 members that become 10 GB, for 24 voxels".into(), members));
    let (mut slowest, mut largest) = (0f64, 0f64);
    for (name, file) in files {
        let path = case.write("x.nii", &file);
        std::fs::write("/proc/self/clear_refs", "5").unwrap(); // the peak begins anew
        let before = peak();
        let start = Instant::now();
        let text = bench.run("load-nifti", json!({ "source": path }), &[]).unwrap_err().to_string();
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let mib = peak().saturating_sub(before) as f64 / 1024.0;
        (slowest, largest) = (slowest.max(ms), largest.max(mib));
        println!("| {name} | {} | {ms:.1} | {mib:.1} | {} |", file.len(), text.replace(&path, "..."));
        std::fs::remove_file(path).unwrap();
    }
    println!("\nAt most {slowest:.1} ms and {largest:.1} MiB.");
}
