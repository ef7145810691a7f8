//! `docs/stages/`: a page for every stage of the plugins in this checkout, and an index.

use crate::{example, page};
use ichor_host::{PluginDir, find_plugins};
use ichor_spec::{Catalogue, PluginManifest};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The manifests of the plugins whose source is in `root`, read from the libraries in the folder `built`.
///
/// # Errors
/// One sentence: a plugin was not built, or its manifest is wrong.
pub fn plugins(root: &Path, built: &Path) -> Result<Vec<PluginManifest>, String> {
    let (files, notes) = find_plugins(&[PluginDir { path: built.to_owned(), shipped: true }]);
    let mut manifests = Vec::new();
    for library in libraries(root)? {
        let file = files.iter().find(|f| f.path.file_name().is_some_and(|n| n == library.as_str()));
        let file = file.ok_or_else(|| {
            let why = notes.iter().find(|note| note.contains(&library));
            let missing = || {
                format!(
                    "{} is not there: build first with `cargo build --release --workspace`",
                    built.join(&library).display()
                )
            };
            why.cloned().unwrap_or_else(missing)
        })?;
        manifests.push(file.manifest.clone());
    }
    Ok(manifests)
}

/// Names of the libraries that the workspace's packages in `plugins/` become, those that become one.
fn libraries(root: &Path) -> Result<BTreeSet<String>, String> {
    let read =
        |path: &Path| fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()));
    let workspace = read(&root.join("Cargo.toml"))?;
    let (_, members) = workspace.split_once("members = [").ok_or("the workspace has no members")?;
    let members = members.split(']').next().unwrap_or_default().split('"');
    let mut names = BTreeSet::new();
    for folder in members.filter(|member| member.starts_with("plugins/")) {
        let text = read(&root.join(folder).join("Cargo.toml"))?;
        let lib = text.split_once("[lib]").and_then(|(_, lib)| lib.split("\n[").next()).unwrap_or_default();
        let name = lib.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        if let (Some(name), true) = (name, lib.contains("cdylib")) {
            names.insert(format!("lib{name}.so"));
        }
    }
    Ok(names)
}

/// The pages by file name.
#[must_use]
pub fn pages(plugins: &[PluginManifest]) -> BTreeMap<String, String> {
    let mut catalogue = Catalogue::new();
    for plugin in plugins {
        catalogue.add(plugin.clone());
    }
    let mut pages = BTreeMap::from([("README.md".to_owned(), page::index(plugins))]);
    for plugin in plugins {
        for stage in &plugin.stages {
            let example = example::of(stage, &catalogue);
            pages.insert(format!("{}.md", stage.id), page::of(plugin, stage, example.as_deref()));
        }
    }
    pages
}

/// Makes `folder` hold these pages and no others, or with `check` only says whether it does.
///
/// # Errors
/// One sentence: what differs, or cannot be written.
pub fn write(folder: &Path, pages: &BTreeMap<String, String>, check: bool) -> Result<String, String> {
    let mut differ = Vec::new();
    let there =
        fs::read_dir(folder).into_iter().flatten().filter_map(|e| e.ok()?.file_name().into_string().ok());
    for stale in there.filter(|name| name.ends_with(".md") && !pages.contains_key(name)) {
        if !check {
            fs::remove_file(folder.join(&stale)).map_err(|e| format!("cannot remove {stale}: {e}"))?;
        }
        differ.push(stale);
    }
    for (name, text) in pages {
        let path = folder.join(name);
        if fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
            continue;
        }
        differ.push(name.clone());
        if !check {
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(&path, text))
                .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        }
    }
    match (check, differ.is_empty()) {
        (true, false) => Err(format!(
            "docs/stages is not what the plugins say: {}; run `cargo run --release -p ichor-dev -- docs`",
            differ.join(", ")
        )),
        (false, false) => Ok(format!("changed in docs/stages: {}", differ.join(", "))),
        (_, true) => Ok(format!("docs/stages is up to date, {} pages", pages.len())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn check_names_what_differs_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let pages =
            |texts: &[(&str, &str)]| texts.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
        let old = pages(&[("a.md", "A"), ("b.md", "B")]);
        assert_eq!(write(folder.path(), &old, false).unwrap(), "changed in docs/stages: a.md, b.md");
        assert_eq!(write(folder.path(), &old, true).unwrap(), "docs/stages is up to date, 2 pages");
        let new = pages(&[("a.md", "A!"), ("c.md", "C")]);
        let why = write(folder.path(), &new, true).unwrap_err();
        assert!(why.starts_with("docs/stages is not what the plugins say: b.md, a.md, c.md; run"), "{why}");
        assert!(write(folder.path(), &old, true).is_ok());
        write(folder.path(), &new, false).unwrap();
        assert!(write(folder.path(), &new, true).is_ok());
        assert!(!folder.path().join("b.md").exists());
    }

    #[test]
    fn the_plugins_of_this_checkout_are_found() {
        let names = libraries(&crate::root()).unwrap();
        assert!(names.contains("libichor_nifti.so") && names.contains("libichor_report.so"), "{names:?}");
    }
}
