//! What `biomarker-irregularity` measures on phantoms whose truth is known: errors at thin and thick slices,
//! stability under resampling and shift, sensitivity and specificity of the satellite and island sign.
//!
//! `cargo run --release -p ichor-tests --example irregularity [PHANTOMS [SEED] | noise]`; the tables go into docs/benchmarks/irregularity.md.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark for developers")]

use ichor_host::Value;
use ichor_image::{Random, Serial, gaussian};
use ichor_spec::{Kind, Unit};
use ichor_tests::stage::{Affine, Bench, DType, Grid, measured, table, voxels};
use serde_json::{Value as Json, json};
use std::f64::consts::{PI, TAU};
use std::sync::Arc;

const THIN: [f64; 3] = [0.45, 0.45, 0.5];
const THICK: [f64; 3] = [0.45, 0.45, 5.0];

/// A haematoma with lobes in its axial plane: an ellipsoid of semi-axes a, b, c, its outline times 1 + depth cos(n θ),
/// and balls: centre and radius.
#[derive(Clone, Default)]
struct Phantom {
    semi: [f64; 3],
    lobes: f64,
    depth: f64,
    balls: Vec<([f64; 3], f64)>,
}

impl Phantom {
    fn inside(&self, p: [f64; 3]) -> bool {
        let [a, b, c] = self.semi;
        let (x, y) = (p[0] / a, p[1] / b);
        let flat = 1.0 - (p[2] / c).powi(2);
        let square = x * x + y * y;
        // An outline is tried only where it can matter.
        let main = flat > 0.0 && square <= flat * (1.0 + self.depth).powi(2) && {
            let r = if self.depth > 0.0 { 1.0 + self.depth * (self.lobes * y.atan2(x)).cos() } else { 1.0 };
            square <= flat * r * r
        };
        main || self.balls.iter().any(|(q, r)| (0..3).map(|a| (p[a] - q[a]).powi(2)).sum::<f64>() <= r * r)
    }

    /// Distance of a point from the main outline in its own axial plane, mm; `None` where that plane is beside it.
    fn gap(&self, p: [f64; 3]) -> Option<f64> {
        let flat = 1.0 - (p[2] / self.semi[2]).powi(2);
        let outline = |n: usize| {
            let (s, c) = (TAU * n as f64 / 720.0).sin_cos();
            let r = flat.sqrt() * (1.0 + self.depth * (self.lobes * s.atan2(c)).cos());
            (p[0] - self.semi[0] * r * c).hypot(p[1] - self.semi[1] * r * s)
        };
        (flat > 0.0).then(|| (0..720).map(outline).fold(f64::INFINITY, f64::min))
    }

    /// Voxels of `spacing`, moved by parts of a voxel, that hold the phantom and `pad` mm more.
    fn grid(&self, spacing: [f64; 3], shift: [f64; 3], pad: f64) -> Grid {
        let mut half = self.semi.map(|s| s * (1.0 + self.depth));
        for (q, r) in &self.balls {
            half = std::array::from_fn(|a| half[a].max(q[a].abs() + r));
        }
        let shape: [usize; 3] =
            std::array::from_fn(|a| 2 * ((half[a] + pad) / spacing[a]).ceil() as usize + 3);
        let low: [f64; 3] = std::array::from_fn(|a| spacing[a] * (shift[a] - (shape[a] as f64 - 1.0) / 2.0));
        Grid::new(shape, Affine::from_spacing(spacing, low)).unwrap()
    }

    /// The table of this phantom on voxels of `spacing`, moved by parts of a voxel.
    fn measure(&self, bench: &Bench, spacing: [f64; 3], shift: [f64; 3]) -> Json {
        let grid = self.grid(spacing, shift, 0.0);
        let mask = bench.mask(&grid, |v| self.inside(grid.affine.apply(v.map(|n| n as f64))));
        irregularity(bench, &mask)
    }

