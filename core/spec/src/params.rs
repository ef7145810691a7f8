//! Parameters of a stage against its JSON Schema: `type`, `enum`, `minimum`, `maximum`, `items`, `minItems`,
//! `maxItems`, `default`, and our own `x-unit` and `x-file`. Defaults are filled in here.

use crate::diagnostic::{Found, beside, nearest, quote, suggest};
use crate::manifest::StageManifest;
use crate::spec::InputKind;
use crate::yaml::{Node, Position, Spanned};
use serde_json::{Map, Number, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Marks a reference to an input of the pipeline.
pub(crate) const REFERENCE: &str = "$inputs.";

/// An input of a pipeline, as its stages see it.
#[derive(Clone)]
pub(crate) struct Bound {
    pub(crate) value: InputValue,
    /// The input of the whole that it stands for; None for a value that is written in a file.
    pub(crate) origin: Option<String>,
    /// Where the value is written, when the stage that is this pipeline gives it.
    pub(crate) at: Option<Position>,
}

/// What is known of the value of an input of a pipeline.
#[derive(Clone)]
pub(crate) enum InputValue {
    /// It has this value.
    Known(Node),
    /// It has none yet.
    Unbound(InputKind),
    /// It is the output of a stage, no value.
    Connected,
}

/// A parameter as given, in a file or on the command line.
pub(crate) struct Given<'a> {
    pub(crate) name: &'a Spanned<String>,
    pub(crate) value: &'a Spanned<Node>,
}

/// The parameters of a stage, complete and within their limits.
#[derive(Default)]
pub(crate) struct Checked {
    /// Values by name in the order of the schema.
    pub(crate) values: Map<String, Value>,
    /// Name and path of those that are files.
    pub(crate) files: Vec<(String, String)>,
    /// The inputs of the pipeline that they use.
    pub(crate) reads: Vec<String>,
}

/// Checks what is given for the stage called `name` at `at`.
pub(crate) fn check(
    (name, at): (&str, Position),
    stage: &StageManifest,
    given: &[Given<'_>],
    inputs: &BTreeMap<String, Bound>,
    found: &mut Found,
) -> Checked {
    let none = Map::new();
    let schemas = stage.params().unwrap_or(&none);
    let who = format!("stage {} ({})", quote(name), stage.id);
    let mut checked = Checked::default();
    let read = found.read().to_vec();

    let mut meant = BTreeSet::new();
    for one in given {
        if !schemas.contains_key(&one.name.value) {
            meant.extend(nearest(&one.name.value, schemas.keys().map(String::as_str)));
            found.error(one.name.at, || unknown(&who, stage, schemas, &one.name.value));
        }
    }
    for (param, schema) in schemas {
        // What comes later, from the command line, replaces what the file says.
        if let Some(one) = given.iter().rev().find(|g| g.name.value == *param) {
            let mut scope = Scope {
                inputs,
                literal: false,
                reads: &mut checked.reads,
                is_file: is_file(schema),
                read: &read,
                files: Vec::new(),
            };
            match conform(schema, one.value, param, &mut scope) {
                Ok(value) => {
                    checked.files.extend(scope.files.into_iter().map(|path| (param.clone(), path)));
                    checked.values.insert(param.clone(), value);
                }
                Err(problem) => {
                    found.error(problem.at, || {
                        let of = if problem.is_reference { "in" } else { "of" };
                        let what = quote(&problem.path);
                        (format!("parameter {what} {of} {who} {}", problem.is), problem.help)
                    });
                }
            }
        } else if let Some(default) = schema.get("default") {
            if is_file(schema)
                && let Value::String(path) = default
            {
                checked.files.push((param.clone(), path.clone()));
            }
            checked.values.insert(param.clone(), default.clone());
        } else if stage.required().any(|r| r == param) && !meant.contains(param.as_str()) {
            // A misspelt name would be one mistake, not two.
            found.error(at, || {
                (
                    format!("{who} needs the parameter {}", quote(param)),
                    format!("add {} under `with`: {}", quote(&format!("{param}: VALUE")), expected(schema)),
                )
            });
        }
    }
    checked
}

fn unknown(who: &str, stage: &StageManifest, schemas: &Map<String, Value>, name: &str) -> (String, String) {
    let help = if stage.inputs.iter().any(|p| p.name == name) {
        format!("{} is an input: connect it under `in`", quote(name))
    } else {
        suggest(name, schemas.keys().map(String::as_str), "its parameters are")
    };
    (format!("{who} has no parameter {}", quote(name)), help)
}

fn is_file(schema: &Value) -> bool {
    let marked = |s: &Value| s.get("x-file").and_then(Value::as_str) == Some("input");
    marked(schema) || schema.get("items").is_some_and(marked)
}

/// What is needed to replace `$inputs.NAME`, and what was met on the way.
struct Scope<'a> {
    inputs: &'a BTreeMap<String, Bound>,
    /// Within the value of an input: a path that itself begins with `$input` is a path.
    literal: bool,
    reads: &'a mut Vec<String>,
    is_file: bool,
    /// The pipelines, overlays and tables that values are written in.
    read: &'a [String],
    files: Vec<String>,
}

