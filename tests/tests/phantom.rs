//! The phantom through the real plugin: kinds, grids, truth, determinism.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_tests::stage::{Bench, i16s, measured, table};
use serde_json::json;

fn params() -> serde_json::Value {
    json!({
        "seed": 5, "shape": [76, 88, 31], "spacing": [3.0, 3.0, 6.0], "rotation": [4.0, -3.0, 8.0],
        "haematoma_ml": 40.0, "site": "lobar", "satellites": 0
    })
}

#[test]
fn outputs_share_a_grid_and_the_truth_describes_them() {
    let bench = Bench::new(2);
    let out = bench.run("phantom-head", params(), &[]).unwrap();
    let grid = out["ct"].grid().unwrap();
    assert_eq!(grid.affine.orientation(), ['L', 'P', 'S']);
    assert_eq!(grid.affine.apply([37.5, 43.5, 15.0]), [0.0; 3]);
    for mask in ["cavity", "haematoma"] {
        assert!(out[mask].grid().unwrap().same_as(&grid));
    }
    let truth = table(&out["truth"]);
    let number = |name: &str| measured(&truth, "all", name).as_f64().unwrap();
    assert!((number("haematoma_volume") - 40.0).abs() < 0.4);
    assert!((1100.0..1700.0).contains(&number("cavity_volume")));
    // The table's counts are those of the masks.
    let ml = grid.voxel_volume_mm3() / 1000.0;
    for (mask, name) in [("cavity", "cavity_volume_voxels"), ("haematoma", "haematoma_volume_voxels")] {
        let count = out[mask].bytes().iter().filter(|v| **v == 1).count() as f64;
        assert!((count * ml - number(name)).abs() < 1e-6);
    }
    // So is its mean of the CT in the haematoma.
    let ct = i16s(&out["ct"]);
    let blood: Vec<f64> = ct
        .iter()
        .zip(out["haematoma"].bytes())
        .filter(|(_, m)| **m == 1)
        .map(|(v, _)| f64::from(*v))
        .collect();
    let mean = blood.iter().sum::<f64>() / blood.len() as f64;
    assert!((mean - number("ct_hu_mean")).abs() < 1e-6);
    assert_eq!(measured(&truth, "all", "site"), "lobar");
}

#[test]
fn threads_and_workers_change_nothing() {
    let one = Bench::new(1).run("phantom-head", params(), &[]).unwrap();
    let two = Bench::new(2).run("phantom-head", params(), &[]).unwrap();
    let mut bench = Bench::new(2);
    bench.worker = true;
    let worker = bench.run("phantom-head", params(), &[]).unwrap();
    for name in ["ct", "cavity", "haematoma", "truth"] {
        assert!(one[name].bytes() == two[name].bytes(), "{name}: one thread against two");
        assert!(one[name].bytes() == worker[name].bytes(), "{name}: in process against a worker");
    }
}

#[test]
fn a_wrong_orientation_and_too_much_blood_are_explained() {
    let bench = Bench::new(2);
    let fails = |change: serde_json::Value| {
        let mut params = params();
        params.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        bench.run("phantom-head", params, &[]).err().unwrap().to_string()
    };
    let text = fails(json!({ "orientation": "LLS" }));
    assert!(text.contains("`orientation` is `LLS`; give three letters"), "{text}");
    let text = fails(json!({ "site": "cerebellar", "haematoma_ml": 250.0 }));
    assert!(text.contains("does not fit this head at the drawn place"), "{text}");
}
