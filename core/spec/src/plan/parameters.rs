//! Parameters of the stages: from the command line, else the file, else the default.

use super::{Options, Resolver};
use crate::diagnostic::{quote, suggest};
use crate::params::{self, Given, InputValue};
use crate::yaml::{Node, Position, Spanned, read_argument};
use std::collections::BTreeMap;

/// An [`Override`] whose value is read.
pub(super) struct Set<'a> {
    stage: &'a str,
    param: Spanned<String>,
    value: Spanned<Node>,
    argument: String,
}

impl Resolver<'_> {
    pub(super) fn overrides<'o>(&mut self, options: &'o Options) -> Vec<Set<'o>> {
        let mut sets = Vec::new();
        for one in &options.overrides {
            let argument = format!("--set {}.{}={}", one.stage, one.param, one.value_text);
            match read_argument(&argument, &one.value_text) {
                Ok(value) => sets.push(Set {
                    stage: &one.stage,
                    param: Spanned { value: one.param.clone(), at: Position::NONE },
                    value,
                    argument,
                }),
                Err(error) => {
                    self.found.argument_error(&argument, || (error.message, error.help));
                }
            }
        }
        sets
    }

    pub(super) fn unknown_overrides(&mut self, sets: &[Set<'_>]) {
        for set in sets.iter().filter(|set| self.stages.iter().all(|s| s.name != set.stage)) {
            let names = self.stages.iter().map(|s| s.name.as_str());
            self.found.argument_error(&set.argument, || {
                (
                    format!("the pipeline has no stage {}", quote(set.stage)),
                    suggest(set.stage, names, "its stages are"),
                )
            });
        }
    }

    pub(super) fn parameters(&mut self, n: usize, sets: &[Set<'_>], values: &BTreeMap<String, InputValue>) {
        let draft = &self.stages[n];
        let Some(offered) = &draft.offered else { return };
        let written = self.spec.stages.get(n).map_or(&[][..], |s| &s.with);
        let mut given: Vec<Given<'_>> =
            written.iter().map(|(name, value)| Given { name, value, argument: None }).collect();
        given.extend(sets.iter().filter(|set| set.stage == draft.name).map(|set| Given {
            name: &set.param,
            value: &set.value,
            argument: Some(&set.argument),
        }));
        let checked = params::check((&draft.name, draft.at), &offered.stage, &given, values, &mut self.found);
        self.stages[n].params = checked;
    }
}
