//! Programs as stages, through the built plugin.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Value;
use ichor_spec::{Kind, Unit};
use ichor_tests::stage::{Affine, Bench, DType, Grid, i16s, lps_grid, table};
use ichor_tests::{Case, root, run, run_ok};
use serde_json::{Value as Json, json};
use std::sync::Arc;

fn bench() -> Bench {
    Bench::new(2)
}

/// A grid that no rounding to float32 spares.
fn tilted() -> Grid {
    let affine =
        [[-0.4583, 0.0, 0.0, 117.33], [0.0, -0.4511, -1.7007, 131.07], [0.0, 0.0817, 4.6983, -71.91]];
    Grid::new([7, 5, 3], Affine(affine)).unwrap()
}

/// Parameters of a shell script.
fn sh(script: &str, more: Json) -> Json {
    let mut params = json!({ "program": "/bin/sh", "args": ["-c", script] });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

fn cp(more: Json) -> Json {
    let mut params = json!({ "program": "/bin/cp", "args": ["{images[0]}", "{output}"] });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

fn image(bench: &Bench, params: Json, images: &[&Arc<Value>]) -> Result<Arc<Value>, String> {
    let inputs: Vec<_> = images.iter().map(|i| ("images", *i)).collect();
    Ok(bench.run("exec-image", params, &inputs).map_err(|e| e.to_string())?["image"].clone())
}

fn text(bench: &Bench, params: Json) -> Result<String, String> {
    let made = bench.run("exec-doc", params, &[]).map_err(|e| e.to_string())?;
    Ok(String::from_utf8(made["doc"].bytes().to_vec()).unwrap())
}

fn f32_bytes(values: impl Iterator<Item = f32>) -> Vec<u8> {
    values.flat_map(f32::to_ne_bytes).collect()
}

#[test]
fn a_copy_of_each_kind_is_the_same() {
    let mut bench = bench();
    let grid = tilted();
    let n = grid.len();
    let u32s: Vec<u8> = (0..n as u32).flat_map(|v| (v * 1000).to_ne_bytes()).collect();
    let u16s: Vec<u8> = (0..n as u16).flat_map(|v| (v + 300).to_ne_bytes()).collect();
    let values = [
        (bench.ct(&grid, |[i, j, k]| (i * 100 + j * 10 + k) as i16 - 1024), "volume", "HU"),
        (bench.mask(&grid, |[i, ..]| i % 2 == 1), "mask", "none"),
        (bench.value((Kind::Labels, Unit::Label, DType::U32), &grid, &u32s), "labels", "none"),
        (bench.value((Kind::Labels, Unit::Label, DType::U16), &grid, &u16s), "labels", "none"),
        (
            bench.value(
                (Kind::Volume, Unit::Mm, DType::F32),
                &grid,
                &f32_bytes((0..n).map(|v| v as f32 / 7.0)),
            ),
            "volume",
            "mm",
        ),
        (
            bench.value(
                (Kind::Probs, Unit::Probability, DType::F32),
                &grid,
                &f32_bytes((0..n).map(|v| 1.0 / (v + 1) as f32)),
            ),
            "probs",
            "none",
        ),
    ];
    for worker in [false, true] {
        bench.worker = worker;
        for (value, kind, unit) in &values {
            for zip in [false, true] {
                let names = if zip { json!(["x.nii.gz"]) } else { json!([]) };
                let back = image(&bench, cp(json!({ "kind": kind, "unit": unit, "names": names })), &[value])
                    .unwrap();
                assert!(back.bytes() == value.bytes() && back.dtype() == value.dtype(), "{kind}");
                // Not only the same to a micrometre: the first image's own.
                assert_eq!(back.grid().unwrap().affine.0, grid.affine.0, "{kind}");
                assert_eq!((back.kind(), back.unit()), (value.kind(), value.unit()));
            }
        }
    }
}

#[test]
fn tables_and_files_come_through() {
    let bench = bench();
    let grid = lps_grid([4, 4, 4], [1.0, 1.0, 5.0]);
    let mask = bench.mask(&grid, |v| v == [1, 1, 1]);
    let volume = &bench.run("measure-volume", json!({}), &[("mask", &mask)]).unwrap()["table"];
    for (names, output) in [(json!([]), "o.tsv"), (json!(["x.json"]), "o.json")] {
        let params = json!({ "program": "/bin/cp", "args": ["{tables}", "{output}"], "names": names, "output": output });
        let back = bench.run("exec-table", params, &[("tables", volume)]).unwrap();
        let mut wanted = table(volume)["rows"].clone();
        if output == "o.tsv" {
            // An empty text has no form of its own there.
            let rows = wanted.as_array_mut().unwrap().iter_mut();
            rows.filter(|r| r[3] == "").for_each(|r| r[3] = Json::Null);
        }
        assert_eq!(table(&back["table"])["rows"], wanted, "{output}");
    }
    let script = "printf 'lesion\\tvalue\\n7\\t7\\n' >output.tsv";
    let made = bench.run("exec-table", sh(script, json!({})), &[]);
    assert_eq!(table(&made.unwrap()["table"])["rows"], json!([["7", 7]]));
    let ragged =
        bench.run("exec-table", sh("printf 'a\\tb\\n1\\n' >output.tsv", json!({})), &[]).unwrap_err();
    assert_eq!(ragged.to_string(), "`sh` wrote `output.tsv`, which has 1 cells in line 2 under 2 columns");

    let blob = json!({ "kind": "blob", "output": "a/b.nii.gz", "media_type": "application/gzip" });
    let made = &bench.run("exec-doc", sh("printf '\\377' >a/b.nii.gz", blob), &[]).unwrap()["doc"];
    assert_eq!((made.kind(), made.bytes()), (Kind::Blob, &[0xff][..]));
    assert_eq!(
        (&made.meta()["extension"], &made.meta()["media_type"]),
        (&json!("nii.gz"), &json!("application/gzip"))
    );
    let refused = text(&bench, sh("printf '\\377' >output.txt", json!({}))).unwrap_err();
    assert!(refused.contains("`output.txt`, which is no UTF-8 text"), "{refused}");
}

#[test]
fn a_program_that_fails_is_told_with_what_it_said() {
    let mut bench = bench();
    for worker in [false, true] {
        bench.worker = worker;
        let failed =
            text(&bench, sh("echo reading; echo no such lesion >&2; exit 3", json!({}))).unwrap_err();
        assert_eq!(failed, "`sh` ended with exit code 3\n  | reading\n  | no such lesion");
    }
    let log = bench.log.lock().unwrap().iter().map(|(_, m)| m.clone()).collect::<Vec<_>>();
    assert_eq!(log, ["sh: reading", "sh: no such lesion", "sh: reading", "sh: no such lesion"]);
    assert_eq!(text(&bench, sh("kill -SEGV $$", json!({}))).unwrap_err(), "`sh` died of signal 11");
    let silent = text(&bench, sh("touch else.txt", json!({}))).unwrap_err();
    assert!(silent.contains("left no file `output.txt` in its folder (there is `else.txt`)"), "{silent}");
    let folder = text(&bench, sh("mkdir output.txt", json!({}))).unwrap_err();
    assert!(folder.contains("left no file `output.txt`"), "{folder}");
}

#[test]
fn limits_stop_a_program() {
    let bench = bench();
    let late = text(&bench, sh("sleep 600 & sleep 600", json!({ "seconds": 0.3 }))).unwrap_err();
    assert!(late.starts_with("`sh` was stopped after its time limit of 0.3 s; raise `seconds`"), "{late}");
    // tail keeps all of a line that never ends.
    let fat =
        text(&bench, sh("tail -n 1 /dev/zero", json!({ "memory_mib": 64, "seconds": 60 }))).unwrap_err();
    assert!(fat.starts_with("`sh` was stopped at its memory limit of 64 MiB"), "{fat}");
}

/// The host kills a worker at the pipeline's limit; what the worker started must not live on.
#[test]
fn a_killed_worker_takes_its_program_with_it() {
    let case = Case::new();
    let mut bench = bench();
    (bench.worker, bench.limits.seconds) = (true, Some(3.0));
    let file = case.path("pid");
    let killed = text(&bench, sh(&format!("echo $$ $PWD >{file}; sleep 600"), json!({}))).unwrap_err();
    assert!(killed.starts_with("it was stopped after its time limit of 3 s"), "{killed}");
    let said = String::from_utf8(case.read("pid")).unwrap();
    let (pid, folder) = said.trim().split_once(' ').unwrap();
    // Killed it is, and its folder goes; how long the system takes over both is another matter.
    let begun = std::time::Instant::now();
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    while (!stat().is_empty() && !stat().contains(") Z ")) || std::path::Path::new(folder).exists() {
        assert!(begun.elapsed().as_secs() < 60, "{folder}: {}", stat());
        std::thread::yield_now();
    }
}

#[test]
fn an_image_must_be_what_the_pipeline_says() {
    let bench = bench();
    let ct = bench.ct(&tilted(), |[i, ..]| i as i16);
    let other = bench.ct(&lps_grid([7, 5, 3], [0.5, 0.5, 5.0]), |_| 5);
    let second = |grid: &str| json!({ "args": ["{images[1]}", "{output}"], "grid": grid });
    let refused = image(&bench, cp(second("same")), &[&ct, &other]).unwrap_err();
    assert_eq!(
        refused,
        "`cp` wrote `output.nii`, which has the grid 7 x 5 x 3 voxels of 0.5 x 0.5 x 5 mm, LPS, and not that of the first \
         image, 7 x 5 x 3 voxels of 0.458 x 0.458 x 4.997 mm, LPS; resample it there, or set `grid: any`"
    );
    let made = image(&bench, cp(second("any")), &[&ct, &other]).unwrap();
    assert!(made.grid().unwrap().same_as(&other.grid().unwrap()));
    assert_eq!(i16s(&made), i16s(&other));
    let refused = image(&bench, cp(json!({ "kind": "mask" })), &[&ct]).unwrap_err();
    assert_eq!(
        refused,
        "`cp` wrote `output.nii`, which is no mask of 0 and 1: its voxels lie between 0 and 6"
    );
    let refused = image(&bench, sh("echo hello >output.nii", json!({})), &[]).unwrap_err();
    assert!(refused.contains("which is no NIfTI file"), "{refused}");
    let refused = image(&bench, sh("head -c 400 image-0.nii >output.nii", json!({})), &[&ct]).unwrap_err();
    assert!(refused.contains("is cut off: it holds 48 of the 210 bytes"), "{refused}");
    let refused = image(&bench, cp(json!({ "kind": "mask", "unit": "HU" })), &[&ct]).unwrap_err();
    assert!(refused.contains("`unit` is for `kind: volume`"), "{refused}");
    let refused = image(&bench, cp(json!({ "args": ["{images[1]}", "{output}"] })), &[&ct]).unwrap_err();
    assert!(refused.contains("images has 1, counted from 0"), "{refused}");
}

#[test]
fn a_program_has_a_small_environment_and_a_folder_of_its_own() {
    let bench = bench();
    let script = "env >output.txt; pwd >>output.txt; stat -c %a . >>output.txt; cat >>output.txt";
    let seen =
        text(&bench, sh(script, json!({ "environment": ["A=b c", "HERE={work}", "LANG=C"] }))).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    let value = |name: &str| lines.iter().find_map(|l| l.strip_prefix(name)?.strip_prefix('='));
    let folder = value("HERE").unwrap();
    assert_eq!([value("HOME"), value("TMPDIR"), value("PWD")], [Some(folder); 3]);
    assert_eq!(lines[lines.len() - 2..], [folder, "700"]);
    assert_eq!(
        [value("A"), value("LANG"), value("PATH")],
        [Some("b c"), Some("C"), Some("/usr/local/bin:/usr/bin:/bin")]
    );
    assert_eq!(value("OMP_NUM_THREADS"), Some("2"));
    assert!(value("CARGO").is_none() && value("USER").is_none(), "{seen}");
    assert!(!std::path::Path::new(folder).exists(), "it is removed");
    let words = json!({ "args": ["-c", "echo \"$@\" >output.txt", "sh", "{threads}", "{seed}", "{{work}}", "${HOME}"] });
    assert_eq!(text(&bench, sh("", words)).unwrap(), "2 1 {work} ${HOME}\n");
}

#[test]
fn a_version_is_asked_for_and_held_to() {
    let case = Case::new();
    let tool = case.write(
        "tool.sh",
        "if [ \"$1\" = --version ]; then echo tool 1.4.2; else echo made >output.txt; fi\n",
    );
    let bench = bench();
    let params = |version: &str| {
        json!({ "program": "/bin/sh", "script": tool, "args": ["{script}"], "version_args": ["{script}", "--version"],
                "version": version })
    };
    let made = &bench.run("exec-doc", params("1.4."), &[]).unwrap()["doc"];
    assert_eq!(made.meta()["exec"], json!({ "program": "sh", "version": "tool 1.4.2" }));
    let refused = text(&bench, params("1.5")).unwrap_err();
    assert_eq!(refused, "`/bin/sh` is not the version `1.5` that the pipeline asks for; it says: tool 1.4.2");
    let refused = text(&bench, json!({ "program": "sh" })).unwrap_err();
    assert!(refused.contains("`command -v sh` prints it"), "{refused}");
}

/// Each file that a stage names is in its key, so that a change of it is seen.
#[test]
fn what_runs_is_in_the_cache_key() {
    let case = Case::new();
    let script = case.write("tool.sh", "cat \"$1\" \"$2\" >output.txt\n");
    let (first, second) = (case.write("first", "1"), case.write("second", "2"));
    let pipeline = case.write(
        "p.yaml",
        format!(
            "ichor: 1\nname: p\nstages:\n  tool:\n    use: exec-doc\n    with:\n      program: /bin/sh\n      \
             script: {script}\n      files: [{first}, {second}]\n      args: [\"{{script}}\", \"{{files}}\"]\noutputs:\n  \
             out: tool.doc\n"
        ),
    );
    let state = || {
        run_ok(["run", &pipeline, "-o", &case.path("out"), "--cache", &case.path("cache")]);
        let stage = &case.record("out/run.json")["stages"][0];
        let because = stage["because"].as_str().unwrap_or_default().split(':').next().unwrap().to_owned();
        (
            stage["state"].as_str().unwrap().to_owned(),
            because,
            String::from_utf8(case.read("out/out.txt")).unwrap(),
        )
    };
    let all = |state: &str, because: &str, out: &str| (state.to_owned(), because.to_owned(), out.to_owned());
    assert_eq!(state(), all("done", "no run before in this folder", "12"));
    assert_eq!(state(), all("reused", "", "12"));
    case.write("second", "3");
    assert_eq!(state(), all("done", "file files", "13"));
    case.write("tool.sh", "cat \"$2\" \"$1\" >output.txt\n");
    assert_eq!(state(), all("done", "file script", "31"));
    case.write("second", "2");
    case.write("tool.sh", "cat \"$1\" \"$2\" >output.txt\n");
    assert_eq!(state(), all("reused", "", "12"));
}

/// The value of a row of a table of measurements that a run wrote.
fn read_value(case: &Case, file: &str, name: &str) -> f64 {
    let text = String::from_utf8(case.read(file)).unwrap();
    let row = text.lines().find(|line| line.split('\t').nth(1) == Some(name)).unwrap();
    row.split('\t').nth(2).unwrap().parse().unwrap()
}

#[test]
fn the_example_in_python_finds_the_haematoma() {
    if !std::path::Path::new("/usr/bin/python3").exists() {
        #[allow(clippy::print_stderr, reason = "a test that does not run says so")]
        {
            eprintln!("not run: /usr/bin/python3 is not there");
        }
        return;
    }
    let case = Case::new();
    let file = root().join("pipelines/python-stage.yaml");
    let small = ["head.shape=[128, 128, 24]", "head.spacing=[1.8, 1.8, 7.0]"];
    let made = |more: &[&str]| {
        let mut args = ["run".to_owned(), file.to_str().unwrap().to_owned()].to_vec();
        args.extend(["-o".to_owned(), case.path("out"), "--cache".to_owned(), case.path("cache")]);
        small.iter().chain(more).for_each(|set| args.extend(["--set".to_owned(), (*set).to_owned()]));
        run(args)
    };
    let ended = made(&[]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let volume = read_value(&case, "out/volume.tsv", "volume");
    let truth = read_value(&case, "out/truth.tsv", "haematoma_volume");
    assert!((volume / truth - 1.0).abs() < 0.3, "{volume} mL of {truth} mL");
    let refused = made(&["threshold.version=Python 4."]);
    let why = &refused.stderr;
    assert!(refused.code != 0 && why.contains("not the version `Python 4.`"), "{why}");
}
