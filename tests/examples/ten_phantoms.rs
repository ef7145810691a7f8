//! How well the classical stages do on ten phantoms whose truth is known: seeds 1 to 10, everything else drawn.
//!
//! `cargo run --release -p ichor-tests --example ten_phantoms`; the table goes into docs/benchmarks/classical.md.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark for developers")]

use ichor_host::Value;
use ichor_tests::stage::{Bench, measured, table};
use serde_json::json;

fn dice(a: &Value, b: &Value) -> f64 {
    let (mut both, mut sum) = (0u64, 0u64);
    for (&x, &y) in a.bytes().iter().zip(b.bytes()) {
        both += u64::from(x & y);
        sum += u64::from(x) + u64::from(y);
    }
    if sum == 0 { 1.0 } else { 2.0 * both as f64 / sum as f64 }
}

fn main() {
    let bench = Bench::new(2);
    println!(
        "| seed | site | true, mL | measured, mL | cavity true, mL | cavity measured, mL | cavity Dice | haematoma Dice |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let (mut cavities, mut haematomas) = (Vec::new(), Vec::new());
    for seed in 1..=10 {
        let head = bench.run("phantom-head", json!({ "seed": seed }), &[]).unwrap();
        let ct = &head["ct"];
        let cavity = &bench.run("cavity-threshold", json!({}), &[("ct", ct)]).unwrap()["mask"];
        let found = bench.run("segment-threshold", json!({}), &[("ct", ct), ("cavity", cavity)]).unwrap();
        let clean = bench.run("filter-clusters", json!({}), &[("mask", &found["mask"])]).unwrap();
        let volume = |mask| {
            let made = bench.run("measure-volume", json!({}), &[("mask", mask)]).unwrap();
            measured(&table(&made["table"]), "all", "volume").as_f64().unwrap()
        };
        let (cavity_dice, dice) = (dice(cavity, &head["cavity"]), dice(&clean["mask"], &head["haematoma"]));
        let truth = table(&head["truth"]);
        let site = truth["rows"].as_array().unwrap().iter().find(|r| r[1] == "site").unwrap()[2].clone();
        println!(
            "| {seed} | {} | {:.1} | {:.1} | {:.0} | {:.0} | {cavity_dice:.3} | {dice:.3} |",
            site.as_str().unwrap_or("-"),
            volume(&head["haematoma"]),
            volume(&clean["mask"]),
            volume(&head["cavity"]),
            volume(cavity),
        );
        cavities.push(cavity_dice);
        haematomas.push(dice);
    }
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    println!("| mean | | | | | | {:.3} | {:.3} |", mean(&cavities), mean(&haematomas));
}
