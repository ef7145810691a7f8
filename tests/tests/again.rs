//! A run record is enough to run again: `ichor rerun` checks what went in and compares what comes out.

use ichor_tests::{Case, SMALL, ichor, run, run_ok};

const SITE: &str = "ichor: 1
overlay: true
stages:
  clean: { with: { min_volume_ml: 0.2 } }
";

#[test]
fn a_run_is_repeated_from_its_record_alone() {
    let case = Case::new();
    case.write("small.yaml", SMALL);
    case.write("site.yaml", SITE);
    let here = |args: &[&str]| {
        let output = ichor(args).current_dir(case.dir.path()).output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    // Relative paths, a parameter and an overlay: all of it is in the record.
    let args = ["run", "small.yaml", "--with", "site.yaml", "--set", "head.haematoma_ml=30", "-o", "out"];
    let ended = here(&args);
    assert_eq!(ended.0, 0, "{}", ended.2);
    let record = case.record("out/run.json");
    let files: Vec<&str> =
        record["pipeline_files"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
    assert_eq!(files, ["small.yaml", "site.yaml"]);

    let again = run_ok(["rerun", &case.path("out/run.json"), "-o", &case.path("again")]);
    assert_eq!(again.stdout.matches(": identical").count(), 4, "{}", again.stdout);
    let stages = case.record("again/run.json")["stages"].as_array().unwrap().clone();
    assert!(stages.iter().all(|s| s["state"] == "done"), "nothing from a cache");

    let refused = |says: &str| {
        let ended = run(["rerun", &case.path("out"), "-o", &case.path("never")]);
        assert!(ended.code == 2 && ended.stderr.contains(says), "{says}: {}", ended.stderr);
        assert!(case.list("never").is_empty());
    };
    case.write("site.yaml", SITE.replace("0.2", "0.3"));
    refused("site.yaml (pipeline) has changed since");
    case.write("site.yaml", SITE);
    case.write("small.yaml", SMALL.replace("slices: 4", "slices: 5"));
    refused("small.yaml (pipeline) has changed since");
    case.write("small.yaml", SMALL);
    let text = String::from_utf8(case.read("out/run.json")).unwrap();
    let plugin = record["plugins"][0]["sha256"].as_str().unwrap();
    case.write("out/run.json", text.replace(plugin, &"0".repeat(64)));
    refused("the run cannot be repeated as it was");

    // Other bytes than the record's are told, output by output.
    let picture = record["outputs"].as_array().unwrap().iter().find(|o| o["name"] == "picture").unwrap();
    case.write("out/run.json", text.replace(picture["sha256"].as_str().unwrap(), &"0".repeat(64)));
    let ended = run(["rerun", &case.path("out"), "-o", &case.path("other")]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(
        ended.stdout.contains("picture.png: different") && ended.stdout.matches("identical").count() == 3
    );
    assert!(ended.stderr.contains("not the same bytes as in the record: picture"), "{}", ended.stderr);
}

#[test]
fn a_changed_input_is_noticed() {
    let case = Case::new();
    let pipeline = case.write(
        "text.yaml",
        "ichor: 1
inputs: { file: { kind: file } }
stages:
  read: { use: exec-doc, with: { program: /bin/cp, args: [\"{files[0]}\", \"{output}\"], files: [$inputs.file] } }
outputs: { text: read.doc }
",
    );
    let file = case.write("notes.txt", "one");
    run_ok(["run", &pipeline, "-i", &format!("file={file}"), "-o", &case.path("out")]);
    run_ok(["rerun", &case.path("out"), "-o", &case.path("again")]);
    case.write("notes.txt", "two");
    let ended = run(["rerun", &case.path("out"), "-o", &case.path("never")]);
    assert!(
        ended.code == 2 && ended.stderr.contains("notes.txt (read.files) has changed since"),
        "{}",
        ended.stderr
    );
    assert!(case.list("never").is_empty());
}
