//! Names of stages, inputs and outputs, looked up.

use super::scopes::{Looked, Member};
use super::types::Type;
use super::{Edge, Resolver, Source};
use crate::diagnostic::{nearest, quote, suggest};
use crate::manifest::{Offered, PortDecl};
use crate::params::InputValue;
use crate::spec::{Connection, OutputSpec, PortRef};
use crate::yaml::{Node, Position, Spanned};
use std::collections::BTreeSet;

/// Inputs of pipelines that one connection may pass through, one after the other.
const MAX_DEPTH: usize = 200;
/// Outputs that one connection may lead to.
const MAX_EDGES: usize = 50_000;

/// Stages that a stage must wait for, and where it says so.
type After = Vec<(usize, Position)>;

impl<'a> Resolver<'a> {
    /// The stage of the catalogue of this id and version, named at `at`.
    pub(super) fn offered(
        &mut self,
        id: &str,
        version: Option<(u64, Option<u64>)>,
        at: Position,
    ) -> Option<Offered> {
        let Some(offered) = self.catalogue.find(id) else {
            self.found.error(at, || {
                let near = self.catalogue.nearest(id);
                let help = near.map_or_else(
                    || "`ichor plugins` lists the stages; --plugin-path DIR adds plugins".to_owned(),
                    |near| format!("did you mean {}?", quote(near)),
                );
                (format!("no plugin offers a stage {}", quote(id)), help)
            });
            return None;
        };
        if let Some((major, minor)) = version {
            let (has_major, has_minor) = offered.stage.major_minor();
            // A minor version only adds, so a later one will do.
            if major != has_major || minor.is_some_and(|m| m > has_minor) {
                let asked = minor.map_or(major.to_string(), |m| format!("{major}.{m}"));
                let plugin = self.catalogue.plugin(offered.plugin).map_or("", |p| p.name.as_str());
                self.found.error(at, || {
                    (
                        format!("stage `{id}@{asked}` is not installed, version {} is (plugin {})", offered.stage.version, quote(plugin)),
                        format!("install a plugin that has it, or write `use: {id}@{has_major}` after reading what changed"),
                    )
                });
                return None;
            }
        }
        Some(offered.clone())
    }

    /// Resolves the `in` of a stage.
    pub(super) fn connect(&mut self, n: usize) {
        let (stage, scope) = (self.written[n], self.stages[n].scope);
        let mut after = Vec::new();
        let reached: Vec<Option<Vec<Edge>>> =
            stage.inputs.iter().map(|(_, c)| self.reach_all(scope, c, &mut after)).collect();
        self.stages[n].after = after;
        let Some(Offered { stage: manifest, .. }) = self.stages[n].offered.clone() else { return };

        let who = format!("stage {} ({})", quote(&self.stages[n].name), manifest.id);
        let names = manifest.inputs.iter().map(|p| p.name.as_str());
        let mut meant = BTreeSet::new();
        for (port, _) in &stage.inputs {
            if names.clone().any(|name| name == port.value) {
                continue;
            }
            meant.extend(nearest(&port.value, names.clone()));
            self.found.error(port.at, || {
                let help = if manifest.params().is_some_and(|p| p.contains_key(&port.value)) {
                    format!("{} is a parameter: write it under `with`", quote(&port.value))
                } else if manifest.inputs.is_empty() {
                    "it takes none".to_owned()
                } else {
                    suggest(&port.value, names.clone(), "its inputs are")
                };
                (format!("{who} has no input {}", quote(&port.value)), help)
            });
        }
        let mut inputs = Vec::new();
        for port in &manifest.inputs {
            let connection = stage.inputs.iter().zip(&reached).find(|((name, _), _)| name.value == port.name);
            let edges = match connection {
                Some(((_, c), edges)) => {
                    let count = edges.as_ref().map_or(1, Vec::len);
                    if !port.many && (c.is_list || count > 1) {
                        self.one_only(&who, port, c, count);
                    } else if count == 0 && !port.optional {
                        self.unconnected(&who, port, c.at);
                    }
                    edges.clone().unwrap_or_default()
                }
                None => {
                    // A misspelt name is one mistake, not two.
                    if !port.optional && !meant.contains(port.name.as_str()) {
                        self.unconnected(&who, port, stage.name.at);
                    }
                    Vec::new()
                }
            };
            inputs.push(edges);
        }
        self.stages[n].inputs = inputs;
    }

