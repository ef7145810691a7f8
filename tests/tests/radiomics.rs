//! IBSI features, through the built plugin.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_tests::stage::{Bench, lps_grid, measured, table};
use serde_json::{Value as Json, json};

fn measure(bench: &Bench, params: Json) -> Json {
    let grid = lps_grid([60, 60, 12], [0.5, 0.5, 5.0]);
    let ct = bench.ct(&grid, |[i, j, k]| 60 + (i / 3 * 7 + j / 2 * 5 + k * 3).rem_euclid(23) as i16);
    let mask = bench.mask(&grid, |v| {
        let p = grid.affine.apply(v.map(|n| n as f64));
        p[0] * p[0] + p[1] * p[1] + p[2] * p[2] <= 144.0
    });
    let out = bench.run("radiomics", params, &[("ct", &ct), ("mask", &mask)]).unwrap();
    table(&out["table"])
}

#[test]
fn the_table_is_the_same_with_any_number_of_threads_and_in_a_worker() {
    let run = |threads: usize, worker: bool, how: &str| {
        let mut bench = Bench::new(threads);
        bench.worker = worker;
        measure(&bench, json!({ "aggregation": how, "per_lesion": true }))
    };
    for how in ["2D slice-merged", "2.5D merged", "3D averaged"] {
        let once = run(1, false, how);
        assert_eq!(run(3, false, how), once);
        assert_eq!(run(2, true, how), once);
    }
}

#[test]
fn a_ball_on_thick_slices_has_its_volume_and_codes() {
    let t = measure(&Bench::new(2), json!({ "resegmentation_range": [0, 200] }));
    let volume = measured(&t, "all", "morph_volume_voxel_counting").as_f64().unwrap();
    assert!((volume / (4.0 / 3.0 * std::f64::consts::PI * 1728.0) - 1.0).abs() < 0.03, "{volume}");
    let range = measured(&t, "all", "stat_intensity_range").as_f64().unwrap();
    assert_eq!(range, 22.0);
    let rows = t["rows"].as_array().unwrap();
    assert!(rows.iter().all(|r| r[4].as_str().unwrap().starts_with("IBSI ")));
}

#[test]
fn a_range_that_is_upside_down_is_refused() {
    let bench = Bench::new(1);
    let grid = lps_grid([4, 4, 4], [1.0; 3]);
    let (ct, mask) = (bench.ct(&grid, |_| 60), bench.mask(&grid, |_| true));
    let params = json!({ "resegmentation_range": [100, 0] });
    let error = bench.run("radiomics", params, &[("ct", &ct), ("mask", &mask)]).unwrap_err();
    assert!(error.to_string().contains("the first must be lower than the second"), "{error}");
}
