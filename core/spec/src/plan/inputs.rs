//! Values of the pipeline's inputs: from the command line, else the default.

use super::{Options, PlannedInput, Resolver};
use crate::diagnostic::{quote, suggest};
use crate::params::InputValue;
use crate::spec::{InputKind, InputSpec};
use crate::yaml::{Node, Spanned, read_argument};
use std::collections::BTreeMap;

impl Resolver<'_> {
    /// Values of the pipeline's inputs: from the command line, else the default.
    pub(super) fn inputs(&mut self, options: &Options) -> (Vec<PlannedInput>, BTreeMap<String, InputValue>) {
        let names = self.spec.inputs.iter().map(|i| i.name.value.as_str());
        for (name, value) in &options.inputs {
            if !names.clone().any(|n| n == name) {
                self.found.argument_error(&format!("-i {name}={value}"), || {
                    let help = suggest(name, names.clone(), "its inputs are");
                    (format!("the pipeline has no input {}", quote(name)), help)
                });
            }
        }
        let mut planned = Vec::new();
        let mut values = BTreeMap::new();
        for input in &self.spec.inputs {
            let name = &input.name.value;
            let value = self.input_value(input, options);
            let text = match &value {
                InputValue::Known(Node::Text(text)) => Some(text.clone()),
                InputValue::Known(Node::Null) => None,
                InputValue::Known(other) => Some(other.to_json().to_string()),
                InputValue::Unbound(_) => Some(format!("$inputs.{name}")),
            };
            planned.extend(text.map(|value| PlannedInput {
                name: name.clone(),
                value,
                is_path: input.kind.is_path(),
            }));
            values.insert(name.clone(), value);
        }
        (planned, values)
    }

    fn input_value(&mut self, input: &InputSpec, options: &Options) -> InputValue {
        let name = &input.name.value;
        let is_number = input.kind == InputKind::Number;
        if let Some(text) = options.inputs.get(name) {
            if !is_number {
                if text.is_empty() && input.kind.is_path() {
                    self.found.argument_error(&format!("-i {name}="), || {
                        (format!("input {} has an empty path", quote(name)), format!("write -i {name}=PATH"))
                    });
                }
                return InputValue::Known(Node::Text(text.clone()));
            }
            let argument = format!("-i {name}={text}");
            if let Ok(Spanned { value: number @ Node::Number(_), .. }) = read_argument(&argument, text) {
                return InputValue::Known(number);
            }
            self.found.argument_error(&argument, || {
                (format!("input {} is a number, {} is not", quote(name), quote(text)), "give a number")
            });
            return InputValue::Unbound(input.kind);
        }
        match &input.default {
            Some(default) => {
                let fits = match &default.value {
                    Node::Null => true,
                    Node::Number(_) => is_number,
                    Node::Text(text) if input.kind.is_path() => !text.is_empty(),
                    Node::Text(_) => !is_number,
                    _ => false,
                };
                if fits {
                    return InputValue::Known(default.value.clone());
                }
                self.found.error(default.at, || {
                    let wanted = if input.kind.is_path() {
                        "a path"
                    } else if is_number {
                        "a number"
                    } else {
                        "text, in quotes if need be"
                    };
                    let given = default.value.describe();
                    (
                        format!("the default of input {} is {given}", quote(name)),
                        format!("give {wanted} or null"),
                    )
                });
            }
            None if options.require_inputs => self.found.error(input.name.at, || {
                let what = if input.kind.is_path() { "PATH" } else { "VALUE" };
                (
                    format!("input {} has no value", quote(name)),
                    format!("give it one with -i {name}={what}, or a `default:` in the pipeline"),
                )
            }),
            None => {}
        }
        InputValue::Unbound(input.kind)
    }
}
