//! `segment-onnx` through the built plugin and ONNX Runtime, beside a sliding window written in Python.
//!
//! ONNX Runtime is no part of Ichor. Where neither ORT_DYLIB_PATH nor the system has it, what needs it is not tested.

use ichor_image::Random;
use ichor_tests::stage::{Bench, Grid, f32s, lps_grid};
use serde_json::{Value as Json, json};
use std::path::PathBuf;

const SHAPE: [usize; 3] = [27, 20, 13];

fn fixture(name: &str) -> PathBuf {
    ichor_tests::root().join("plugins/onnx/tests").join(name)
}

/// The image of `onnx_model.py`.
fn hu(n: usize) -> i16 {
    ((n * n * 7 + n * 31) % 211) as i16 - 60
}

fn params(model: &str, more: Json) -> Json {
    let mut out = json!({ "model": fixture(model), "orientation": "SPL", "window": [-20, 100], "scale": "zscore",
        "mean": 35, "sd": 22.5, "spacing": [2, 1, 0.5] });
    if model == "small.onnx" {
        out["patch"] = json!([8, 12, 16]);
    }
    out.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    out.as_object_mut().unwrap().retain(|_, v| !v.is_null());
    out
}

/// Whether ONNX Runtime can be had; says so where it cannot.
fn is_runtime_here(bench: &Bench) -> bool {
    let ct = bench.ct(&lps_grid([16, 12, 8], [0.5, 1.0, 2.0]), |_| 30);
    match bench.run("segment-onnx", params("fixed.onnx", json!({})), &[("ct", &ct)]) {
        Ok(_) => true,
        Err(e) if e.to_string().contains("ONNX Runtime cannot be loaded") => {
            eprintln!("not tested, because there is no ONNX Runtime here: {e}");
            false
        }
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn as_a_sliding_window_in_python_whatever_the_axes() {
    let bench = Bench::new(2);
    if !is_runtime_here(&bench) {
        return;
    }
    let expected: Json = serde_json::from_slice(&std::fs::read(fixture("expected.json")).unwrap()).unwrap();
    let cases = expected["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let name = &case["name"];
        let [nz, ny, nx] = [0, 1, 2].map(|a| case["shape"][a].as_u64().unwrap() as usize);
        let straight = lps_grid([nx, ny, nz], [0.5, 1.0, 2.0]);
        for grid in [straight, straight.reoriented(['P', 'I', 'R']).unwrap()] {
            let back = straight.affine.inverse().unwrap();
            let place = |v: [usize; 3]| {
                back.apply(grid.affine.apply(v.map(|n| n as f64))).map(|x| x.round() as usize)
            };
            let ct = bench.ct(&grid, |v| {
                let [i, j, k] = place(v);
                hu(i + SHAPE[0] * (j + SHAPE[1] * k))
            });
            let mut more = json!({ "scale": case["scale"], "overlap": case["overlap"],
                "blending": case["blending"], "activation": case["activation"], "mirror": case["mirror"] });
            if case["scale"] == "unit" {
                more["mean"] = Json::Null;
                more["sd"] = Json::Null;
            }
            let model = case["model"].as_str().unwrap();
            let found = bench.run("segment-onnx", params(model, more), &[("ct", &ct)]).unwrap();
            let (p, m) = (f32s(&found["probability"]), found["mask"].bytes());
            let mut upright = vec![(0.0, 0); p.len()];
            for (at, v) in ichor_tests::stage::voxels(&grid).enumerate() {
                let [i, j, k] = place(v);
                upright[straight.index(i, j, k)] = (p[at], m[at]);
            }
            let mut worst = 0.0f64;
            for (n, want) in case["every_37th"].as_array().unwrap().iter().enumerate() {
                worst = worst.max((f64::from(upright[37 * n].0) - want.as_f64().unwrap()).abs());
            }
            eprintln!("{name}: largest difference {worst:e}");
            assert!(worst < 1e-5, "{name}: {worst}");
            let sum: f64 = p.iter().map(|p| f64::from(*p)).sum();
            assert!((sum - case["sum"].as_f64().unwrap()).abs() < 1e-5 * p.len() as f64);
            let which = if case["activation"] == "sigmoid" { "half_voxels" } else { "argmax_voxels" };
            assert_eq!(m.iter().map(|m| u64::from(*m)).sum::<u64>(), case[which].as_u64().unwrap(), "{name}");
        }
    }
}

#[test]
fn patches_outside_the_cavity_are_left_out_and_change_nothing_inside() {
    let bench = Bench::new(2);
    if !is_runtime_here(&bench) {
        return;
    }
    let grid = lps_grid([60, 40, 30], [0.5, 1.0, 2.0]);
    let ct = bench.ct(&grid, |[i, j, k]| hu(i + 60 * (j + 40 * k)));
    let cavity = bench.mask(&grid, |[i, j, k]| i > 40 && (5..12).contains(&j) && k < 9);
    let params = params("small.onnx", json!({ "threshold": 0.4 }));
    let all = bench.run("segment-onnx", params.clone(), &[("ct", &ct)]).unwrap();
    bench.log.lock().unwrap().clear();
    let some = bench.run("segment-onnx", params.clone(), &[("ct", &ct), ("cavity", &cavity)]).unwrap();
    let log = bench.log.lock().unwrap().clone();
    // Of 7 x 6 x 7 those that begin at 29, 37 and 44, at 0, 6 and 11, and at 0, 4 and 7.
    assert!(log.iter().any(|(_, l)| l == "27 of 294 patches of 8 x 12 x 16 voxels"), "{log:?}");
    let both = [&all, &some].map(|f| (f32s(&f["probability"]), f["mask"].bytes()));
    let mut set = 0;
    for (at, inside) in cavity.bytes().iter().enumerate() {
        let want = if *inside == 1 { (both[0].0[at], both[0].1[at]) } else { (0.0, 0) };
        assert_eq!((both[1].0[at], both[1].1[at]), want);
        assert_eq!(both[1].1[at], u8::from(*inside == 1 && both[1].0[at] >= 0.4));
        set += usize::from(both[1].1[at]);
    }
    assert!(set > 0);
    let nothing = bench.mask(&grid, |_| false);
    let found = bench.run("segment-onnx", params, &[("ct", &ct), ("cavity", &nothing)]).unwrap();
    assert!(found["mask"].bytes().iter().all(|m| *m == 0));
    assert!(bench.log.lock().unwrap().iter().any(|(_, l)| l.contains("the cavity is empty")));
}

#[test]
fn again_on_more_threads_and_in_a_worker_the_bytes_are_the_same() {
    let grid = lps_grid([70, 50, 20], [0.5, 1.0, 2.0]);
    let run = |threads: usize, worker: bool| {
        let mut bench = Bench::new(threads);
        if !is_runtime_here(&bench) {
            return None;
        }
        bench.worker = worker;
        let ct = bench.ct(&grid, |[i, j, k]| {
            (Random::new(3).stream((i + 70 * (j + 50 * k)) as u64).normal() * 60.0) as i16 + 30
        });
        let found =
            bench.run("segment-onnx", params("small.onnx", json!({ "mirror": [0, 1, 2] })), &[("ct", &ct)]);
        let found = found.unwrap();
        Some((found["probability"].bytes().to_vec(), found["mask"].bytes().to_vec()))
    };
    let Some(one) = run(1, false) else { return };
    assert!(run(1, false).unwrap() == one);
    assert!(run(2, false).unwrap() == one);
    assert!(run(3, false).unwrap() == one);
    assert!(run(2, true).unwrap() == one);
}

#[test]
fn what_cannot_be_run_is_refused_in_a_sentence() {
    let (bench, dir) = (Bench::new(1), tempfile::tempdir().unwrap());
    let grid: Grid = lps_grid([20, 14, 10], [0.5, 1.0, 2.0]);
    let ct = bench.ct(&grid, |_| 30);
    let refused = |params: Json| bench.run("segment-onnx", params, &[("ct", &ct)]).unwrap_err().to_string();
    let says = |more: Json, part: &str| {
        let error = refused(params("fixed.onnx", more));
        assert!(error.contains(part), "{error}");
    };
    // Before ONNX Runtime is needed:
    says(json!({ "device": "cuda" }), "`device: cuda` is not offered for ONNX models yet");
    says(json!({ "spacing": [2, 1, 1] }), "and the CT has 2 x 1 x 0.5 mm; put `resample` before this stage");
    says(json!({ "orientation": "SPP" }), "three letters are needed");
    says(json!({ "patch": [8, 8, 8] }), "leave `patch` out");
    says(json!({ "class": 3 }), "has 3 channels, counted from 0");
    says(
        json!({ "window": null, "scale": "unit", "mean": null, "sd": null }),
        "`scale: unit` needs `window`",
    );
    says(json!({ "runtime": dir.path().join("none.so") }), "`pip install onnxruntime` brings it");
    let mut fresh = Bench::new(1);
    fresh.worker = true;
    let no_library = params("fixed.onnx", json!({ "runtime": fixture("expected.json") }));
    let error = fresh.run("segment-onnx", no_library.clone(), &[("ct", &ct)]).unwrap_err().to_string();
    assert!(error.starts_with("ONNX Runtime cannot be loaded: "), "{error}");
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        json!({ "model": path })
    };
    let bytes = std::fs::read(fixture("fixed.onnx")).unwrap();
    says(file("cut.onnx", &bytes[..bytes.len() / 2]), "no ONNX file, or damaged or cut off");
    says(json!({ "model": dir.path().join("none.onnx") }), "cannot read the model");
    let other_grid = bench.mask(&lps_grid([20, 14, 9], [0.5, 1.0, 2.0]), |_| true);
    let error =
        bench.run("segment-onnx", params("fixed.onnx", json!({})), &[("ct", &ct), ("cavity", &other_grid)]);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("20 x 14 x 9"), "{error}");
    if !is_runtime_here(&bench) {
        return;
    }
    let at = bytes.windows(17).position(|w| w == b"InstanceNormaliza").unwrap();
    let mut unknown = bytes.clone();
    unknown[at] = b'X';
    says(file("unknown.onnx", &unknown), "ONNX Runtime refuses the model");
    assert!(refused(no_library).contains("cannot load a second one; give all stages the same `runtime`"));
    says(json!({ "activation": "none" }), "which is no probability; set `activation` to softmax or sigmoid");
    // 5 voxels are halved to 3, which do not become 5 again.
    let odd = params("small.onnx", json!({ "patch": [5, 8, 8] }));
    let error = refused(odd);
    assert!(error.contains("small.onnx` fails on a patch of 5 x 8 x 8 voxels: "), "{error}");
}
