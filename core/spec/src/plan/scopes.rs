//! The pipeline and those that are stages of it: which names they have, and what their inputs are.

use super::{Draft, Edge, Resolver, Role};
use crate::diagnostic::{nearest, quote, suggest};
use crate::params::{Bound, InputValue, REFERENCE};
use crate::spec::{Connection, InputSpec, Spec, StageSpec, Use};
use crate::yaml::{Node, Position, Spanned};
use std::collections::{BTreeMap, BTreeSet};

/// One pipeline.
pub(super) struct Scope<'a> {
    pub(super) spec: &'a Spec,
    /// What its stages are named with: nothing, or `cavity/`.
    pub(super) prefix: String,
    /// The stage that it is, and the scope of that.
    pub(super) user: Option<(usize, &'a StageSpec)>,
    pub(super) members: BTreeMap<&'a str, Member>,
    /// Its inputs that are values.
    pub(super) values: BTreeMap<String, Bound>,
    /// Its inputs that are connected from outside: indices of doors.
    pub(super) doors: BTreeMap<&'a str, usize>,
    /// The stages that read its inputs from files, None when that cannot be.
    pub(super) readers: BTreeMap<&'a str, Option<usize>>,
    /// Its inputs that are used, other than by parameters.
    pub(super) reads: BTreeSet<String>,
    /// Whether anything uses one of its outputs.
    pub(super) is_used: bool,
}

/// What a name stands for among the stages of a pipeline.
#[derive(Clone, Copy)]
pub(super) enum Member {
    /// A stage: index of its draft.
    Stage(usize),
    /// A pipeline: index of its scope.
    Pipeline(usize),
}

/// An input of a pipeline used as a stage, that is connected.
pub(super) struct Door<'a> {
    /// The pipeline.
    pub(super) scope: usize,
    pub(super) input: &'a InputSpec,
    /// What it is connected to, in the scope of the stage.
    pub(super) connection: &'a Connection,
    pub(super) state: Looked,
    /// The outputs that are behind it, None as long as they are not known, or wrong.
    pub(super) edges: Option<Vec<Edge>>,
    /// Stages that must run before it.
    pub(super) after: Vec<(usize, Position)>,
    /// Whether an error is recorded about what it carries.
    pub(super) is_wrong: bool,
}

/// How far one has looked through a door.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    Never,
    Now,
    Before,
}

impl Scope<'_> {
    /// `cavity.`, to name an input of it.
    pub(super) fn dotted(&self) -> String {
        format!("{}.", self.prefix.trim_end_matches('/'))
    }
}