/// A value that does not fit its schema.
struct Problem {
    at: Position,
    /// The parameter, or the part of it: `spacing[1]`.
    path: String,
    /// "is 5".
    is: String,
    help: String,
    is_reference: bool,
}

/// The value as its schema wants it: references replaced, integers given for numbers made numbers.
fn conform(
    schema: &Value,
    node: &Spanned<Node>,
    path: &str,
    scope: &mut Scope<'_>,
) -> Result<Value, Problem> {
    let problem = |is: String, help: String, is_reference: bool| Problem {
        at: node.at,
        path: path.to_owned(),
        is,
        help,
        is_reference,
    };
    let misfit =
        || problem(format!("is {}", node.value.describe()), format!("give {}", expected(schema)), false);

    if let Node::Text(text) = &node.value
        && text.starts_with("$input")
        && !scope.literal
    {
        let name = text.strip_prefix(REFERENCE).unwrap_or("");
        let Some((name, input)) = scope.inputs.get_key_value(name) else {
            let known = scope.inputs.keys().map(String::as_str);
            let help = if name.is_empty() {
                "write `$inputs.NAME`".to_owned()
            } else if scope.inputs.is_empty() {
                "declare it under `inputs:`".to_owned()
            } else {
                suggest(name, known, "the pipeline's inputs are")
            };
            return Err(problem(format!("refers to {}, which is not an input", quote(text)), help, true));
        };
        if !scope.reads.contains(name) {
            scope.reads.push(name.clone());
        }
        return match &input.value {
            InputValue::Known(value) => {
                scope.literal = true;
                let value = Spanned { value: value.clone(), at: input.at.unwrap_or(node.at) };
                // What the command line gives is relative to where one is.
                let read = scope.read;
                scope.read = if input.at.is_some() { read } else { &[] };
                let result = conform(schema, &value, path, scope);
                (scope.literal, scope.read) = (false, read);
                result
            }
            InputValue::Connected => {
                let is = format!("refers to the input {}, which is the output of a stage here", quote(name));
                Err(problem(is, "connect it under `in` of a stage instead".to_owned(), true))
            }
            InputValue::Unbound(kind) => {
                let fits = match kind {
                    InputKind::Number => allows(schema, "number") || allows(schema, "integer"),
                    _ => allows(schema, "string"),
                };
                if fits {
                    return Ok(Value::String(format!(
                        "{REFERENCE}{}",
                        input.origin.as_ref().unwrap_or(name)
                    )));
                }
                let is = format!("is the {} input {}", kind.name(), quote(name));
                Err(problem(is, format!("give {}", expected(schema)), true))
            }
        };
    }

    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let given = node.value.to_json();
        if choices.contains(&given) {
            return Ok(given);
        }
        // `connectivity: 26` is what one writes for the choice "26".
        if let Node::Number(_) | Node::Bool(_) = node.value
            && let Some(choice) = choices.iter().find(|c| c.as_str() == Some(given.to_string().as_str()))
        {
            return Ok(choice.clone());
        }
        if !(given.is_null() && is_nullable(schema)) {
            let mut error = misfit();
            if let Node::Text(text) = &node.value {
                let names = choices.iter().filter_map(Value::as_str);
                error.help = suggest(text, names, "choose one of");
            }
            return Err(error);
        }
        return Ok(Value::Null);
    }

    match &node.value {
        Node::Null if is_nullable(schema) => Ok(Value::Null),
        Node::Bool(value) if allows(schema, "boolean") => Ok(Value::Bool(*value)),
        Node::Number(number) => {
            let value = if allows(schema, "number") {
                number.as_f64().and_then(Number::from_f64)
            } else if allows(schema, "integer") {
                integer(number)
            } else {
                None
            };
            let value = value.filter(|v| in_range(schema, v)).ok_or_else(|| {
                let mut error = misfit();
                if allows(schema, "string") {
                    error.help = format!("give text, in quotes: \"{number}\"");
                }
                error
            })?;
            Ok(Value::Number(value))
        }
        Node::Text(text) if allows(schema, "string") => {
            if !scope.is_file {
                return Ok(Value::String(text.clone()));
            }
            // A path in a file is relative to the file's folder.
            let path = scope.read.get(node.at.file).map_or_else(|| text.clone(), |file| beside(file, text));
            scope.files.push(path.clone());
            Ok(Value::String(path))
        }
        Node::Seq(items) if allows(schema, "array") => {
            let limit = |key: &str| schema.get(key).and_then(Value::as_u64);
            let count = items.len() as u64;
            if limit("minItems").is_some_and(|n| count < n) || limit("maxItems").is_some_and(|n| count > n) {
                return Err(misfit());
            }
            let anything = Value::Bool(true);
            let schema = schema.get("items").unwrap_or(&anything);
            let mut list = Vec::with_capacity(items.len());
            for (n, item) in items.iter().enumerate() {
                list.push(conform(schema, item, &format!("{path}[{n}]"), scope)?);
            }
            Ok(Value::Array(list))
        }
        Node::Map(_) if allows(schema, "object") => Ok(node.value.to_json()),
        _ => Err(misfit()),
    }
}

