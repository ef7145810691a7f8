//! Parameters of a stage that stands in no pipeline.

use ichor_spec::{Catalogue, Options, Override, PluginManifest, StageManifest};
use serde_json::{Map, Value, json};

/// The stage's parameters that have no default and are not given.
pub(super) fn open<'a>(stage: &'a StageManifest, given: &[(String, String)]) -> Option<&'a str> {
    stage.required().find(|name| given.iter().all(|(g, _)| g != name))
}

/// Defaults, and what is given as name and text of the value, as `--set` takes it.
///
/// # Errors
/// A parameter is not there, or its value is not what the schema lets through.
pub(super) fn complete(
    stage: &StageManifest,
    given: &[(String, String)],
) -> Result<Map<String, Value>, String> {
    // By way of a pipeline of this stage alone, so that a value means here what it means there. Its ports do not
    // matter, and a document is what needs no other stage to be written.
    let id = &stage.id;
    let port = json!({"name": "output", "kind": ["doc"]});
    let outputs = vec![serde_json::from_value(port).map_err(|e| e.to_string())?];
    let alone = StageManifest { inputs: Vec::new(), outputs, ..stage.clone() };
    let text =
        json!({"ichor": 1, "stages": {id: {"use": id}}, "outputs": {"output": format!("{id}.output")}})
            .to_string();
    let sets = given.iter().map(|(param, value)| Override {
        stage: id.clone(),
        param: param.clone(),
        value_text: value.clone(),
    });
    let options = Options { overrides: sets.collect(), ..Options::default() };
    let spec = ichor_spec::parse("check", &text).map_err(|e| e.to_string())?;
    let mut catalogue = Catalogue::new();
    catalogue.add(PluginManifest {
        ichor: 1,
        name: "check".into(),
        version: "1.0.0".into(),
        stages: vec![alone],
    });
    let plan = ichor_spec::resolve(&spec, &catalogue, &options).map_err(|e| e.to_string())?;
    match plan.stages.into_iter().next().map(|s| s.params) {
        Some(Value::Object(params)) => Ok(params),
        _ => Ok(Map::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_those_of_a_pipeline() {
        let stage: StageManifest = serde_json::from_value(json!({"id": "s", "version": "1.0.0",
            "inputs": [{"name": "ct", "kind": ["volume"]}],
            "outputs": [{"name": "mask", "kind": ["mask"], "grid": "ct"}],
            "params": {"properties": {"lower": {"type": "number", "default": 3}, "source": {"type": "string"}},
                       "required": ["source"]}}))
        .unwrap();
        assert_eq!(open(&stage, &[]), Some("source"));
        let given = [("source".to_owned(), "head.nii".to_owned()), ("lower".to_owned(), "7".to_owned())];
        assert_eq!(open(&stage, &given), None);
        let params = complete(&stage, &given).unwrap();
        assert_eq!(Value::Object(params), json!({"lower": 7.0, "source": "head.nii"}));
        let wrong = [("source".to_owned(), "x".to_owned()), ("lower".to_owned(), "high".to_owned())];
        assert!(complete(&stage, &wrong).unwrap_err().contains("give a number"));
    }
}
