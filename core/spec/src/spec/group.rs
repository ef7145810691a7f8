//! `group:`, the stages that run once over all cases of a batch.

use super::read::Reader;
use super::{InputKind, InputSpec, OutputSpec, PortRef, Spec, StageSpec};
use crate::diagnostic::quote;
use crate::yaml::{Node, Position, Spanned};
use std::collections::BTreeSet;

/// What runs once over all cases of a batch. Its stages are connected to tables of the stages of a case: to the rows of
/// all cases, under a column `case`.
#[derive(Clone, Debug)]
pub struct GroupSpec {
    /// Its stages in the order written.
    pub stages: Vec<StageSpec>,
    /// What it writes.
    pub outputs: Vec<OutputSpec>,
}

/// A pipeline of what a batch does after its cases, and what it needs of them.
pub struct GroupPipeline {
    /// The pipeline; its inputs are tables.
    pub spec: Spec,
    /// `STAGE.PORT` of each input, in order: what every case must write.
    pub needs: Vec<String>,
}

impl Reader<'_> {
    pub(super) fn group(&mut self, node: &Spanned<Node>, cases: &[StageSpec]) -> Option<GroupSpec> {
        let fields = self.fields(node, "`group`", &["stages", "outputs"])?;
        let stages = self.each(fields.get("stages"), "stages", Reader::stage);
        let outputs = self.each(fields.get("outputs"), "outputs", Reader::output);
        self.distinct_files(&outputs);
        for stage in &stages {
            let name = &stage.name;
            if cases.iter().any(|case| case.name.value == name.value) {
                self.found.error(name.at, || {
                    let what = quote(&name.value);
                    (
                        format!("stage {what} of `group` has the name of a stage of a case"),
                        "rename one of the two",
                    )
                });
            }
        }
        Some(GroupSpec { stages, outputs })
    }
}

impl Spec {
    /// The pipeline of `group`, in which an output of a stage of a case is an input `STAGE-PORT`: one for each of
    /// `variants`, with the variant's name before, when there are any. `$inputs.cases` is the table of cases; of the
    /// pipeline's own inputs it has those with a default and those for which `is_bound`.
    #[must_use]
    pub fn group_pipeline(
        &self,
        variants: &[String],
        is_bound: &dyn Fn(&str) -> bool,
    ) -> Option<GroupPipeline> {
        let group = self.group.as_ref()?;
        let own: BTreeSet<&str> = group.stages.iter().map(|s| s.name.value.as_str()).collect();
        let mut inputs = self.inputs.clone();
        inputs.retain(|input| input.default.is_some() || is_bound(&input.name.value));
        if !inputs.iter().any(|input| input.name.value == CASES) {
            inputs.push(table(CASES.to_owned(), Position::NONE));
        }
        let mut needs = Vec::new();
        let mut stages = group.stages.clone();
        let mut outputs = group.outputs.clone();
        let connections = stages
            .iter_mut()
            .flat_map(|stage| stage.inputs.iter_mut().map(|(_, connection)| connection))
            .chain(outputs.iter_mut().map(|output| &mut output.from));
        for connection in connections {
            let mut from = Vec::new();
            let (mut theirs, mut rest) = (Vec::new(), Vec::new());
            for port in &connection.from {
                match &port.value {
                    PortRef::Stage { stage, port: name } if !own.contains(stage.as_str()) => {
                        theirs.push((stage.clone(), name.clone(), port.at));
                    }
                    _ => rest.push(port.clone()),
                }
            }
            // Variant by variant, so that the tables of one stand together.
            let names: Vec<Option<&String>> =
                if variants.is_empty() { vec![None] } else { variants.iter().map(Some).collect() };
            for variant in names {
                for (stage, port, at) in &theirs {
                    let need = port.as_ref().map_or_else(|| stage.clone(), |port| format!("{stage}.{port}"));
                    let name = input_name(&need, variant);
                    if !inputs.iter().any(|input: &InputSpec| input.name.value == name) {
                        inputs.push(table(name.clone(), *at));
                    }
                    if !needs.contains(&need) {
                        needs.push(need);
                    }
                    from.push(Spanned { value: PortRef::Input(name), at: *at });
                }
            }
            connection.is_list |= from.len() + rest.len() > 1;
            from.extend(rest);
            connection.from = from;
        }
        let spec = Spec { inputs, stages, outputs, group: None, ..self.clone() };
        Some(GroupPipeline { spec, needs })
    }
}

/// The input of a group's pipeline that is the table of cases.
const CASES: &str = "cases";

fn table(name: String, at: Position) -> InputSpec {
    InputSpec {
        name: Spanned { value: name, at },
        kind: InputKind::Table,
        unit: None,
        doc: String::new(),
        default: None,
    }
}

/// The input of a group's pipeline that holds what all cases made at `need`, `STAGE.PORT`.
#[must_use]
pub fn input_name(need: &str, variant: Option<&String>) -> String {
    let name = need.replace(['.', '/'], "-");
    variant.map_or(name.clone(), |variant| format!("{variant}-{name}"))
}
