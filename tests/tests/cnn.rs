//! The 3D U-Net through the built plugin, with weights whose answer is known and with random ones.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Value;
use ichor_image::Random;
use ichor_spec::{Kind, Unit};
use ichor_tests::stage::{Bench, DType, Grid, f32s, lps_grid};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Channels into and out of every convolution, and its kernel, as method.md's table has them.
fn layers(width: usize) -> Vec<(String, usize, usize, usize)> {
    let mut out = Vec::new();
    for s in 0..4 {
        let name = if s < 3 { format!("down{s}") } else { "bottom".into() };
        out.push((format!("{name}.0"), if s == 0 { 1 } else { width << s }, width << s, 3));
        out.push((format!("{name}.1"), width << s, width << (s + 1), 3));
    }
    for s in (0..3).rev() {
        let c = width << (s + 1);
        out.push((format!("up{s}.0"), 3 * c, c, 3));
        out.push((format!("up{s}.1"), c, c, 3));
    }
    out.push(("output".into(), 2 * width, 2, 1));
    out
}

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The tensors of a network of which `weight` says each weight and the biases are 0; batch normalisation passes
/// everything through.
fn tensors(width: usize, mut weight: impl FnMut(&str, [usize; 3]) -> f32) -> Tensors {
    let mut out = Tensors::new();
    for (name, inputs, outputs, k) in layers(width) {
        let taps = k * k * k;
        let values = (0..outputs * inputs * taps)
            .map(|n| weight(&name, [n / taps / inputs, n / taps % inputs, n % taps]));
        let values = values.collect();
        let conv = if k == 3 { format!("{name}.conv") } else { name.clone() };
        out.insert(format!("{conv}.weight"), (vec![outputs, inputs, k, k, k], values));
        out.insert(format!("{conv}.bias"), (vec![outputs], vec![0.0; outputs]));
        if k == 3 {
            for (part, value) in
                [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0 - 1e-5)]
            {
                out.insert(format!("{name}.norm.{part}"), (vec![outputs], vec![value; outputs]));
            }
        }
    }
    out
}

fn card(width: usize, pool: [usize; 3]) -> Json {
    json!({
        "form": 1, "name": "tiny", "version": "1", "intended_use": "tests", "licence": "CC0-1.0",
        "network": { "kind": "unet3d-valid", "inputs": 1, "outputs": 2, "width": width, "depth": 3, "pool": pool,
            "slope": 0.01, "epsilon": 1e-5 },
        "input": { "unit": "HU", "window": [-200, 200], "orientation": "LPS",
            "spacing_mm": [[0.9, 2.1], [0.9, 2.1], [0.9, 6.0]] },
        "classes": ["background", "haematoma"], "training": null,
    })
}

/// A safetensors file, written by its published layout: length of the header, header, data.
fn safetensors(card: &Json, tensors: &Tensors) -> Vec<u8> {
    let mut header = json!({ "__metadata__": { "ichor": card.to_string() } });
    let mut data = Vec::new();
    for (name, (shape, values)) in tensors {
        let begin = data.len();
        data.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        header[name] = json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()] });
    }
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

const STEEPNESS: f32 = 40.0;

/// A network that passes the image through its first skip and out: the probability is a logistic function of HU.
fn threshold_at(hu: f32) -> Tensors {
    let mut out = tensors(1, |name, [to, from, tap]| match name {
        "down0.0" | "down0.1" | "up0.1" => f32::from(to == 0 && from == 0 && tap == 13),
        // The up-scaled map has 4 channels, and the skip comes behind it.
        "up0.0" => f32::from(to == 0 && from == 4 && tap == 13),
        "output" if to == 1 && from == 0 => STEEPNESS,
        _ => 0.0,
    });
    out.insert("output.bias".into(), (vec![2], vec![0.0, -STEEPNESS * (hu + 200.0) / 400.0]));
    out
}

fn random(width: usize, seed: u64) -> Tensors {
    let mut random = Random::new(seed);
    let fans: BTreeMap<String, f64> =
        layers(width).into_iter().map(|(n, i, _, k)| (n, (i * k * k * k) as f64)).collect();
    tensors(width, |name, _| (random.normal() * (2.0 / fans[name]).sqrt()) as f32)
}

/// A CT with noise, and a round cavity off its middle.
fn head(bench: &Bench, grid: &Grid) -> (Arc<Value>, Arc<Value>) {
    let n = grid.shape;
    let ct = bench.ct(grid, |[i, j, k]| {
        let at = (i + n[0] * (j + n[1] * k)) as u64;
        (Random::new(3).stream(at).normal() * 90.0) as i16 + 20
    });
    let inside = |v: [usize; 3]| {
        (0..3).map(|a| ((v[a] as f64 + 0.5) / n[a] as f64 - 0.45) / 0.4).map(|x| x * x).sum::<f64>() < 1.0
    };
    (ct, bench.mask(grid, inside))
}

