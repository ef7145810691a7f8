//! Registration and warping, through the built plugin, on small phantoms moved by maps that are known.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Value;
use ichor_image::random::Random;
use ichor_spec::{Kind, Unit};
use ichor_tests::register::{Map, distances, moved};
use ichor_tests::stage::{Affine, Bench, DType, Grid, f32s, i16s, lps_grid, measured, table};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A phantom of 4 mm voxels.
fn phantom(bench: &Bench, more: Json) -> BTreeMap<String, Arc<Value>> {
    let mut params = json!({ "seed": 3, "shape": [56, 64, 50], "spacing": [4.0, 4.0, 4.0], "noise_hu": 8.0 });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    bench.run("phantom-head", params, &[]).unwrap()
}

fn ct(bench: &Bench, grid: &Grid, voxels: &[i16]) -> Arc<Value> {
    let bytes: Vec<u8> = voxels.iter().flat_map(|v| v.to_ne_bytes()).collect();
    bench.value((Kind::Volume, Unit::Hu, DType::I16), grid, &bytes)
}

/// A tilted grid of thick slices with room for a moved head.
fn tilted() -> Grid {
    let (s, c) = 0.3f64.sin_cos();
    let affine =
        Affine([[-2.5, 0.0, 0.0, 120.0], [0.0, -2.5 * c, -5.0 * s, 135.0], [0.0, -2.5 * s, 5.0 * c, -90.0]]);
    Grid::new([98, 112, 52], affine).unwrap()
}

type Outputs = BTreeMap<String, Arc<Value>>;

fn register(bench: &Bench, fixed: &Arc<Value>, moving: &Arc<Value>, more: Json) -> Outputs {
    // Coarser than by default: tests must be quick.
    let mut params = json!({ "spacing_mm": 3.0, "levels": 2 });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    bench.run("register", params, &[("fixed", fixed), ("moving", moving)]).unwrap()
}

fn text(value: &Value) -> &str {
    std::str::from_utf8(value.bytes()).unwrap()
}

fn mean(v: &[f64]) -> f64 {
    v.iter().sum::<f64>() / v.len() as f64
}

#[test]
fn known_affine_maps_are_found_by_both_metrics() {
    let bench = Bench::new(2);
    let head = &phantom(&bench, json!({}))["ct"];
    let (data, from, to) = (i16s(head), head.grid().unwrap(), tilted());
    for (seed, metric, within) in [(1, "ncc", 0.25), (2, "ncc", 0.25), (3, "mi", 0.6)] {
        let truth = Map::random(&mut Random::new(seed), [0.0; 3], 25.0, 20.0, [0.88, 1.12]);
        let voxels = moved(&data, &from, &truth, &to);
        let out = register(&bench, &ct(&bench, &to, &voxels), head, json!({ "metric": metric }));
        let off = mean(&distances(&voxels, &to, &truth, &Map::parse(text(&out["transform"])), 17));
        assert!(off < within, "{off} mm with seed {seed} and {metric}");
        // The image that is made is the fixed one again, but for interpolation twice.
        let again = i16s(&out["image"]);
        let apart: f64 = again.iter().zip(&voxels).map(|(a, b)| f64::from((a - b).abs())).sum();
        assert!(apart / (again.len() as f64) < 15.0, "{}", apart / again.len() as f64);
        assert_eq!(out["image"].grid().unwrap(), to);
        let report = table(&out["report"]);
        assert!(measured(&report, "all", "ncc").as_f64().unwrap() > 0.95, "{report}");
    }
}

