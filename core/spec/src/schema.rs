//! The JSON Schema of pipeline files, for editors: all installed stages with their parameters and ports.

use crate::manifest::{Catalogue, PortDecl, StageManifest, Unit};
use crate::params::{allows, is_nullable};
use crate::spec::{InputKind, PIPELINE_FORMAT};
use serde_json::{Map, Value, json};

const NAME: &str = "[A-Za-z0-9_][A-Za-z0-9_-]{0,63}";
/// What stands for the value of an input of the pipeline, or for a cell of `each`.
const REFERENCE: &str = r"^\$(inputs|each)\.";
const PIPELINE_FILE: &str = r"^.+\.ya?ml$";

/// The schema (draft 2020-12) of pipelines and overlays that use the stages of `catalogue`.
#[must_use]
pub fn json_schema(catalogue: &Catalogue) -> Value {
    let stages: Vec<&StageManifest> = catalogue.stages().map(|offered| &*offered.stage).collect();
    let mut defs = json!({
        "connection": connection(),
        "connections": { "anyOf": [of("connection"), { "type": "array", "items": of("connection") }] },
        "input": input(false),
        "use": uses(&stages),
        "stage": stage(&stages, false),
        "limits": limits(),
        "pipeline": document(false),
        "overlay": document(true),
        "input-change": input(true),
        "stage-change": stage(&stages, true),
    });
    for one in stages {
        defs[format!("stage.{}", one.id)] = of_stage(one);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ichor pipeline",
        "type": "object",
        "required": ["ichor"],
        "if": { "required": ["overlay"] },
        "then": of("overlay"),
        "else": of("pipeline"),
        "$defs": defs,
    })
}

fn of(definition: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{definition}") })
}

/// A pipeline, or an overlay: what changes one.
fn document(overlay: bool) -> Value {
    let named = |what: &str, pattern: &str, doc: &str| {
        let names = json!({ "pattern": pattern });
        json!({ "description": doc, "type": ["object", "null"], "propertyNames": names, "additionalProperties": of(what) })
    };
    let name = format!("^{NAME}$");
    let mut keys = json!({
        "ichor": { "description": "Format of this file", "const": PIPELINE_FORMAT },
        "doc": { "description": "What it is for", "type": ["string", "number", "null"] },
        "seed": { "description": "Seed of everything random", "type": "integer", "minimum": 0, "maximum": u64::MAX },
    });
    if overlay {
        keys["overlay"] = json!({ "description": "It changes a pipeline, given with --with", "const": true });
        let stage_name = format!("^{NAME}(/{NAME})*$");
        keys["inputs"] = named("input-change", &name, "Inputs to change, add or (null) remove");
        keys["stages"] = named("stage-change", &stage_name, "Stages to change, add or (null) remove");
        keys["outputs"] = json!({
            "description": "Outputs to change, add or (null) remove",
            "type": ["object", "null"],
            "additionalProperties": { "anyOf": [of("connections"), { "type": "null" }] },
        });
    } else {
        keys["name"] = json!({ "description": "The pipeline's name; without it, that of the file", "type": ["string", "number"] });
        keys["inputs"] = named("input", &name, "What it is given: -i NAME=PATH");
        keys["stages"] = named("stage", &name, "Its stages by name");
        keys["outputs"] = named("connections", &name, "What is written: a file each");
        keys["group"] = json!({
            "description": "What `ichor batch` runs once over all cases",
            "type": ["object", "null"],
            "additionalProperties": false,
            "properties": {
                "stages": named("stage", &name, "Stages; what they take of a case has a row for each case"),
                "outputs": named("connections", &name, "What is written: a file each"),
            },
        });
    }
    let required = if overlay { json!(["ichor", "overlay"]) } else { json!(["ichor", "stages"]) };
    json!({ "type": "object", "required": required, "additionalProperties": false, "properties": keys })
}

fn input(change: bool) -> Value {
    let kinds: Vec<&str> = InputKind::NAMES.iter().map(|(name, _)| *name).collect();
    let units: Vec<&str> = Unit::ALL.iter().map(|unit| unit.name()).collect();
    let mut input = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "kind": { "description": "What it is; volume, mask, labels, probs and table can be connected", "enum": kinds },
            "unit": { "description": "Unit of its voxels", "enum": units },
            "doc": { "description": "What it is for", "type": ["string", "number", "null"] },
            "default": { "description": "Its value when none is given; null: it may be left out", "type": ["string", "number", "null"] },
        },
    });
    if change {
        input["type"] = json!(["object", "null"]);
    } else {
        input["required"] = json!(["kind"]);
    }
    input
}

fn connection() -> Value {
    json!({
        "description": "STAGE.OUTPUT, STAGE when that has one output, or $inputs.NAME",
        "type": "string",
        "pattern": format!(r"^({NAME}(\.{NAME})?|\$inputs\.{NAME})$"),
    })
}