#[test]
fn every_voxel_gets_the_answer_to_its_own_value_whatever_its_place() {
    let (bench, dir) = (Bench::new(2), tempfile::tempdir().unwrap());
    let model = write(dir.path(), "m.safetensors", &safetensors(&card(1, [2; 3]), &threshold_at(50.0)));
    let straight = lps_grid([50, 43, 37], [1.0, 1.5, 2.0]);
    for grid in [
        straight,
        straight.reoriented(['S', 'R', 'P']).unwrap(),
        straight.reoriented(['A', 'L', 'I']).unwrap(),
    ] {
        let (ct, cavity) = head(&bench, &grid);
        let params = json!({ "model": model, "device": "cpu", "precision": "f32" });
        let found = bench.run("segment-unet3d", params, &[("ct", &ct), ("cavity", &cavity)]).unwrap();
        let hu = ichor_tests::stage::i16s(&ct);
        for (at, (p, m)) in f32s(&found["probability"]).into_iter().zip(found["mask"].bytes()).enumerate() {
            let v = (f32::from(hu[at]).clamp(-200.0, 200.0) - 50.0) / 400.0 * STEEPNESS;
            let want = if cavity.bytes()[at] == 0 { 0.0 } else { 1.0 / (1.0 + (-v).exp()) };
            assert!((p - want).abs() < 1e-4, "{p} for {want} at {at} of {grid}");
            assert_eq!(*m, u8::from(p >= 0.5 && cavity.bytes()[at] != 0));
        }
        assert!(found["mask"].bytes().contains(&1));
    }
}

#[test]
fn tiles_threads_and_workers_change_no_bit() {
    let (mut bench, dir) = (Bench::new(2), tempfile::tempdir().unwrap());
    let grid = lps_grid([61, 50, 44], [1.0, 1.0, 2.0]);
    for (pool, mirror) in [([2, 2, 2], "none"), ([2, 2, 1], "sides")] {
        let model = write(dir.path(), "m.safetensors", &safetensors(&card(2, pool), &random(2, 5)));
        let mut run = |threads: usize, worker: bool, tile: Json| {
            bench = Bench::new(threads);
            bench.worker = worker;
            let (ct, cavity) = head(&bench, &grid);
            let mut params = json!({ "model": model, "device": "cpu", "mirror": mirror });
            params.as_object_mut().unwrap().extend(tile.as_object().unwrap().clone());
            let found = bench.run("segment-unet3d", params, &[("ct", &ct), ("cavity", &cavity)]).unwrap();
            let tiles = bench.log.lock().unwrap().iter().map(|(_, line)| line.clone()).collect::<String>();
            let bytes = (found["probability"].bytes().to_vec(), found["mask"].bytes().to_vec());
            (bytes, tiles)
        };
        let (whole, log) = run(1, false, json!({}));
        assert!(log.contains("1 tile on cpu"), "{log}");
        assert!(f32s_of(&whole.0).iter().any(|p| *p > 0.0));
        for (threads, worker, tile) in [
            (2, false, json!({ "tile": [12, 44, 28] })),
            (2, true, json!({ "tile": [36, 36, 10] })),
            (1, false, json!({ "tile": [28, 20, 100] })),
            (2, false, json!({ "memory_mib": 40 })),
        ] {
            let (found, log) = run(threads, worker, tile.clone());
            assert!(!log.contains("1 tile on"), "{log}");
            assert!(found == whole, "{tile} differs with pooling {pool:?}");
        }
    }
}

fn f32s_of(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_ne_bytes(*b)).collect()
}

#[test]
fn mirrored_images_make_the_mean_of_their_answers() {
    let (bench, dir) = (Bench::new(2), tempfile::tempdir().unwrap());
    let model = write(dir.path(), "m.safetensors", &safetensors(&card(1, [2; 3]), &random(1, 9)));
    // A CT that is the same from left to right: its mirrored answer is the answer mirrored.
    // 44 voxels: pooling then takes mirrored voxels together in the mirrored image.
    let grid = lps_grid([44, 20, 20], [1.0, 1.0, 2.0]);
    let ct = bench.ct(&grid, |[i, j, k]| ((i.min(43 - i) * 31 + j * 17 + k * 13) % 150) as i16 - 30);
    let run = |mirror: &str| {
        let params = json!({ "model": model, "device": "cpu", "precision": "f32", "mirror": mirror });
        f32s(&bench.run("segment-unet3d", params, &[("ct", &ct)]).unwrap()["probability"])
    };
    let (one, sides) = (run("none"), run("sides"));
    let (mut worst, mut moved) = (0.0f32, 0.0f32);
    for (at, s) in sides.iter().enumerate() {
        let mean = 0.5 * (one[at] + one[at - at % 44 + 43 - at % 44]);
        worst = worst.max((s - mean).abs());
        moved = moved.max((s - one[at]).abs());
    }
    assert!(worst < 1e-5 && moved > 1e-4, "{worst} {moved}");
}

