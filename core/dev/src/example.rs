//! A pipeline that uses one stage, for its page. It is only shown when it resolves.

use ichor_spec::{Catalogue, Kind, Options, PortDecl, StageManifest, parse, resolve};
use serde_json::Value;
use std::fmt::Write;

/// More parameters than this would hide the rest.
const MOST_PARAMETERS: usize = 3;

/// The pipeline; None when no stage of the catalogue makes what it needs.
#[must_use]
pub fn of(stage: &StageManifest, catalogue: &Catalogue) -> Option<String> {
    let mut example = Example::default();
    example.stage(stage, catalogue)?;
    let mut outputs = String::new();
    for port in stage.outputs.iter().filter(|p| !p.kind.contains(&Kind::Tensor)) {
        let _ = writeln!(outputs, "  {}: {}.{}", port.name, stage.id, port.name);
    }
    let mut text = "ichor: 1\n".to_owned();
    for (key, entries) in [("inputs", &example.inputs), ("stages", &example.stages), ("outputs", &outputs)] {
        if !entries.is_empty() {
            let _ = write!(text, "{key}:\n{entries}");
        }
    }
    let spec = parse("example.yaml", &text).ok()?;
    resolve(&spec, catalogue, &Options::default()).ok()?;
    Some(text)
}

#[derive(Default)]
struct Example {
    inputs: String,
    stages: String,
}

impl Example {
    /// Adds a stage named as its id, and what it must have.
    fn stage(&mut self, stage: &StageManifest, catalogue: &Catalogue) -> Option<()> {
        let mut connections = Vec::new();
        for port in stage.inputs.iter().filter(|p| !p.optional) {
            let from = match input_kind(port) {
                Some(kind) => self.input(&port.name, kind, port),
                None => {
                    let maker = catalogue.stages().find_map(|offered| {
                        let maker = &*offered.stage;
                        let output = maker
                            .outputs
                            .iter()
                            .find(|o| o.kind == port.kind && o.like.is_none() && o.kind_param.is_none())?;
                        let is_plain = maker.required().next().is_none()
                            && maker.inputs.iter().all(|p| p.optional || input_kind(p).is_some());
                        (is_plain && maker.id != stage.id).then_some((maker, output))
                    });
                    let (maker, output) = maker?;
                    self.stage(maker, catalogue)?;
                    format!("{}.{}", maker.id, output.name)
                }
            };
            let from = if port.many { format!("[{from}]") } else { from };
            connections.push(format!("{}: {from}", port.name));
        }
        let mut parameters = Vec::new();
        for (name, schema) in stage.params().into_iter().flatten() {
            match schema.get("default") {
                None if stage.required().any(|r| r == name) => {
                    parameters.push(format!("{name}: {}", self.value(name, schema)));
                }
                Some(default) if !default.is_null() && parameters.len() < MOST_PARAMETERS => {
                    parameters.push(format!("{name}: {default}"));
                }
                _ => {}
            }
        }
        let _ = write!(self.stages, "  {0}:\n    use: {0}@{1}\n", stage.id, stage.major_minor().0);
        for (key, entries) in [("in", connections), ("with", parameters)] {
            if !entries.is_empty() {
                let _ = writeln!(self.stages, "    {key}: {{ {} }}", entries.join(", "));
            }
        }
        Some(())
    }

    /// Declares an input of the pipeline and refers to it.
    fn input(&mut self, name: &str, kind: &str, port: &PortDecl) -> String {
        let start = format!("  {name}: {{");
        if !self.inputs.lines().any(|line| line.starts_with(&start)) {
            let unit = port.unit.first().map(|u| format!(", unit: {}", u.name())).unwrap_or_default();
            let _ = writeln!(self.inputs, "{start} kind: {kind}{unit} }}");
        }
        format!("$inputs.{name}")
    }

    /// A value for a parameter that has no default.
    fn value(&mut self, name: &str, schema: &Value) -> String {
        if schema["x-file"] == "input" {
            let _ = writeln!(self.inputs, "  {name}: {{ kind: file }}");
            return format!("$inputs.{name}");
        }
        if let Some(choice) = schema["enum"].get(0) {
            return choice.to_string();
        }
        match schema["type"].as_str() {
            Some("number" | "integer") => schema.get("minimum").map_or("1".to_owned(), Value::to_string),
            Some("boolean") => "true".to_owned(),
            Some("array") => {
                let one = self.value(name, &schema["items"]);
                let count = schema["minItems"].as_u64().unwrap_or(1).clamp(1, 8);
                format!("[{}]", vec![one; count as usize].join(", "))
            }
            _ => "text".to_owned(),
        }
    }
}

/// The kind of input that can be connected to this port.
fn input_kind(port: &PortDecl) -> Option<&'static str> {
    port.kind.first().filter(|kind| kind.is_voxels()).map(|kind| kind.name())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use ichor_spec::PluginManifest;

    #[test]
    fn examples_resolve_and_show_what_is_needed() {
        let mut catalogue = Catalogue::new();
        catalogue.add(PluginManifest::parse(include_bytes!("../../spec/tests/stages.json")).unwrap());
        let example = |id: &str| of(&catalogue.find(id).unwrap().stage, &catalogue).unwrap();
        assert_eq!(
            example("segment-threshold"),
            "ichor: 1\ninputs:\n  ct: { kind: volume, unit: HU }\n  cavity: { kind: mask }\nstages:\n  \
             segment-threshold:\n    use: segment-threshold@1\n    in: { ct: $inputs.ct, cavity: $inputs.cavity }\n    \
             with: { lower: 50, upper: 100 }\noutputs:\n  mask: segment-threshold.mask\n"
        );
        assert!(example("save-table").contains("in: { tables: [measure-volume.table] }"));
        assert!(
            example("load-nifti")
                .contains("with: { source: $inputs.source, kind: \"volume\", unit: \"none\" }")
        );
        for offered in catalogue.stages() {
            assert!(of(&offered.stage, &catalogue).is_some(), "{}", offered.stage.id);
        }
    }
}
