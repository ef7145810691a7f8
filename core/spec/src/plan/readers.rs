//! An input of the pipeline that is connected gets a stage that reads its file.

use super::{Draft, Resolver, Role};
use crate::diagnostic::quote;
use crate::manifest::Kind;
use crate::spec::InputSpec;
use crate::yaml::{Node, Position, Spanned};

/// Stages that read files.
const VOXEL_READER: &str = "load-nifti";
const TABLE_READER: &str = "load-table";

impl<'a> Resolver<'a> {
    /// The stage that reads an input which carries `kind`; made when it is first asked for, at `at`.
    pub(super) fn reader(
        &mut self,
        scope: usize,
        input: &'a InputSpec,
        kind: Kind,
        at: Position,
    ) -> Option<usize> {
        let name = input.name.value.as_str();
        if let Some(known) = self.scopes[scope].readers.get(name) {
            return *known;
        }
        let id = if kind == Kind::Table { TABLE_READER } else { VOXEL_READER };
        let offered = self.catalogue.find(id).filter(|o| o.stage.outputs.len() == 1).cloned();
        let Some(offered) = offered else {
            self.found.error(at, || {
                let what = quote(name);
                (
                    format!("input {what} needs the stage `{id}` to be read, and no plugin offers it"),
                    format!(
                        "install the plugin, or read the file with a stage that takes its path: `with: {{NAME: \
                         $inputs.{name}}}`"
                    ),
                )
            });
            self.scopes[scope].readers.insert(name, None);
            return None;
        };
        let at = input.name.at;
        let given = [
            ("source", Some(format!("$inputs.{name}"))),
            ("kind", Some(kind.name().to_owned())),
            ("unit", input.unit.map(|unit| unit.name().to_owned())),
        ];
        let with = given
            .into_iter()
            .filter(|(param, _)| offered.stage.params().is_some_and(|p| p.contains_key(*param)))
            .filter_map(|(param, value)| {
                let spanned = |value| Spanned { value, at };
                Some((Spanned { value: param.to_owned(), at }, spanned(Node::Text(value?))))
            })
            .collect();
        let full = format!("{}load:{name}", self.scopes[scope].prefix);
        self.stages.push(Draft { with, ..Draft::new(full, at, scope, Role::Reader, Some(offered)) });
        let place = self.stages.len() - 1;
        self.scopes[scope].readers.insert(name, Some(place));
        Some(place)
    }
}
