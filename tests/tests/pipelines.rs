//! The pipelines that come along, run as from anywhere.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_tests::{Case, ichor, root, run_ok};
use std::path::PathBuf;

#[test]
fn each_pipeline_checks_from_another_folder() {
    let case = Case::new();
    let entries = std::fs::read_dir(root().join("pipelines")).unwrap().map(|e| e.unwrap().path());
    let files: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
    let is_overlay = |p: &PathBuf| std::fs::read_to_string(p).unwrap().contains("\noverlay: true\n");
    let wrong: Vec<String> = files
        .iter()
        .filter(|p| !is_overlay(p))
        .filter_map(|p| {
            let made = ichor(["check".as_ref(), p.as_os_str()]).current_dir(case.path("")).output().unwrap();
            (!made.status.success()).then(|| String::from_utf8_lossy(&made.stderr).into_owned())
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(files.len() > 20, "{files:?}");
}

/// Dice coefficient of a table that `evaluate-segmentation` made.
fn dice(case: &Case, name: &str) -> f64 {
    let text = String::from_utf8(case.read(name)).unwrap();
    let row = text.lines().find_map(|line| line.strip_prefix("all\tdice\t")).unwrap();
    row.split('\t').next().unwrap().parse().unwrap()
}

/// Heads of other seeds than those that the networks were trained with.
#[test]
fn the_networks_that_come_along_find_a_haematoma() {
    let case = Case::new();
    let demo = root().join("pipelines/demo.yaml");
    let arguments = ["run", demo.to_str().unwrap(), "-o", "demo"];
    let made = ichor(arguments).current_dir(case.path("")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(dice(&case, "demo/score.tsv") > 0.85);
    assert!(case.read("demo/picture.png").starts_with(b"\x89PNG"));
    let pipeline = case.write(
        "thin.yaml",
        format!(
            "
ichor: 1
name: thin
seed: 11
stages:
  head: {{ use: phantom-head, with: {{ shape: [150, 175, 112], spacing: [1.35, 1.35, 1.5], haematoma_ml: 25 }} }}
  find: {{ use: {}/pipelines/ich-thin.yaml, in: {{ ct: head.ct }} }}
  score: {{ use: evaluate-segmentation, in: {{ mask: find.mask, reference: head.haematoma }} }}
outputs: {{ score: score.table }}
",
            root().display()
        ),
    );
    run_ok(["run", &pipeline, "-o", &case.path("thin")]);
    assert!(dice(&case, "thin/score.tsv") > 0.85);
}
