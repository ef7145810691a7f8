//! Whole runs: the same bytes however they are made, stages swapped, nothing run twice, nothing half-written.

use ichor_tests::{Case, Ended, SMALL, examples, files_under, ichor, output_sums, run, run_ok};

fn run_small(case: &Case, out: &str, more: &[&str]) -> Ended {
    let pipeline = case.path("small.yaml");
    let mut args = vec!["run", &pipeline, "-o"];
    let out = case.path(out);
    args.push(&out);
    args.extend(more);
    run(args)
}

fn states(case: &Case, out: &str) -> Vec<(String, String)> {
    let record = case.record(&format!("{out}/run.json"));
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    record["stages"].as_array().unwrap().iter().map(|s| (text(&s["name"]), text(&s["state"]))).collect()
}

#[test]
fn threads_and_processes_change_no_byte() {
    let case = Case::new();
    case.write("small.yaml", SMALL);
    let mut sums = Vec::new();
    for (n, more) in [
        &["--threads", "1", "--isolate", "in-process", "--no-cache"][..],
        &["--threads", "2", "--isolate", "in-process", "--no-cache"],
        &["--threads", "1", "--isolate", "worker", "--no-cache"],
        &["--threads", "2", "--isolate", "worker", "--no-cache"],
        &["--threads", "2", "--memory", "200MiB"],
    ]
    .iter()
    .enumerate()
    {
        let out = format!("out{n}");
        let ended = run_small(&case, &out, more);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        sums.push(output_sums(&case.record(&format!("{out}/run.json"))));
        // What the record says is what is there.
        assert_eq!(case.list(&out).iter().filter(|f| !f.starts_with('.')).count(), sums[n].len() + 1);
    }
    assert!(sums.iter().all(|s| *s == sums[0]), "{sums:?}");
}

#[test]
fn a_stage_is_swapped_by_one_line_and_a_plugin_built_elsewhere() {
    let case = Case::new();
    let swapped = SMALL.replace(
        "segment: { use: segment-threshold, in: { ct: head.ct, cavity: cavity.mask } }",
        "segment: { use: threshold-c, in: { ct: head.ct }, with: { lower: 55, upper: 90 } }",
    );
    case.write("small.yaml", &swapped);
    let ended = run_small(&case, "without", &[]);
    assert!(
        ended.code == 2 && ended.stderr.contains("no plugin offers a stage `threshold-c`"),
        "{}",
        ended.stderr
    );
    let folder = examples().to_str().unwrap();
    let ended = run_small(&case, "with", &["--plugin-path", folder]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let record = case.record("with/run.json");
    let stage = record["stages"].as_array().unwrap().iter().find(|s| s["name"] == "segment").unwrap();
    assert_eq!((stage["use"].as_str(), stage["worker"].as_bool()), (Some("threshold-c"), Some(true)));
}

#[test]
fn what_was_made_is_not_made_again() {
    let case = Case::new();
    case.write("small.yaml", SMALL);
    assert_eq!(run_small(&case, "out", &[]).code, 0);
    let first = output_sums(&case.record("out/run.json"));
    assert!(states(&case, "out").iter().all(|(_, state)| state == "done"));

    assert_eq!(run_small(&case, "out", &[]).code, 0);
    assert!(states(&case, "out").iter().all(|(_, state)| state == "reused"));
    assert_eq!(output_sums(&case.record("out/run.json")), first);

    // A parameter of one stage: it runs, and what follows as far as something changed.
    assert_eq!(run_small(&case, "out", &["--set", "clean.min_volume_ml=0.2"]).code, 0);
    let ran = |states: Vec<(String, String)>| -> Vec<String> {
        states.into_iter().filter(|(_, s)| s == "done").map(|(n, _)| n).collect()
    };
    assert_eq!(ran(states(&case, "out")), ["clean"], "its output is the same, so nothing after it runs");
    let why = run_ok(["why", &case.path("out"), "clean"]).stdout;
    assert!(why.contains("parameter min_volume_ml: 0.1 -> 0.2"), "{why}");
    assert!(run_ok(["why", &case.path("out"), "look"]).stdout.contains("reused"));
    assert_eq!(run_small(&case, "out", &["--set", "look.slices=3"]).code, 0);
    assert_eq!(ran(states(&case, "out")), ["look"]);

    // A damaged cache is noticed and made good.
    let values = case.dir.path().join("out/.ichor-cache/values");
    let mut files: Vec<_> = files_under(&values);
    files.sort_by_key(|f| std::cmp::Reverse(f.metadata().unwrap().len()));
    for file in &files[..3] {
        let mut bytes = std::fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        std::fs::write(file, bytes).unwrap();
    }
    assert_eq!(run_small(&case, "out", &["--set", "clean.min_volume_ml=0.3"]).code, 0);
    let now = output_sums(&case.record("out/run.json"));
    assert_eq!(now, first, "the same outputs, from values that were made again");

    // So is a damaged entry, and the stage runs again.
    let entries = files_under(&case.dir.path().join("out/.ichor-cache/stages"));
    for file in &entries {
        let mut bytes = std::fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        std::fs::write(file, bytes).unwrap();
    }
    let ended = run_small(&case, "out", &[]);
    assert!(ended.code == 0 && ended.stderr.contains("an entry of the cache is damaged"), "{}", ended.stderr);
    assert!(states(&case, "out").iter().all(|(_, state)| state == "done"));
    assert_eq!(output_sums(&case.record("out/run.json")), first);
    assert_eq!(run_small(&case, "out", &[]).code, 0);
    assert!(states(&case, "out").iter().all(|(_, state)| state == "reused"));
}

#[test]
fn a_run_killed_at_any_moment_is_made_good_by_the_next() {
    let case = Case::new();
    case.write("small.yaml", SMALL);
    assert_eq!(run_small(&case, "clean", &[]).code, 0);
    let want = output_sums(&case.record("clean/run.json"));
    let pipeline = case.path("small.yaml");
    for millis in [5, 40, 120, 250, 400, 600] {
        let out = case.path("killed");
        let mut child = ichor(["run", &pipeline, "-o", &out])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let until = std::time::Instant::now() + std::time::Duration::from_millis(millis);
        while child.try_wait().unwrap().is_none() && std::time::Instant::now() < until {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
        // Killed or not, a record vouches for whole files only.
        if case.list("killed").contains(&"run.json".to_owned()) {
            for (file, _) in output_sums(&case.record("killed/run.json")) {
                assert!(case.list("killed").contains(&file), "{file}");
            }
        }
    }
    assert_eq!(run_small(&case, "killed", &[]).code, 0);
    assert_eq!(output_sums(&case.record("killed/run.json")), want);
    assert!(case.list("killed").iter().all(|f| !f.starts_with(".ichor-tmp")), "{:?}", case.list("killed"));
}
