//! Parameters of the stages: from the command line, else the file, else the default.

use super::{Draft, Options, Resolver};
use crate::diagnostic::{quote, suggest};
use crate::params::{self, Given};
use crate::yaml::{Node, Position, Spanned, read_argument};

/// An [`Override`] whose value is read.
pub(super) struct Set<'a> {
    stage: &'a str,
    param: Spanned<String>,
    value: Spanned<Node>,
    at: Position,
}

impl Set<'_> {
    /// Whether it is about this stage, or about all rows of an `each` that it is one of.
    fn means(&self, draft: &Draft) -> bool {
        self.stage == draft.name || self.stage == draft.every
    }
}

impl Resolver<'_> {
    pub(super) fn overrides<'o>(&mut self, options: &'o Options) -> Vec<Set<'o>> {
        let mut sets = Vec::new();
        for one in &options.overrides {
            let argument = format!("--set {}.{}={}", one.stage, one.param, one.value_text);
            let at = self.found.argument(&argument);
            let param = Spanned { value: one.param.clone(), at };
            match read_argument(at, &one.value_text) {
                Ok(value) => sets.push(Set { stage: &one.stage, param, value, at }),
                Err(fault) => self.found.fault(fault),
            }
        }
        sets
    }

    pub(super) fn unknown_overrides(&mut self, sets: &[Set<'_>]) {
        for set in sets.iter().filter(|set| self.stages.iter().all(|s| !set.means(s))) {
            let names = self.stages.iter().map(|s| s.name.as_str());
            self.found.error(set.at, || {
                (
                    format!("the pipeline has no stage {}", quote(set.stage)),
                    suggest(set.stage, names, "its stages are"),
                )
            });
        }
    }

    pub(super) fn parameters(&mut self, n: usize, sets: &[Set<'_>]) {
        let draft = &self.stages[n];
        let Some(offered) = &draft.offered else { return };
        let mut given: Vec<Given<'_>> =
            draft.with.iter().map(|(name, value)| Given { name, value }).collect();
        let sets = sets.iter().filter(|set| set.means(draft));
        given.extend(sets.map(|set| Given { name: &set.param, value: &set.value }));
        let values = &self.scopes[draft.scope].values;
        let checked = params::check((&draft.name, draft.at), &offered.stage, &given, values, &mut self.found);
        self.stages[n].params = checked;
    }
}
