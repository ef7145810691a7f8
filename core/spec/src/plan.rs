//! A pipeline with everything looked up: what runs, in which order, from what to what. Only this runs.

mod connect;
mod inputs;
mod keep;
mod order;
mod parameters;
mod readers;
mod scopes;
mod select;
mod types;
mod writers;

use self::scopes::{Door, Scope};
use self::types::Type;
use crate::diagnostic::{Diagnostic, Diagnostics, Found, quote};
use crate::manifest::{Catalogue, Offered, StageManifest};
use crate::params;
use crate::spec::{Limits, OutputSpec, Spec, StageSpec};
use crate::yaml::{Node, Position, Spanned};
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
    /// Only this stage and what it needs; the name of a pipeline used as a stage means all stages of it.
    pub until: Option<String>,
    /// This stage and what follows from it run again, what it needs must be in the cache.
    pub from: Option<String>,
    /// More outputs to write, `STAGE.PORT` each; the output's name is `STAGE-PORT`.
    pub keep: Vec<String>,
}

/// `--set STAGE.PARAM=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Name of the stage in the plan: `clean`, `cavity/fill` within a pipeline, `save:NAME`, `load:NAME`.
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
    /// Outputs that are not made, because the run ends before, see [`Options::until`].
    pub left_out: Vec<String>,
    /// The files that the pipeline is made of: its own, overlays, pipelines that are stages of it.
    pub files: Vec<String>,
    /// What is allowed but looks like a mistake.
    pub warnings: Vec<Diagnostic>,
}

impl Plan {
    /// `STAGE.OUTPUT`.
    #[must_use]
    pub fn source_name(&self, source: Source) -> String {
        let stage = self.stages.get(source.stage);
        let port = stage.and_then(|s| s.stage.outputs.get(source.port));
        format!("{}.{}", stage.map_or("?", |s| &s.name), port.map_or("?", |p| &p.name))
    }
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
    /// Its name in the pipeline; `save:NAME` when it was added to write the output NAME, `load:NAME` to read the
    /// input NAME. Those of a pipeline that is the stage `cavity` are named `cavity/NAME`.
    pub name: String,
    /// The same with the stage that has `each` in the place of its row; what the command line says of it, it says of all.
    pub every: String,
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
    /// What it may use; with limits it must run in a worker process.
    pub limits: Limits,
    /// Whether it runs even if the cache has what it makes, see [`Options::from`].
    pub force: bool,
    /// Whether the cache must have what it makes, see [`Options::from`].
    pub reuse_only: bool,
    /// Whether it was added to read an input or write an output.
    pub implicit: bool,
    /// The file that it is written in.
    pub file: String,
    /// Line in that file.
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
/// All that is wrong, in the order of the files, arguments first.
pub fn resolve(spec: &Spec, catalogue: &Catalogue, options: &Options) -> Result<Plan, Diagnostics> {
    let mut resolver = Resolver {
        spec,
        catalogue,
        found: Found::new(spec.files.clone()),
        scopes: Vec::new(),
        doors: Vec::new(),
        depth: 0,
        written: Vec::new(),
        stages: Vec::new(),
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
    /// The last input of a pipeline used as a stage that it came through.
    door: Option<usize>,
}

/// Why a stage is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A file has it.
    Written,
    /// It reads an input that is connected.
    Reader,
    /// It writes an output.
    Writer,
}

/// A stage while it is resolved; those of the files first, in their order.
struct Draft {
    name: String,
    /// The name that it shares with the other rows of an `each`.
    every: String,
    at: Position,
    /// The pipeline that it belongs to.
    scope: usize,
    role: Role,
    /// None when no plugin offers it: then the error is recorded and what depends on it is not checked.
    offered: Option<Offered>,
    with: Vec<(Spanned<String>, Spanned<Node>)>,
    inputs: Vec<Vec<Edge>>,
    /// Stages that it names in connections, also those that are wrong otherwise, to find cycles.
    after: Vec<(usize, Position)>,
    params: params::Checked,
    /// What its outputs carry, once known.
    types: Vec<Type>,
    isolate: Option<bool>,
    limits: Limits,
}

impl Draft {
    /// With nothing connected yet.
    fn new(name: String, at: Position, scope: usize, role: Role, offered: Option<Offered>) -> Draft {
        Draft {
            every: name.clone(),
            name,
            at,
            scope,
            role,
            offered,
            with: Vec::new(),
            inputs: Vec::new(),
            after: Vec::new(),
            params: params::Checked::default(),
            types: Vec::new(),
            isolate: None,
            limits: Limits::default(),
        }
    }
}

struct Resolver<'a> {
    spec: &'a Spec,
    catalogue: &'a Catalogue,
    found: Found,
    /// The pipeline, then those that are stages of it.
    scopes: Vec<Scope<'a>>,
    doors: Vec<Door<'a>>,
    /// How many doors are being looked through.
    depth: usize,
    /// Stages of the files, each with the draft of the same index.
    written: Vec<&'a StageSpec>,
    stages: Vec<Draft>,
    /// Outputs that a parameter makes of the wrong kind or unit, of which an error is recorded.
    blamed: BTreeSet<Source>,
}

