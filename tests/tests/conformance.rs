//! `ichor plugins check` passes what keeps the contract and names what does not; `ichor plugins new` makes what
//! passes.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_tests::{Case, Ended, bin, examples, hostile, ichor, run, run_ok};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

fn check(library: &Path, more: &[&str]) -> (Ended, Value) {
    let mut args = vec!["plugins", "check", library.to_str().unwrap(), "--json"];
    args.extend(more);
    let ended = run(&args);
    let json = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}{}", ended.stdout, ended.stderr));
    (ended, json)
}

/// Names of the checks with a verdict.
fn names(json: &Value, verdict: &str) -> BTreeSet<String> {
    let all = json["checks"].as_array().unwrap().iter();
    all.filter(|c| c["verdict"] == verdict).map(|c| c["name"].as_str().unwrap().to_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[test]
fn the_examples_pass_in_all_three_languages() {
    for language in ["rust", "c", "cpp"] {
        let library = examples().join(format!("libthreshold_{language}.so"));
        let (ended, json) = check(&library, &[]);
        assert_eq!((ended.code, names(&json, "failed")), (0, set(&[])), "{language}: {json}");
        assert_eq!(
            names(&json, "skipped"),
            set(&["optional-and-many-inputs", "bad-params-refused"]),
            "{json}"
        );
        assert_eq!(json["passed"], 28, "{json}");
    }
}

#[test]
fn the_shipped_plugins_pass() {
    // A small head, a short training: the stages run some sixty times.
    let small = [
        ("phantom", "phantom-head.shape=[48, 48, 10]"),
        ("phantom", "phantom-head.spacing=[4.5, 4.5, 18]"),
        ("cnn", "train-unet3d.patches=1"),
        ("cnn", "train-unet3d.width=1"),
        ("cnn", "train-unet3d.patch=[4, 4, 4]"),
    ];
    let libraries = std::fs::read_dir(bin()).unwrap().map(|e| e.unwrap().path());
    let mut shipped: Vec<_> = libraries
        .filter(|p| {
            let name = p.file_name().unwrap().to_str().unwrap();
            name.starts_with("libichor_") && name.ends_with(".so") && !name.contains("macros")
        })
        .collect();
    assert!(shipped.len() >= 8, "{shipped:?}");
    // The one of the cavity takes as long as most others together.
    shipped.sort_by_key(|p| !p.ends_with("libichor_cavity.so"));
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(library) = shipped.get(next.fetch_add(1, Ordering::Relaxed)) {
            let name = library.to_str().unwrap();
            let small = small.iter().filter(|(plugin, _)| name.contains(plugin));
            let mut set: Vec<&str> = small.flat_map(|(_, change)| ["--set", change]).collect();
            if name.contains("cnn") {
                // A step of the widest network that its schema allows.
                set.extend(["--memory", "6144", "--seconds", "120"]);
            }
            let (ended, json) = check(library, &set);
            assert_eq!((ended.code, names(&json, "failed")), (0, BTreeSet::new()), "{name}: {json}");
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
}

#[test]
fn each_way_to_misbehave_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let library = hostile::compile("hostile", dir.path());
    let expected: &[(&str, &[&str])] = &[
        ("well", &[]),
        ("segfault", &["runs-on-each-dtype"]),
        ("abort", &["runs-on-each-dtype"]),
        ("exit", &["runs-on-each-dtype"]),
        ("hang", &["runs-on-each-dtype", "cancel-honoured"]),
        ("leak", &["runs-on-each-dtype"]),
        ("wrong-shape", &["outputs-as-declared"]),
        ("wrong-kind", &["outputs-as-declared"]),
        ("no-output", &["all-outputs-made"]),
        ("twice", &["outputs-as-declared"]),
        ("error", &[]), // it refuses, and says why: that is its right
        ("long-error", &["errors-say-why"]),
        ("bad-geometry", &["outputs-as-declared"]),
        ("huge", &["outputs-as-declared"]),
        ("overrun", &["runs-on-each-dtype", "no-overrun"]),
        ("scribble", &["runs-on-each-dtype", "input-untouched"]),
        ("stdout", &["no-output-on-stdout"]),
        ("fork", &["no-processes-left"]),
        ("daemon", &["no-processes-left"]),
        ("close-files", &["runs-on-each-dtype"]),
        ("nan", &["values-keep-their-kind"]),
        ("bad-mask", &["values-keep-their-kind"]),
        ("log-flood", &["logs-sparingly"]),
        ("unwritten", &["output-fully-written"]),
        ("random", &["deterministic"]),
        ("threads", &["thread-count-independent"]),
        ("remembers", &["in-process-equals-worker", "destroy-after-failure"]),
        ("ignores-cancel", &["cancel-honoured"]),
        ("refuses-u16", &["runs-on-each-dtype"]),
        ("thin", &["odd-shapes"]),
        ("straight", &["oblique-affines"]),
        ("silent", &["errors-say-why"]),
        ("breaks", &["destroy-after-failure"]),
        ("trusting", &["wrong-kind-refused"]),
        ("edge", &["bad-params-refused"]),
    ];
    // Most of the time goes by in waiting for processes.
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((id, checks)) = expected.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let stage = format!("hostile-{id}");
                    // What hangs or leaks shall not take long; what does not is not to be held up by other tests.
                    let limits = if matches!(*id, "hang" | "leak") { ["1", "128"] } else { ["30", "1024"] };
                    let args = ["--stage", &stage, "--seconds", limits[0], "--memory", limits[1]];
                    let (ended, json) = check(&library, &args);
                    let failed = names(&json, "failed");
                    if *id == "leak" {
                        // Also with what comes first, its time or its memory: on a slow machine it is the time.
                        assert!(failed.contains("runs-on-each-dtype"), "{id}: {json}");
                    } else {
                        assert_eq!(failed, set(checks), "{id}: {json}");
                    }
                    assert_eq!(ended.code, i32::from(!checks.is_empty()), "{id}");
                    let all = json["checks"].as_array().unwrap().len() as u64;
                    let sum = ["passed", "failed", "skipped"]
                        .iter()
                        .map(|v| json[v].as_u64().unwrap())
                        .sum::<u64>();
                    assert_eq!((all, all), (sum, 30), "{id}");
                }
            });
        }
    });
}