#[test]
fn what_does_not_fit_is_refused_in_a_sentence() {
    let (bench, dir) = (Bench::new(1), tempfile::tempdir().unwrap());
    let bytes = safetensors(&card(1, [2; 3]), &threshold_at(50.0));
    let model = write(dir.path(), "m.safetensors", &bytes);
    let fine = lps_grid([20, 20, 20], [1.0, 1.0, 2.0]);
    let refused = |grid: &Grid, params: Json, cavity: Option<&Grid>| {
        let ct = bench.ct(grid, |_| 30);
        let cavity = cavity.map(|g| bench.mask(g, |_| true));
        let mut inputs = vec![("ct", &ct)];
        inputs.extend(cavity.iter().map(|c| ("cavity", c)));
        bench.run("segment-unet3d", params, &inputs).unwrap_err().to_string()
    };
    let other = lps_grid([20, 20, 20], [0.43, 0.43, 2.0]);
    assert_eq!(
        refused(&other, json!({ "model": model }), None),
        "the model `tiny` is for voxels of 0.9 to 2.1 x 0.9 to 2.1 x 0.9 to 6 mm along LPS, and the image has 0.43 x \
         0.43 x 2 mm; resample it first, for example to 1.5 x 1.5 x 3.45 mm, or take another model"
    );
    let moved = lps_grid([20, 20, 20], [1.0, 1.0, 2.5]);
    let error = refused(&fine, json!({ "model": model }), Some(&moved));
    assert!(error.contains("2.5 mm"), "{error}");
    let cut = write(dir.path(), "cut.safetensors", &bytes[..bytes.len() - 10]);
    assert!(refused(&fine, json!({ "model": cut }), None).contains("damaged or cut off"));
    let none = dir.path().join("none.safetensors");
    assert!(refused(&fine, json!({ "model": none }), None).contains("cannot read the model"));
    let error =
        refused(&fine, json!({ "model": model, "memory_mib": 16, "mirror": "all", "device": "cpu" }), None);
    assert!(error.starts_with("the smallest tile of the model `tiny` needs "), "{error}");
    if !Path::new("/dev/nvidiactl").exists() {
        let error = refused(&fine, json!({ "model": model, "device": "cuda" }), None);
        assert_eq!(
            error,
            "`device` is cuda, but no NVIDIA driver is loaded here; set it to cpu or auto, or run where an NVIDIA GPU \
             and its driver are"
        );
    }
}

#[test]
fn an_empty_cavity_gives_an_empty_mask_and_a_warning() {
    let (bench, dir) = (Bench::new(1), tempfile::tempdir().unwrap());
    let model = write(dir.path(), "m.safetensors", &safetensors(&card(1, [2; 3]), &threshold_at(50.0)));
    let grid = lps_grid([20, 20, 20], [1.0, 1.0, 2.0]);
    let ct = bench.ct(&grid, |_| 70);
    let cavity = bench.mask(&grid, |_| false);
    let params = json!({ "model": model, "device": "cpu", "threshold": 0.0 });
    let found = bench.run("segment-unet3d", params, &[("ct", &ct), ("cavity", &cavity)]).unwrap();
    assert!(found["mask"].bytes().iter().all(|v| *v == 0));
    assert!(bench.log.lock().unwrap().iter().any(|(_, line)| line.contains("the cavity is empty")));
}

#[test]
fn voxel_types_make_no_difference() {
    let (bench, dir) = (Bench::new(1), tempfile::tempdir().unwrap());
    let model = write(dir.path(), "m.safetensors", &safetensors(&card(1, [2; 3]), &threshold_at(50.0)));
    let grid = lps_grid([24, 20, 20], [1.0, 1.0, 2.0]);
    let (ct, cavity) = head(&bench, &grid);
    let bytes: Vec<u8> =
        ichor_tests::stage::i16s(&ct).iter().flat_map(|v| f32::from(*v).to_ne_bytes()).collect();
    let float = bench.value((Kind::Volume, Unit::Hu, DType::F32), &grid, &bytes);
    let run = |ct| {
        let params = json!({ "model": model, "device": "cpu" });
        bench.run("segment-unet3d", params, &[("ct", ct), ("cavity", &cavity)]).unwrap()["probability"]
            .bytes()
            .to_vec()
    };
    assert!(run(&ct) == run(&float));
}
