//! Values of the pipeline's inputs: from the command line, else the default.

use super::{Options, PlannedInput, Resolver};
use crate::diagnostic::{quote, suggest};
use crate::params::{Bound, InputValue};
use crate::spec::{InputKind, InputSpec};
use crate::yaml::{Node, Spanned, read_argument};

/// Whether a value is one of an input of this kind.
pub(super) fn fits(kind: InputKind, value: &Node) -> bool {
    match value {
        Node::Null => true,
        Node::Number(_) => is_number(kind),
        Node::Text(text) if text.is_empty() => kind == InputKind::Text,
        Node::Text(_) => !is_number(kind),
        _ => false,
    }
}

/// What to give to an input of this kind.
pub(super) fn wanted(kind: InputKind) -> &'static str {
    match kind {
        InputKind::Number => "a number",
        InputKind::Text => "text, in quotes if need be",
        _ => "a path",
    }
}

pub(super) fn is_number(kind: InputKind) -> bool {
    kind == InputKind::Number
}

impl Resolver<'_> {
    /// Looks up the values of the pipeline's inputs.
    pub(super) fn inputs(&mut self, options: &Options) -> Vec<PlannedInput> {
        let names = self.spec.inputs.iter().map(|i| i.name.value.as_str());
        for (name, value) in &options.inputs {
            if !names.clone().any(|n| n == name) {
                let at = self.found.argument(&format!("-i {name}={value}"));
                self.found.error(at, || {
                    let help = suggest(name, names.clone(), "its inputs are");
                    (format!("the pipeline has no input {}", quote(name)), help)
                });
            }
        }
        let mut planned = Vec::new();
        for input in &self.spec.inputs {
            let name = &input.name.value;
            let value = self.input_value(input, options);
            let text = match &value {
                InputValue::Known(Node::Text(text)) => Some(text.clone()),
                InputValue::Known(Node::Null) => None,
                InputValue::Known(other) => Some(other.to_json().to_string()),
                InputValue::Unbound(_) | InputValue::Connected => Some(format!("$inputs.{name}")),
            };
            planned.extend(text.map(|value| PlannedInput {
                name: name.clone(),
                value,
                is_path: input.kind.is_path(),
            }));
            let bound = Bound { value, origin: Some(name.clone()), at: None };
            self.scopes[0].values.insert(name.clone(), bound);
        }
        planned
    }

    fn input_value(&mut self, input: &InputSpec, options: &Options) -> InputValue {
        let name = &input.name.value;
        if let Some(text) = options.inputs.get(name) {
            let at = self.found.argument(&format!("-i {name}={text}"));
            if !is_number(input.kind) {
                if text.is_empty() && input.kind.is_path() {
                    self.found.error(at, || {
                        (format!("input {} has an empty path", quote(name)), format!("write -i {name}=PATH"))
                    });
                }
                return InputValue::Known(Node::Text(text.clone()));
            }
            if let Ok(Spanned { value: number @ Node::Number(_), .. }) = read_argument(at, text) {
                return InputValue::Known(number);
            }
            self.found.error(at, || {
                (format!("input {} is a number, {} is not", quote(name), quote(text)), "give a number")
            });
            return InputValue::Unbound(input.kind);
        }
        if let Some(value) = self.default(input) {
            return value;
        }
        if options.require_inputs {
            self.found.error(input.name.at, || {
                let what = if input.kind.is_path() { "PATH" } else { "VALUE" };
                (
                    format!("input {} has no value", quote(name)),
                    format!("give it one with -i {name}={what}, or a `default:` in the pipeline"),
                )
            });
        }
        InputValue::Unbound(input.kind)
    }

    /// The default of an input, if it has one; a path is relative to the file that it stands in.
    pub(super) fn default(&mut self, input: &InputSpec) -> Option<InputValue> {
        let default = input.default.as_ref()?;
        if fits(input.kind, &default.value) {
            let value = match &default.value {
                Node::Text(path) if input.kind.is_path() => Node::Text(self.found.beside(default.at, path)),
                value => value.clone(),
            };
            return Some(InputValue::Known(value));
        }
        self.found.error(default.at, || {
            (
                format!("the default of input {} is {}", quote(&input.name.value), default.value.describe()),
                format!("give {} or null", wanted(input.kind)),
            )
        });
        Some(InputValue::Unbound(input.kind))
    }
}