fn limits() -> Value {
    json!({
        "description": "What the stage may use; it then runs in a process of its own",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "seconds": { "description": "Wall time", "type": "number", "exclusiveMinimum": 0 },
            "memory": { "description": "Memory of its own: 500MiB, 2GiB", "type": ["string", "integer"], "minimum": 1 },
        },
    })
}

/// What `use` may be: a stage, one of a certain version, another pipeline.
fn uses(stages: &[&StageManifest]) -> Value {
    let mut choices: Vec<Value> =
        stages.iter().map(|s| json!({ "const": s.id, "title": s.id, "description": s.summary })).collect();
    let ids: Vec<&str> = stages.iter().map(|s| s.id.as_str()).collect();
    if !ids.is_empty() {
        let pattern = format!(r"^({})@[0-9]+(\.[0-9]+)?$", ids.join("|"));
        choices.push(
            json!({ "description": "A version of a stage: ID@MAJOR", "type": "string", "pattern": pattern }),
        );
    }
    choices.push(
        json!({ "description": "Another pipeline: ./FILE.yaml", "type": "string", "pattern": PIPELINE_FILE }),
    );
    json!({ "description": "The stage that runs here", "anyOf": choices })
}

fn stage(stages: &[&StageManifest], change: bool) -> Value {
    let mut stage = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "use": of("use"),
            "each": {
                "description": "A stage a row, NAME-1, NAME-2...: a number of rows, rows, or a table; $each.COLUMN is a cell",
                "type": ["integer", "array", "string"],
                "minimum": 1,
                "items": { "type": "object" },
            },
            "in": { "description": "What its inputs are connected to", "type": ["object", "null"] },
            "with": { "description": "Its parameters", "type": ["object", "null"] },
            "isolate": { "description": "true: in a process of its own; false: in that of ichor", "type": ["boolean", "null"] },
            "limits": of("limits"),
            "doc": { "description": "What it is for", "type": ["string", "number", "null"] },
        },
    });
    if change {
        stage["type"] = json!(["object", "null"]);
        return stage;
    }
    stage["required"] = json!(["use"]);
    let when = |pattern: String, then: Value| {
        let uses = json!({ "type": "string", "pattern": pattern });
        json!({ "if": { "required": ["use"], "properties": { "use": uses } }, "then": then })
    };
    let each = stages.iter().map(|s| when(format!("^{}(@|$)", s.id), of(&format!("stage.{}", s.id))));
    stage["allOf"] = each.collect();
    stage
}

/// The ports and parameters of one stage.
fn of_stage(stage: &StageManifest) -> Value {
    let ports: Map<String, Value> =
        stage.inputs.iter().map(|port| (port.name.clone(), of_port(port))).collect();
    let params: Map<String, Value> = stage
        .params()
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.clone(), parameter(schema)))
        .collect();
    let needed: Vec<&str> = stage.inputs.iter().filter(|p| !p.optional).map(|p| p.name.as_str()).collect();
    let given: Vec<&str> = stage.required().collect();
    let mut required = Vec::new();
    let mut map = |key: &'static str, doc: &str, properties: Map<String, Value>, names: &[&str]| {
        if names.is_empty() {
            return json!({ "description": doc, "type": ["object", "null"], "additionalProperties": false, "properties": properties });
        }
        required.push(key);
        json!({ "description": doc, "type": "object", "additionalProperties": false, "properties": properties, "required": names })
    };
    let properties = json!({
        "in": map("in", "What its inputs are connected to", ports, &needed),
        "with": map("with", "Its parameters", params, &given),
    });
    json!({ "description": stage.summary, "required": required, "properties": properties })
}

fn of_port(port: &PortDecl) -> Value {
    let mut schema = if port.many { of("connections") } else { of("connection") };
    schema["description"] = match port.doc.as_str() {
        "" => port.describe(),
        doc => format!("{doc} ({})", port.describe()),
    }
    .into();
    schema
}