    /// The table of what is segmented from a CT of the phantom: clot of 67 HU in brain of 33 HU, slices averaged over
    /// their thickness, a blur of 0.7 mm in the slice, and so many times noise of 8 HU in a slice of 1 mm.
    fn segmented(&self, bench: &Bench, spacing: [f64; 3], noise: f64, seed: u64) -> Json {
        let grid = self.grid(spacing, [0.25; 3], 8.0);
        let parts = (spacing[2] / 0.5).round().max(1.0) as usize;
        let sharp: Vec<f32> = voxels(&grid)
            .map(|v| {
                let p = grid.affine.apply(v.map(|n| n as f64));
                let blood = (0..parts).filter(|s| {
                    let z = p[2] + ((*s as f64 + 0.5) / parts as f64 - 0.5) * spacing[2];
                    self.inside([p[0], p[1], z])
                });
                33.0 + 34.0 * blood.count() as f32 / parts as f32
            })
            .collect();
        let blur = |mm: f64| [mm / spacing[0], mm / spacing[1], 0.0];
        let ct = gaussian(&Serial, &sharp, grid.shape, blur(0.7));
        let white: Vec<f32> =
            (0..grid.len()).map(|n| ichor_image::random::normal_at(seed, n as u64) as f32).collect();
        let grain = gaussian(&Serial, &white, grid.shape, blur(0.5));
        let spread = (grain.iter().map(|v| v * v).sum::<f32>() / grain.len() as f32).sqrt();
        let scale = (noise * 8.0 / spacing[2].sqrt()) as f32 / spread;
        let bytes: Vec<u8> =
            ct.iter().zip(&grain).flat_map(|(v, g)| ((v + scale * g).round() as i16).to_ne_bytes()).collect();
        let ct = bench.value((Kind::Volume, Unit::Hu, DType::I16), &grid, &bytes);
        let cavity = bench.mask(&grid, |_| true);
        let params = json!({ "opening_mm": 0.0 });
        let found = bench.run("segment-threshold", params, &[("ct", &ct), ("cavity", &cavity)]).unwrap();
        let params = json!({ "min_volume_ml": 0.05 });
        let kept = bench.run("filter-clusters", params, &[("mask", &found["mask"])]).unwrap();
        irregularity(bench, &kept["mask"])
    }
}

fn irregularity(bench: &Bench, mask: &Arc<Value>) -> Json {
    let made = bench.run("biomarker-irregularity", json!({}), &[("mask", mask)]).unwrap();
    table(&made["table"])
}

fn number(t: &Json, name: &str) -> f64 {
    let v = measured(t, "all", name);
    v.as_f64().or(v.as_bool().map(|b| f64::from(u8::from(b)))).unwrap_or(f64::NAN)
}

fn analytic(bench: &Bench) {
    println!("## Known shapes\n\n| phantom | measurement | truth | 0.5 mm | error | 5 mm | error |");
    println!("|---|---|---|---|---|---|---|");
    let row = |what: &str, phantom: &Phantom, checks: &[(&str, f64)]| {
        let [thin, thick] = [THIN, THICK].map(|s| phantom.measure(bench, s, [0.0; 3]));
        for (name, truth) in checks {
            let cell = |t: &Json| {
                let v = number(t, name);
                if truth.fract() == 0.0 && *truth < 20.0 && !name.starts_with(['s', 'c', 'e', 'f'])
                    || name.starts_with("satellites")
                    || name.ends_with("foci")
                {
                    format!("{v:.0} | {:+.0}", v - truth)
                } else {
                    format!("{v:.3} | {:+.1} %", 100.0 * (v / truth - 1.0))
                }
            };
            println!("| {what} | `{name}` | {truth:.3} | {} | {} |", cell(&thin), cell(&thick));
        }
    };
    let r = 22.854; // 50 mL
    let ball = Phantom { semi: [r; 3], ..Phantom::default() };
    let (area, volume) = (4.0 * PI * r * r, 4.0 / 3.0 * PI * r.powi(3) / 1000.0);
    row(
        "sphere of 50 mL",
        &ball,
        &[
            ("volume", volume),
            ("volume_mesh", volume),
            ("surface_area", area),
            ("surface_area_smooth", area),
            ("sphericity", 1.0),
            ("sphericity_smooth", 1.0),
            ("compactness2_smooth", 1.0),
            ("solidity", 1.0),
            ("solidity_smooth", 1.0),
            ("max_diameter_3d", 2.0 * r),
            ("edge_roughness", 1.0),
            ("fractal_dimension", 2.0),
        ],
    );
    let (a, b, c) = (30.0, 20.0, 15.0);
    let ellipsoid = Phantom { semi: [a, b, c], ..Phantom::default() };
    let (volume, area) = (4.0 / 3.0 * PI * a * b * c / 1000.0, ellipsoid_area([a, b, c]));
    row(
        "ellipsoid 60 x 40 x 30 mm",
        &ellipsoid,
        &[
            ("volume", volume),
            ("volume_mesh", volume),
            ("surface_area", area),
            ("surface_area_smooth", area),
            ("sphericity_smooth", (36.0 * PI * (volume * 1000.0).powi(2)).cbrt() / area),
            ("solidity", 1.0),
            ("solidity_smooth", 1.0),
            ("elongation", b / a),
            ("flatness", c / a),
            ("max_diameter_3d", 2.0 * a),
        ],
    );
    for lobes in [0, 2, 3, 4, 5, 6, 8] {
        let depth = if lobes == 0 { 0.0 } else { 0.2 };
        let phantom = Phantom { semi: [20.0; 3], lobes: f64::from(lobes), depth, ..Phantom::default() };
        row(
            &format!("{lobes} lobes"),
            &phantom,
            &[("protuberances", f64::from(lobes)), ("protuberances_max", f64::from(lobes))],
        );
    }
    for n in [0, 1, 2, 4, 6] {
        let place = |m: i32| {
            let (s, c) = (f64::from(m) * 1.04).sin_cos();
            ([25.0 * c, 25.0 * s, 0.0], 3.0)
        };
        let phantom = Phantom { semi: [16.0; 3], balls: (0..n).map(place).collect(), ..Phantom::default() };
        row(
            &format!("{n} satellites of 6 mm at 6 mm"),
            &phantom,
            &[("satellites", f64::from(n)), ("separate_foci", f64::from(n))],
        );
    }
}

