//! Measurements of haematomas, through the built plugin.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_spec::Kind;
use ichor_tests::stage::{Affine, Bench, Grid, lps_grid, measured, table};
use serde_json::{Value as Json, json};

/// Of the mask that `inside` (RAS+ mm) draws by voxel centres.
fn measure(bench: &Bench, grid: &Grid, params: Json, inside: impl Fn([f64; 3]) -> bool) -> Json {
    let mask = bench.mask(grid, |v| inside(grid.affine.apply(v.map(|n| n as f64))));
    let out = bench.run("measure-volume", params, &[("mask", &mask)]).unwrap();
    assert_eq!(out["table"].kind(), Kind::Table);
    table(&out["table"])
}

fn ball(p: [f64; 3], c: [f64; 3], r: f64) -> bool {
    (0..3).map(|a| (p[a] - c[a]).powi(2)).sum::<f64>() <= r * r
}

#[test]
fn two_balls_are_measured_together_and_apart() {
    let bench = Bench::new(2);
    let grid = lps_grid([160, 160, 40], [0.5, 0.5, 2.0]);
    let (small, large) = ([-20.0, 5.0, 3.0], [12.0, -8.0, -4.0]);
    let t = measure(&bench, &grid, json!({ "per_lesion": true }), |p| {
        ball(p, small, 8.0) || ball(p, large, 15.0)
    });
    let number = |lesion: &str, name: &str| measured(&t, lesion, name).as_f64().unwrap();
    let ml = |r: f64| 4.0 / 3.0 * std::f64::consts::PI * r.powi(3) / 1000.0;
    assert_eq!(number("all", "lesion_count"), 2.0);
    for (lesion, volume, r) in [("1", ml(15.0), large), ("2", ml(8.0), small)] {
        // Slices of a quarter of the smaller radius.
        assert!((number(lesion, "volume") / volume - 1.0).abs() < 0.02);
        for (name, expected) in ["centroid_r", "centroid_a", "centroid_s"].into_iter().zip(r) {
            assert!((number(lesion, name) - expected).abs() < 0.05, "{name} of {lesion}");
        }
    }
    assert!((number("all", "volume") - number("1", "volume") - number("2", "volume")).abs() < 1e-9);
    // From the far side of one to the far side of the other: 35.2 mm between centres, and both radii.
    let expected = (32f64.powi(2) + 13f64.powi(2) + 7f64.powi(2)).sqrt() + 23.0;
    assert!((0.0..2.2).contains(&(number("all", "max_diameter") - expected)));
    let headers: Vec<&Json> = t["columns"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(headers, ["lesion", "name", "value", "unit", "definition"]);
}

#[test]
fn the_table_is_the_same_with_any_number_of_threads_and_in_a_worker() {
    let (s, c) = 18.5f64.to_radians().sin_cos();
    let affine = Affine([[-0.5, 0.0, 0.0, 30.0], [0.0, -0.5 * c, 0.0, 30.0], [0.0, -0.5 * s, 2.0, -20.0]]);
    let grid = Grid::new([120, 120, 30], affine).unwrap();
    let run = |threads: usize, worker: bool| {
        let mut bench = Bench::new(threads);
        bench.worker = worker;
        measure(&bench, &grid, json!({ "per_lesion": true }), |p| {
            ball(p, [0.0, 0.0, 0.0], 12.0) || ball(p, [14.0, 3.0, 5.0], 6.0)
        })
    };
    let once = run(1, false);
    assert_eq!(run(2, false), once);
    assert_eq!(run(2, true), once);
}

#[test]
fn no_haematoma_is_a_result() {
    let bench = Bench::new(1);
    let t =
        measure(&bench, &lps_grid([20, 20, 10], [0.5, 0.5, 5.0]), json!({ "per_lesion": true }), |_| false);
    for (name, expected) in [("volume", json!(0.0)), ("lesion_count", json!(0)), ("slices", json!(0))] {
        assert_eq!(measured(&t, "all", name), expected);
    }
    for name in ["abc2", "max_diameter", "axial_diameter", "centroid_r", "box_min_s", "touches_border"] {
        assert_eq!(measured(&t, "all", name), Json::Null);
    }
}
