//! What `cavity-atlas` does with heads that are turned, cut, torn open, noisy, or no heads: failures and failures
//! that no verdict told of, against the ceilings that were set before.
//!
//! `cargo run --release -p ichor-tests --example cavity_sweep [seeds]`; the table goes into
//! docs/benchmarks/cavity.md. A failure is a Dice coefficient below 0.95.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark for developers"
)]

use ichor_tests::cavity::{Head, dice, numbers, verdicts};
use ichor_tests::stage::{Bench, lps_grid};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// A row of the table: what is done, and the share of failures allowed.
type Make = Box<dyn Fn(&Bench, u64) -> Head>;
type Case = (&'static str, f64, Make);

fn phantom(bench: &Bench, seed: u64, more: Json) -> Head {
    let params = json!({ "shape": [170, 200, 136], "spacing": [1.2, 1.2, 1.5], "seed": 7000 + seed });
    Head::phantom(bench, &params, more)
}

fn thick(bench: &Bench, seed: u64, mm: f64) -> Head {
    let params = json!({
        "shape": [200, 230, (190.0 / mm) as usize], "spacing": [1.0, 1.0, mm], "seed": 7000 + seed
    });
    Head::phantom(bench, &params, json!({}))
}

fn turned(axis: usize, degrees: f64) -> impl Fn(&Bench, u64) -> Head {
    move |bench, seed| {
        let sign = if seed.is_multiple_of(2) { 1.0 } else { -1.0 };
        let mut rotation = [0.0; 3];
        rotation[axis] = sign * degrees;
        let params = json!({ "shape": [190, 220, 160], "spacing": [1.2, 1.2, 1.5], "seed": 7000 + seed });
        Head::phantom(bench, &params, json!({ "rotation": rotation }))
    }
}

/// Slices of 2.5 mm below and 7.5 mm above, as a series of two parts, on slices of 2.5 mm.
fn mixed(bench: &Bench, seed: u64) -> Head {
    let head = thick(bench, seed, 2.5);
    let n = head.grid.shape[2];
    let gone: Vec<usize> = (n / 2..n - 1).filter(|k| !(k - n / 2).is_multiple_of(3)).collect();
    head.missing(&gone)
}

fn cases() -> Vec<Case> {
    fn plain(change: impl Fn(Head, u64) -> Head + 'static, more: Json) -> Make {
        Box::new(move |bench, seed| change(phantom(bench, seed, more.clone()), seed))
    }
    let none = || json!({});
    let dry = || json!({ "haematoma_ml": 0 });
    let side = |seed: u64| if seed.is_multiple_of(2) { 1.0 } else { -1.0 };
    vec![
        ("unchanged", 0.0, plain(|h, _| h, none())),
        ("pitch 30 degrees", 0.0, Box::new(turned(0, 30.0))),
        ("roll 30 degrees", 0.0, Box::new(turned(1, 30.0))),
        ("yaw 30 degrees", 0.0, Box::new(turned(2, 30.0))),
        ("pitch 45 degrees", 0.01, Box::new(turned(0, 45.0))),
        ("yaw 45 degrees", 0.01, Box::new(turned(2, 45.0))),
        (
            "tilt 25 degrees, slices of 3 mm",
            0.0,
            plain(move |h, s| h.tilted(25.0 * side(s), [1.2, 1.2, 3.0]), none()),
        ),
        ("vertex cut by 15 mm", 0.0, plain(|h, _| h.cut(15.0, 0.0), none())),
        ("vertex cut by 30 mm", 0.0, plain(|h, _| h.cut(30.0, 0.0), none())),
        ("base cut by 20 mm", 0.02, plain(|h, _| h.cut(0.0, 20.0), none())),
        ("base cut by 40 mm", 0.02, plain(|h, _| h.cut(0.0, 40.0), none())),
        ("slices of 5 mm", 0.01, Box::new(|b, s| thick(b, s, 5.0))),
        ("slices of 7 mm", 0.01, Box::new(|b, s| thick(b, s, 7.0))),
        ("slices of 2.5 and 7.5 mm", 0.01, Box::new(mixed)),
        (
            "3 of the slices of 5 mm missing",
            0.0,
            Box::new(|b, s| thick(b, s, 5.0).missing(&[12, 13, 14].map(|k| k + (s % 8) as usize))),
        ),
        ("10 mL at the skull", 0.0, plain(move |h, s| h.bleed([side(s), 0.2, 0.3], 10.0), dry())),
        ("150 mL at the skull", 0.0, plain(move |h, s| h.bleed([side(s), 0.2, 0.3], 150.0), dry())),
        ("craniotomy 60 mm", 0.01, plain(move |h, s| h.craniotomy([side(s), 0.1, 0.5], 60.0), none())),
        ("craniotomy 100 mm", 0.05, plain(move |h, s| h.craniotomy([side(s), 0.1, 0.5], 100.0), none())),
        ("fractures", 0.0, plain(|h, _| h.fractures(), none())),
        ("noise of 25 HU", 0.0, plain(|h, _| h.noise(25.0), none())),
        ("metal and streaks", 0.02, plain(|h, _| h.metal(), none())),
        ("air under the vault, 20 mm", 0.01, plain(|h, _| h.air(20.0), none())),
    ]
}

/// What must not pass: each a name and a CT.
fn impostors(bench: &Bench) -> Vec<(&'static str, Arc<ichor_host::Value>)> {
    let empty = |seed| phantom(bench, seed, json!({ "haematoma_ml": 0 })).emptied().value(bench);
    let grid = lps_grid([128, 128, 60], [2.5, 2.5, 4.0]);
    let ball = |v: [usize; 3], at: [f64; 2], r: f64| {
        (2.5 * v[0] as f64 - at[0]).hypot(2.5 * v[1] as f64 - at[1]) < r
    };
    let legs = bench.ct(&grid, |v| match () {
        () if ball(v, [90.0, 160.0], 14.0) || ball(v, [230.0, 160.0], 14.0) => 1100,
        () if ball(v, [90.0, 160.0], 60.0) || ball(v, [230.0, 160.0], 60.0) => 50,
        () => -1000,
    });
    let abdomen = bench.ct(&grid, |v| match () {
        () if ball(v, [160.0, 230.0], 22.0) => 600,
        () if ball(v, [160.0, 160.0], 140.0) => 45,
        () => -1000,
    });
    let tube = bench.ct(&grid, |v| match () {
        () if ball(v, [160.0, 160.0], 70.0) => 0,
        () if ball(v, [160.0, 160.0], 78.0) => 1000,
        () => -1000,
    });
    vec![
        ("empty skull", empty(1)),
        ("another empty skull", empty(2)),
        ("legs", legs),
        ("abdomen", abdomen),
        ("tube of water", tube),
        ("air", bench.ct(&grid, |_| -1000)),
        ("noise", bench.ct(&grid, |v| ((v[0] * 7919 + v[1] * 104_729 + v[2] * 1299) % 2000) as i16 - 1000)),
    ]
}

fn main() {
    let bench = Bench::new(2);
    let seeds: u64 = std::env::args().nth(1).map_or(5, |n| n.parse().unwrap());
    println!("| what | ceiling | heads | Dice, median | least | failures | unflagged | flagged in all |");
    println!("|---|---|---|---|---|---|---|---|");
    let (mut all, mut hidden) = (0, 0);
    for (name, ceiling, make) in cases() {
        let mut found = Vec::new();
        for seed in 1..=seeds {
            let head = make(&bench, seed);
            let made = bench.run("cavity-atlas", json!({}), &[("ct", &head.value(&bench))]).unwrap();
            let mask = made["mask"].bytes();
            let [verdict, why] = verdicts(&made["qc"])["overall"].clone();
            let q = numbers(&made["qc"]);
            let lost = head.blood.iter().zip(mask).filter(|(b, m)| **b != 0 && **m == 0).count();
            let blood = head.blood.iter().filter(|b| **b != 0).count().max(1);
            let dice = dice(mask, &head.cavity);
            eprintln!(
                "{name}, seed {seed}: Dice {dice:.4}, blood lost {:.4}, {verdict} {why} (likeness {:.3}, atlas {:.3}, uncertain {:.3})",
                lost as f64 / blood as f64,
                q.get("likeness").unwrap_or(&f64::NAN),
                q.get("atlas_dice").unwrap_or(&f64::NAN),
                q.get("uncertain").unwrap_or(&f64::NAN)
            );
            found.push((dice, verdict != "pass"));
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let failures = found.iter().filter(|f| f.0 < 0.95).count();
        let unflagged = found.iter().filter(|f| f.0 < 0.95 && !f.1).count();
        (all, hidden) = (all + found.len(), hidden + unflagged);
        println!(
            "| {name} | {:.0} % | {} | {:.4} | {:.4} | {failures} | {unflagged} | {} |",
            100.0 * ceiling,
            found.len(),
            found[found.len() / 2].0,
            found[0].0,
            found.iter().filter(|f| f.1).count()
        );
    }
    println!(
        "\n{hidden} of {all} failed and were not flagged.\n\n| no head | verdict | volume, mL | why |\n|---|---|---|---|"
    );
    for (name, ct) in impostors(&bench) {
        let made = bench.run("cavity-atlas", json!({}), &[("ct", &ct)]).unwrap();
        let [verdict, why] = verdicts(&made["qc"])["overall"].clone();
        println!(
            "| {name} | {verdict} | {:.0} | {why} |",
            numbers(&made["qc"]).get("volume").unwrap_or(&0.0)
        );
    }
}
