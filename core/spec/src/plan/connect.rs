//! Names of stages, inputs and outputs, looked up.

use super::types::Type;
use super::{Edge, Resolver, Source};
use crate::diagnostic::{nearest, quote, suggest};
use crate::manifest::{Offered, PortDecl};
use crate::spec::{Connection, OutputSpec, PortRef, StageSpec};
use crate::yaml::{Position, Spanned};
use std::collections::BTreeSet;

impl<'a> Resolver<'a> {
    /// The stage of the catalogue that a stage of the pipeline uses.
    pub(super) fn offered(&mut self, stage: &StageSpec) -> Option<Offered> {
        let id = &stage.id.value;
        let Some(offered) = self.catalogue.find(id) else {
            self.found.error(stage.id.at, || {
                let near = self.catalogue.nearest(id);
                let help = near.map_or_else(
                    || "`ichor plugins` lists the stages; --plugin-path DIR adds plugins".to_owned(),
                    |near| format!("did you mean {}?", quote(near)),
                );
                (format!("no plugin offers a stage {}", quote(id)), help)
            });
            return None;
        };
        if let Some((major, minor)) = stage.version {
            let (has_major, has_minor) = offered.stage.major_minor();
            // A minor version only adds, so a later one will do.
            if major != has_major || minor.is_some_and(|m| m > has_minor) {
                let asked = minor.map_or(major.to_string(), |m| format!("{major}.{m}"));
                let plugin = self.catalogue.plugin(offered.plugin).map_or("", |p| p.name.as_str());
                self.found.error(stage.id.at, || {
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

    fn stage_names(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        self.spec.stages.iter().map(|s| s.name.value.as_str())
    }

    /// Resolves the `in` of a stage.
    pub(super) fn connect(&mut self, n: usize, stage: &StageSpec) {
        let mut after = Vec::new();
        for from in stage.inputs.iter().flat_map(|(_, c)| &c.from) {
            match self.by_name.get(from.value.stage.as_str()) {
                Some(&source) => after.push((source, from.at)),
                None => self.unknown_stage(from),
            }
        }
        self.stages[n].after = after;
        let Some(Offered { stage: manifest, .. }) = self.stages[n].offered.clone() else { return };

        let who = format!("stage {} ({})", quote(&stage.name.value), manifest.id);
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
            let connection = stage.inputs.iter().find(|(name, _)| name.value == port.name).map(|(_, c)| c);
            let edges = match connection {
                Some(c) if c.is_list && !port.many => {
                    self.found.error(c.at, || {
                        (
                            format!(
                                "input {} of {who} takes one connection, this is a list",
                                quote(&port.name)
                            ),
                            format!("write `{}: STAGE.OUTPUT`", port.name),
                        )
                    });
                    Vec::new()
                }
                Some(c) if c.from.is_empty() && !port.optional => {
                    self.unconnected(&who, port, c.at);
                    Vec::new()
                }
                Some(c) => c.from.iter().filter_map(|from| self.edge(from)).collect(),
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

    fn unconnected(&mut self, who: &str, port: &PortDecl, at: Position) {
        self.found.error(at, || {
            (
                format!("input {} of {who} is not connected", quote(&port.name)),
                format!("add `{}: STAGE.OUTPUT` under `in`, with {}", port.name, Type::of(port).words()),
            )
        });
    }

    fn unknown_stage(&mut self, from: &Spanned<PortRef>) {
        let names = self.stage_names();
        self.found.error(from.at, || {
            (
                format!("the pipeline has no stage {}", quote(&from.value.stage)),
                suggest(&from.value.stage, names, "its stages are"),
            )
        });
    }

    /// The output that a connection names; None when it is wrong (recorded here unless the stage is unknown).
    fn edge(&mut self, from: &Spanned<PortRef>) -> Option<Edge> {
        let stage = *self.by_name.get(from.value.stage.as_str())?;
        let manifest = self.stages.get(stage)?.offered.as_ref()?.stage.clone();
        let names = manifest.outputs.iter().map(|p| p.name.as_str());
        let who = format!("stage {} ({})", quote(&from.value.stage), manifest.id);
        let port = match (&from.value.port, manifest.outputs.len()) {
            (Some(name), _) => names.clone().position(|n| n == name),
            (None, 1) => Some(0),
            (None, 0) => None,
            (None, count) => {
                self.found.error(from.at, || {
                    let all: Vec<_> = names.map(|n| quote(&format!("{}.{n}", from.value.stage))).collect();
                    (format!("{who} has {count} outputs"), format!("write one of {}", all.join(", ")))
                });
                return None;
            }
        };
        if port.is_none() {
            self.found.error(from.at, || match &from.value.port {
                Some(name) => {
                    let help = suggest(name, names, "its outputs are");
                    (format!("{who} has no output {}", quote(name)), help)
                }
                None => (format!("{who} has no outputs"), "connect another stage".to_owned()),
            });
        }
        Some(Edge { from: Source { stage, port: port? }, at: from.at })
    }

    pub(super) fn output_edges(&mut self, output: &OutputSpec) -> Option<Vec<Edge>> {
        let Connection { from, at, .. } = &output.from;
        if from.is_empty() {
            self.found.error(*at, || {
                (format!("output {} is an empty list", quote(&output.name.value)), "write `STAGE.OUTPUT`")
            });
        }
        let mut edges = Vec::new();
        for one in from {
            if !self.by_name.contains_key(one.value.stage.as_str()) {
                self.unknown_stage(one);
            }
            edges.extend(self.edge(one));
        }
        // With an output missing the rest says nothing about the kind of the whole.
        (edges.len() == from.len() && !edges.is_empty()).then_some(edges)
    }
}