impl<'a> Resolver<'a> {
    fn plan(&mut self, options: &Options) -> Option<Plan> {
        self.enter(self.spec, String::new(), String::new(), None);
        let inputs = self.inputs(options);
        (1..self.scopes.len()).for_each(|scope| self.bind(scope));
        (0..self.written.len()).for_each(|n| self.connect(n));
        let outputs = self.outputs(options);
        let overrides = self.overrides(options);
        for n in 0..self.stages.len() {
            self.parameters(n, &overrides);
        }
        // Types flow along the order, so there are none while there is a cycle.
        let order = self.order()?;
        order.iter().for_each(|&n| self.types(n));
        self.check_doors();
        order.iter().for_each(|&n| self.check_edges(n));
        let writers = self.stages.len();
        let written: Vec<(String, Option<Source>)> = outputs
            .into_iter()
            .map(|(output, edges)| (output.name.value.clone(), edges.and_then(|e| self.written(&output, &e))))
            .collect();
        for n in writers..self.stages.len() {
            self.parameters(n, &overrides);
        }
        self.unknown_overrides(&overrides);
        self.unused(&written);
        if !self.found.is_clean() {
            return None;
        }
        self.assemble(inputs, written, options)
    }

    /// The outputs of the file and those to keep besides, with what they are connected to.
    fn outputs(&mut self, options: &Options) -> Vec<(OutputSpec, Option<Vec<Edge>>)> {
        let mut outputs = Vec::new();
        for output in &self.spec.outputs {
            let edges = self.output_edges(0, output);
            outputs.push((output.clone(), edges));
        }
        for keep in &options.keep {
            self.keep(keep, &mut outputs);
        }
        outputs
    }

    /// Warns of work that nobody sees.
    fn unused(&mut self, written: &[(String, Option<Source>)]) {
        const HELP: &str = "connect one, name one under `outputs`, or remove the stage";
        let mut used: BTreeSet<usize> =
            self.stages.iter().flat_map(|s| s.after.iter().map(|(n, _)| *n)).collect();
        used.extend(written.iter().filter_map(|(_, source)| source.map(|s| s.stage)));
        let mut idle = Vec::new();
        for (n, draft) in self.stages.iter().enumerate() {
            let makes = draft.offered.as_ref().is_some_and(|o| !o.stage.outputs.is_empty());
            if makes && draft.scope == 0 && !used.contains(&n) {
                idle.push((draft.at, &draft.name));
            }
        }
        for (scope, stage) in self.scopes.iter().filter_map(|s| s.user.map(|(_, stage)| (s, stage))) {
            if !scope.is_used && scope.user.is_some_and(|(user, _)| user == 0) {
                idle.push((stage.name.at, &stage.name.value));
            }
        }
        for (at, name) in idle {
            self.found.warn(at, format!("nothing uses the outputs of stage {}", quote(name)), HELP);
        }
        let top = &self.scopes[0];
        let in_params: BTreeSet<&String> =
            self.stages.iter().filter(|s| s.scope == 0).flat_map(|s| &s.params.reads).collect();
        for input in &self.spec.inputs {
            let name = &input.name.value;
            let is_read =
                in_params.contains(name) || top.reads.contains(name) || self.spec.table_inputs.contains(name);
            if top.values.contains_key(name) && !is_read {
                let message = format!("nothing uses the input {}", quote(name));
                let place = if input.kind.carries().is_some() { "`in`" } else { "`with`" };
                let help = format!("write `$inputs.{name}` in the {place} of a stage, or remove it");
                self.found.warn(input.name.at, message, help);
            }
        }
    }

    fn assemble(
        &mut self,
        inputs: Vec<PlannedInput>,
        written: Vec<(String, Option<Source>)>,
        options: &Options,
    ) -> Option<Plan> {
        // With the writers, which nothing comes after, there is still no cycle.
        let order = self.order()?;
        let mut place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new;
        }
        let moved = |s: Source| Source { stage: place[s.stage], port: s.port };
        let mut drafts: Vec<Option<Draft>> = self.stages.drain(..).map(Some).collect();
        let (mut stages, mut on_demand) = (Vec::with_capacity(order.len()), Vec::with_capacity(order.len()));
        for old in order {
            let draft = drafts.get_mut(old)?.take()?;
            let offered = draft.offered?;
            on_demand.push(draft.scope != 0 || draft.role == Role::Reader);
            let values = &self.scopes[draft.scope].values;
            let origins = draft.params.reads.iter().filter_map(|name| values.get(name)?.origin.clone());
            stages.push(PlannedStage {
                name: draft.name,
                every: draft.every,
                plugin: offered.plugin,
                stage: offered.stage,
                params: Value::Object(draft.params.values),
                inputs: draft
                    .inputs
                    .iter()
                    .map(|edges| edges.iter().map(|e| moved(e.from)).collect())
                    .collect(),
                input_files: draft.params.files,
                reads: origins.collect(),
                isolate: draft.isolate,
                limits: draft.limits,
                force: false,
                reuse_only: false,
                implicit: draft.role != Role::Written,
                file: self.spec.files.get(draft.at.file).cloned().unwrap_or_default(),
                line: draft.at.line,
            });
        }
        let outputs = written
            .into_iter()
            .map(|(name, source)| Some(PlannedOutput { name, source: moved(source?) }))
            .collect::<Option<_>>()?;
        let mut plan = Plan {
            name: self.spec.name.clone(),
            seed: self.spec.seed,
            inputs,
            stages,
            outputs,
            left_out: Vec::new(),
            files: self.spec.files.clone(),
            warnings: Vec::new(),
        };
        self.select(&mut plan, &on_demand, options);
        plan.warnings = self.found.take_warnings();
        Some(plan)
    }
}

#[cfg(test)]
mod tests;
