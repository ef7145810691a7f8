//! A plugin that misbehaves in every way we could think of fails its own stage, says why, and harms nobody.

use ichor_host::{Limits, PluginDir, Value, find_plugins};
use ichor_tests::stage::{Bench, lps_grid, voxels};
use ichor_tests::{Case, SMALL, hostile, run};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn bench() -> (Bench, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    hostile::compile("hostile", dir.path());
    let mut bench = Bench::with_plugins(2, dir.path());
    bench.worker = true;
    (bench, dir)
}

fn ct(bench: &Bench) -> Arc<Value> {
    // 97 x 61 x 3 voxels do not fill a page: writes behind the end stay in the mapping at first.
    bench.ct(&lps_grid([97, 61, 3], [0.5, 0.5, 5.0]), |[i, j, k]| (i + j + k) as i16)
}

/// The error of a stage, and the proof that a good stage still works and the input is as it was.
fn fails(bench: &Bench, id: &str) -> String {
    let ct = ct(bench);
    let error = bench.run(id, json!({}), &[("ct", &ct)]).expect_err(id).to_string();
    let expected = voxels(&ct.grid().unwrap()).flat_map(|[i, j, k]| ((i + j + k) as i16).to_ne_bytes());
    assert!(ct.bytes().iter().copied().eq(expected), "{id} changed its input");
    bench.run("hostile-well", json!({}), &[("ct", &ct)]).unwrap_or_else(|e| panic!("after {id}: {e}"));
    error
}

#[test]
fn dying_is_told_by_its_signal() {
    let (bench, _dir) = bench();
    for (id, says) in [
        ("hostile-segfault", "signal 11 (SIGSEGV"),
        ("hostile-abort", "signal 6 (SIGABRT"),
        ("hostile-exit", "ended with exit code 0 before the stage was done"),
        ("hostile-scribble", "signal 11 (SIGSEGV"),
        ("hostile-overrun", "signal 11 (SIGSEGV"),
        ("hostile-close-files", "before the stage was done"),
    ] {
        let error = fails(&bench, id);
        assert!(error.contains(says), "{id}: {error}");
    }
}

#[test]
fn broken_promises_are_named() {
    let (mut bench, _dir) = bench();
    for worker in [true, false] {
        bench.worker = worker;
        for (id, says) in [
            ("hostile-no-output", "ended well without making its output `mask`"),
            ("hostile-wrong-shape", "output `mask` has the grid 98 x 61 x 3"),
            ("hostile-wrong-kind", "output `mask` is volume, its manifest says mask"),
            ("hostile-bad-geometry", "the affine has an entry that is NaN or infinite"),
            ("hostile-huge", "output `mask`: a shape of [100000, 100000, 100000]"),
            ("hostile-nan", "output `mask` has 8875 voxels that are no probabilities from 0 to 1"),
            ("hostile-bad-mask", "output `mask` has 17751 voxels that are neither 0 nor 1"),
            ("hostile-error", "the CT shows no head; check which file is bound to `ct`"),
            ("hostile-long-error", "xxxxxxxxxx"),
        ] {
            let error = fails(&bench, id);
            assert!(error.contains(says), "{id}: {error}");
        }
    }
}

#[test]
fn limits_end_what_does_not_end() {
    let (mut bench, _dir) = bench();
    bench.limits = Limits { seconds: Some(0.3), bytes: Some(100 << 20) };
    let begun = Instant::now();
    assert!(fails(&bench, "hostile-hang").contains("stopped after its time limit of 0.3 s"));
    assert!(begun.elapsed() < Duration::from_secs(5));
    bench.limits.seconds = Some(60.0);
    assert!(fails(&bench, "hostile-leak").contains("stopped at its memory limit of 100 MiB"));
}