    fn one_only(&mut self, who: &str, port: &PortDecl, connection: &Connection, count: usize) {
        let what = if connection.is_list { "a list".to_owned() } else { format!("a list of {count}") };
        self.found.error(connection.at, || {
            (
                format!("input {} of {who} takes one connection, this is {what}", quote(&port.name)),
                format!("write `{}: STAGE.OUTPUT`", port.name),
            )
        });
    }

    fn unconnected(&mut self, who: &str, port: &PortDecl, at: Position) {
        self.found.error(at, || {
            (
                format!("input {} of {who} is not connected", quote(&port.name)),
                format!("add `{}: STAGE.OUTPUT` under `in`, with {}", port.name, Type::of(port).words()),
            )
        });
    }

    /// The outputs that a connection of the pipeline `scope` leads to; None when one is wrong, which is recorded.
    /// There are none behind an input that is left out.
    fn reach_all(&mut self, scope: usize, connection: &Connection, after: &mut After) -> Option<Vec<Edge>> {
        let mut all = Some(Vec::new());
        for from in &connection.from {
            let edges = self.reach(scope, from, after);
            all = all.zip(edges).map(|(mut all, edges)| {
                all.extend(edges);
                all
            });
            if all.as_ref().is_some_and(|all| all.len() > MAX_EDGES) || after.len() > MAX_EDGES {
                self.found.error(from.at, || {
                    (format!("this leads to more than {MAX_EDGES} outputs"), "use fewer lists within lists")
                });
                return None;
            }
        }
        all
    }

    /// The same for one of a list.
    pub(super) fn reach(
        &mut self,
        scope: usize,
        from: &Spanned<PortRef>,
        after: &mut After,
    ) -> Option<Vec<Edge>> {
        let (stage, port) = match &from.value {
            PortRef::Input(name) => return self.reach_input(scope, name, from.at, after),
            PortRef::Stage { stage, port } => (stage, port.as_deref()),
        };
        match self.scopes[scope].members.get(stage.as_str()).copied() {
            None => {
                let names = self.scopes[scope].spec.stages.iter().map(|s| s.name.value.as_str());
                self.found.error(from.at, || {
                    let help = suggest(stage, names, "its stages are");
                    (format!("the pipeline has no stage {}", quote(stage)), help)
                });
                None
            }
            Some(Member::Stage(n)) => {
                after.push((n, from.at));
                let manifest = self.stages[n].offered.as_ref()?.stage.clone();
                let names: Vec<&str> = manifest.outputs.iter().map(|p| p.name.as_str()).collect();
                let port = self.pick((stage, &manifest.id), port, &names, from.at)?;
                Some(vec![Edge { from: Source { stage: n, port }, at: from.at, door: None }])
            }
            Some(Member::Pipeline(inner)) => {
                self.scopes[inner].is_used = true;
                let spec = self.scopes[inner].spec;
                let names: Vec<&str> = spec.outputs.iter().map(|o| o.name.value.as_str()).collect();
                let place = self.pick((stage, &spec.file), port, &names, from.at)?;
                let mut behind = Vec::new();
                let edges = self.output_edges_after(inner, &spec.outputs[place], &mut behind);
                after.extend(behind.into_iter().map(|(n, _)| (n, from.at)));
                Some(edges?.into_iter().map(|edge| Edge { at: from.at, ..edge }).collect())
            }
        }
    }

    /// Which of the outputs `names` of a stage is meant.
    fn pick(
        &mut self,
        (stage, id): (&str, &str),
        port: Option<&str>,
        names: &[&str],
        at: Position,
    ) -> Option<usize> {
        let who = format!("stage {} ({id})", quote(stage));
        let place = match port {
            Some(name) => names.iter().position(|n| *n == name),
            None if names.len() == 1 => Some(0),
            None => None,
        };
        if place.is_none() {
            self.found.error(at, || match port {
                Some(name) => {
                    let help = suggest(name, names.iter().copied(), "its outputs are");
                    (format!("{who} has no output {}", quote(name)), help)
                }
                None if names.is_empty() => {
                    (format!("{who} has no outputs"), "connect another stage".to_owned())
                }
                None => {
                    let all: Vec<_> = names.iter().map(|n| quote(&format!("{stage}.{n}"))).collect();
                    (format!("{who} has {} outputs", names.len()), format!("write one of {}", all.join(", ")))
                }
            });
        }
        place
    }

