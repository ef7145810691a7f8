//! Pipelines out of pipelines, settings of a site, and parts of a run.

use ichor_tests::{Case, SMALL, output_sums, run, run_ok};

/// `SMALL`, its cavity and segmentation in a pipeline of their own.
const OUTER: &str = "ichor: 1
name: small
seed: 5
stages:
  head:    { use: phantom-head, with: { shape: [128, 128, 24], spacing: [1.8, 1.8, 7.0], haematoma_ml: 40 } }
  lesion:  { use: ./lesion.yaml, in: { ct: head.ct } }
  volume:  { use: measure-volume, in: { mask: lesion.mask } }
  look:    { use: picture, in: { ct: head.ct, masks: [lesion.cavity, lesion.mask] }, with: { slices: 4 } }
outputs:
  ct: head.ct
  mask: lesion.mask
  volume: volume.table
  picture: look.png
";
const INNER: &str = "ichor: 1
name: lesion
inputs:
  ct: { kind: volume, unit: HU }
stages:
  cavity:  { use: cavity-threshold, in: { ct: $inputs.ct } }
  segment: { use: segment-threshold, in: { ct: $inputs.ct, cavity: cavity.mask } }
  clean:   { use: filter-clusters, in: { mask: segment.mask } }
outputs: { cavity: cavity.mask, mask: clean.mask }
";

fn states(case: &Case, out: &str) -> Vec<(String, String)> {
    let record = case.record(&format!("{out}/run.json"));
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    record["stages"].as_array().unwrap().iter().map(|s| (text(&s["name"]), text(&s["state"]))).collect()
}

#[test]
fn a_pipeline_is_a_stage_of_another() {
    let case = Case::new();
    let flat = case.write("small.yaml", SMALL);
    let outer = case.write("outer.yaml", OUTER);
    case.write("lesion.yaml", INNER);
    let cache = case.path("cache");
    run_ok(["run", &flat, "-o", &case.path("flat"), "--cache", &cache]);
    run_ok(["run", &outer, "-o", &case.path("nested"), "--cache", &cache]);
    assert_eq!(output_sums(&case.record("nested/run.json")), output_sums(&case.record("flat/run.json")));
    let states = states(&case, "nested");
    assert!(states.iter().any(|(name, _)| name == "lesion/clean"), "{states:?}");
    assert!(states.contains(&("head".into(), "reused".into())), "{states:?}");
    run_ok([
        "run",
        &outer,
        "-o",
        &case.path("set"),
        "--cache",
        &cache,
        "--set",
        "lesion/clean.min_volume_ml=0.5",
    ]);
    let record = case.record("set/run.json");
    let stage = record["stages"].as_array().unwrap().iter().find(|s| s["name"] == "lesion/clean").unwrap();
    assert_eq!(stage["params"]["min_volume_ml"], 0.5);
}

#[test]
fn settings_of_a_site_lie_over_a_pipeline() {
    let case = Case::new();
    let small = case.write("small.yaml", SMALL);
    let site = case.write(
        "site.yaml",
        "ichor: 1\noverlay: true\nstages:\n  look: { with: { slices: 2 } }\n  clean: { with: { min_volume_ml: 1.5 } }\n",
    );
    let more = case.write("more.yaml", "ichor: 1\noverlay: true\nstages:\n  look: { with: { slices: 3 } }\n");
    run_ok(["run", &small, "--with", &site, "--with", &more, "-o", &case.path("out")]);
    let record = case.record("out/run.json");
    let params = |name: &str| {
        record["stages"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap()["params"].clone()
    };
    assert_eq!(params("look")["slices"], 3, "the later file counts");
    assert_eq!(params("clean")["min_volume_ml"], 1.5);
    let wrong =
        case.write("wrong.yaml", "ichor: 1\noverlay: true\nstages:\n  loko: { with: { slices: 2 } }\n");
    let ended = run(["check", &small, "--with", &wrong]);
    assert!(ended.code == 2 && ended.stderr.contains("wrong.yaml:4:"), "{}", ended.stderr);
    assert!(ended.stderr.contains("did you mean `look`?"), "{}", ended.stderr);
}

#[test]
fn parts_of_a_run() {
    let case = Case::new();
    let small = case.write("small.yaml", SMALL);
    let out = case.path("out");
    let names = |wanted: &str| -> Vec<String> {
        states(&case, "out").into_iter().filter(|(_, s)| s == wanted).map(|(n, _)| n).collect()
    };
    // Without what came before, the stage to start from cannot start.
    let ended = run(["run", &small, "-o", &out, "--from", "clean"]);
    assert!(ended.code != 0 && ended.stderr.contains("run once without --from"), "{}", ended.stderr);

    run_ok(["run", &small, "-o", &out, "--until", "segment", "--keep", "segment.mask"]);
    assert!(case.list("out").contains(&"segment-mask.nii.gz".to_owned()), "{:?}", case.list("out"));
    assert!(!case.list("out").contains(&"picture.png".to_owned()));
    let ran = names("done");
    assert!(ran.contains(&"segment".to_owned()) && !ran.contains(&"clean".to_owned()), "{ran:?}");

    run_ok(["run", &small, "-o", &out]);
    assert!(names("reused").contains(&"segment".to_owned()) && names("done").contains(&"clean".to_owned()));
    run_ok(["run", &small, "-o", &out, "--from", "clean"]);
    let (ran, reused) = (names("done"), names("reused"));
    assert!(ran.contains(&"clean".to_owned()) && ran.contains(&"volume".to_owned()), "{ran:?}");
    assert!(reused.contains(&"segment".to_owned()) && reused.contains(&"cavity".to_owned()), "{reused:?}");
}