#[test]
fn a_library_that_is_none_of_ours_is_told_by_the_first_check_that_fails() {
    let case = Case::new();
    let dir = case.dir.path();
    case.write("text.so", "not a library");
    case.write("cut.so", b"\x7fELF\x02\x01\x01");
    for (name, check_name) in [
        ("wrong_major", "version-gate"),
        ("later_minor", "version-gate"),
        ("bad_magic", "version-gate"),
        ("short_table", "version-gate"),
        ("no_symbol", "one-exported-symbol"),
        ("other_manifest", "table-matches-manifest"),
        ("no_run", "table-complete"),
        ("bad_manifest", "manifest-valid"),
        ("no_load", "loads"),
        ("text", "elf-and-section"),
        ("cut", "elf-and-section"),
    ] {
        let library = match name {
            "text" | "cut" => dir.join(format!("{name}.so")),
            _ => hostile::compile(name, dir),
        };
        let (ended, json) = check(&library, &[]);
        assert_eq!((ended.code, names(&json, "failed")), (1, set(&[check_name])), "{name}: {json}");
    }
    let (_, json) = check(&hostile::compile("many_symbols", dir), &[]);
    assert!(names(&json, "failed").contains("one-exported-symbol"), "{json}");
    let text = json["checks"].to_string();
    assert!(
        text.contains("it also exports `a_helper_of_its_own`") && text.contains("--version-script"),
        "{text}"
    );
    assert!(
        !names(&json, "passed").is_disjoint(&set(&["loads"])),
        "it is told, and checked all the same: {json}"
    );
}