/// Each way to fail in the middle of a pipeline: one failed stage, the branch beside it finished, nothing written.
#[test]
fn the_other_branches_of_a_pipeline_finish() {
    let case = Case::new();
    hostile::compile("hostile", case.dir.path());
    for (id, limits, says) in [
        ("segfault", "", "signal 11 (SIGSEGV"),
        ("abort", "", "signal 6 (SIGABRT"),
        ("hang", ", limits: { seconds: 0.5 }", "stopped after its time limit of 0.5 s"),
        ("leak", ", limits: { memory: 100MiB }", "stopped at its memory limit of 100 MiB"),
        ("wrong-shape", "", "output `mask` has the grid"),
        ("no-output", "", "ended well without making its output `mask`"),
        ("nan", "", "that are no probabilities"),
        ("error", "", "the CT shows no head"),
    ] {
        let broken = format!("  broken:  {{ use: hostile-{id}, in: {{ ct: head.ct }}{limits} }}\n");
        let text = SMALL.replace("outputs:\n", &format!("{broken}outputs:\n  broken: broken.mask\n"));
        let pipeline = case.write("small.yaml", text);
        let (out, folder) = (case.path("out"), case.path(""));
        let ended =
            run(["run", &pipeline, "-o", &out, "--plugin-path", &folder, "--cache", &case.path("cache")]);
        assert_eq!(ended.code, 1, "{id}: {}", ended.stderr);
        let errors: Vec<&str> = ended.stderr.lines().filter(|l| l.starts_with("error: ")).collect();
        let expected = format!("stage `broken` (hostile-{id}) failed: ");
        assert!(
            errors.len() == 1 && errors[0].contains(&expected) && errors[0].contains(says),
            "{}",
            ended.stderr
        );
        let record = case.record("out/failed-run.json");
        for stage in record["stages"].as_array().unwrap() {
            let (name, state) = (stage["name"].as_str().unwrap(), stage["state"].as_str().unwrap());
            let expected: &[&str] = match name {
                "broken" => &["failed"],
                "save:broken" => &["skipped"],
                _ => &["done", "reused"],
            };
            assert!(expected.contains(&state), "{id}: {name} {state}");
        }
        assert_eq!(case.list("out"), ["failed-run.json"], "{id}");
    }
}

#[test]
fn what_a_stage_prints_or_starts_does_not_get_through() {
    let (bench, _dir) = bench();
    let ct = ct(&bench);
    for id in [
        "hostile-stdout",
        "hostile-fork",
        "hostile-daemon",
        "hostile-twice",
        "hostile-gives",
        "hostile-log-flood",
    ] {
        bench.run(id, json!({}), &[("ct", &ct)]).unwrap();
    }
    let log = bench.log.lock().unwrap();
    let has = |text: &str| log.iter().any(|(_, m)| m.contains(text));
    assert!(has("printed: {\"a line\": \"on standard output\"}"), "{log:?}");
    assert!(has("output `mask` was made twice") && has("whatever else it says is left out"));
    assert!(log.len() < 1200);
    // Of what carries this process's mark, nothing is left but workers of other tests, whose parent it is.
    let mine = format!("ICHOR_WORKER={}.", std::process::id());
    let parent = format!("PPid:\t{}", std::process::id());
    let is_left = |p: &std::fs::DirEntry| {
        let environment = std::fs::read(p.path().join("environ")).unwrap_or_default();
        let status = std::fs::read_to_string(p.path().join("status")).unwrap_or_default();
        let is_marked = environment.split(|&b| b == 0).any(|v| v.starts_with(mine.as_bytes()));
        is_marked && !status.is_empty() && !status.lines().any(|l| l == parent || l.starts_with("State:\tZ"))
    };
    // They are killed; how long the system takes over it is not ours to say.
    let begun = Instant::now();
    while std::fs::read_dir("/proc").unwrap().flatten().any(|p| is_left(&p)) {
        assert!(begun.elapsed() < Duration::from_secs(60), "somebody is left");
        std::thread::yield_now();
    }
}

#[test]
fn broken_libraries_are_refused_before_they_run() {
    for (name, says) in [
        ("wrong_major", "needs contract 2.0, this Ichor offers 1.1"),
        ("later_minor", "needs contract 1.99, this Ichor offers 1.1"),
        ("bad_magic", "not with ICHR; it is damaged"),
        ("no_symbol", "exports no `ichor_plugin_v1`"),
        ("short_table", "too few; it is damaged"),
        ("other_manifest", "the manifest in the plugin's table is not the one in its file"),
        ("no_run", "lacks create, run or destroy"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        hostile::compile(name, dir.path());
        for worker in [true, false] {
            let mut bench = Bench::with_plugins(1, dir.path());
            bench.worker = worker;
            let id = bench.plugins[0].manifest.stages[0].id.clone();
            let error = bench.run(&id, json!({}), &[("ct", &ct(&bench))]).unwrap_err().to_string();
            assert!(error.contains(says), "{name}: {error}");
        }
    }
}

#[test]
fn files_that_are_no_plugins_are_set_aside_with_a_note() {
    let dir = tempfile::tempdir().unwrap();
    hostile::compile("bad_manifest", dir.path());
    std::fs::write(dir.path().join("text.so"), "not a library").unwrap();
    std::fs::write(dir.path().join("cut.so"), b"\x7fELF\x02\x01\x01").unwrap();
    let (found, notes) = find_plugins(&[PluginDir { path: dir.path().to_owned(), shipped: false }]);
    assert!(found.is_empty());
    let has = |file: &str, why: &str| notes.iter().any(|n| n.contains(file) && n.contains(why));
    assert!(
        has("bad_manifest", "manifest is wrong") && has("text.so", "no ELF file") && has("cut.so", "damaged"),
        "{notes:?}"
    );
}
