//! What `biomarker-heterogeneity` measures on small synthetic haematomas whose truth is known: errors at thin and thick
//! slices, sensitivity and specificity of each sign, stability.
//!
//! `cargo run --release -p ichor-tests --example density [analytic | signs [N] | stability | speed | write FOLDER]`; the
//! tables go into docs/benchmarks/density.md, `write` makes NIfTI files of phantoms for pictures.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark for developers")]

use ichor_host::Value;
use ichor_image::{Random, Serial, gaussian};
use ichor_spec::{Kind, Unit};
use ichor_tests::stage::{Affine, Bench, DType, Grid, measured, table, voxels};
use serde_json::{Value as Json, json};
use std::f64::consts::PI;
use std::sync::Arc;
use std::time::Instant;

/// Blur of the scanner in the slice, mm: 10 to 90 % in 1.8 mm.
const PSF_MM: f64 = 0.7;

type Point = [f64; 3];

fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// What is darker than the clot.
#[derive(Clone, Debug)]
enum Dark {
    Nothing,
    /// Centre, radius.
    Ball(Point, f64),
    /// A bent rod along S: middle, half length, radius, amplitude and phase of the bend.
    Rod(Point, f64, f64, f64, f64),
    /// What lies beyond a plane: normal and distance from the middle.
    Half(Point, f64),
}

impl Dark {
    fn inside(&self, p: Point) -> bool {
        match self {
            Self::Nothing => false,
            Self::Ball(c, r) => (0..3).map(|a| (p[a] - c[a]).powi(2)).sum::<f64>() <= r * r,
            Self::Rod(c, half, r, bend, phase) => {
                let z = p[2] - c[2];
                let (s, k) = (phase + PI * z / half).sin_cos();
                z.abs() <= *half && (p[0] - c[0] - bend * s).hypot(p[1] - c[1] - bend * k) <= *r
            }
            Self::Half(n, d) => dot(*n, p) > *d,
        }
    }
}

/// A haematoma: an ellipsoid with a wavy outline in brain.
#[derive(Clone, Debug)]
struct Phantom {
    semi: Point,
    /// Depth and number of waves around S.
    waves: (f64, f64),
    brain: f64,
    clot: f64,
    dark: Dark,
    dark_hu: f64,
    /// Change of HU over the whole width, along a direction.
    ramp: (f64, Point),
    /// SD of the noise in a slice of 1 mm, HU, and its blur in the slice, mm.
    noise: (f64, f64),
    seed: u64,
}

impl Phantom {
    fn plain(seed: u64) -> Self {
        Self {
            semi: [22.0, 18.0, 20.0],
            waves: (0.0, 0.0),
            brain: 33.0,
            clot: 60.0,
            dark: Dark::Nothing,
            dark_hu: 0.0,
            ramp: (0.0, [1.0, 0.0, 0.0]),
            noise: (8.0, 0.5),
            seed,
        }
    }

    fn inside(&self, p: Point) -> bool {
        let q: Point = std::array::from_fn(|a| p[a] / self.semi[a]);
        let r2 = dot(q, q);
        r2 <= (1.0 + self.waves.0).powi(2) && {
            let wave = 1.0 + self.waves.0 * (self.waves.1 * q[1].atan2(q[0])).cos();
            (q[0] * q[0] + q[1] * q[1]) / (wave * wave) + q[2] * q[2] <= 1.0
        }
    }

    fn hu(&self, p: Point) -> f64 {
        if !self.inside(p) {
            return self.brain;
        }
        let along = dot(p, self.ramp.1) / (2.0 * self.semi[0]);
        self.ramp.0 * along + if self.dark.inside(p) { self.dark_hu } else { self.clot }
    }