/// Whether the schema's `type` admits this one; a schema without `type` admits all.
pub(crate) fn allows(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(many)) => many.iter().any(|t| t == kind),
        _ => true,
    }
}

pub(crate) fn is_nullable(schema: &Value) -> bool {
    allows(schema, "null") || schema.get("default").is_some_and(Value::is_null)
}

/// An integer, also when written `1e3` or `5.0`.
fn integer(number: &Number) -> Option<Number> {
    if number.is_i64() || number.is_u64() {
        return Some(number.clone());
    }
    let value = number.as_f64()?;
    // Beyond 2^53 a float no longer says which integer is meant.
    (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(Number::from(value as i64))
}

fn in_range(schema: &Value, number: &Number) -> bool {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let value = number.as_f64().unwrap_or(f64::NAN);
    bound("minimum").is_none_or(|b| value >= b) && bound("maximum").is_none_or(|b| value <= b)
}

/// What a schema wants, for a message: "an integer from 1 to 9", "one of `a`, `b`".
fn expected(schema: &Value) -> String {
    let mut kinds = Vec::new();
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let names = choices.iter().map(|c| quote(c.as_str().unwrap_or(&c.to_string())));
        kinds.push(format!("one of {}", names.take(20).collect::<Vec<_>>().join(", ")));
    } else {
        let is_typed = schema.get("type").is_some();
        for (kind, words) in [
            ("number", format!("a number{}", range(schema))),
            ("integer", format!("an integer{}", range(schema))),
            ("boolean", "true or false".to_owned()),
            ("string", if is_file(schema) { "the path of a file" } else { "text" }.to_owned()),
            ("array", list(schema)),
            ("object", "a map".to_owned()),
        ] {
            if is_typed && allows(schema, kind) {
                kinds.push(words);
            }
        }
        if !is_typed {
            kinds.push("a value".to_owned());
        }
    }
    if schema.get("type").is_some() && is_nullable(schema) {
        kinds.push("null".to_owned());
    }
    kinds.join(" or ")
}

/// What a parameter takes and what it is when not given: "a number of at least 0 mL, default 0.1".
#[must_use]
pub fn describe_parameter(schema: &Value) -> String {
    match schema.get("default") {
        Some(Value::String(default)) => format!("{}, default {}", expected(schema), quote(default)),
        Some(default) => format!("{}, default {default}", expected(schema)),
        None => expected(schema),
    }
}

