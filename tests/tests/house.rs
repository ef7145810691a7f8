//! The house keeps its shape: which crate may depend on which, and under which licences.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// What Cargo prints of the workspace, without the network.
fn cargo(args: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let offline = ["--locked", "--offline"];
    let output =
        Command::new(cargo).args(args).args(offline).current_dir(ichor_tests::root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn metadata() -> Value {
    // Of this platform alone: packages of others need not have been fetched.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let args = ["metadata", "--format-version", "1", "--all-features", "--filter-platform", &platform];
    serde_json::from_str(&cargo(&args)).unwrap()
}

/// Names of the normal dependencies of every package of the workspace.
fn arrows(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let members: BTreeSet<&str> =
        metadata["workspace_members"].as_array().unwrap().iter().map(|m| m.as_str().unwrap()).collect();
    let mut out = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        if members.contains(package["id"].as_str().unwrap()) {
            let deps = package["dependencies"].as_array().unwrap().iter();
            let normal = deps.filter(|d| d["kind"].is_null()).map(|d| d["name"].as_str().unwrap().to_owned());
            out.insert(package["name"].as_str().unwrap().to_owned(), normal.collect());
        }
    }
    out
}

#[test]
fn dependencies_point_one_way() {
    let may: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("ichor-abi", &[][..]),
        ("ichor-image", &[]),
        ("ichor-sdk-macros", &[]),
        ("ichor-sdk", &["ichor-abi", "ichor-image", "ichor-sdk-macros"]),
        ("ichor-spec", &["ichor-image"]),
        ("ichor-host", &["ichor-abi", "ichor-image", "ichor-spec"]),
        ("ichor-exec", &["ichor-abi", "ichor-image", "ichor-spec", "ichor-host"]),
        ("ichor", &["ichor-exec", "ichor-host", "ichor-spec"]),
        ("ichor-dev", &["ichor-host", "ichor-spec"]),
        // The network in parts: its engine, its training, Burn and the GPU; one plugin puts them together.
        ("ichor-unet", &["ichor-image"]),
        ("ichor-unet-training", &["ichor-image", "ichor-unet"]),
        ("ichor-unet-burn", &["ichor-image", "ichor-unet", "ichor-unet-training"]),
        (
            "ichor-plugin-cnn",
            &["ichor-sdk", "ichor-image", "ichor-unet", "ichor-unet-burn", "ichor-unet-training"],
        ),
        ("ichor-tests", &["ichor-exec", "ichor-host", "ichor-image", "ichor-spec"]),
    ]);
    for (package, deps) in arrows(&metadata()) {
        let allowed = match may.get(package.as_str()) {
            Some(allowed) => allowed,
            None => {
                assert!(package.starts_with("ichor-plugin-"), "{package} has no place in the house yet");
                &["ichor-sdk", "ichor-image"][..]
            }
        };
        for dep in deps.iter().filter(|d| d.starts_with("ichor")) {
            assert!(allowed.contains(&dep.as_str()), "{package} must not depend on {dep}");
        }
    }
}

#[test]
fn each_heavy_library_lives_in_one_crate() {
    let home = [
        ("nifti", "ichor-plugin-nifti"),
        ("serde-saphyr", "ichor-spec"),
        ("petgraph", "ichor-spec"),
        ("libloading", "ichor-host"),
        ("burn", "ichor-unet-burn"),
        ("burn-cuda", "ichor-unet-burn"),
        ("ort", "ichor-plugin-onnx"),
    ];
    for (package, deps) in arrows(&metadata()) {
        for (library, owner) in home {
            assert!(
                !deps.contains(library) || package == owner,
                "{library} belongs in {owner}, not in {package}"
            );
        }
        assert!(package != "ichor-abi" || deps.is_empty(), "the contract depends on nothing");
    }
}

/// Where a library of the tests asks another for a feature that the plugins do not need, Cargo compiles that one and all that
/// depend on it once for `cargo build` and once for `cargo test`; for Burn that takes minutes.
#[test]
fn nothing_is_compiled_once_more_for_the_tests() {
    let libraries = |edges| -> BTreeSet<String> {
        let args =
            ["tree", "--workspace", "--prefix", "none", "--format", "{p}, features: {f}", "--edges", edges];
        // Marks what it has shown before.
        cargo(&args).lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
    };
    let (without, with) = (libraries("normal,build"), libraries("normal,build,dev"));
    assert!(without.len() > 100);
    let again: Vec<&String> = without.difference(&with).collect();
    assert!(again.is_empty(), "the tests want other features of {again:?}");
}

/// Every Rust file below some folders, with its text.
fn sources(below: &[&str]) -> Vec<(PathBuf, String)> {
    let mut pending: Vec<PathBuf> = below.iter().map(|dir| ichor_tests::root().join(dir)).collect();
    let mut found = Vec::new();
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

#[test]
fn one_file_names_the_yaml_library() {
    let files = sources(&["core", "plugins"]).into_iter().filter(|(_, text)| text.contains("serde_yaml::"));
    let found: Vec<PathBuf> = files.map(|(path, _)| path).collect();
    assert_eq!(found, [ichor_tests::root().join("core/spec/src/yaml.rs")]);
}

#[test]
fn licences_are_permissive() {
    let fine = [
        "MIT",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "0BSD",
        "ISC",
        "Zlib",
        "Unicode-3.0",
        "Unlicense",
        "CC0-1.0",
        "MIT-0",
        "BSL-1.0",
        // Of files, not of what is built with them: three libraries below Burn, and the list of certificate authorities.
        "MPL-2.0",
        "CDLA-Permissive-2.0",
    ];
    for package in metadata()["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name} states no licence"));
        // Every part of an `AND` must be fine; of an `OR` one is enough. `/` is the old way to write OR.
        let fine = licence
            .replace(['(', ')'], "")
            .split(" AND ")
            .all(|part| part.replace('/', " OR ").split(" OR ").any(|one| fine.contains(&one.trim())));
        assert!(fine, "{name} is under {licence}");
        assert!(
            package["source"].is_null() || package["source"].as_str().unwrap().starts_with("registry+"),
            "{name} does not come from the registry"
        );
    }
}

/// The page that shows the house names every stage in the row of its plugin's folder.
#[test]
fn every_stage_stands_on_the_page_of_the_house() {
    let page = fs::read_to_string(ichor_tests::root().join("docs/architecture.md")).unwrap();
    let mut missing = Vec::new();
    for (path, text) in sources(&["plugins"]) {
        let inside = path.strip_prefix(ichor_tests::root().join("plugins")).unwrap();
        let folder = inside.iter().next().unwrap().to_string_lossy();
        let row = page.lines().find(|line| line.starts_with(&format!("| [{folder}]"))).unwrap_or_default();
        let ids = text.split("#[stage(id = \"").skip(1).filter_map(|rest| rest.split('"').next());
        missing
            .extend(ids.filter(|id| !row.contains(&format!("`{id}`"))).map(|id| format!("{folder}: {id}")));
    }
    assert!(missing.is_empty(), "docs/architecture.md does not name {missing:?}");
}
