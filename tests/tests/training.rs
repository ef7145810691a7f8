//! `train-unet3d` through the program: it learns, and a killed training goes on to the same bytes.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_tests::{Case, ichor, run, run_ok};

/// Small heads, a narrow network, and a bright haematoma that is soon found.
const TRAINING: &str = "
ichor: 1
name: training
stages:
  head:
    each: 3
    use: phantom-head
    with: { seed: $each.n, shape: [40, 44, 20], spacing: [4.5, 4.5, 8], haematoma_ml: 60, noise_hu: 1 }
  train:
    use: train-unet3d
    in: { cts: [head.ct], cavities: [head.cavity], masks: [head.haematoma] }
    with:
      width: 2
      patch: [12, 12, 12]
      patches: 60
      optimiser: adam
      rate: 0.01
      schedule: polynomial
      settled: 0.1
      running: 0.1
      dropout: 0.1
      loss: dice-cross-entropy
      dense: 0.5
      averaged: 0.9
      validation: 1
      every: 10
  metrics: { use: save-table, in: { tables: train.metrics } }
  find: { use: segment-unet3d, in: { ct: head-1.ct, cavity: head-1.cavity, trained: train.model }, with: { device: cpu } }
outputs: { model: train.model, metrics: metrics.tsv, curve: train.curve, mask: find.mask }
";

#[test]
fn a_killed_training_goes_on_to_the_same_bytes() {
    let case = Case::new();
    case.write("whole.yaml", TRAINING);
    let file = case.path("state.safetensors");
    case.write(
        "cut.yaml",
        TRAINING.replace("      every: 10", &format!("      every: 10\n      checkpoint: {file}")),
    );
    run_ok(["run", &case.path("whole.yaml"), "-o", &case.path("whole"), "--threads", "2"]);
    let arguments =
        ["run", &case.path("cut.yaml"), "-o", &case.path("cut"), "--threads", "1"].map(str::to_owned);
    // Twice when another checkpoint is there.
    for _ in 0..2 {
        let before = std::fs::metadata(&file).and_then(|m| m.modified()).ok();
        let mut child = ichor(&arguments).spawn().unwrap();
        while std::fs::metadata(&file).and_then(|m| m.modified()).ok() == before
            && child.try_wait().unwrap().is_none()
        {
            std::thread::yield_now();
        }
        let _ = child.kill(); // it may have come to its end
        child.wait().unwrap();
    }
    let ended = run(&arguments);
    assert!(ended.code == 0 && ended.stderr.contains("goes on after"), "{}{}", ended.stdout, ended.stderr);
    for name in ["model.safetensors", "metrics.tsv", "curve.svg", "mask.nii.gz"] {
        assert!(case.read(&format!("whole/{name}")) == case.read(&format!("cut/{name}")), "{name} differs");
    }
    // It has learned: the mean loss of the last ten patches is well below that of the first ten.
    let metrics = String::from_utf8(case.read("whole/metrics.tsv")).unwrap();
    let losses: Vec<f64> =
        metrics.lines().skip(1).map(|l| l.split('\t').nth(1).unwrap().parse().unwrap()).collect();
    assert!(losses.len() == 6 && losses[5] < 0.9 * losses[0], "{metrics}");
}

#[test]
fn a_checkpoint_of_another_training_is_refused() {
    let case = Case::new();
    let file = case.path("state.safetensors");
    let text = TRAINING.replace("      every: 10", &format!("      every: 1\n      checkpoint: {file}"));
    case.write("train.yaml", text.replace("patches: 60", "patches: 2"));
    run_ok(["run", &case.path("train.yaml"), "-o", &case.path("one")]);
    let ended = run(["run", &case.path("train.yaml"), "-o", &case.path("two"), "--set", "train.rate=0.02"]);
    assert!(
        ended.code != 0 && ended.stderr.contains("is of a training with other parameters or cases"),
        "{}",
        ended.stderr
    );
    assert!(!case.dir.path().join("two/model.safetensors").exists());
    std::fs::write(&file, b"damaged").unwrap();
    let ended = run(["run", &case.path("train.yaml"), "-o", &case.path("two"), "--no-cache"]);
    assert!(ended.code != 0 && ended.stderr.contains("delete it to start again"), "{}", ended.stderr);
}

#[test]
fn a_gpu_that_is_not_there_is_missed_before_anything_runs() {
    if std::path::Path::new("/dev/nvidiactl").exists() {
        return;
    }
    let case = Case::new();
    case.write("gpu.yaml", TRAINING.replace("      width: 2", "      width: 2\n      device: cuda"));
    let ended = run(["run", &case.path("gpu.yaml"), "-o", &case.path("out")]);
    let said = "stage `train` (train-unet3d) would fail: `device` is cuda, but ";
    assert!(ended.code != 0 && ended.stderr.contains(said), "{}", ended.stderr);
    assert!(!std::path::Path::new(&case.path("out")).exists());
}
