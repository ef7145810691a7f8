//! docs/tutorial-biomarker.md does what it says, command by command.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_tests::{Case, bin, examples, root};
use std::path::Path;
use std::process::Command;

/// The blocks of shell commands of a page.
fn commands(page: &str) -> Vec<&str> {
    page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_command_works_from_an_empty_folder() {
    if !Path::new("/usr/bin/python3").exists() {
        #[allow(clippy::print_stderr, reason = "a test that does not run says so")]
        {
            eprintln!("not run: /usr/bin/python3 is not there");
        }
        return;
    }
    let page = std::fs::read_to_string(root().join("docs/tutorial-biomarker.md")).unwrap();
    let blocks = commands(&page);
    // The first one builds Ichor.
    assert!(blocks[0].contains("cargo build") && blocks.len() == 7);
    let case = Case::new();
    let mut folder = case.dir.path().to_owned();
    let path = format!("{}:{}", bin().display(), std::env::var("PATH").unwrap());
    let mut said = String::new();
    for block in &blocks[1..] {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-e", "-c", block]).current_dir(&folder);
        shell.env("ICHOR_SOURCE", root()).env("PATH", &path).env("CARGO_NET_OFFLINE", "true");
        for inherited in ["CARGO", "CARGO_TARGET_DIR", "ICHOR", "ICHOR_PLUGIN_PATH"] {
            shell.env_remove(inherited);
        }
        let ended = shell.output().unwrap();
        let text =
            [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(ended.status.success(), "{block}\n{text}");
        said += &text;
        if block.contains("plugins new") {
            folder.push("my-markers");
            let made = folder.join("dark-share");
            // The versions that are at hand, and compiled parts of the SDK.
            std::fs::copy(root().join("plugins/examples/rust/Cargo.lock"), made.join("Cargo.lock")).unwrap();
            std::os::unix::fs::symlink(examples().join("target"), made.join("target")).unwrap();
        }
    }
    assert!(said.contains("1 passed; 0 failed") && said.contains("dark-share: deterministic"), "{said}");

    let markers = case.read("my-markers/out/markers.tsv");
    let markers = String::from_utf8(markers).unwrap();
    let row = |name: &str| -> Vec<String> {
        let row = markers.lines().find(|l| l.split('\t').nth(1) == Some(name));
        row.unwrap_or_else(|| panic!("no {name} in {markers}")).split('\t').map(str::to_owned).collect()
    };
    for name in ["sphericity_smooth", "hu_cov"] {
        assert_eq!(row(name).len(), 5);
    }
    let share: f64 = row("dark_share")[2].parse().unwrap();
    assert!((0.0..0.5).contains(&share), "{share}");
    assert!(row("dark_share")[4].contains("at least 15 HU"));
    assert_eq!(row("top_bottom_delta")[3], "HU");
    // Of the second run, only what the threshold changes ran again.
    let record = case.record("my-markers/out/run.json");
    let done = record["stages"].as_array().unwrap().iter().filter(|s| s["state"] == "done");
    let ran: Vec<&str> = done.map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(ran, ["dark", "table"], "{record}");
}