/// By Simpson's rule over the sphere's parameters.
fn ellipsoid_area([a, b, c]: [f64; 3]) -> f64 {
    let n = 400;
    let mut sum = 0.0;
    for i in 0..n {
        let (st, ct) = (PI * (i as f64 + 0.5) / n as f64).sin_cos();
        for j in 0..n {
            let (sp, cp) = (TAU * (j as f64 + 0.5) / n as f64).sin_cos();
            sum += st * ((b * c * st * cp).powi(2) + (a * c * st * sp).powi(2) + (a * b * ct).powi(2)).sqrt();
        }
    }
    sum * PI / n as f64 * TAU / n as f64
}

fn stability(bench: &Bench) {
    let phantom = Phantom {
        semi: [24.0, 19.0, 17.0],
        lobes: 5.0,
        depth: 0.15,
        balls: vec![([32.0, 5.0, 1.0], 3.5), ([-8.0, 29.0, -3.0], 4.0)],
    };
    let runs = [
        ([0.5; 3], [0.0; 3]),
        ([0.5; 3], [0.5; 3]),
        ([0.5, 0.5, 1.0], [0.0; 3]),
        ([0.5, 0.5, 2.5], [0.0; 3]),
        ([0.5, 0.5, 5.0], [0.0; 3]),
        ([0.5, 0.5, 5.0], [0.5; 3]),
    ];
    let tables = runs.map(|(spacing, shift)| phantom.measure(bench, spacing, shift));
    println!("\n## Stability\n\n| measurement | 0.5 mm | shifted | 1 mm | 2.5 mm | 5 mm | 5 mm, shifted |");
    println!("|---|---|---|---|---|---|---|");
    for row in tables[0]["rows"].as_array().unwrap() {
        let name = row[1].as_str().unwrap();
        let first = number(&tables[0], name);
        let cell = |t: &Json| {
            let v = number(t, name);
            let whole = row[2].is_i64() || row[2].is_boolean();
            if whole { format!(" {v:.0} |") } else { format!(" {:+.1} % |", 100.0 * (v / first - 1.0)) }
        };
        let rest: String = tables[1..].iter().map(cell).collect();
        println!("| `{name}` | {first:.4} |{rest}");
    }
}

