//! Whatever is wrong with a pipeline, a file or a plugin: one clear line, the right exit code, nothing half-written.

use ichor_tests::{Case, Ended, SMALL, hostile, run, run_ok};

/// Runs a pipeline that must fail, and checks that it left no result.
fn refused(case: &Case, code: i32, args: &[&str], says: &str) -> Ended {
    let out = case.path("out");
    let mut all = vec!["run", "-o", &out, "--no-cache"];
    all.extend(args);
    let ended = run(all);
    assert_eq!(ended.code, code, "{says}: {}{}", ended.stdout, ended.stderr);
    let errors: Vec<&str> = ended.stderr.lines().filter(|l| l.starts_with("error: ")).collect();
    assert!(errors.len() == 1 && errors[0].contains(says), "{says}: {}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let left = case.list("out");
    assert!(left.is_empty() || left == ["failed-run.json"], "{left:?}");
    let _ = std::fs::remove_dir_all(out);
    ended
}

#[test]
fn pipelines_that_are_wrong_never_start() {
    let case = Case::new();
    for (from, to, says) in [
        (
            "phantom-head",
            "phantom-haed",
            "small.yaml:5:19: no plugin offers a stage `phantom-haed`; did you mean `phantom-head`?",
        ),
        ("{ ct: head.ct } }", "{ tc: head.ct } }", "has no input `tc`; did you mean `ct`?"),
        (
            "{ mask: segment.mask } }",
            "{ mask: segment.msak } }",
            "has no output `msak`; did you mean `mask`?",
        ),
        ("slices: 4", "slcies: 4", "has no parameter `slcies`; did you mean `slices`?"),
        ("slices: 4", "slices: four", "`four`"),
        ("slices: 4", "slices: -1", "-1"),
        ("{ mask: clean.mask } }", "{ mask: head.ct } }", "`head.ct -> volume.mask` carries volume in HU"),
        (
            "in: { ct: head.ct } }",
            "in: { } }",
            "input `ct` of stage `cavity` (cavity-threshold) is not connected",
        ),
        (
            "  mask: clean.mask\n",
            "  mask: clean.mask\n  Mask: clean.mask\n",
            "outputs `mask` and `Mask` would have the same file",
        ),
        ("ichor: 1", "ichor: 7", "the pipeline's format is 7"),
    ] {
        let text = SMALL.replacen(from, to, 1);
        assert_ne!(text, SMALL, "{from}");
        let pipeline = case.write("small.yaml", text);
        refused(&case, 2, &[&pipeline], says);
    }
    let cycle = SMALL.replace("in: { mask: segment.mask }", "in: { mask: grow.image }").replacen(
        "  volume:",
        "  grow: { use: resample, in: { image: clean.mask } }\n  volume:",
        1,
    );
    let pipeline = case.write("small.yaml", cycle);
    refused(&case, 2, &[&pipeline], "cycle");
    refused(&case, 2, &["/no/such/pipeline.yaml"], "/no/such/pipeline.yaml: the file cannot be read");
    let pipeline = case.write("small.yaml", SMALL);
    refused(&case, 2, &[&pipeline, "--set", "clean.min_volum_ml=1"], "did you mean `min_volume_ml`?");
    refused(&case, 2, &[&pipeline, "-i", "ct=x.nii"], "the pipeline has no input `ct`");
}

const LOAD: &str = "ichor: 1
inputs:
  ct: { kind: volume }
stages:
  load: { use: load-nifti, with: { source: $inputs.ct, unit: HU } }
  tidy: { use: picture, in: { ct: load.image } }
outputs:
  picture: tidy.png
";

#[test]
fn files_that_are_wrong_fail_one_stage() {
    let case = Case::new();
    let small = case.write("small.yaml", SMALL);
    run_ok(["run", &small, "-o", &case.path("made"), "--set", "save:ct.compression=0", "--no-cache"]);
    run_ok(["run", &small, "-o", &case.path("packed"), "--no-cache"]);
    let (plain, packed) = (case.read("made/ct.nii"), case.read("packed/ct.nii.gz"));
    let pipeline = case.write("load.yaml", LOAD);
    let try_file = |name: &str, bytes: &[u8], says: &str| {
        let file = case.write(name, bytes);
        refused(&case, 1, &[&pipeline, "-i", &format!("ct={file}")], says);
    };
    try_file("cut.nii", &plain[..plain.len() / 2], "stage `load` (load-nifti) failed");
    try_file("cut.nii.gz", &packed[..packed.len() / 2], "stage `load` (load-nifti) failed");
    let mut crc = packed.clone();
    let end = crc.len() - 6;
    crc[end] ^= 0xff;
    try_file("crc.nii.gz", &crc, "stage `load` (load-nifti) failed");
    let mut huge = plain.clone();
    for dim in 0..3 {
        huge[42 + 2 * dim..44 + 2 * dim].copy_from_slice(&10_000i16.to_le_bytes()); // dim[1..4]: 10^12 voxels
    }
    try_file("huge.nii", &huge, "stage `load` (load-nifti) failed");
    let mut nan = plain.clone();
    nan[280..284].copy_from_slice(&f32::NAN.to_le_bytes()); // srow_x[0]
    try_file("nan.nii", &nan, "NaN");
    let mut flat = plain.clone();
    flat[280..328].fill(0); // srow_x, srow_y, srow_z
    try_file("flat.nii", &flat, "singular");
    try_file("text.nii", b"this is no image", "stage `load` (load-nifti) failed");
    try_file("empty.nii", b"", "stage `load` (load-nifti) failed");
    refused(
        &case,
        2,
        &[&pipeline, "-i", "ct=/no/such/file.nii"],
        "cannot read /no/such/file.nii, given as load.source",
    );
    refused(&case, 2, &[&pipeline], "input `ct` has no value");
}

#[test]
fn a_damaged_model_is_missed_before_anything_runs() {
    let case = Case::new();
    let model = case.write(
        "cut.safetensors",
        &std::fs::read(ichor_tests::root().join("pipelines/models/ich-thick.safetensors")).unwrap()[..9999],
    );
    let with = format!("with: {{ model: {model} }}");
    let stage = format!("  net: {{ use: segment-unet3d, in: {{ ct: head.ct }}, {with} }}\noutputs:\n");
    let pipeline = case.write("net.yaml", SMALL.replace("outputs:\n", &stage));
    let ended = refused(&case, 2, &[&pipeline], "the model `");
    assert!(
        ended.stderr.contains("stage `net` (segment-unet3d) would fail")
            && !ended.stderr.contains("head: done")
    );
}

#[test]
fn plugins_that_are_wrong_are_refused() {
    for (name, says) in [("wrong_major", "needs contract 2.0"), ("no_symbol", "exports no `ichor_plugin_v1`")]
    {
        let case = Case::new();
        hostile::compile(name, case.dir.path());
        std::fs::write(case.dir.path().join("text.so"), "not a library").unwrap();
        let folder = case.path("");
        let listed = run_ok(["plugins", "--plugin-path", &folder]);
        assert!(listed.stderr.contains("text.so is not used: it is not a library"), "{}", listed.stderr);
        let id = name.replace('_', "-");
        let listed: Vec<&str> = listed.stdout.split_whitespace().collect();
        let id = if listed.contains(&id.as_str()) { id } else { name.to_owned() };
        let text = SMALL.replacen("use: cavity-threshold", &format!("use: {id}"), 1);
        let pipeline = case.write("small.yaml", text);
        refused(&case, 1, &[&pipeline, "--plugin-path", &folder], says);
    }
}

/// Names and paths that lead elsewhere write nothing outside the output folder.
#[test]
fn nothing_is_written_outside_the_output_folder() {
    let case = Case::new();
    std::fs::create_dir(case.path("inside")).unwrap();
    let before = |case: &Case| (case.list(""), case.list("inside"));
    for (from, to, says) in [
        ("  mask: clean.mask\n", "  ../mask: clean.mask\n", "`../mask` cannot be a name in `outputs`"),
        ("  mask: clean.mask\n", "  /tmp/mask: clean.mask\n", "`/tmp/mask` cannot be a name in `outputs`"),
        ("  mask: clean.mask\n", "  \"a\\0b\": clean.mask\n", "cannot be a name in `outputs`"),
        ("  mask: clean.mask\n", "  \"a\\nb\": clean.mask\n", "cannot be a name in `outputs`"),
        ("  clean: ", "  ../clean: ", "`../clean` cannot be a name in `stages`"),
        ("  mask: clean.mask\n", "  run: clean.mask\n", "the output name `run` is taken by the run record"),
    ] {
        let text = SMALL.replacen(from, to, 1);
        assert_ne!(text, SMALL, "{from}");
        let pipeline = case.write("inside/small.yaml", text);
        let left = before(&case);
        let ended = run(["run", &pipeline, "-o", &case.path("inside/out"), "--no-cache"]);
        assert!(ended.code == 2 && ended.stderr.contains(says), "{to}: {}", ended.stderr);
        assert_eq!(before(&case), left, "{to}");
    }
    // A link where a result goes is replaced, not followed.
    let small = case.write("inside/small.yaml", SMALL);
    let target = case.write("target.png", "mine");
    std::fs::create_dir(case.path("inside/out")).unwrap();
    std::os::unix::fs::symlink(&target, case.path("inside/out/picture.png")).unwrap();
    run_ok(["run", &small, "-o", &case.path("inside/out"), "--no-cache"]);
    assert_eq!(case.read("target.png"), b"mine");
    assert!(case.read("inside/out/picture.png").starts_with(b"\x89PNG"));
}

/// Documents made to exhaust the reader are refused in little time and memory.
#[test]
fn documents_made_to_exhaust_are_refused() {
    let case = Case::new();
    let mut bomb = String::from("ichor: 1\nname: bomb\na: &a [x, x, x, x, x, x, x, x, x]\n");
    for (one, two) in "abcdefgh".chars().zip("bcdefghi".chars()) {
        bomb += &format!("{two}: &{two} [{}]\n", vec![format!("*{one}"); 9].join(", "));
    }
    let deep = format!("ichor: 1\nstages: {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let twice = SMALL.replacen("  cavity: ", "  head: { use: phantom-head }\n  cavity: ", 1);
    for (name, text) in [("bomb", bomb), ("deep", deep), ("twice", twice)] {
        let pipeline = case.write(&format!("{name}.yaml"), text);
        let limited = std::process::Command::new("sh")
            .args(["-c", "ulimit -t 2; exec \"$0\" check \"$1\""])
            .arg(ichor_tests::bin().join("ichor"))
            .arg(&pipeline)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&limited.stderr);
        assert_eq!(limited.status.code(), Some(2), "{name}: {stderr}");
        assert!(stderr.len() < 4000 && !stderr.contains("panicked"), "{name}: {stderr}");
    }
    // A gigabyte, of which no more is read than shows that it is too large.
    let pipeline = case.path("large.yaml");
    std::fs::File::create(&pipeline).unwrap().set_len(1 << 30).unwrap();
    let ended = run(["check", &pipeline]);
    assert!(ended.code == 2 && ended.stderr.contains("large.yaml"), "{}", ended.stderr);
}
