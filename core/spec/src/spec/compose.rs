//! Reads a pipeline with the pipelines that are stages of it, and the overlays that are laid over it.

use super::Spec;
use super::read::Reader;
use crate::diagnostic::{Diagnostics, Found, quote};
use crate::yaml::{self, Node, Position, Spanned};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Gives the text of a file, else a reason why not.
pub type Read<'r> = dyn Fn(&str) -> Result<String, String> + 'r;

/// Pipelines within pipelines within pipelines.
const MAX_DEPTH: usize = 8;
/// Pipelines that one is made of.
const MAX_COUNT: usize = 256;

/// Reads a pipeline, the pipelines that it uses as stages (`use: ./cavity.yaml`, a path relative to the file that
/// says so) and `overlays`, which change it one after the other. `read` gives the text of each, and of the tables of
/// `each`; `given` are the pipeline's inputs that are bound, which may be such tables.
///
/// An overlay is a file with `ichor: 1`, `overlay: true` and, as far as it changes them, the `seed`, `inputs`,
/// `stages` and `outputs` of a pipeline: maps are merged key by key, other values replaced, and null removes what
/// the pipeline says. A stage whose `use` becomes another loses its parameters. `cavity/fill` names the stage
/// `fill` of the pipeline that is the stage `cavity`.
///
/// # Errors
/// Everything that is wrong with the texts themselves, and files that cannot be read.
pub fn compose(
    file: &str,
    overlays: &[String],
    given: &BTreeMap<String, String>,
    read: &Read<'_>,
) -> Result<Spec, Diagnostics> {
    let mut reader = Reader {
        found: Found::new(vec![file.to_owned()]),
        read,
        given,
        reads: Vec::new(),
        row_of: BTreeMap::new(),
        open: Vec::new(),
        count: 0,
        within: BTreeMap::new(),
    };
    let layers: Vec<_> = overlays.iter().filter_map(|overlay| reader.overlay(overlay)).collect();
    let mut spec = reader.document(file, &layers, None);
    if let Some(spec) = &mut spec {
        spec.files = reader.found.files().to_vec();
    }
    reader.found.finish(spec)
}

impl Reader<'_> {
    /// The YAML of a file; `at` is where another file names it.
    pub(super) fn tree(&mut self, file: &str, at: Option<Position>) -> Option<Spanned<Node>> {
        let index = self.found.file(file);
        let text = match (self.read)(file) {
            Ok(text) => text,
            Err(why) => {
                let what = if at.is_some() { file } else { "the file" };
                let at = at.unwrap_or(Position { file: index, ..Position::NONE });
                self.found.error(at, || (format!("{what} cannot be read: {why}"), ""));
                return None;
            }
        };
        match yaml::read(index, &text) {
            Ok(root) => Some(root),
            Err(fault) => {
                self.found.fault(fault);
                None
            }
        }
    }

    /// A pipeline with `layers` laid over it; `at` is where another names it.
    fn document(&mut self, file: &str, layers: &[Spanned<Node>], at: Option<Position>) -> Option<Spec> {
        let mut root = self.tree(file, at)?;
        let outer = std::mem::take(&mut self.within);
        layers.iter().for_each(|layer| self.lay_over(&mut root, layer));
        self.open.push(file.to_owned());
        self.expand(&mut root);
        let reads = std::mem::take(&mut self.reads);
        let mut row_of = std::mem::take(&mut self.row_of);
        let mut spec = self.pipeline(file, &root);
        if let Some(spec) = &mut spec {
            spec.table_inputs = reads;
            for stage in &mut spec.stages {
                stage.row_of = row_of.remove(&stage.name.value);
            }
        }
        self.open.pop();
        for (name, layers) in std::mem::replace(&mut self.within, outer) {
            let is_stage =
                spec.as_ref().is_none_or(|s| s.stages.iter().any(|stage| stage.name.value == name));
            let message = match is_stage {
                true => format!("stage {} is not a pipeline, so no stages are in it", quote(&name)),
                false => format!("the pipeline has no stage {}", quote(&name)),
            };
            if let (Some(layer), Some(_)) = (layers.first(), &spec) {
                self.found.error(layer.at, || (message, "remove the entry or correct its name"));
            }
        }
        spec
    }

    /// The pipeline that the stage `name` uses.
    pub(super) fn pipeline_used(&mut self, name: &str, path: &str, at: Position) -> Option<Spec> {
        let layers = self.within.remove(name).unwrap_or_default();
        let file = self.found.beside(at, path);
        if let Some(first) = self.open.iter().position(|open| plain(open) == plain(&file)) {
            let circle = [&self.open[first..], &[file]].concat().join(" -> ");
            self.found
                .error(at, || (format!("a pipeline uses itself: {circle}"), "remove one of these stages"));
            return None;
        }
        if self.open.len() >= MAX_DEPTH || self.count >= MAX_COUNT {
            self.found.error(at, || {
                let message = match self.open.len() >= MAX_DEPTH {
                    true => format!("pipelines are stages of each other more than {MAX_DEPTH} deep"),
                    false => format!("the pipeline is made of more than {MAX_COUNT} others"),
                };
                (message, "use fewer")
            });
            return None;
        }
        self.count += 1;
        self.document(&file, &layers, Some(at))
    }
}

/// The path without detours, to compare.
fn plain(path: &str) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}
