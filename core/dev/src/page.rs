//! Pages of stages as Markdown.

use ichor_spec::{PluginManifest, PortDecl, StageManifest, describe_parameter_type};
use std::fmt::Write;

const MARK: &str = "<!-- Generated from the plugins by `cargo run --release -p ichor-dev -- docs`: change the stage, not this page. -->";

/// The list of all stages.
#[must_use]
pub fn index(plugins: &[PluginManifest]) -> String {
    let mut text =
        format!("{MARK}\n# Stages\n\nWhat comes with Ichor. `ichor plugins` lists what is installed.\n");
    for plugin in plugins.iter().filter(|p| !p.stages.is_empty()) {
        let _ = write!(text, "\n## {}\n\n| stage | version | what it does |\n|---|---|---|\n", plugin.name);
        for stage in &plugin.stages {
            let _ = writeln!(
                text,
                "| [{0}]({0}.md) | {1} | {2} |",
                stage.id,
                stage.version,
                cell(&stage.summary)
            );
        }
    }
    text
}

/// The page of one stage.
#[must_use]
pub fn of(plugin: &PluginManifest, stage: &StageManifest, example: Option<&str>) -> String {
    let mut text = format!("{MARK}\n# {}\n\n{}\n", stage.id, stage.summary);
    if !stage.doc.is_empty() {
        let _ = write!(text, "\n{}\n", stage.doc);
    }
    let _ =
        write!(text, "\nVersion {}, of the plugin `{}` {}.\n", stage.version, plugin.name, plugin.version);
    ports(&mut text, "Inputs", &stage.inputs);
    ports(&mut text, "Outputs", &stage.outputs);
    let params: Vec<_> = stage.params().into_iter().flatten().collect();
    if !params.is_empty() {
        text += "\n## Parameters\n\n| name | takes | default | what it is |\n|---|---|---|---|\n";
        for (name, schema) in params {
            let default = match schema.get("default") {
                Some(value) => {
                    format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                }
                None if stage.required().any(|r| r == name) => "required".to_owned(),
                None => String::new(),
            };
            let (takes, doc) =
                (describe_parameter_type(schema), schema["description"].as_str().unwrap_or(""));
            let _ = writeln!(text, "| `{name}` | {} | {} | {} |", cell(&takes), cell(&default), cell(doc));
        }
    }
    if let Some(example) = example {
        let _ = write!(text, "\n## In a pipeline\n\n```yaml\n{example}```\n");
    }
    text
}

fn ports(text: &mut String, title: &str, ports: &[PortDecl]) {
    if ports.is_empty() {
        return;
    }
    let _ = write!(text, "\n## {title}\n\n| name | carries | what it is |\n|---|---|---|\n");
    for port in ports {
        let _ = writeln!(text, "| `{}` | {} | {} |", port.name, cell(&port.describe()), cell(&port.doc));
    }
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_says_all_that_the_manifest_says() {
        let manifest = json!({"ichor": 1, "name": "p", "version": "0.2.0", "stages": [{
            "id": "thr", "version": "1.2.3", "summary": "Cuts.", "doc": "At a\nvalue.",
            "inputs": [{"name": "ct", "kind": ["volume", "probs"], "unit": ["HU"], "doc": "A CT"}],
            "outputs": [{"name": "mask", "kind": ["mask"], "grid": "ct"}],
            "params": {"required": ["file"], "properties": {
                "low": {"type": "number", "default": 5.0, "minimum": 0, "x-unit": "HU", "description": "Least | kept"},
                "file": {"type": "string", "x-file": "input"}}}}]});
        let plugin = PluginManifest::parse(manifest.to_string().as_bytes()).unwrap();
        let page = of(&plugin, &plugin.stages[0], Some("ichor: 1\n"));
        for part in [
            "# thr\n\nCuts.\n\nAt a\nvalue.\n\nVersion 1.2.3, of the plugin `p` 0.2.0.\n",
            "| `ct` | volume\\|probs, HU | A CT |\n",
            "| `mask` | mask, grid of ct |  |\n",
            "| `low` | a number of at least 0 HU | `5.0` | Least \\| kept |\n",
            "| `file` | the path of a file | required |  |\n",
            "```yaml\nichor: 1\n```\n",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(index(&[plugin]).contains("| [thr](thr.md) | 1.2.3 | Cuts. |"));
    }
}
