//! A pipeline with everything looked up: what runs, in which order, from what to what. Only this runs.

mod connect;
mod inputs;
mod order;
mod parameters;
mod types;
mod writers;

use self::types::Type;
use crate::diagnostic::{Diagnostic, Diagnostics, Found, quote};
use crate::manifest::{Catalogue, Offered, StageManifest};
use crate::params::{self, InputValue};
use crate::spec::{OutputSpec, Spec};
use crate::yaml::Position;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the command line adds to a pipeline.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Values of the pipeline's inputs by name.
    pub inputs: BTreeMap<String, String>,
    /// Parameters that replace those of the file; of two for the same parameter the later counts.
    pub overrides: Vec<Override>,
    /// Whether an input without value is an error. If not, it stays in the plan as the text `$inputs.NAME`,
    /// which is enough to check and to draw the pipeline.
    pub require_inputs: bool,
}

/// `--set STAGE.PARAM=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Name of the stage in the pipeline.
    pub stage: String,
    /// Name of the parameter.
    pub param: String,
    /// The value as YAML: `3`, `[1, 1, 1]`, `null`.
    pub value_text: String,
}

/// A pipeline that can run: every name found, every type and parameter checked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The pipeline's name.
    pub name: String,
    /// Seed of everything random.
    pub seed: u64,
    /// The inputs that have a value (or wait for one, see [`Options::require_inputs`]).
    pub inputs: Vec<PlannedInput>,
    /// The stages in an order in which each finds its inputs made; where the connections leave a choice, the
    /// order of the file.
    pub stages: Vec<PlannedStage>,
    /// What is written, in the order of the file.
    pub outputs: Vec<PlannedOutput>,
    /// What is allowed but looks like a mistake.
    pub warnings: Vec<Diagnostic>,
}

/// An input of the pipeline and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedInput {
    /// Its name.
    pub name: String,
    /// A path, a text or a number as text, as given: relative paths are not resolved.
    pub value: String,
    /// Whether the value is the path of a file.
    pub is_path: bool,
}

/// A stage that will run.
#[derive(Clone, Debug)]
pub struct PlannedStage {
    /// Its name in the pipeline, `save:NAME` when it was added to write the output NAME.
    pub name: String,
    /// Index of its plugin in the [`Catalogue`].
    pub plugin: usize,
    /// What it declares.
    pub stage: Arc<StageManifest>,
    /// Its parameters: an object, complete.
    pub params: Value,
    /// For each declared input, what is connected to it: none when optional, several when `many`.
    pub inputs: Vec<Vec<Source>>,
    /// Parameters that are files to read: name and path, as given.
    pub input_files: Vec<(String, String)>,
    /// Names of the pipeline's inputs that its parameters use.
    pub reads: Vec<String>,
    /// Whether the pipeline asks for a worker process (`true`) or this one (`false`).
    pub isolate: Option<bool>,
    /// Whether it was added to write an output.
    pub implicit: bool,
    /// Line in the pipeline file.
    pub line: usize,
}

/// An output of a stage of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    /// Index in [`Plan::stages`].
    pub stage: usize,
    /// Index of the output in the stage's manifest.
    pub port: usize,
}

/// An output of the pipeline: a document or the bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedOutput {
    /// Its name.
    pub name: String,
    /// What is written.
    pub source: Source,
}

/// Looks everything up and checks it.
///
/// # Errors
/// All that is wrong, in the order of the file, arguments first.
pub fn resolve(spec: &Spec, catalogue: &Catalogue, options: &Options) -> Result<Plan, Diagnostics> {
    let mut resolver = Resolver {
        spec,
        catalogue,
        found: Found::new(&spec.file),
        stages: Vec::new(),
        by_name: spec.stages.iter().enumerate().map(|(n, s)| (s.name.value.as_str(), n)).collect(),
        blamed: BTreeSet::new(),
    };
    let plan = resolver.plan(options);
    resolver.found.finish(plan)
}

/// A connection and where it is written.
#[derive(Clone, Copy)]
struct Edge {
    from: Source,
    at: Position,
}

/// A stage while it is resolved; indices are those of the file, writers after them.
struct Draft {
    name: String,
    at: Position,
    /// None when no plugin offers it: then the error is recorded and what depends on it is not checked.
    offered: Option<Offered>,
    inputs: Vec<Vec<Edge>>,
    /// Stages that it names in connections, also those that are wrong otherwise, to find cycles.
    after: Vec<(usize, Position)>,
    params: params::Checked,
    /// What its outputs carry, once known.
    types: Vec<Type>,
    isolate: Option<bool>,
    implicit: bool,
}
struct Resolver<'a> {
    spec: &'a Spec,
    catalogue: &'a Catalogue,
    found: Found,
    stages: Vec<Draft>,
    by_name: BTreeMap<&'a str, usize>,
    /// Outputs that a parameter makes of the wrong kind or unit, of which an error is recorded.
    blamed: BTreeSet<Source>,
}