    /// CT and mask on voxels of `spacing`, moved by parts of a voxel. Voxels of the mask have their middle, and half of
    /// a thick slice's parts, in the haematoma.
    fn draw(&self, bench: &Bench, spacing: Point, shift: Point, noise: f64) -> (Arc<Value>, Arc<Value>) {
        let half: Point = std::array::from_fn(|a| self.semi[a] * (1.0 + self.waves.0) + 14.0);
        let shape: [usize; 3] = std::array::from_fn(|a| 2 * (half[a] / spacing[a]).ceil() as usize + 1);
        let origin: Point = std::array::from_fn(|a| spacing[a] * (shift[a] - (shape[a] as f64 - 1.0) / 2.0));
        let grid = Grid::new(shape, Affine::from_spacing(spacing, origin)).unwrap();
        let parts = (spacing[2] / 0.5).round().max(1.0) as usize;
        let (mut sharp, mut mask) = (Vec::with_capacity(grid.len()), Vec::with_capacity(grid.len()));
        for v in voxels(&grid) {
            let p = grid.affine.apply(v.map(|n| n as f64));
            let (mut sum, mut within) = (0.0, 0);
            for s in 0..parts {
                let z = p[2] + ((s as f64 + 0.5) / parts as f64 - 0.5) * spacing[2];
                sum += self.hu([p[0], p[1], z]);
                within += usize::from(self.inside([p[0], p[1], z]));
            }
            sharp.push((sum / parts as f64) as f32);
            mask.push(u8::from(2 * within >= parts));
        }
        let blur = |mm: f64| [mm / spacing[0], mm / spacing[1], 0.0];
        let mut ct = gaussian(&Serial, &sharp, shape, blur(PSF_MM));
        let white: Vec<f32> =
            (0..grid.len()).map(|n| ichor_image::random::normal_at(self.seed, n as u64) as f32).collect();
        let grain = gaussian(&Serial, &white, shape, blur(self.noise.1));
        let spread = (grain.iter().map(|v| f64::from(v * v)).sum::<f64>() / grain.len() as f64).sqrt();
        let scale = noise * self.noise.0 / spacing[2].sqrt() / spread;
        ct.iter_mut().zip(&grain).for_each(|(v, g)| *v = (*v + scale as f32 * g).round());
        let bytes: Vec<u8> = ct.iter().flat_map(|v| (*v as i16).to_ne_bytes()).collect();
        let ct = bench.value((Kind::Volume, Unit::Hu, DType::I16), &grid, &bytes);
        (ct, bench.value((Kind::Mask, Unit::Label, DType::U8), &grid, &mask))
    }

    fn measure(&self, bench: &Bench, spacing: Point, shift: Point, noise: f64) -> Json {
        self.measure_by(&["biomarker-heterogeneity"], bench, spacing, shift, noise)
    }

    /// The rows of several stages in one table.
    fn measure_by(&self, stages: &[&str], bench: &Bench, spacing: Point, shift: Point, noise: f64) -> Json {
        let (ct, mask) = self.draw(bench, spacing, shift, noise);
        let tables = stages.iter().map(|stage| {
            let params = if *stage == "radiomics" { json!({}) } else { json!({ "position": "supine" }) };
            let out = bench.run(stage, params, &[("ct", &ct), ("mask", &mask)]).unwrap();
            table(&out["table"])
        });
        let mut all = tables.reduce(|mut all, next| {
            all["rows"].as_array_mut().unwrap().extend(next["rows"].as_array().unwrap().iter().cloned());
            all
        });
        all.take().unwrap()
    }
}

fn number(t: &Json, name: &str) -> f64 {
    let v = measured(t, "all", name);
    v.as_f64().or(v.as_bool().map(|b| f64::from(u8::from(b)))).unwrap_or(f64::NAN)
}

const THICKNESS: [(&str, Point); 2] = [("0.5", [0.5, 0.5, 0.5]), ("5", [0.5, 0.5, 5.0])];