    /// What is behind `$inputs.NAME` in a pipeline.
    fn reach_input(
        &mut self,
        scope: usize,
        name: &str,
        at: Position,
        after: &mut After,
    ) -> Option<Vec<Edge>> {
        let spec = self.scopes[scope].spec;
        let Some(input) = spec.inputs.iter().find(|i| i.name.value == name) else {
            let names = spec.inputs.iter().map(|i| i.name.value.as_str());
            self.found.error(at, || {
                let help = match spec.inputs.is_empty() {
                    true => "declare it under `inputs:`".to_owned(),
                    false => suggest(name, names, "the pipeline's inputs are"),
                };
                (format!("`$inputs.{name}` is not an input of the pipeline"), help)
            });
            return None;
        };
        self.scopes[scope].reads.insert(name.to_owned());
        let Some(kind) = input.kind.carries() else {
            self.found.error(at, || {
                (
                    format!("the input {} is a {}, nothing to connect", quote(name), input.kind.name()),
                    "give it to a parameter under `with`, or declare it as what it is, such as `kind: volume`",
                )
            });
            return None;
        };
        if let Some(&door) = self.scopes[scope].doors.get(name) {
            return self.through(door, at, after);
        }
        if let InputValue::Known(Node::Null) = self.scopes[scope].values.get(name)?.value {
            return Some(Vec::new());
        }
        let stage = self.reader(scope, input, kind, at)?;
        after.push((stage, at));
        Some(vec![Edge { from: Source { stage, port: 0 }, at, door: None }])
    }

    /// What is behind an input that is connected from outside.
    fn through(&mut self, door: usize, at: Position, after: &mut After) -> Option<Vec<Edge>> {
        let (outer, _) = self.scopes[self.doors[door].scope].user?;
        match self.doors[door].state {
            Looked::Never if self.depth < MAX_DEPTH => {
                self.doors[door].state = Looked::Now;
                self.depth += 1;
                let mut behind = Vec::new();
                let edges = self.reach_all(outer, self.doors[door].connection, &mut behind);
                self.depth -= 1;
                let door = &mut self.doors[door];
                (door.state, door.edges, door.after) = (Looked::Before, edges, behind);
            }
            Looked::Never => {
                self.found.error(at, || {
                    (
                        format!("this connection passes through more than {MAX_DEPTH} inputs of pipelines"),
                        "connect the stages more directly",
                    )
                });
                return None;
            }
            Looked::Now => {
                self.found.error(self.doors[door].connection.at, || {
                    ("this connection leads back to itself", "connect it to a stage")
                });
                return None;
            }
            Looked::Before => {}
        }
        after.extend(self.doors[door].after.iter().map(|(n, _)| (*n, at)));
        let edges = self.doors[door].edges.as_ref()?;
        Some(edges.iter().map(|edge| Edge { at, door: Some(door), ..*edge }).collect())
    }

    /// What an output of a pipeline is connected to; None when that is wrong.
    pub(super) fn output_edges(&mut self, scope: usize, output: &OutputSpec) -> Option<Vec<Edge>> {
        self.output_edges_after(scope, output, &mut Vec::new())
    }

    fn output_edges_after(
        &mut self,
        scope: usize,
        output: &OutputSpec,
        after: &mut After,
    ) -> Option<Vec<Edge>> {
        let name = quote(&output.name.value);
        if output.from.from.is_empty() {
            self.found.error(output.from.at, || {
                (format!("output {name} is an empty list"), "write `STAGE.OUTPUT`")
            });
            return None;
        }
        let edges = self.reach_all(scope, &output.from, after)?;
        if edges.is_empty() && scope == 0 {
            self.found.error(output.from.at, || {
                (format!("output {name} is an input without value"), "give it one, or remove the output")
            });
            return None;
        }
        Some(edges)
    }
}