impl<'a> Resolver<'a> {
    /// Makes drafts of all stages of a pipeline and of the pipelines in it.
    pub(super) fn enter(
        &mut self,
        spec: &'a Spec,
        prefix: String,
        every: String,
        user: Option<(usize, &'a StageSpec)>,
    ) -> usize {
        let scope = self.scopes.len();
        self.scopes.push(Scope {
            spec,
            prefix: prefix.clone(),
            user,
            members: BTreeMap::new(),
            values: BTreeMap::new(),
            doors: BTreeMap::new(),
            readers: BTreeMap::new(),
            reads: BTreeSet::new(),
            is_used: false,
        });
        for stage in &spec.stages {
            let name = format!("{prefix}{}", stage.name.value);
            let every = format!("{every}{}", stage.row_of.as_ref().unwrap_or(&stage.name.value));
            let member = match &stage.uses.value {
                Use::Pipeline(inner) => {
                    let user = Some((scope, stage));
                    Member::Pipeline(self.enter(inner, format!("{name}/"), format!("{every}/"), user))
                }
                Use::Stage { id, version } => {
                    let offered = self.offered(id, *version, stage.uses.at);
                    self.written.push(stage);
                    self.stages.push(Draft {
                        every,
                        with: stage.with.clone(),
                        isolate: stage.isolate,
                        limits: stage.limits,
                        ..Draft::new(name, stage.name.at, scope, Role::Written, offered)
                    });
                    Member::Stage(self.stages.len() - 1)
                }
            };
            self.scopes[scope].members.insert(&stage.name.value, member);
        }
        scope
    }

    /// Looks up what the stage that a pipeline is gives to its inputs; those of the scopes before are known.
    pub(super) fn bind(&mut self, scope: usize) {
        let spec = self.scopes[scope].spec;
        let Some((outer, stage)) = self.scopes[scope].user else { return };
        let who = format!("stage {} ({})", quote(self.scopes[scope].prefix.trim_end_matches('/')), spec.file);
        let names = spec.inputs.iter().map(|i| i.name.value.as_str());
        let mut meant = BTreeSet::new();
        let given = stage.inputs.iter().map(|(name, _)| name).chain(stage.with.iter().map(|(name, _)| name));
        for name in given {
            if !names.clone().any(|n| n == name.value) {
                meant.extend(nearest(&name.value, names.clone()));
                self.found.error(name.at, || {
                    let help = suggest(&name.value, names.clone(), "its inputs are");
                    (format!("{who} has no input {}", quote(&name.value)), help)
                });
            }
        }
        for input in &spec.inputs {
            let name = input.name.value.as_str();
            let what = format!("input {} of {who}", quote(name));
            let connected = stage.inputs.iter().find(|(key, _)| key.value == name);
            let value = stage.with.iter().find(|(key, _)| key.value == name);
            let bound = match (connected, value) {
                (Some(_), Some((key, _))) => {
                    self.found.error(key.at, || {
                        (format!("{what} is given twice"), "keep it under `in` or under `with`")
                    });
                    None
                }
                (Some((_, connection)), None) => self.door(scope, input, connection, &what),
                (None, Some((_, node))) => self.given(outer, input, node, &what),
                (None, None) => match self.default(input) {
                    None if meant.contains(name) => None, // a misspelt name is one mistake, not two
                    None => {
                        self.found.error(stage.name.at, || {
                            let help = match input.kind.carries() {
                                Some(_) => format!("add `{name}: STAGE.OUTPUT` under `in`"),
                                None => format!("add `{name}: VALUE` under `with`"),
                            };
                            (format!("{what} is not given"), help)
                        });
                        None
                    }
                    Some(value) => Some(Bound { value, origin: None, at: None }),
                },
            };
            // What is wrong is said here, and not again by each stage that uses it.
            let unknown = || Bound { value: InputValue::Unbound(input.kind), origin: None, at: None };
            self.scopes[scope].values.insert(name.to_owned(), bound.unwrap_or_else(unknown));
        }
    }

    fn door(
        &mut self,
        scope: usize,
        input: &'a InputSpec,
        connection: &'a Connection,
        what: &str,
    ) -> Option<Bound> {
        if input.kind.carries().is_none() {
            self.found.error(connection.at, || {
                (format!("{what} is a {}, nothing to connect", input.kind.name()), "give it under `with`")
            });
            return None;
        }
        if connection.from.len() != 1 || connection.is_list {
            self.found.error(connection.at, || {
                (
                    format!("{what} takes one connection, this is a list"),
                    format!("write `{}: STAGE.OUTPUT`", input.name.value),
                )
            });
            return None;
        }
        self.scopes[scope].doors.insert(&input.name.value, self.doors.len());
        self.doors.push(Door {
            scope,
            input,
            connection,
            state: Looked::Never,
            edges: None,
            after: Vec::new(),
            is_wrong: false,
        });
        Some(Bound { value: InputValue::Connected, origin: None, at: None })
    }

    /// The value that the stage gives: its own, or that of an input of the pipeline that it belongs to.
    fn given(&mut self, outer: usize, input: &InputSpec, node: &Spanned<Node>, what: &str) -> Option<Bound> {
        let wanted = super::inputs::wanted(input.kind);
        let fit = |value: &InputValue| match value {
            InputValue::Known(node) => super::inputs::fits(input.kind, node),
            InputValue::Unbound(kind) => {
                super::inputs::is_number(*kind) == super::inputs::is_number(input.kind)
            }
            InputValue::Connected => false,
        };
        let bound = match &node.value {
            Node::Text(text) if text.starts_with("$input") => {
                let values = &self.scopes[outer].values;
                let name = text.strip_prefix(REFERENCE).unwrap_or("");
                let Some(bound) = values.get(name).cloned() else {
                    self.found.error(node.at, || {
                        let help =
                            suggest(name, values.keys().map(String::as_str), "write `$inputs.NAME`, of");
                        (format!("{what} refers to {}, which is not an input", quote(text)), help)
                    });
                    return None;
                };
                self.scopes[outer].reads.insert(name.to_owned());
                bound
            }
            value => Bound { value: InputValue::Known(value.clone()), origin: None, at: Some(node.at) },
        };
        if fit(&bound.value) {
            return Some(bound);
        }
        self.found.error(node.at, || {
            let (is, help) = match &bound.value {
                InputValue::Connected => {
                    ("refers to the output of a stage".to_owned(), "connect it under `in`".to_owned())
                }
                InputValue::Known(value) => {
                    (format!("is {}", value.describe()), format!("give {wanted} or null"))
                }
                InputValue::Unbound(kind) => {
                    (format!("refers to a {} input", kind.name()), format!("give {wanted}"))
                }
            };
            (format!("{what} {is}"), help)
        });
        None
    }
}
