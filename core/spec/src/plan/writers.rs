//! What is not a file yet gets a stage that makes one of it.

use super::types::Type;
use super::{Draft, Edge, Resolver, Role, Source};
use crate::diagnostic::quote;
use crate::manifest::Kind;
use crate::spec::OutputSpec;

/// Stages that write what is not a file yet.
const VOXEL_WRITER: (&str, &str) = ("save-nifti", "image");
const TABLE_WRITER: (&str, &str) = ("save-table", "tables");

impl Resolver<'_> {
    /// What is written for an output; voxels and tables get a stage that makes a file of them.
    pub(super) fn written(&mut self, output: &OutputSpec, edges: &[Edge]) -> Option<Source> {
        let name = &output.name.value;
        let carried: Vec<Type> =
            edges.iter().map(|e| self.carried(e.from).cloned()).collect::<Option<_>>()?;
        let all = |test: &dyn Fn(Kind) -> bool| carried.iter().all(|t| t.kinds.iter().all(|k| test(*k)));
        let (writer, port) = if all(&|k| k == Kind::Table) {
            TABLE_WRITER
        } else if edges.len() > 1 || output.from.is_list {
            self.found.error(output.from.at, || {
                (
                    format!("output {} is a list, and not of tables alone", quote(name)),
                    "only tables are written to one file: make an output of each",
                )
            });
            return None;
        } else if all(&Kind::is_voxels) {
            VOXEL_WRITER
        } else if all(&|k| matches!(k, Kind::Doc | Kind::Blob)) {
            return edges.first().map(|e| e.from);
        } else {
            self.found.error(output.from.at, || {
                let words = carried.iter().map(Type::words).collect::<Vec<_>>().join(", ");
                (
                    format!("output {} carries {words}, which has no file format", quote(name)),
                    "put a stage between that makes a volume, table or document of it",
                )
            });
            return None;
        };
        let Some(offered) = self.catalogue.find(writer).cloned() else {
            let plugin = if writer == VOXEL_WRITER.0 { "ichor-plugin-nifti" } else { "ichor-plugin-report" };
            self.found.error(output.from.at, || {
                (
                    format!(
                        "output {} needs the stage `{writer}` to be written and no plugin offers it",
                        quote(name)
                    ),
                    format!("install the plugin `{plugin}`, or add its folder with --plugin-path"),
                )
            });
            return None;
        };
        let stage = self.stages.len();
        let ports = &offered.stage.inputs;
        let Some(position) = ports.iter().position(|p| p.name == port && (p.many || edges.len() == 1)) else {
            let version = offered.stage.version.clone();
            self.found.error(output.from.at, || {
                (
                    format!(
                        "the stage `{writer}` {version} has no input `{port}` for output {}",
                        quote(name)
                    ),
                    "install the plugin that belongs to this version of Ichor",
                )
            });
            return None;
        };
        let mut inputs = vec![Vec::new(); ports.len()];
        inputs[position] = edges.to_vec();
        let draft = Draft::new(format!("save:{name}"), output.name.at, 0, Role::Writer, Some(offered));
        let after = edges.iter().map(|e| (e.from.stage, e.at)).collect();
        self.stages.push(Draft { inputs, after, ..draft });
        self.types(stage);
        self.check_edges(stage);
        if self.stages[stage].types.is_empty() {
            self.found.error(output.from.at, || {
                (
                    format!("the stage `{writer}` has no output"),
                    "install the plugin that belongs to this version of Ichor",
                )
            });
            return None;
        }
        Some(Source { stage, port: 0 })
    }
}