/// Mean and range of an error over ten seeds of noise.
fn analytic(bench: &Bench) {
    println!("| phantom | measurement | truth | slices, mm | mean | error | least | most | seen |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let ball = |r: f64, hu: f64| (Dark::Ball([3.0, -2.0, 1.0], r), hu);
    let volume = |r: f64| 4.0 / 3.0 * PI * r.powi(3) / 1000.0;
    let tilt = |degrees: f64| {
        let (s, c) = degrees.to_radians().sin_cos();
        Dark::Half([s, c, 0.0], 2.0)
    };
    let rod = || Dark::Rod([2.0, 1.0, 0.0], 9.0, 4.0, 3.0, 0.7);
    type Case = (String, (Dark, f64), Vec<(&'static str, f64)>, &'static str);
    let mut cases: Vec<Case> = Vec::new();
    for (delta, share) in [(20.0, 0.5), (25.0, 0.5)] {
        cases.push((
            format!("two phases, {delta} HU apart"),
            (Dark::Half([1.0, 0.0, 0.0], 0.0), 60.0 - delta),
            vec![("phase_delta", delta), ("phase_low_hu", 60.0 - delta), ("phase_share", share)],
            "blend_sign",
        ));
    }
    for r in [3.0, 4.0, 6.0, 8.0] {
        cases.push((
            format!("ball of {r} mm, 30 HU darker"),
            ball(r, 30.0),
            vec![("hypodense_delta_max", 30.0), ("hypodense_volume", volume(r))],
            "black_hole_sign",
        ));
    }
    cases.push((
        "bent rod of 8 x 18 mm at brain's HU".into(),
        (rod(), 33.0),
        vec![("hypodense_volume", PI * 16.0 * 18.0 / 1000.0), ("swirl_hu", 33.0)],
        "swirl_sign",
    ));
    for degrees in [0.0, 10.0, 14.0, 20.0] {
        cases.push((
            format!("level, tilted by {degrees} degrees"),
            (tilt(degrees), 40.0),
            vec![
                ("fluid_level_angle", degrees),
                ("fluid_level_hu_dark", 40.0),
                ("fluid_level_hu_bright", 60.0),
            ],
            "fluid_level_sign",
        ));
    }
    for (what, (dark, hu), checks, sign) in &cases {
        for (thickness, spacing) in THICKNESS {
            let tables: Vec<Json> = (0..10)
                .map(|seed| {
                    let phantom = Phantom { dark: dark.clone(), dark_hu: *hu, seed, ..Phantom::plain(seed) };
                    phantom.measure(bench, spacing, [0.0; 3], 1.0)
                })
                .collect();
            let seen = tables.iter().filter(|t| number(t, sign) == 1.0).count();
            for (name, truth) in checks {
                let found: Vec<f64> =
                    tables.iter().map(|t| number(t, name)).filter(|v| v.is_finite()).collect();
                let mean = found.iter().sum::<f64>() / found.len() as f64;
                let (low, high) = found.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
                let (low, high) = if found.is_empty() { (f64::NAN, f64::NAN) } else { (low, high) };
                println!(
                    "| {what} | `{name}` | {truth:.2} | {thickness} | {mean:.2} | {:+.2} | {low:.2} | {high:.2} | \
                     `{sign}` {seen}/10 |",
                    mean - truth
                );
            }
        }
    }
}

/// What is planted, drawn by the seed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Class {
    Plain,
    Blend,
    BlackHole,
    Swirl,
    Level,
    Faint,
    Open,
}

fn random(class: Class, seed: u64) -> Phantom {
    let mut r = Random::new(seed).stream(class as u64);
    let mut between = |low: f64, high: f64| low + (high - low) * r.uniform();
    let size = between(14.0, 22.0);
    let semi = [size * between(0.9, 1.2), size * between(0.8, 1.1), size * between(0.8, 1.2)];
    let angle = between(0.0, 2.0 * PI);
    let brain = between(30.0, 35.0);
    let clot = between(56.0, 70.0);
    let mut out = Phantom {
        semi,
        waves: (between(0.0, 0.12), between(2.0, 5.9).floor()),
        brain,
        clot,
        dark: Dark::Nothing,
        dark_hu: 0.0,
        ramp: (between(0.0, 6.0), [angle.cos(), angle.sin(), 0.0]),
        noise: (between(6.0, 10.0), between(0.35, 0.8)),
        seed,
    };
    // A point so many mm off the middle at most, so that a ball of the given size stays inside by 6 mm.
    let middle = |between: &mut dyn FnMut(f64, f64) -> f64, radius: f64| -> Point {
        let room: Point = std::array::from_fn(|a| (semi[a] * 0.85 - radius - 6.0).max(0.0) * 0.57);
        std::array::from_fn(|a| between(-room[a], room[a]))
    };
    match class {
        Class::Plain => {}
        Class::Blend => {
            // Toward a side, more than 25 degrees from front and back, 20 at most out of the axial plane.
            let toward = between(-65.0, 65.0f64).to_radians();
            let side = if between(0.0, 1.0) < 0.5 { 1.0 } else { -1.0 };
            let up = between(-20.0, 20.0f64).to_radians();
            let n = [side * toward.cos() * up.cos(), toward.sin() * up.cos(), up.sin()];
            out.dark = Dark::Half(n, between(-0.35, 0.35) * semi[0]);
            out.dark_hu = clot - between(20.0, 30.0);
        }
        Class::BlackHole => {
            let radius = between(4.0, 7.0);
            out.dark = Dark::Ball(middle(&mut between, radius), radius);
            out.dark_hu = clot - between(30.0, 40.0);
        }
        Class::Swirl => {
            let (half, radius) = (between(7.5, 10.0).min(0.6 * semi[2]), between(2.5, 4.0));
            let mut at = middle(&mut between, radius + 3.0);
            at[2] *= 0.2;
            let phase = between(0.0, 2.0 * PI);
            out.dark = Dark::Rod(at, half, radius, between(0.0, 3.0), phase);
            out.dark_hu = brain - between(0.0, 8.0);
        }
        Class::Level => {
            let lean = between(-10.0, 10.0f64).to_radians();
            let tip = between(-7.0, 7.0f64).to_radians();
            let n = [lean.sin(), lean.cos() * tip.cos(), lean.cos() * tip.sin()];
            out.dark = Dark::Half(n, between(-0.35, 0.35) * semi[1]);
            out.dark_hu = clot - between(14.0, 30.0);
        }
        Class::Faint => {
            let radius = between(5.0, 7.0);
            out.dark = Dark::Ball(middle(&mut between, radius), radius);
            out.dark_hu = clot - between(8.0, 16.0);
        }
        Class::Open => {
            let radius = between(5.0, 7.0);
            let n = [angle.cos(), angle.sin()];
            let edge = 1.0 / ((n[0] / semi[0]).powi(2) + (n[1] / semi[1]).powi(2)).sqrt();
            out.dark = Dark::Ball([n[0] * (edge - 0.5 * radius), n[1] * (edge - 0.5 * radius), 0.0], radius);
            out.dark_hu = clot - between(30.0, 40.0);
        }
    }
    out
}

/// Whether a sign is planted by its own definition; `None` where it is borderline.
fn truth(sign: &str, class: Class, p: &Phantom) -> Option<bool> {
    let delta = p.clot - p.dark_hu;
    let closed = matches!(class, Class::BlackHole | Class::Swirl | Class::Faint);
    match sign {
        "blend_sign" => Some(class == Class::Blend).filter(|_| class != Class::Open),
        "fluid_level_sign" => Some(class == Class::Level),
        "hypodensity_sign" => Some(closed),
        "black_hole_sign" if closed => (!(26.0..30.0).contains(&delta)).then_some(delta >= 30.0),
        "black_hole_sign" => Some(false),
        "swirl_sign" => {
            let reach = match &p.dark {
                Dark::Ball(_, r) => 2.0 * r,
                Dark::Rod(_, half, ..) => 2.0 * half,
                _ => return Some(false),
            };
            if !closed {
                return None;
            }
            let over = p.dark_hu - p.brain;
            if over > 6.0 { Some(false) } else { (over <= 1.0 && reach >= 10.0).then_some(true) }
        }
        _ => None,
    }
}

/// 95 % interval of a share (Wilson).
fn wilson(k: usize, n: usize) -> (f64, f64) {
    let (n, z) = (n as f64, 1.96);
    let p = k as f64 / n;
    let middle = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    ((middle - half) / (1.0 + z * z / n), (middle + half) / (1.0 + z * z / n))
}

/// The first seed of the phantoms of the signs' table: rules were made on those below.
const FIRST: u64 = 5000;

fn signs(bench: &Bench, count: u64) {
    use Class::{BlackHole, Blend, Faint, Level, Open, Plain, Swirl};
    let names = ["blend_sign", "black_hole_sign", "swirl_sign", "hypodensity_sign", "fluid_level_sign"];
    println!("| slices, mm | sign | with | sensitivity (95 %) | without | specificity (95 %) | undefined |");
    println!("|---|---|---|---|---|---|---|");
    let mut wrong = String::new();
    for (thickness, spacing) in [("1", [0.5, 0.5, 1.0]), ("5", [0.5, 0.5, 5.0])] {
        let mut counts = [[0usize; 5]; 5]; // true positive, false negative, true negative, false positive, undefined
        let mut by_class = std::collections::BTreeMap::<(String, &str), [usize; 2]>::new();
        for class in [Plain, Blend, BlackHole, Swirl, Level, Faint, Open] {
            for seed in FIRST..FIRST + count {
                let phantom = random(class, seed);
                let t = phantom.measure(bench, spacing, [0.3, 0.1, 0.2], 1.0);
                for (n, sign) in names.into_iter().enumerate() {
                    let Some(truth) = truth(sign, class, &phantom) else { continue };
                    let found = measured(&t, "all", sign).as_bool();
                    let right = found == Some(truth);
                    let kind = match (truth, found) {
                        (_, None) => 4,
                        (true, _) => usize::from(!right),
                        (false, _) => 2 + usize::from(!right),
                    };
                    counts[n][kind] += 1;
                    if found.is_none() {
                        counts[n][if truth { 1 } else { 3 }] += 1; // what is not told is not right
                    }
                    let entry = by_class.entry((format!("{class:?}"), sign)).or_default();
                    entry[0] += usize::from(!right);
                    entry[1] += 1;
                }
            }
        }
        for (n, sign) in names.into_iter().enumerate() {
            let [tp, miss, tn, false_, none] = counts[n];
            let cell = |k: usize, n: usize| {
                let (low, high) = wilson(k, n);
                format!("{:.3} ({low:.3} to {high:.3})", k as f64 / n as f64)
            };
            println!(
                "| {thickness} | `{sign}` | {} | {} | {} | {} | {none} |",
                tp + miss,
                cell(tp, tp + miss),
                tn + false_,
                cell(tn, tn + false_)
            );
        }
        for ((class, sign), [bad, n]) in by_class.iter().filter(|(_, v)| v[0] > 0) {
            wrong += &format!("| {thickness} | {class} | `{sign}` | {bad} of {n} |\n");
        }
    }
    println!(
        "\nWhere the errors are:\n\n| slices, mm | planted | sign | wrong |\n|---|---|---|---|\n{wrong}"
    );
}

fn stability(bench: &Bench, stages: &[&str]) {
    use Class::{BlackHole, Blend, Faint, Level, Plain, Swirl};
    let phantoms: Vec<Phantom> = [Plain, Blend, BlackHole, Swirl, Level, Faint]
        .into_iter()
        .flat_map(|class| (0..5).map(move |seed| random(class, 1000 + seed)))
        .collect();
    let thin = [0.5, 0.5, 0.5];
    let tables: Vec<[Json; 4]> = phantoms
        .iter()
        .map(|p| {
            [
                (thin, [0.0; 3], 1.0),
                ([0.5, 0.5, 5.0], [0.0; 3], 1.0),
                (thin, [0.5; 3], 1.0),
                (thin, [0.0; 3], 2.0),
            ]
            .map(|(spacing, shift, noise)| p.measure_by(stages, bench, spacing, shift, noise))
        })
        .collect();
    println!("| measurement | at 0.5 mm | 0.5 to 5 mm | half a voxel | noise doubled | breaks in |");
    println!("|---|---|---|---|---|---|");
    let median = |mut v: Vec<f64>| {
        v.retain(|x| !x.is_nan());
        v.sort_by(f64::total_cmp);
        v.get(v.len() / 2).copied().unwrap_or(0.0)
    };
    let total = tables.len();
    let rows = tables[0][0]["rows"].as_array().unwrap().clone();
    let mut astray = Vec::new();
    for row in rows {
        let name = row[1].as_str().unwrap();
        let at = |t: &Json| measured(t, "all", name);
        let whole = |v: &Json| v.is_i64() || v.is_boolean() || v.is_null();
        let whole = row[3] != "HU" && tables.iter().flatten().all(|t| whole(&at(t)));
        let (mut cells, mut breaks) = (Vec::new(), Vec::new());
        for (change, what) in [(1, "slices of 5 mm"), (2, "a shift"), (3, "noise")] {
            let lost = tables.iter().filter(|t| at(&t[0]).is_null() != at(&t[change]).is_null()).count();
            let (cell, far) = if whole {
                let other = tables.iter().filter(|t| at(&t[0]) != at(&t[change])).count();
                (format!("{other} of {total} differ"), 10 * other >= total)
            } else {
                let share = tables
                    .iter()
                    .map(|t| (number(&t[change], name) / number(&t[0], name) - 1.0).abs() * 100.0);
                let share = median(share.collect());
                (format!("{share:.1} %"), share > 10.0)
            };
            let lost_too = if lost > 0 && !whole { format!(", {lost} come or go") } else { String::new() };
            cells.push(cell + &lost_too);
            if far || 10 * lost >= total {
                breaks.push(what);
            }
        }
        let first = if tables.iter().any(|t| at(&t[0]).is_boolean()) {
            format!("{} true", tables.iter().filter(|t| at(&t[0]) == Json::Bool(true)).count())
        } else {
            format!("{:.3}", median(tables.iter().map(|t| number(&t[0], name)).collect()))
        };
        let breaks = breaks.join(" and ");
        println!("| `{name}` | {first} | {} | {breaks} |", cells.join(" | "));
        let definition = row[4].as_str().unwrap();
        let flag = definition.split_once("; fragile in ").map_or("", |(_, rest)| rest);
        if flag.split_once("; undefined here").map_or(flag, |(flag, _)| flag) != breaks {
            astray.push(format!("`{name}`"));
        }
    }
    println!("\nDefinitions that say otherwise: {}", astray.join(", "));
}

/// User and system seconds of this process so far; clock ticks are 10 ms on Linux.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11..13].iter().map(|t| t.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

fn speed(bench: &Bench) {
    let grid = Grid::new([512, 512, 400], Affine::from_spacing([0.43, 0.43, 0.45], [-110.0, -110.0, -90.0]))
        .unwrap();
    let phantom = Phantom {
        semi: [25.0, 21.0, 23.0],
        waves: (0.15, 5.0),
        dark: Dark::Ball([3.0, -2.0, 1.0], 6.0),
        dark_hu: 30.0,
        ..Phantom::plain(1)
    };
    let mut bytes = Vec::with_capacity(2 * grid.len());
    for (n, v) in voxels(&grid).enumerate() {
        let noise = (ichor_image::random::at(1, n as u64) % 9) as f64 - 4.0;
        bytes.extend(((phantom.hu(grid.affine.apply(v.map(|n| n as f64))) + noise) as i16).to_ne_bytes());
    }
    let ct = bench.value((Kind::Volume, Unit::Hu, DType::I16), &grid, &bytes);
    drop(bytes);
    let mask = bench.mask(&grid, |v| phantom.inside(grid.affine.apply(v.map(|n| n as f64))));
    println!("| stage | wall, s | CPU, s |\n|---|---|---|");
    for (stage, inputs) in [
        ("biomarker-heterogeneity", vec![("ct", &ct), ("mask", &mask)]),
        ("biomarker-expansion", vec![("ct", &ct), ("mask", &mask)]),
        ("compare-followup", vec![("baseline", &mask), ("followup", &mask)]),
        ("measure-volume", vec![("mask", &mask)]),
    ] {
        for _ in 0..3 {
            let (wall, used) = (Instant::now(), cpu());
            bench.run(stage, json!({}), &inputs).unwrap();
            println!("| `{stage}` | {:.2} | {:.2} |", wall.elapsed().as_secs_f64(), cpu() - used);
        }
    }
}

/// Writes CT and mask of a phantom of each kind, slices of 5 mm.
fn write(bench: &Bench, folder: &str) {
    for class in [Class::Blend, Class::BlackHole, Class::Swirl, Class::Level, Class::Faint, Class::Open] {
        let (ct, mask) = random(class, 7).draw(bench, [0.5, 0.5, 5.0], [0.0; 3], 1.0);
        for (what, value) in [("ct", ct), ("mask", mask)] {
            let file = bench.run("save-nifti", json!({}), &[("image", &value)]).unwrap();
            std::fs::write(format!("{folder}/{class:?}-{what}.nii.gz"), file["file"].bytes()).unwrap();
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let what = args.get(1).map_or("all", String::as_str);
    let bench = Bench::new(2);
    if what == "write" {
        return write(&bench, args.get(2).map_or(".", String::as_str));
    }
    let is = |name: &str| what == name || what == "all";
    if is("analytic") {
        analytic(&bench);
    }
    if is("signs") {
        signs(&bench, args.get(2).map_or(200, |n| n.parse().unwrap()));
    }
    if is("stability") {
        stability(&bench, &["biomarker-heterogeneity", "biomarker-expansion"]);
        stability(&bench, &["radiomics"]);
    }
    if is("speed") {
        speed(&bench);
    }
}
