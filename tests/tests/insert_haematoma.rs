//! `insert-haematoma` through the real plugin: kinds, grids, voxel types, determinism, plan, errors, the pipeline.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Value;
use ichor_spec::{Kind, Unit};
use ichor_tests::stage::{Bench, DType, f32s, i16s, measured, table};
use ichor_tests::{Case, root, run_ok};
use serde_json::json;
use std::sync::Arc;

/// A phantom without a haematoma: CT and cavity.
fn head(bench: &Bench) -> (Arc<Value>, Arc<Value>) {
    let params = json!({
        "seed": 5, "shape": [96, 112, 30], "spacing": [2.2, 2.2, 5.0], "rotation": [8.0, 3.0, -12.0],
        "haematoma_ml": 0.0, "noise_hu": 3.0, "holder": false
    });
    let out = bench.run("phantom-head", params, &[]).unwrap();
    (Arc::clone(&out["ct"]), Arc::clone(&out["cavity"]))
}

fn params() -> serde_json::Value {
    json!({ "seed": 3, "volume_ml": 20.0, "place": "deep", "hu": 66.0, "satellites": 0, "heterogeneity": 0.0 })
}

#[test]
fn outputs_are_like_the_scan_and_the_truth_describes_them() {
    let bench = Bench::new(2);
    let (ct, cavity) = head(&bench);
    let out = bench.run("insert-haematoma", params(), &[("ct", &ct), ("cavity", &cavity)]).unwrap();
    let grid = ct.grid().unwrap();
    assert!(out["ct"].grid().unwrap().same_as(&grid) && out["haematoma"].grid().unwrap().same_as(&grid));
    let (before, after) = (i16s(&ct), i16s(&out["ct"]));
    let (mask, inside) = (out["haematoma"].bytes(), cavity.bytes());
    let count = mask.iter().filter(|v| **v == 1).count() as f64;
    let truth = table(&out["truth"]);
    let number = |name: &str| measured(&truth, "all", name).as_f64().unwrap();
    let ml = count * grid.voxel_volume_mm3() / 1000.0;
    assert!((ml - 20.0).abs() < 0.2 && (number("haematoma_volume_voxels") - ml).abs() < 1e-6, "{ml}");
    assert_eq!((measured(&truth, "all", "site"), number("volume_asked")), ("deep".into(), 20.0));
    let of_mask: Vec<f64> =
        after.iter().zip(mask).filter(|(_, m)| **m == 1).map(|(v, _)| f64::from(*v)).collect();
    let mean = of_mask.iter().sum::<f64>() / count;
    assert!((mean - number("ct_hu_mean")).abs() < 1e-6 && (52.0..68.0).contains(&mean), "{mean}");
    for n in 0..before.len() {
        assert!(inside[n] == 1 || (before[n] == after[n] && mask[n] == 0), "voxel {n} outside was touched");
    }

    // The same scan as f32 gives f32, the same but for rounding.
    let bytes: Vec<u8> = before.iter().flat_map(|v| f32::from(*v).to_ne_bytes()).collect();
    let float = bench.value((Kind::Volume, Unit::Hu, DType::F32), &grid, &bytes);
    let out = bench.run("insert-haematoma", params(), &[("ct", &float), ("cavity", &cavity)]).unwrap();
    let off = f32s(&out["ct"]).iter().zip(&after).map(|(a, b)| (a - f32::from(*b)).abs()).fold(0.0, f32::max);
    assert!(off <= 0.5001, "{off}");
    assert!(out["haematoma"].bytes() == mask);
}

#[test]
fn threads_and_workers_change_nothing() {
    let (ct, cavity) = head(&Bench::new(2));
    let made =
        |bench: &Bench| bench.run("insert-haematoma", params(), &[("ct", &ct), ("cavity", &cavity)]).unwrap();
    let one = made(&Bench::new(1));
    let two = made(&Bench::new(2));
    let mut bench = Bench::new(2);
    bench.worker = true;
    let worker = made(&bench);
    for name in ["ct", "haematoma", "truth"] {
        assert!(one[name].bytes() == two[name].bytes(), "{name}: one thread against two");
        assert!(one[name].bytes() == worker[name].bytes(), "{name}: in process against a worker");
    }
}

#[test]
fn what_cannot_be_is_explained() {
    let bench = Bench::new(2);
    let (ct, cavity) = head(&bench);
    let mut large = params();
    large["volume_ml"] = 200.0.into();
    large["place"] = "infratentorial".into();
    let text =
        bench.run("insert-haematoma", large, &[("ct", &ct), ("cavity", &cavity)]).err().unwrap().to_string();
    assert!(text.contains("does not fit this cavity") && text.contains("lower `volume_ml`"), "{text}");
    let empty = bench.mask(&ct.grid().unwrap(), |_| false);
    let text = bench
        .run("insert-haematoma", params(), &[("ct", &ct), ("cavity", &empty)])
        .err()
        .unwrap()
        .to_string();
    assert!(text.contains("the cavity is empty"), "{text}");
}

#[test]
fn a_haematoma_of_the_pipeline_is_found_where_it_was_put() {
    let case = Case::new();
    let pipeline = case.write(
        "p.yaml",
        "ichor: 1
name: p
stages:
  head: { use: phantom-head, with: { seed: 5, shape: [96, 112, 30], spacing: [2.2, 2.2, 5.0], haematoma_ml: 0 } }
  put: { use: insert-haematoma, in: { ct: head.ct, cavity: head.cavity }, with: { seed: 2, volume_ml: 40, place: lobar } }
  segment: { use: segment-threshold, in: { ct: put.ct, cavity: head.cavity } }
  clean: { use: filter-clusters, in: { mask: segment.mask }, with: { keep: largest } }
  score: { use: evaluate-segmentation, in: { mask: clean.mask, reference: put.haematoma } }
outputs: { score: score.table, truth: put.truth }
",
    );
    run_ok(["run", &pipeline, "-o", &case.path("out")]);
    let text = String::from_utf8(case.read("out/score.tsv")).unwrap();
    let dice = text.lines().find(|l| l.contains("\tdice\t")).unwrap().split('\t').nth(2).unwrap();
    assert!(dice.parse::<f64>().unwrap() > 0.75, "{text}");
}

#[test]
fn the_pipelines_check() {
    let pipelines = root().join("pipelines");
    let path = |name: &str| pipelines.join(name).to_str().unwrap().to_owned();
    run_ok(["check", &path("insert-haematoma.yaml")]);
    run_ok(["check", &path("insert-haematoma.yaml"), "--with", &path("inserted/thickness.yaml")]);
    run_ok(["check", &path("score-inserted.yaml")]);
    run_ok(["check", &path("score-inserted.yaml"), "--with", &path("score-inserted-unet3d.yaml")]);
}