/// What thick slices do, and noise to the mask and so to the measurements: medians over phantoms of every kind.
fn noise(bench: &Bench, count: u64, base: u64) {
    println!("| measurement | 1 mm | 1 to 5 mm | segmented | noise doubled | at 5 mm, doubled | breaks in |");
    println!("|---|---|---|---|---|---|---|");
    let tables: Vec<[Json; 5]> = (0..count)
        .map(|seed| {
            let (p, ..) = generate(base, seed);
            let (thin, thick) = ([0.45, 0.45, 1.0], THICK);
            let of = |spacing, noise| p.segmented(bench, spacing, noise, seed);
            let [a, b] = [thin, thick].map(|spacing| p.measure(bench, spacing, [0.25; 3]));
            [a, b, of(thin, 1.0), of(thin, 2.0), of(thick, 2.0)]
        })
        .collect();
    let at_one: Vec<Json> =
        (0..count).map(|seed| generate(base, seed).0.segmented(bench, THICK, 1.0, seed)).collect();
    let median = |mut v: Vec<f64>| {
        v.retain(|x| !x.is_nan());
        v.sort_by(f64::total_cmp);
        v.get(v.len() / 2).copied().unwrap_or(0.0)
    };
    let mut astray = Vec::new();
    for row in tables[0][0]["rows"].as_array().unwrap() {
        let name = row[1].as_str().unwrap();
        let whole = row[2].is_i64() || row[2].is_boolean();
        let first = median(tables.iter().map(|t| number(&t[0], name)).collect());
        let of = |n: usize| -> Vec<f64> { tables.iter().map(|t| number(&t[n], name)).collect() };
        let thick: Vec<f64> = at_one.iter().map(|t| number(t, name)).collect();
        let change = |from: Vec<f64>, to: Vec<f64>| {
            let pairs = from.into_iter().zip(to);
            if whole {
                let differ = pairs.filter(|(a, b)| a != b && !(a.is_nan() && b.is_nan())).count() as u64;
                return (format!("{differ} of {count} differ"), 10 * differ >= count);
            }
            let share = median(pairs.map(|(a, b)| 100.0 * (b / a - 1.0).abs()).collect());
            (format!("{share:.1} %"), share > 10.0)
        };
        let cells = [change(of(0), of(1)), change(of(0), of(2)), change(of(2), of(3)), change(thick, of(4))];
        let breaks: Vec<&str> = [(cells[0].1, "slices of 5 mm"), (cells[2].1 || cells[3].1, "noise")]
            .into_iter()
            .filter(|(is, _)| *is)
            .map(|(_, what)| what)
            .collect();
        let (breaks, cells) = (breaks.join(" and "), cells.map(|(text, _)| text).join(" | "));
        println!("| `{name}` | {first:.4} | {cells} | {breaks} |");
        let definition = row[4].as_str().unwrap();
        let flag = definition.split_once("; fragile in ").map_or("", |(_, rest)| rest);
        if flag != breaks {
            astray.push(format!("`{name}`"));
        }
    }
    println!("\nDefinitions that say otherwise: {}", astray.join(", "));
}

fn draw(random: &mut Random, low: f64, high: f64) -> f64 {
    low + (high - low) * random.uniform()
}

/// A ball whose distance from the main outline in its plane, between edges, lies in `gap`, away from the others.
fn place(phantom: &mut Phantom, random: &mut Random, diameter: [f64; 2], gap: [f64; 2]) {
    for _ in 0..10_000 {
        let r = draw(random, diameter[0], diameter[1]) / 2.0;
        let angle = draw(random, 0.0, TAU);
        let z = draw(random, -0.3, 0.3) * phantom.semi[2];
        let far = draw(random, 8.0, 60.0);
        let at = [far * angle.cos(), far * angle.sin(), z];
        let Some(distance) = phantom.gap(at) else { continue };
        let free = |(q, s): &([f64; 3], f64)| {
            (0..3).map(|a| (at[a] - q[a]).powi(2)).sum::<f64>().sqrt() > r + s + 3.0
        };
        if !phantom.inside(at) && (gap[0]..gap[1]).contains(&(distance - r)) && phantom.balls.iter().all(free)
        {
            phantom.balls.push((at, r));
            return;
        }
    }
}

/// Joined to the main outline: a ball whose centre is 0.75 to 0.9 of its radius outside it, so that its neck is 0.44 to 0.66
/// of its width.
fn join(phantom: &mut Phantom, random: &mut Random) {
    let r = draw(random, 3.5, 4.5);
    place(phantom, random, [2.0 * r, 2.0 * r], [-0.25 * r, -0.1 * r]);
}

/// How many of the balls lie at least 1 mm from the main outline in their planes, over at least 0.05 mL above or below
/// their middle: such a ball is a satellite, though it be joined in another plane.
fn apart(phantom: &Phantom) -> usize {
    let main = Phantom { balls: Vec::new(), ..phantom.clone() };
    let ball = |(at, r): &&([f64; 3], f64)| {
        [-1.0, 1.0].iter().any(|side| {
            let step = r / 100.0;
            let thin = |n: i32| {
                let h = (f64::from(n) + 0.5) * step;
                let radius = (r * r - h * h).sqrt();
                let gap = main.gap([at[0], at[1], at[2] + side * h]);
                if gap.is_some_and(|g| g - radius >= 1.0) { PI * radius * radius * step } else { 0.0 }
            };
            (0..100).map(thin).sum::<f64>() >= 50.0
        })
    };
    phantom.balls.iter().filter(ball).count()
}

/// The main haematoma, smooth, elongated or with lobes.
fn main_part(random: &mut Random) -> Phantom {
    let a = draw(random, 14.0, 20.0);
    let semi = [a, a * draw(random, 0.75, 1.0), a * draw(random, 0.8, 1.1)];
    let lobed = random.uniform() < 0.5;
    Phantom {
        semi,
        lobes: draw(random, 3.0, 7.0).floor(),
        depth: if lobed { draw(random, 0.05, 0.12) } else { 0.0 },
        balls: Vec::new(),
    }
}