impl<'a> Resolver<'a> {
    fn plan(&mut self, options: &Options) -> Option<Plan> {
        let (inputs, values) = self.inputs(options);
        for stage in &self.spec.stages {
            let offered = self.offered(stage);
            self.stages.push(Draft {
                name: stage.name.value.clone(),
                at: stage.name.at,
                offered,
                inputs: Vec::new(),
                after: Vec::new(),
                params: params::Checked::default(),
                types: Vec::new(),
                isolate: stage.isolate,
                implicit: false,
            });
        }
        for (n, stage) in self.spec.stages.iter().enumerate() {
            self.connect(n, stage);
        }
        let outputs: Vec<(&OutputSpec, Option<Vec<Edge>>)> =
            self.spec.outputs.iter().map(|output| (output, self.output_edges(output))).collect();
        let overrides = self.overrides(options);
        for n in 0..self.stages.len() {
            self.parameters(n, &overrides, &values);
        }
        // Types flow along the order, so there are none while there is a cycle.
        let order = self.order()?;
        for &n in &order {
            self.types(n);
        }
        let written: Vec<(String, Option<Source>)> = outputs
            .into_iter()
            .map(|(output, edges)| (output.name.value.clone(), edges.and_then(|e| self.written(output, &e))))
            .collect();
        for n in self.spec.stages.len()..self.stages.len() {
            self.parameters(n, &overrides, &values);
        }
        self.unknown_overrides(&overrides);
        self.unused(&written, &values);
        if !self.found.is_clean() {
            return None;
        }
        self.assemble(inputs, written)
    }

    /// Warns of work that nobody sees.
    fn unused(&mut self, written: &[(String, Option<Source>)], values: &BTreeMap<String, InputValue>) {
        let mut used: BTreeSet<usize> =
            self.stages.iter().flat_map(|s| s.after.iter().map(|(n, _)| *n)).collect();
        used.extend(written.iter().filter_map(|(_, source)| source.map(|s| s.stage)));
        for (n, draft) in self.stages.iter().enumerate() {
            let makes = draft.offered.as_ref().is_some_and(|o| !o.stage.outputs.is_empty());
            if makes && !used.contains(&n) {
                let message = format!("nothing uses the outputs of stage {}", quote(&draft.name));
                self.found.warn(
                    draft.at,
                    message,
                    "connect one, name one under `outputs`, or remove the stage",
                );
            }
        }
        let read: BTreeSet<&String> = self.stages.iter().flat_map(|s| &s.params.reads).collect();
        for input in &self.spec.inputs {
            let name = &input.name.value;
            if values.contains_key(name) && !read.contains(name) {
                let message = format!("nothing uses the input {}", quote(name));
                self.found.warn(
                    input.name.at,
                    message,
                    format!("write `$inputs.{name}` in the `with` of a stage, or remove it"),
                );
            }
        }
    }

    fn assemble(
        &mut self,
        inputs: Vec<PlannedInput>,
        written: Vec<(String, Option<Source>)>,
    ) -> Option<Plan> {
        // With the writers, which nothing comes after, there is still no cycle.
        let order = self.order()?;
        let mut place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new;
        }
        let moved = |s: Source| Source { stage: place[s.stage], port: s.port };
        let mut drafts: Vec<Option<Draft>> = self.stages.drain(..).map(Some).collect();
        let mut stages = Vec::with_capacity(order.len());
        for old in order {
            let draft = drafts.get_mut(old)?.take()?;
            let offered = draft.offered?;
            stages.push(PlannedStage {
                name: draft.name,
                plugin: offered.plugin,
                stage: offered.stage,
                params: Value::Object(draft.params.values),
                inputs: draft
                    .inputs
                    .iter()
                    .map(|edges| edges.iter().map(|e| moved(e.from)).collect())
                    .collect(),
                input_files: draft.params.files,
                reads: draft.params.reads,
                isolate: draft.isolate,
                implicit: draft.implicit,
                line: draft.at.line,
            });
        }
        let outputs = written
            .into_iter()
            .map(|(name, source)| Some(PlannedOutput { name, source: moved(source?) }))
            .collect::<Option<_>>()?;
        let mut warnings = std::mem::take(&mut self.found.warnings);
        warnings.sort_by_key(|w| (w.line, w.column));
        Some(Plan { name: self.spec.name.clone(), seed: self.spec.seed, inputs, stages, outputs, warnings })
    }
}

#[cfg(test)]
mod tests;