#[test]
fn a_second_scan_of_a_turned_head_is_met_by_a_rigid_map() {
    let bench = Bench::new(2);
    let pose = |rotation: [f64; 3], shift: [f64; 3]| {
        let more = json!({ "rotation": rotation, "shift": shift });
        Arc::clone(&phantom(&bench, more)["ct"])
    };
    let (fixed, moving) = (pose([0.0; 3], [0.0; 3]), pose([15.0, -10.0, 20.0], [12.0, -8.0, 10.0]));
    let there = register(&bench, &fixed, &moving, json!({ "model": "rigid" }));
    let back = register(&bench, &moving, &fixed, json!({ "model": "rigid" }));
    let Map::All(maps) = Map::parse(text(&there["transform"])) else { panic!() };
    let [Map::Affine(m)] = &maps[..] else { panic!() };
    for a in 0..3 {
        for b in 0..3 {
            let dot: f64 = (0..3).map(|k| m[a][k] * m[b][k]).sum();
            assert!((dot - f64::from(u8::from(a == b))).abs() < 1e-9, "{m:?}");
        }
    }
    // Neither scan knows of the other's noise: there and back must be nothing.
    let (voxels, grid) = (i16s(&fixed), fixed.grid().unwrap());
    let round = Map::All(vec![Map::parse(text(&back["transform"])), Map::All(maps)]);
    let off = mean(&distances(&voxels, &grid, &round, &Map::All(vec![]), 17));
    assert!(off < 0.2, "{off} mm");
}

#[test]
fn smooth_deformations_are_mostly_undone_and_applied_as_they_are_written() {
    let bench = Bench::new(2);
    let head = phantom(&bench, json!({}));
    let (data, from) = (i16s(&head["ct"]), head["ct"].grid().unwrap());
    let to = lps_grid([80, 92, 70], [2.8, 2.8, 2.8]);
    let truth = Map::smooth(&mut Random::new(5), [0.0; 3], 4.0);
    let voxels = moved(&data, &from, &truth, &to);
    let fixed = ct(&bench, &to, &voxels);
    let out = register(&bench, &fixed, &head["ct"], json!({ "model": "bspline" }));
    let found = Map::parse(text(&out["transform"]));
    let before = mean(&distances(&voxels, &to, &truth, &Map::All(vec![]), 17));
    let after = mean(&distances(&voxels, &to, &truth, &found, 17));
    assert!(before > 3.0 && after < 0.55 * before, "{before} to {after} mm");
    let least = measured(&table(&out["report"]), "all", "least determinant").as_f64().unwrap();
    assert!((0.1..1.0).contains(&least), "{least}");

    // The file's own reader here agrees with the warp of the stage.
    let inputs = [("image", &head["ct"]), ("transform", &out["transform"]), ("reference", &fixed)];
    let warped = bench.run("apply-transform", json!({}), &inputs).unwrap();
    assert_eq!(warped["image"].bytes(), out["image"].bytes());
    let want = moved(&data, &from, &found, &to);
    let wrong = i16s(&warped["image"]).iter().zip(&want).filter(|(a, b)| (**a - **b).abs() > 2).count();
    // At the border of the field of view half a voxel more is known.
    assert!(wrong * 20 < want.len(), "{wrong} of {}", want.len());
    let masks = [("image", &head["cavity"]), ("transform", &out["transform"]), ("reference", &fixed)];
    let mask = &bench.run("apply-transform", json!({}), &masks).unwrap()["image"];
    assert_eq!((mask.kind(), mask.grid().unwrap()), (Kind::Mask, to));
    let count = |v: &Value| v.bytes().iter().map(|b| usize::from(*b)).sum::<usize>() as f64;
    let volume = |v: &Value| count(v) * v.grid().unwrap().voxel_volume_mm3();
    let ratio = volume(mask) / volume(&head["cavity"]);
    assert!((0.8..1.2).contains(&ratio), "{ratio}");
}

#[test]
fn results_are_the_same_on_any_number_of_threads_and_in_a_worker() {
    let run = |threads: usize, worker: bool| {
        let mut bench = Bench::new(threads);
        let head = &phantom(&bench, json!({}))["ct"];
        bench.worker = worker;
        let to = tilted();
        let truth = Map::random(&mut Random::new(1), [0.0; 3], 10.0, 10.0, [0.95, 1.05]);
        let fixed = ct(&bench, &to, &moved(&i16s(head), &head.grid().unwrap(), &truth, &to));
        let affine = register(&bench, &fixed, head, json!({ "metric": "mi" }));
        let out = register(&bench, &fixed, head, json!({ "model": "bspline" }));
        let bytes = |outputs: Outputs| outputs.into_values().map(|v| v.bytes().to_vec()).collect::<Vec<_>>();
        [bytes(affine), bytes(out)].concat()
    };
    let once = run(1, false);
    assert!(once == run(2, false));
    assert!(once == run(3, true));
}