/// Whether the phantom should have the satellite and the island sign.
fn generate(base: u64, seed: u64) -> (Phantom, bool, bool) {
    let mut random = Random::new(base).stream(seed);
    let mut p = main_part(&mut random);
    let (small, near) = ([5.0, 9.0], [2.0, 18.0]);
    let add = |p: &mut Phantom, random: &mut Random, n: usize, diameter: [f64; 2], gap: [f64; 2]| {
        (0..n).for_each(|_| place(p, random, diameter, gap));
    };
    let some = |random: &mut Random, low: f64, high: f64| draw(random, low, high).floor() as usize;
    match seed % 8 {
        // Nothing; too large; too far; joined, one to three.
        0 => (p, false, false),
        1 => {
            let n = some(&mut random, 1.0, 3.0);
            add(&mut p, &mut random, n, [11.5, 15.0], [2.0, 12.0]);
            (p, false, false)
        }
        2 => {
            let n = some(&mut random, 1.0, 3.0);
            add(&mut p, &mut random, n, small, [22.0, 27.0]);
            (p, false, false)
        }
        3 => {
            let n = some(&mut random, 1.0, 4.0);
            (0..n).for_each(|_| join(&mut p, &mut random));
            let apart = apart(&p);
            (p, apart > 0, apart >= 3)
        }
        // One or two satellites; three or four; four or five joined; one satellite and three or four joined.
        4 => {
            let n = some(&mut random, 1.0, 3.0);
            add(&mut p, &mut random, n, small, near);
            (p, true, false)
        }
        5 => {
            let n = some(&mut random, 3.0, 5.0);
            add(&mut p, &mut random, n, small, near);
            (p, true, true)
        }
        6 => {
            let n = some(&mut random, 4.0, 6.0);
            (0..n).for_each(|_| join(&mut p, &mut random));
            let apart = apart(&p);
            (p, apart > 0, true)
        }
        _ => {
            let n = some(&mut random, 3.0, 5.0);
            (0..n).for_each(|_| join(&mut p, &mut random));
            add(&mut p, &mut random, 1, small, [4.0, 18.0]);
            (p, true, true)
        }
    }
}

fn signs(bench: &Bench, count: u64, base: u64) {
    println!(
        "\n## Signs on {count} phantoms\n\n| slices | sign | with | found | sensitivity | without | not found | specificity |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (slices, spacing) in [("0.5 mm", THIN), ("2.5 mm", [0.45, 0.45, 2.5]), ("5 mm", THICK)] {
        // Of each sign: with and found, with, without and not found, without.
        let mut counts = [[0u64; 4]; 2];
        let mut kinds = [[0u64; 3]; 8];
        for seed in 0..count {
            let (phantom, satellite, island) = generate(base, seed);
            let t = phantom.measure(bench, spacing, [0.25; 3]);
            for (n, (name, truth)) in
                [("satellite_sign", satellite), ("island_sign", island)].into_iter().enumerate()
            {
                let found = measured(&t, "all", name) == json!(true);
                let at = if truth { 0 } else { 2 };
                counts[n][at] += u64::from(found == truth);
                counts[n][at + 1] += 1;
                kinds[(seed % 8) as usize][n] += u64::from(found != truth);
            }
            kinds[(seed % 8) as usize][2] += 1;
        }
        for (name, [a, b, c, d]) in ["satellite", "island"].iter().zip(counts) {
            println!(
                "| {slices} | {name} | {b} | {a} | {} | {d} | {c} | {} |",
                interval(a, b),
                interval(c, d)
            );
        }
        let wrong: Vec<String> = kinds.iter().map(|[s, i, n]| format!("{s} and {i} of {n}")).collect();
        println!("<!-- {slices}, wrong satellite and island signs by kind: {} -->", wrong.join("; "));
    }
}

/// A share with its 95 % interval (Wilson).
fn interval(a: u64, n: u64) -> String {
    let (p, n, z) = (a as f64 / n as f64, n as f64, 1.96f64);
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    format!("{p:.2} ({:.2} to {:.2})", middle - half, (middle + half).min(1.0))
}

fn main() {
    let bench = Bench::new(2);
    let argument =
        |n: usize, default: u64| std::env::args().nth(n).and_then(|v| v.parse().ok()).unwrap_or(default);
    if std::env::args().nth(1).as_deref() == Some("noise") {
        return noise(&bench, argument(2, 24), 2000);
    }
    analytic(&bench);
    stability(&bench);
    signs(&bench, argument(1, 240), argument(2, 2000));
}