#[test]
fn a_check_speaks_to_people_and_to_machines() {
    let case = Case::new();
    let library = hostile::compile("hostile", case.dir.path());
    let library = library.to_str().unwrap();
    let (junit, stage) = (case.path("junit.xml"), "hostile-straight");
    let ended = run(["plugins", "check", library, "--stage", stage, "--junit", &junit]);
    assert_eq!(ended.code, 1);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 31, "{}", ended.stdout);
    assert!(lines[30].ends_with(" skipped") && lines[30].contains("1 failed"), "{}", lines[30]);
    let failed = lines.iter().find(|l| l.starts_with("FAILED")).unwrap();
    assert!(failed.starts_with(
        "FAILED  hostile-straight: oblique-affines - with turned axes: its process died of signal 6"
    ));
    assert!(ended.stderr.contains("does not conform"), "{}", ended.stderr);
    let xml = String::from_utf8(case.read("junit.xml")).unwrap();
    assert!(xml.contains("<testsuite name=\"libhostile.so\" tests=\"30\" failures=\"1\""), "{xml}");
    assert!(xml.contains(
        "<testcase classname=\"hostile-straight\" name=\"oblique-affines\"><failure message=\"with turned"
    ));

    for wrong in [
        &["--stage", "hostile-wel"][..],
        &["--set", "hostile-edge.count"],
        &["--set", "hostile-edge.cuont=3", "--stage", "hostile-edge"],
        &["--set", "hostile-edge.count=10", "--stage", "hostile-edge"],
        &["--seconds", "0"],
    ] {
        let ended = run([&["plugins", "check", library][..], wrong].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{wrong:?}: {}", ended.stderr);
    }
    assert_eq!(run(["plugins", "check", "/no/such/plugin.so"]).code, 2);
    run_ok(["plugins", "check", library, "--stage", "hostile-well", "--set", "hostile-edge.count=4"]);
}

#[test]
fn a_stage_that_needs_a_file_waits_for_it() {
    let library = bin().join("libichor_nifti.so");
    let (ended, json) = check(&library, &["--stage", "load-nifti"]);
    assert_eq!(ended.code, 0, "{json}");
    let text = json["checks"].to_string();
    assert!(
        text.contains("parameter `source` has no default; give one with --set load-nifti.source=VALUE"),
        "{text}"
    );
}

#[test]
fn a_new_plugin_passes_its_checks_in_each_language() {
    let case = Case::new();
    // Compiled parts of the SDK are there, in the target folder of the examples.
    let target = examples().join("target");
    for (language, built) in
        [("rust", target.join("release")), ("c", "build".into()), ("cpp", "build".into())]
    {
        let name = format!("first-{language}");
        let sdk = ichor_tests::root().join("core/sdk");
        let args = [
            "plugins",
            "new",
            &name,
            "--lang",
            language,
            "--dir",
            &case.path("made"),
            "--sdk",
            sdk.to_str().unwrap(),
        ];
        run_ok(args);
        let folder = case.dir.path().join("made").join(&name);
        if language == "rust" {
            // The versions that are at hand.
            std::fs::copy(
                ichor_tests::root().join("plugins/examples/rust/Cargo.lock"),
                folder.join("Cargo.lock"),
            )
            .unwrap();
        }
        let mut make = Command::new("make");
        make.arg("check").arg(format!("ICHOR={}", bin().join("ichor").display())).current_dir(&folder);
        make.env("CARGO_TARGET_DIR", &target).env("CARGO_NET_OFFLINE", "true");
        make.args([
            "CFLAGS=-O2 -Wall -Wextra -Wpedantic -Werror",
            "CXXFLAGS=-O2 -Wall -Wextra -Wpedantic -Werror",
        ]);
        let output = make.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{language}: {text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(
            text.contains(" passed, 0 failed, ") && text.contains(&format!("{name}: deterministic")),
            "{text}"
        );

        let plugins = folder.join(built);
        let check = ["check", "pipeline.yaml", "--plugin-path", plugins.to_str().unwrap()];
        let checked = ichor(check).current_dir(&folder).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

        let again = run(args);
        assert!(again.code == 2 && again.stderr.contains("is there already"), "{}", again.stderr);
    }
    for name in ["", "Upper", "../escape", "a_b"] {
        let ended = run(["plugins", "new", name, "--lang", "c", "--dir", &case.path("wrong")]);
        assert_eq!(ended.code, 2, "{name}: {}", ended.stderr);
    }
    assert!(case.list("wrong").is_empty());
}
