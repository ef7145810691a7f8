//! `inspect-ct`, through the built plugin.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Value;
use ichor_spec::{Kind, Unit};
use ichor_tests::dicom::scan::{Scan, finding, inspect, load, near, rows, written};
use ichor_tests::stage::{Bench, DType, Grid, lps_grid};
use ichor_tests::{Case, run_ok, shared_data};
use serde_json::json;
use std::sync::Arc;

/// An ellipsoid head with a skull.
fn head(bench: &Bench, grid: &Grid, offset: i16) -> Arc<Value> {
    let middle: [f64; 3] = std::array::from_fn(|a| (grid.shape[a] as f64 - 1.0) / 2.0);
    bench.ct(grid, |v| {
        let r: f64 = (0..3).map(|a| ((v[a] as f64 - middle[a]) / (0.85 * middle[a])).powi(2)).sum();
        let hu = if r < 0.75 {
            30 + ((7 * v[0] + v[2]) % 5) as i16
        } else if r < 1.0 {
            1000
        } else {
            -1000
        };
        hu + offset
    })
}

#[test]
fn a_volume_is_inspected_wherever_it_comes_from() {
    let bench = Bench::new(2);
    let grid = lps_grid([96, 100, 24], [2.0, 2.0, 6.0]);
    let sound = head(&bench, &grid, 0);
    let out = inspect(&bench, json!({ "strict": true }), &sound, None).unwrap();
    for name in [
        "gantry tilt",
        "slices",
        "repeated slices",
        "air",
        "median of the head",
        "skull",
        "cavity at the top",
        "cavity at the bottom",
    ] {
        assert_eq!(finding(&out, name).1, "ok", "{name}: {:?}", rows(&out, "report"));
    }
    // The rescale intercept forgotten.
    let shifted = head(&bench, &grid, 1024);
    assert_eq!(finding(&inspect(&bench, json!({}), &shifted, None).unwrap(), "air").1, "fail");
    let refused = inspect(&bench, json!({ "strict": true }), &shifted, None).err().unwrap();
    assert!(refused.contains("the rescale intercept seems to be missing"), "{refused}");
    // A sheared affine, whichever axis the slices are along.
    let shear = 15f64.to_radians().tan();
    let mut tilted = grid;
    tilted.affine.0[1][2] = 6.0 * shear;
    let out = inspect(&bench, json!({}), &head(&bench, &tilted, 0), None).unwrap();
    assert_eq!(finding(&out, "gantry tilt").1, "warn");
    near(finding(&out, "gantry tilt").0, 15.0, 1e-6);
    // Cut off at the top, and slices that are there twice.
    let cut = lps_grid([96, 100, 24], [2.0, 2.0, 6.0]);
    let low = head(&bench, &lps_grid([96, 100, 34], [2.0, 2.0, 6.0]), 0);
    let part: Vec<u8> = low.bytes()[..2 * cut.len()].to_vec();
    let out =
        inspect(&bench, json!({}), &bench.value((Kind::Volume, Unit::Hu, DType::I16), &cut, &part), None)
            .unwrap();
    assert_eq!(finding(&out, "cavity at the top").1, "warn");
    assert_eq!(finding(&out, "cavity at the bottom").1, "ok");
    let plane = 2 * 96 * 100;
    let mut twice = sound.bytes().to_vec();
    twice.copy_within(10 * plane..11 * plane, 11 * plane);
    let out =
        inspect(&bench, json!({}), &bench.value((Kind::Volume, Unit::None, DType::I16), &cut, &twice), None)
            .unwrap();
    assert_eq!(finding(&out, "repeated slices"), (1.0, "warn".into()));
    let thin = bench.ct(&lps_grid([9, 9, 2], [1.0, 1.0, 5.0]), |_| -1000);
    assert_eq!(finding(&inspect(&bench, json!({}), &thin, None).unwrap(), "slices"), (2.0, "fail".into()));
}

#[test]
fn with_its_slices_a_volume_tells_what_the_scanner_did() {
    let bench = Bench::new(2);
    let heights = [0.0, 4.0, 8.0, 12.0, 13.1, 20.1, 27.1, 34.1];
    let case = written(&Scan::axial(&heights, 0.3));
    let loaded = load(&bench, &case);
    let out = inspect(&bench, json!({}), &loaded["image"], Some(&loaded["slices"])).unwrap();
    assert_eq!(finding(&out, "gantry tilt").1, "repaired");
    near(finding(&out, "gantry tilt").0, 0.3f64.atan().to_degrees(), 1e-3);
    assert_eq!(finding(&out, "change of distance").1, "repaired");
    assert_eq!(finding(&out, "overlap").1, "warn");
    let kernel = rows(&out, "report").into_iter().find(|r| r[0] == "kernel").unwrap();
    assert_eq!((&kernel[3], &kernel[4]), (&json!("ok"), &json!("H31s, for soft tissue")));
    let wrong = Arc::new(Value::from_bytes(Kind::Table, br#"{"columns":[{"name":"a"}],"rows":[]}"#.to_vec()));
    let refused = inspect(&bench, json!({}), &loaded["image"], Some(&wrong)).err().unwrap();
    assert!(refused.contains("has no column `position_lps_x`"), "{refused}");
}

#[test]
fn the_pipeline_that_ships_inspects_a_folder() {
    let Some(source) = shared_data("head-ge-dicom") else { return };
    let case = Case::new();
    run_ok(["run", "pipelines/inspect-ct.yaml", "-i", &format!("ct={source}"), "-o", &case.path("out")]);
    let report = String::from_utf8(case.read("out/report.tsv")).unwrap();
    assert!(report.contains("gantry tilt\t18.5"), "{report}");
    assert!(case.list("out").contains(&"picture.png".to_owned()));
}
