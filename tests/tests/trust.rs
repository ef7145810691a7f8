//! What may run: plugins and models that a lock names, from folders that nobody else can write to.

use ichor_tests::{Case, SMALL, compile_plugin, root, run, run_ok};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

const COPY: &str = "ichor: 1
name: copy
stages:
  model: { use: exec-doc, with: { program: /bin/cp, args: [\"{files[0]}\", \"{output}\"], files: [MODEL] } }
outputs: { text: model.doc }
";

#[test]
fn a_lock_allows_what_it_names_and_nothing_else() {
    let case = Case::new();
    let model = case.write("model.txt", "weights");
    let pipeline = case.write("copy.yaml", COPY.replace("MODEL", &model));
    let out = case.path("out");
    let locked = ["run", &pipeline, "-o", &out, "--locked"];

    let ended = run(locked);
    assert!(ended.code == 2 && ended.stderr.contains("`ichor lock` writes it"), "{}", ended.stderr);
    // The model and the program.
    assert!(run_ok(["lock", &pipeline]).stdout.contains("ichor.lock: 1 plugins, 2 files"));
    run_ok(locked);

    case.write("model.txt", "other weights");
    let ended = run(locked);
    assert!(ended.code == 2 && ended.stderr.contains("--locked: file"), "{}", ended.stderr);
    assert!(ended.stderr.contains("find out why it changed"), "{}", ended.stderr);
    run_ok(["run", &pipeline, "-o", &out]);
    case.write("model.txt", "weights");

    // A plugin that is not in it, and one whose file is another now.
    let small = case.write("small.yaml", SMALL);
    let ended = run(["run", &small, "-o", &out, "--locked"]);
    assert!(ended.code == 2 && ended.stderr.contains("is not in ichor.lock"), "{}", ended.stderr);
    run_ok(["lock", &small]);
    assert!(String::from_utf8(case.read("ichor.lock")).unwrap().contains("ichor-plugin-exec"), "both stay");
    let lock: serde_json::Value = serde_json::from_slice(&case.read("ichor.lock")).unwrap();
    let sum = lock["plugins"]["ichor-plugin-phantom"].as_str().unwrap();
    let other = String::from_utf8(case.read("ichor.lock")).unwrap().replace(sum, &"0".repeat(64));
    case.write("ichor.lock", other);
    let ended = run(["run", &small, "-o", &case.path("never"), "--locked"]);
    assert!(
        ended.code == 2 && ended.stderr.contains("plugin ichor-plugin-phantom has SHA-256"),
        "{}",
        ended.stderr
    );
    assert!(case.list("never").is_empty(), "nothing was run");
}

#[test]
fn plugins_that_others_can_write_to_are_refused_unless_asked_for() {
    let case = Case::new();
    let small = case.write("pass.yaml", PASS);
    let folder = case.path("plugins");
    fs::create_dir(&folder).unwrap();
    let library = compile_plugin(&root().join("tests/bench/pass.c"), folder.as_ref());
    let mode = |path: &str, mode: u32| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let library = library.to_str().unwrap();
    let args = ["check", &small, "--plugin-path", &folder];
    run_ok(args);
    for (path, writable) in [(folder.as_str(), 0o777), (library, 0o666)] {
        let before = fs::metadata(path).unwrap().permissions().mode();
        mode(path, writable);
        let ended = run(["run", &small, "-o", &case.path("never"), "--plugin-path", &folder]);
        assert!(
            ended.code == 2 && ended.stderr.contains("can be written by everybody"),
            "{writable:o}: {}",
            ended.stderr
        );
        assert!(case.list("never").is_empty());
        // Who insists may, and the record tells.
        let out = case.path("asked");
        run_ok([
            "run",
            &small,
            "-o",
            &out,
            "--plugin-path",
            &folder,
            "--allow-writable-plugins",
            "--no-cache",
        ]);
        let record = case.record("asked/run.json");
        let arguments: Vec<&str> =
            record["arguments"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
        assert!(arguments.contains(&"--allow-writable-plugins"), "{arguments:?}");
        mode(path, before & 0o777);
    }
    run_ok(args);
}

const PASS: &str = "ichor: 1
name: pass
stages:
  make: { use: bench-make }
  look: { use: picture, in: { ct: make.ct }, with: { slices: 1 } }
outputs: { picture: look.png }
";