/// What a parameter takes alone: "a number of at least 0 mL".
#[must_use]
pub fn describe_parameter_type(schema: &Value) -> String {
    expected(schema)
}

fn range(schema: &Value) -> String {
    let bound = |key: &str| schema.get(key).map(Value::to_string);
    let mut text = match (bound("minimum"), bound("maximum")) {
        (Some(low), Some(high)) => format!(" from {low} to {high}"),
        (Some(low), None) => format!(" of at least {low}"),
        (None, Some(high)) => format!(" of at most {high}"),
        (None, None) => String::new(),
    };
    if let Some(unit) = schema.get("x-unit").and_then(Value::as_str) {
        text += &if text.is_empty() { format!(" in {unit}") } else { format!(" {unit}") };
    }
    text
}

fn list(schema: &Value) -> String {
    let limit = |key: &str| schema.get(key).and_then(Value::as_u64);
    let count = match (limit("minItems"), limit("maxItems")) {
        (Some(low), Some(high)) if low == high => format!(" of {low}"),
        (Some(low), Some(high)) => format!(" of {low} to {high}"),
        (Some(low), None) => format!(" of at least {low}"),
        (None, Some(high)) => format!(" of at most {high}"),
        (None, None) => String::new(),
    };
    match schema.get("items") {
        Some(items) => format!("a list{count}, each {}", expected(items)),
        None => format!("a list{count}"),
    }
}

/// Whether a schema keeps to the subset that is checked here and its default keeps to the schema.
pub(crate) fn check_schema(schema: &Value) -> Result<(), String> {
    const TYPES: [&str; 7] = ["number", "integer", "boolean", "string", "array", "object", "null"];
    if !schema.is_object() {
        return Err("its schema is not an object".to_owned());
    }
    let types = match schema.get("type") {
        None => Vec::new(),
        Some(Value::Array(types)) => types.iter().collect(),
        Some(one) => vec![one],
    };
    if let Some(other) = types.iter().find(|t| !t.as_str().is_some_and(|t| TYPES.contains(&t))) {
        return Err(format!("{other} is not a type"));
    }
    for key in ["minimum", "maximum"] {
        if schema.get(key).is_some_and(|v| !v.is_number()) {
            return Err(format!("its {key} is not a number"));
        }
    }
    if let Some(items) = schema.get("items") {
        check_schema(items)?;
    }
    let Some(default) = schema.get("default") else { return Ok(()) };
    let node = Spanned { value: from_json(default), at: Position::NONE };
    let mut scope = Scope {
        inputs: &BTreeMap::new(),
        literal: true,
        reads: &mut Vec::new(),
        is_file: false,
        read: &[],
        files: Vec::new(),
    };
    match conform(schema, &node, "", &mut scope) {
        Ok(_) => Ok(()),
        Err(problem) => Err(format!("its default {default} does not fit, {}", problem.help)),
    }
}

