//! Checks of the file, before and until it is loaded.

use super::Kit;
use super::check::{Check, Verdict};
use super::library::{Head, Library};
use crate::discover::{PluginFile, read_plugin};
use ichor_abi::*;
use std::path::Path;

const ONE_SYMBOL: &str = "one-exported-symbol";
const VERSION_GATE: &str = "version-gate";

/// All checks that read the file and run nothing; and the plugin, if there is enough of it to go on.
pub(super) fn check(path: &Path, bytes: &[u8]) -> (Vec<Check>, Option<PluginFile>) {
    let mut checks = Vec::new();
    let mut add = |name, verdict: Verdict| checks.push(Check { stage: None, name, verdict });
    let library = match Library::parse(bytes) {
        Ok(library) => library,
        Err(why) => {
            add("elf-and-section", Verdict::Failed(why));
            return (checks, None);
        }
    };
    add("elf-and-section", Verdict::Passed(None));
    add(ONE_SYMBOL, exports(&library).into());
    let plugin = match read_plugin(path, false) {
        Ok(Some(plugin)) => plugin,
        Ok(None) => {
            add(
                "manifest-valid",
                Verdict::Failed("the file changed while it was checked; check it again".into()),
            );
            return (checks, None);
        }
        Err(why) => {
            add("manifest-valid", Verdict::Failed(why));
            return (checks, None);
        }
    };
    add("manifest-valid", manifest(&plugin).into());
    let gate = library.head().map_or(Err("there is no table to look at".into()), |head| version(&head));
    let passes = gate.is_ok();
    add(
        VERSION_GATE,
        if library.table().is_some() { gate.into() } else { Verdict::Skipped(NO_TABLE.into()) },
    );
    let unless = |verdict: fn(&Library, &PluginFile) -> Result<(), String>| match () {
        () if library.table().is_none() => Verdict::Skipped(NO_TABLE.into()),
        () if !passes => Verdict::Skipped("the table is of another version: see version-gate".into()),
        () => verdict(&library, &plugin).into(),
    };
    add("table-complete", unless(|library, _| complete(library)));
    add("table-matches-manifest", unless(same_manifest));
    add("glibc-baseline", glibc(&library));
    (checks, Some(plugin))
}

const NO_TABLE: &str = "it exports no ichor_plugin_v1: see one-exported-symbol";

/// Nothing but the table. Weak symbols count, too: those of C++ templates are unique in the whole process, so
/// two plugins, or a plugin and its host, would share state that neither knows of.
fn exports(library: &Library) -> Result<(), String> {
    if library.table().is_none() {
        return Err(
            "it exports no `ichor_plugin_v1`; define `const ichor_plugin ichor_plugin_v1` (in Rust: ichor_sdk::plugin!)"
                .into(),
        );
    }
    let others = library.other_exports();
    let Some(first) = others.first() else { return Ok(()) };
    let more = if others.len() > 1 { format!(" and {} more", others.len() - 1) } else { String::new() };
    Err(format!(
        "it also exports `{}`{more}; link it with -fvisibility=hidden -Wl,--version-script=ichor.map, so that it shares \
         nothing with other plugins",
        first.chars().take(80).collect::<String>()
    ))
}

/// Beyond what makes a manifest readable.
fn manifest(plugin: &PluginFile) -> Result<(), String> {
    let stages = &plugin.manifest.stages;
    if stages.is_empty() {
        return Err("it has no stage; list at least one under `stages`".into());
    }
    if let Some(stage) = stages.iter().find(|s| s.summary.trim().is_empty()) {
        return Err(format!("stage `{}` has no summary; say in one line what it does", stage.id));
    }
    if let Some(stage) = stages.iter().find(|s| s.outputs.is_empty()) {
        return Err(format!("stage `{}` has no output, so no pipeline can use it", stage.id));
    }
    Ok(())
}

fn version(head: &Head) -> Result<(), String> {
    if head.magic != ICHOR_MAGIC {
        return Err(format!(
            "the table begins with {:#x}, not with ICHOR_MAGIC; it must be constant data, complete in the file",
            head.magic
        ));
    }
    if head.major != ICHOR_ABI_MAJOR || head.minor > ICHOR_ABI_MINOR {
        return Err(format!(
            "it needs contract {}.{}, this Ichor offers {ICHOR_ABI_MAJOR}.{ICHOR_ABI_MINOR}; leave abi_minor at \
             ICHOR_TARGET_MINOR, the oldest that has all you call",
            head.major, head.minor
        ));
    }
    if (head.size as usize) < size_of::<ichor_plugin>() {
        return Err(format!(
            "the table says that it has {} bytes; set `size` to sizeof(ichor_plugin)",
            head.size
        ));
    }
    Ok(())
}

fn complete(library: &Library) -> Result<(), String> {
    let missing = library.missing_functions();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("the table lacks {}; every plugin has create, run and destroy", missing.join(", ")))
}

fn same_manifest(library: &Library, plugin: &PluginFile) -> Result<(), String> {
    let mut text =
        library.manifest_of_table().ok_or("the table's `manifest` points to nothing in the file")?;
    while let [rest @ .., 0] = text {
        text = rest;
    }
    if text == plugin.manifest_text {
        return Ok(());
    }
    Err(format!(
        "the table's `manifest` is not what section {ICHOR_MANIFEST_SECTION} holds; let it point to the section's array"
    ))
}

/// Nothing to fail: a library that this machine is too old for shows at `loads`.
fn glibc(library: &Library) -> Verdict {
    Verdict::Passed(Some(match library.glibc() {
        Some(version) => format!("it runs on systems with glibc {version} or later"),
        None => "it asks for no version of glibc".into(),
    }))
}

/// Loads it, in a process of its own.
pub(super) fn loads(kit: &Kit, before: &[Check]) -> Result<Check, String> {
    // What it exports besides its table does not keep it from being loaded.
    let has_table =
        !before.iter().any(|c| c.name == VERSION_GATE && matches!(c.verdict, Verdict::Skipped(_)));
    let verdict =
        if let Some(reason) = before.iter().find(|c| c.failed() && (c.name != ONE_SYMBOL || !has_table)) {
            Verdict::Skipped(format!("the host would refuse it: see {}", reason.name))
        } else {
            let session = kit.session(Vec::new())?;
            match (session.refused, session.died) {
                (Some(why), _) => Verdict::Failed(why),
                (None, Some(how)) => Verdict::Failed(format!("loading it ends the process: {how}")),
                (None, None) => Verdict::Passed(None),
            }
        };
    Ok(Check { stage: None, name: "loads", verdict })
}