#[test]
fn transforms_of_other_tools_are_applied_and_unknown_ones_refused() {
    let bench = Bench::new(1);
    let grid = lps_grid([20, 20, 20], [1.0; 3]);
    let voxel = |[i, j, k]: [usize; 3]| (100 * i + 10 * j + k) as i16;
    let image = bench.ct(&grid, voxel);
    let apply = |image: &Arc<Value>, text: &str, params: Json| {
        let transform = Arc::new(Value::from_bytes(Kind::Doc, text.as_bytes()));
        let inputs = [("image", image), ("transform", &transform), ("reference", &image.clone())];
        bench.run("apply-transform", params, &inputs).map(|mut out| out.remove("image").unwrap())
    };
    let file = |name: &str, parameters: &str| {
        format!(
            "#Insight Transform File V1.0\n#Transform 0\nTransform: {name}\nParameters: {parameters}\n\
             FixedParameters: 0 0 0\n"
        )
    };
    // One voxel to the left and two back in LPS: i + 1, j + 2.
    let shift = file("TranslationTransform_double_3_3", "1 2 0");
    let out = i16s(&apply(&image, &shift, json!({})).unwrap());
    assert_eq!((out[grid.index(3, 4, 5)], out[grid.index(19, 4, 5)]), (voxel([4, 6, 5]), -1024));
    let labels: Vec<u8> = (0..grid.len()).map(|n| (n % 20 / 4) as u8).collect();
    let labels = bench.value((Kind::Labels, Unit::Label, DType::U8), &grid, &labels);
    let half = file("Euler3DTransform_double_3_3", "0 0 0 0.4 0 0");
    let out = apply(&labels, &half, json!({})).unwrap();
    assert_eq!(out.bytes()[..20], labels.bytes()[..20]);
    let error = apply(&labels, &half, json!({ "interpolation": "cubic" })).unwrap_err().to_string();
    assert_eq!(error, "`interpolation: cubic` is not for labels; use linear or nearest");
    let probs: Vec<u8> = (0..grid.len()).flat_map(|n| (n as f32).to_ne_bytes()).collect();
    let volume = bench.value((Kind::Volume, Unit::None, DType::F32), &grid, &probs);
    let out = f32s(&apply(&volume, &half, json!({ "interpolation": "cubic" })).unwrap());
    let at = grid.index(9, 9, 9);
    assert!((out[at] - (at as f32 + 0.4)).abs() < 0.01, "{}", out[at]);
    let field = file("DisplacementFieldTransform_double_3_3", "1 2 3");
    let error = apply(&image, &field, json!({})).unwrap_err().to_string();
    assert!(
        error.starts_with("input `transform`: `DisplacementFieldTransform_double_3_3` is a kind"),
        "{error}"
    );
}

#[test]
fn scans_without_a_head_are_refused_in_a_sentence() {
    let bench = Bench::new(1);
    let grid = lps_grid([60, 60, 40], [3.0, 3.0, 4.0]);
    let head = &phantom(&bench, json!({}))["ct"];
    let air = bench.ct(&grid, |_| -1000);
    let run =
        |inputs: &[(&str, &Arc<Value>)]| bench.run("register", json!({}), inputs).unwrap_err().to_string();
    assert_eq!(
        run(&[("fixed", head), ("moving", &air)]),
        "no head in `moving`: the largest piece above -20 HU is 0 mL; check that it is a head CT in HU with its \
         size in mm"
    );
    let elsewhere = bench.mask(&grid, |_| true);
    let error = run(&[("fixed", head), ("moving", head), ("fixed_mask", &elsewhere)]);
    assert!(error.contains("fixed_mask"), "{error}");
}
