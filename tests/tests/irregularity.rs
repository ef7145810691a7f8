//! Irregularity of haematomas, through the built plugin.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_tests::stage::{Affine, Bench, Grid, measured, table};
use serde_json::{Value as Json, json};

fn measure(bench: &Bench, grid: &Grid, inside: impl Fn([f64; 3]) -> bool) -> Json {
    let mask = bench.mask(grid, |v| inside(grid.affine.apply(v.map(|n| n as f64))));
    let out = bench.run("biomarker-irregularity", json!({ "per_lesion": true }), &[("mask", &mask)]).unwrap();
    table(&out["table"])
}

/// A ball with five lobes around S, and two satellites of 6 mm.
fn haematoma(p: [f64; 3]) -> bool {
    let radius = 15.0 * (1.0 + 0.2 * (5.0 * p[1].atan2(p[0])).cos());
    p[0].hypot(p[1]) <= radius * (1.0 - (p[2] / 15.0).powi(2)).max(0.0).sqrt()
        || [[24.0, 6.0, 0.0], [-16.0, 20.0, 2.0]]
            .iter()
            .any(|c| (0..3).map(|a| (p[a] - c[a]).powi(2)).sum::<f64>() <= 9.0)
}

fn check(t: &Json) {
    assert_eq!(measured(t, "all", "protuberances"), json!(5));
    assert_eq!(measured(t, "all", "satellites"), json!(2));
    assert_eq!(measured(t, "all", "satellite_sign"), json!(true));
    assert_eq!(measured(t, "all", "island_sign"), json!(false));
    assert_eq!(measured(t, "all", "components"), json!(3));
    assert_eq!(measured(t, "all", "barras_shape_surrogate"), json!(5));
    let round = measured(t, "2", "sphericity_smooth").as_f64().unwrap();
    assert!(round > 0.95, "{round}");
}

#[test]
fn lobes_and_satellites_are_counted_whatever_the_axes() {
    let bench = Bench::new(2);
    // i to the left, j to the back, k up; and the same head stored with k to the left, i up and j to the front.
    let scanner = Affine([[-0.5, 0.0, 0.0, 30.0], [0.0, -0.5, 0.0, 30.0], [0.0, 0.0, 2.0, -20.0]]);
    let turned = Affine([[0.0, 0.0, -0.5, 30.0], [0.0, 0.5, 0.0, -30.0], [2.0, 0.0, 0.0, -20.0]]);
    for (shape, affine) in [([121, 121, 21], scanner), ([21, 121, 121], turned)] {
        check(&measure(&bench, &Grid::new(shape, affine).unwrap(), haematoma));
    }
}

#[test]
fn the_table_is_the_same_with_any_number_of_threads_and_in_a_worker() {
    let (s, c) = 18.5f64.to_radians().sin_cos();
    let affine = Affine([[-0.5, 0.0, 0.0, 30.0], [0.0, -0.5 * c, 0.0, 30.0], [0.0, -0.5 * s, 2.0, -20.0]]);
    let grid = Grid::new([120, 130, 30], affine).unwrap();
    let run = |threads: usize, worker: bool| {
        let mut bench = Bench::new(threads);
        bench.worker = worker;
        measure(&bench, &grid, haematoma)
    };
    let once = run(1, false);
    assert_eq!(run(2, false), once);
    assert_eq!(run(2, true), once);
}