/// The schema of a parameter as its pipeline may write it: a reference to an input of the pipeline may stand for
/// the value, also within a list, and `26` for the choice "26".
fn parameter(schema: &Value) -> Value {
    let Some(schema_map) = schema.as_object() else { return schema.clone() };
    let mut out: Map<String, Value> = schema_map
        .iter()
        .filter(|(key, _)| !key.starts_with("x-"))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if let Some(unit) = schema["x-unit"].as_str() {
        let doc = schema["description"].as_str().unwrap_or_default();
        out.insert("description".into(), format!("{doc} [{unit}]").trim().into());
    }
    let nullable = schema.get("type").is_some() && is_nullable(schema);
    if let Some(choices) = schema["enum"].as_array() {
        let mut choices = choices.clone();
        let plain = |c: &Value| c.as_str()?.parse::<Value>().ok().filter(|v| v.is_number() || v.is_boolean());
        let also: Vec<Value> = choices.iter().filter_map(plain).collect();
        choices.extend(also);
        choices.extend(nullable.then_some(Value::Null));
        out.shift_remove("enum");
        out.shift_remove("type");
        out.insert("anyOf".into(), json!([{ "enum": choices }, { "type": "string", "pattern": REFERENCE }]));
        return out.into();
    }
    if let Some(kind) = schema.get("type") {
        let mut kinds = kind.as_array().cloned().unwrap_or_else(|| vec![kind.clone()]);
        if !allows(schema, "string") {
            kinds.push("string".into());
            out.insert("pattern".into(), REFERENCE.into());
        }
        if nullable && !allows(schema, "null") {
            kinds.push("null".into());
        }
        let kind = if kinds.len() == 1 { kinds.swap_remove(0) } else { kinds.into() };
        out.insert("type".into(), kind);
    }
    if let Some(items) = schema.get("items") {
        out.insert("items".into(), parameter(items));
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::PluginManifest;

    fn schema() -> Value {
        let mut catalogue = Catalogue::new();
        catalogue.add(PluginManifest::parse(include_bytes!("../tests/stages.json")).unwrap());
        json_schema(&catalogue)
    }

    #[test]
    fn every_stage_is_offered_with_its_ports_and_parameters() {
        let schema = schema();
        let stages: Value = serde_json::from_str(include_str!("../tests/stages.json")).unwrap();
        let choices = schema["$defs"]["use"]["anyOf"].as_array().unwrap();
        let rules = schema["$defs"]["stage"]["allOf"].as_array().unwrap();
        for stage in stages["stages"].as_array().unwrap() {
            let id = stage["id"].as_str().unwrap();
            assert!(choices.iter().any(|c| c["const"] == id), "{id}");
            let definition = format!("stage.{id}");
            assert!(rules.iter().any(|r| r["then"]["$ref"] == format!("#/$defs/{definition}")), "{id}");
            let of = &schema["$defs"][&definition]["properties"];
            for port in stage["inputs"].as_array().into_iter().flatten() {
                assert!(of["in"]["properties"].get(port["name"].as_str().unwrap()).is_some(), "{id} {port}");
            }
            for (name, param) in stage["params"]["properties"].as_object().into_iter().flatten() {
                assert_eq!(
                    of["with"]["properties"][name].get("default"),
                    param.get("default"),
                    "{id} {name}"
                );
            }
        }
    }

    #[test]
    fn required_things_are_required() {
        let defs = &schema()["$defs"];
        assert_eq!(defs["stage.load-nifti"]["required"], json!(["with"]));
        assert_eq!(defs["stage.load-nifti"]["properties"]["with"]["required"], json!(["source"]));
        assert_eq!(defs["stage.segment-threshold"]["properties"]["in"]["required"], json!(["ct", "cavity"]));
        assert_eq!(defs["stage.picture"]["properties"]["in"]["required"], json!(["ct"]));
        assert_eq!(
            defs["stage.picture"]["properties"]["in"]["properties"]["masks"]["$ref"],
            "#/$defs/connections"
        );
    }

    #[test]
    fn a_parameter_may_be_a_reference() {
        assert_eq!(
            parameter(
                &json!({"type": "number", "minimum": 0, "default": 0.1, "description": "Least", "x-unit": "mL"})
            ),
            json!({"type": ["number", "string"], "pattern": REFERENCE, "minimum": 0, "default": 0.1, "description": "Least [mL]"})
        );
        assert_eq!(
            parameter(&json!({"type": "string", "enum": ["6", "x"], "default": null})),
            json!({"default": null, "anyOf": [{"enum": ["6", "x", 6, null]}, {"type": "string", "pattern": REFERENCE}]})
        );
        assert_eq!(
            parameter(&json!({"type": ["array", "null"], "items": {"type": "integer"}, "minItems": 3})),
            json!({"type": ["array", "null", "string"], "pattern": REFERENCE, "minItems": 3,
                   "items": {"type": ["integer", "string"], "pattern": REFERENCE}})
        );
        assert_eq!(parameter(&json!({"type": "string", "x-file": "input"})), json!({"type": "string"}));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
            match value {
                Value::Object(map) => map.iter().for_each(|(key, value)| match value.as_str() {
                    Some(target) if key == "$ref" => found.push(target),
                    _ => walk(value, found),
                }),
                Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
                _ => {}
            }
        }
        let schema = schema();
        let mut found = Vec::new();
        walk(&schema, &mut found);
        assert!(found.len() > 20);
        for target in found {
            let name = target.strip_prefix("#/$defs/").unwrap();
            assert!(schema["$defs"].get(name).is_some(), "{target}");
        }
    }
}