fn from_json(value: &Value) -> Node {
    let spanned = |value| Spanned { value, at: Position::NONE };
    match value {
        Value::Null => Node::Null,
        Value::Bool(v) => Node::Bool(*v),
        Value::Number(v) => Node::Number(v.clone()),
        Value::String(v) => Node::Text(v.clone()),
        Value::Array(v) => Node::Seq(v.iter().map(|v| spanned(from_json(v))).collect()),
        Value::Object(v) => Node::Map(
            v.iter()
                .map(|(k, v)| (Spanned { value: k.clone(), at: Position::NONE }, spanned(from_json(v))))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::read;
    use serde_json::json;

    fn stage() -> StageManifest {
        serde_json::from_value(json!({"id": "thr", "version": "1.0.0",
            "inputs": [{"name": "ct", "kind": ["volume"]}],
            "params": {"type": "object", "required": ["source"], "properties": {
                "lower": {"type": "number", "default": 50.0, "minimum": -1024, "maximum": 3071, "x-unit": "HU"},
                "count": {"type": "integer", "default": 1, "minimum": 0},
                "fill": {"type": "boolean", "default": true},
                "order": {"type": "string", "enum": ["nearest", "linear", "cubic"], "default": "linear"},
                "connectivity": {"type": "string", "enum": ["6", "18", "26"], "default": "26"},
                "spacing": {"type": ["array", "null"], "items": {"type": "number", "minimum": 0.01},
                            "minItems": 3, "maxItems": 3, "default": null},
                "source": {"type": "string", "x-file": "input"},
                "label": {"type": "string"}}}}))
        .unwrap()
    }

    /// The first error, or the values, for `with` written in YAML.
    fn with(yaml: &str) -> Result<Value, String> {
        let Node::Map(entries) = read(0, yaml).unwrap().value else { panic!("not a map") };
        let given: Vec<_> = entries.iter().map(|(name, value)| Given { name, value }).collect();
        let inputs = [
            ("ct", InputValue::Known(Node::Text("/data/ct.nii".to_owned()))),
            ("low", InputValue::Known(Node::Number(7.into()))),
            ("later", InputValue::Unbound(InputKind::Volume)),
            ("odd", InputValue::Known(Node::Text("$inputs.odd".to_owned()))),
            ("wired", InputValue::Connected),
        ]
        .map(|(name, value)| (name.to_owned(), Bound { value, origin: Some(name.to_owned()), at: None }));
        let inputs = BTreeMap::from(inputs);
        let mut found = Found::new(vec!["p.yaml".to_owned()]);
        let checked = check(("a", Position::start(0)), &stage(), &given, &inputs, &mut found);
        found
            .finish(Some(()))
            .map(|()| json!({"values": checked.values, "files": checked.files, "reads": checked.reads}))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_are_filled_and_values_take_the_type_of_the_schema() {
        let all = with("{source: $inputs.ct, lower: 5, count: 1e3, connectivity: 18, spacing: [1, 2, 0.5]}")
            .unwrap();
        assert_eq!(
            all["values"],
            json!({"lower": 5.0, "count": 1000, "fill": true, "order": "linear", "connectivity": "18",
                   "spacing": [1.0, 2.0, 0.5], "source": "/data/ct.nii"})
        );
        assert_eq!(all["values"]["lower"].to_string(), "5.0");
        assert_eq!(all["files"], json!([["source", "/data/ct.nii"]]));
        assert_eq!(all["reads"], json!(["ct"]));
        let more = with("{source: x, spacing: null, lower: $inputs.low}").unwrap();
        assert_eq!((&more["values"]["spacing"], &more["values"]["lower"]), (&Value::Null, &json!(7.0)));
    }

    #[test]
    fn an_input_without_value_stays_as_written_and_is_no_file() {
        let all = with("{source: $inputs.later}").unwrap();
        assert_eq!((&all["values"]["source"], &all["files"]), (&json!("$inputs.later"), &json!([])));
    }

    #[test]
    fn a_path_that_looks_like_a_reference_is_not_followed() {
        let all = with("{source: $inputs.odd}").unwrap();
        assert_eq!(
            (&all["values"]["source"], &all["files"]),
            (&json!("$inputs.odd"), &json!([["source", "$inputs.odd"]]))
        );
    }

    #[test]
    fn each_misfit_says_what_is_given_and_what_is_allowed() {
        for (yaml, expected) in [
            ("{source: x, lowr: 5}", "1:13: stage `a` (thr) has no parameter `lowr`; did you mean `lower`?"),
            (
                "{source: x, ct: a.b}",
                "1:13: stage `a` (thr) has no parameter `ct`; `ct` is an input: connect it under `in`",
            ),
            (
                "{source: x, zzz: 5}",
                "1:13: stage `a` (thr) has no parameter `zzz`; its parameters are `lower`, `count`",
            ),
            ("{sorce: x}", "1:2: stage `a` (thr) has no parameter `sorce`; did you mean `source`?"),
            (
                "{}",
                "1:1: stage `a` (thr) needs the parameter `source`; add `source: VALUE` under `with`: the path of a file",
            ),
            (
                "{source: x, lower: 5000}",
                "1:20: parameter `lower` of stage `a` (thr) is 5000; give a number from -1024 to 3071 HU",
            ),
            (
                "{source: x, lower: high}",
                "1:20: parameter `lower` of stage `a` (thr) is the text `high`; give a number from",
            ),
            (
                "{source: x, lower: ~}",
                "1:20: parameter `lower` of stage `a` (thr) is empty (null); give a number",
            ),
            (
                "{source: x, count: 1.5}",
                "1:20: parameter `count` of stage `a` (thr) is 1.5; give an integer of at least 0",
            ),
            (
                "{source: x, count: -1}",
                "1:20: parameter `count` of stage `a` (thr) is -1; give an integer of at least 0",
            ),
            (
                "{source: x, fill: no}",
                "1:19: parameter `fill` of stage `a` (thr) is the text `no`; give true or false",
            ),
            (
                "{source: x, order: cubik}",
                "1:20: parameter `order` of stage `a` (thr) is the text `cubik`; did you mean `cubic`?",
            ),
            (
                "{source: x, order: 3}",
                "1:20: parameter `order` of stage `a` (thr) is 3; give one of `nearest`, `linear`, `cubic`",
            ),
            (
                "{source: x, connectivity: 8}",
                "1:27: parameter `connectivity` of stage `a` (thr) is 8; give one of `6`, `18`, `26`",
            ),
            (
                "{source: x, spacing: [1, 2]}",
                "1:22: parameter `spacing` of stage `a` (thr) is a list of 2; give a list of 3, each a number of at least 0.01 or null",
            ),
            (
                "{source: x, spacing: [1, -2, 3]}",
                "1:26: parameter `spacing[1]` of stage `a` (thr) is -2; give a number of at least 0.01",
            ),
            (
                "{source: x, spacing: 1}",
                "1:22: parameter `spacing` of stage `a` (thr) is 1; give a list of 3",
            ),
            (
                "{source: x, label: 5}",
                "1:20: parameter `label` of stage `a` (thr) is 5; give text, in quotes: \"5\"",
            ),
            (
                "{source: [x]}",
                "1:10: parameter `source` of stage `a` (thr) is a list of 1; give the path of a file",
            ),
            (
                "{source: $inputs.cr}",
                "1:10: parameter `source` in stage `a` (thr) refers to `$inputs.cr`, which is not an input; did you mean `ct`?",
            ),
            (
                "{source: $input.ct}",
                "1:10: parameter `source` in stage `a` (thr) refers to `$input.ct`, which is not an input; write `$inputs.NAME`",
            ),
            (
                "{source: x, lower: $inputs.ct}",
                "1:20: parameter `lower` of stage `a` (thr) is the text `/data/ct.nii`; give a number",
            ),
            (
                "{source: x, lower: $inputs.odd}",
                "1:20: parameter `lower` of stage `a` (thr) is the text `$inputs.odd`; give a number",
            ),
            (
                "{source: $inputs.wired}",
                "1:10: parameter `source` in stage `a` (thr) refers to the input `wired`, which is the output of a stage here; connect it under `in`",
            ),
            (
                "{source: x, lower: $inputs.later}",
                "1:20: parameter `lower` in stage `a` (thr) is the volume input `later`; give a number",
            ),
        ] {
            let error = with(yaml).unwrap_err();
            assert!(error.starts_with(&format!("p.yaml:{expected}")), "{yaml}\n{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn a_parameter_is_described_for_the_reader() {
        let stage = stage();
        let of = |name: &str| describe_parameter(&stage.params().unwrap()[name]);
        assert_eq!(of("lower"), "a number from -1024 to 3071 HU, default 50.0");
        assert_eq!(of("order"), "one of `nearest`, `linear`, `cubic`, default `linear`");
        assert_eq!(of("spacing"), "a list of 3, each a number of at least 0.01 or null, default null");
        assert_eq!(of("source"), "the path of a file");
    }

    #[test]
    fn schemas_are_checked() {
        assert_eq!(check_schema(&json!({"type": "number", "default": 1})), Ok(()));
        assert_eq!(check_schema(&json!({"type": "number", "default": null})), Ok(()));
        assert_eq!(check_schema(&json!({"type": "float"})), Err("\"float\" is not a type".to_owned()));
        assert!(check_schema(&json!({"type": "string", "enum": ["a"], "default": "b"})).is_err());
        assert!(check_schema(&json!({"type": "array", "items": {"type": "x"}})).is_err());
        assert!(check_schema(&json!({"type": "number", "minimum": "0"})).is_err());
    }
}
