//! What a plugin says about itself: its stages, their ports and parameters. Read from the JSON embedded in the
//! plugin's file, without running it.

use crate::voxels::VoxelRules;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The manifest format this crate reads.
pub const MANIFEST_FORMAT: u32 = 1;

/// What a port carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Voxels that are measurements, such as a CT.
    Volume,
    /// Voxels that are 0 or 1.
    Mask,
    /// Voxels that are integers naming what they belong to.
    Labels,
    /// Voxels that are probabilities.
    Probs,
    /// Numbers without geometry.
    Tensor,
    /// Rows and named columns.
    Table,
    /// A document: JSON, text, HTML.
    Doc,
    /// The bytes of a file.
    Blob,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 8] = [
        Kind::Volume,
        Kind::Mask,
        Kind::Labels,
        Kind::Probs,
        Kind::Tensor,
        Kind::Table,
        Kind::Doc,
        Kind::Blob,
    ];

    /// The name in manifests and pipelines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Volume => "volume",
            Kind::Mask => "mask",
            Kind::Labels => "labels",
            Kind::Probs => "probs",
            Kind::Tensor => "tensor",
            Kind::Table => "table",
            Kind::Doc => "doc",
            Kind::Blob => "blob",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|k| k.name() == name)
    }

    /// Whether it is voxels on a grid.
    #[must_use]
    pub fn is_voxels(self) -> bool {
        matches!(self, Kind::Volume | Kind::Mask | Kind::Labels | Kind::Probs)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The unit of voxel values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// A number without unit.
    None,
    /// Hounsfield units.
    #[serde(rename = "HU")]
    Hu,
    /// 0 to 1.
    Probability,
    /// An integer that names something.
    Label,
    /// Millimetres.
    Mm,
}

impl Unit {
    /// All units.
    pub const ALL: [Unit; 5] = [Unit::None, Unit::Hu, Unit::Probability, Unit::Label, Unit::Mm];

    /// The name in manifests and pipelines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Unit::None => "none",
            Unit::Hu => "HU",
            Unit::Probability => "probability",
            Unit::Label => "label",
            Unit::Mm => "mm",
        }
    }

    /// The unit of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Unit> {
        Unit::ALL.into_iter().find(|u| u.name() == name)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The manifest of one plugin. Fields this version does not know are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginManifest {
    /// Format of the manifest, [`MANIFEST_FORMAT`].
    pub ichor: u32,
    /// The plugin's name.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// The stages it offers.
    #[serde(default)]
    pub stages: Vec<StageManifest>,
}

/// One stage of a plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageManifest {
    /// What a pipeline writes after `use:`.
    pub id: String,
    /// Semantic version: MAJOR.MINOR.PATCH.
    pub version: String,
    /// One line.
    #[serde(default)]
    pub summary: String,
    /// More than one line; may be empty.
    #[serde(default)]
    pub doc: String,
    /// What it takes.
    #[serde(default)]
    pub inputs: Vec<PortDecl>,
    /// What it makes.
    #[serde(default)]
    pub outputs: Vec<PortDecl>,
    /// JSON Schema of the parameters: an object with `properties` and `required`.
    #[serde(default)]
    pub params: Value,
    /// Most memory of its own that it needs for each voxel of its first voxel input, or output if it has no
    /// such input; for stages that say nothing more exact when they are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_voxel: Option<f64>,
}

/// An input or output of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PortDecl {
    /// Name, unique among the inputs or the outputs of its stage.
    pub name: String,
    /// The kinds it may carry.
    pub kind: Vec<Kind>,
    /// The units it may carry; empty means any.
    #[serde(default)]
    pub unit: Vec<Unit>,
    /// The port whose grid this one must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
    /// An input that may stay unconnected.
    #[serde(default)]
    pub optional: bool,
    /// An input that takes a list of connections.
    #[serde(default)]
    pub many: bool,
    /// An output with the kind and unit of the input of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// An output whose kind is the value of the parameter of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind_param: Option<String>,
    /// An output whose unit is the value of the parameter of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_param: Option<String>,
    /// What its voxels are like.
    #[serde(flatten)]
    pub voxels: VoxelRules,
    /// What it is.
    #[serde(default)]
    pub doc: String,
}

/// A manifest that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plugin's manifest is wrong: {0}; the plugin must be rebuilt or asked about at its author's")]
pub struct ManifestError(String);

impl PluginManifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// When it is not JSON of this format, or contradicts itself (two stages of one id, a reference to a port
    /// or parameter that is not there, a default outside the limits).
    pub fn parse(json: &[u8]) -> Result<PluginManifest, ManifestError> {
        let manifest: PluginManifest =
            serde_json::from_slice(json).map_err(|e| ManifestError(e.to_string()))?;
        manifest.check().map_err(ManifestError)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if self.ichor != MANIFEST_FORMAT {
            return Err(format!("its format is {}, this version reads {MANIFEST_FORMAT}", self.ichor));
        }
        if !is_name(&self.name) {
            return Err(format!("`{}` is not a name of a plugin", self.name));
        }
        if semver(&self.version).is_none() {
            return Err(format!("`{}` is not a version like 1.0.0", self.version));
        }
        unique("stage id", self.stages.iter().map(|s| s.id.as_str()))?;
        self.stages.iter().try_for_each(|s| s.check().map_err(|e| format!("stage `{}`: {e}", s.id)))
    }
}

impl PortDecl {
    /// What it carries, in a few words: `volume, HU, grid of ct, optional`.
    #[must_use]
    pub fn describe(&self) -> String {
        let join = |names: Vec<&str>| names.join("|");
        let mut words = vec![match (&self.like, &self.kind_param) {
            (Some(input), _) => format!("like {input}"),
            (None, Some(param)) => format!("kind by parameter {param}"),
            (None, None) => join(self.kind.iter().map(|k| k.name()).collect()),
        }];
        if !self.unit.is_empty() {
            words.push(join(self.unit.iter().map(|u| u.name()).collect()));
        }
        words.extend(self.voxels.words());
        words.extend(self.grid.iter().map(|grid| format!("grid of {grid}")));
        words.extend(
            [(self.optional, "optional"), (self.many, "several")]
                .iter()
                .filter(|w| w.0)
                .map(|w| w.1.to_owned()),
        );
        words.join(", ")
    }
}

impl StageManifest {
    /// The schemas of the parameters by name.
    #[must_use]
    pub fn params(&self) -> Option<&Map<String, Value>> {
        self.params.get("properties")?.as_object()
    }

    /// Names of the parameters that must be given.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        self.params.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// Memory of its own for so many voxels, in bytes, as far as its manifest says.
    #[must_use]
    pub fn scratch(&self, voxels: u64) -> u64 {
        self.bytes_per_voxel.filter(|b| b.is_finite() && *b > 0.0).map_or(0, |b| (b * voxels as f64) as u64)
    }

    /// Major and minor version; zeros when the version is not one.
    #[must_use]
    pub fn major_minor(&self) -> (u64, u64) {
        semver(&self.version).map_or((0, 0), |[major, minor, _]| (major, minor))
    }

    fn check(&self) -> Result<(), String> {
        if semver(&self.version).is_none() {
            return Err(format!("`{}` is not a version like 1.0.0", self.version));
        }
        unique("input", self.inputs.iter().map(|p| p.name.as_str()))?;
        unique("output", self.outputs.iter().map(|p| p.name.as_str()))?;
        let is_input = |name: &str| self.inputs.iter().any(|p| p.name == name);
        let is_output = |name: &str| self.outputs.iter().any(|p| p.name == name);
        let is_param = |name: &str| self.params().is_some_and(|p| p.contains_key(name));
        for port in self.inputs.iter().chain(&self.outputs) {
            if port.grid.as_deref() == Some(&port.name) && !is_input(&port.name) {
                return Err(format!("output `{}` has the grid of itself", port.name));
            }
            port.voxels.check().map_err(|e| format!("port `{}`: {e}", port.name))?;
            if port.kind.is_empty() {
                return Err(format!("port `{}` has no kind", port.name));
            }
            let broken = port.like.iter().find(|n| !is_input(n)).or_else(|| {
                port.grid
                    .iter()
                    .find(|n| !is_input(n) && !is_output(n))
                    .or_else(|| port.kind_param.iter().chain(port.unit_param.iter()).find(|n| !is_param(n)))
            });
            if let Some(name) = broken {
                return Err(format!("port `{}` refers to `{name}`, which is not there", port.name));
            }
        }
        let shape = |key: &str, fits: fn(&Value) -> bool| self.params.get(key).is_none_or(fits);
        let is_text = |list: &Value| list.as_array().is_some_and(|l| l.iter().all(Value::is_string));
        if !matches!(self.params, Value::Null | Value::Object(_))
            || !shape("properties", Value::is_object)
            || !shape("required", is_text)
        {
            return Err(
                "its parameters are not described by an object with `properties` and `required`".to_owned()
            );
        }
        if let Some(name) = self.required().find(|n| !is_param(n)) {
            return Err(format!("parameter `{name}` is required but not declared"));
        }
        for (name, schema) in self.params().into_iter().flatten() {
            if !is_name(name) {
                return Err(format!("`{name}` is not a name of a parameter"));
            }
            crate::params::check_schema(schema).map_err(|e| format!("parameter `{name}`: {e}"))?;
        }
        Ok(())
    }
}

/// Names are well-formed and stand once.
fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !is_name(name) {
            return Err(format!("`{name}` is not a name of a {what}"));
        }
        if !seen.insert(name) {
            return Err(format!("the {what} `{name}` stands there twice"));
        }
    }
    Ok(())
}

/// Whether `name` may name a stage, input, output, port or parameter: 1 to 64 of letters, digits, `_`, `-`,
/// the first not `-`. Names become file names and arguments, so nothing else is let through.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with('-')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn semver(version: &str) -> Option<[u64; 3]> {
    // What a pre-release or build suffix says does not matter here.
    let numbers = version.split(['-', '+']).next()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-+.".contains(&b);
    if version.len() > 64 || !version.bytes().all(plain) {
        return None;
    }
    let parts: Vec<u64> = numbers.split('.').map(number).collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// Digits alone: no sign.
pub(crate) fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A stage in the catalogue.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Index of its plugin.
    pub plugin: usize,
    /// The stage.
    pub stage: Arc<StageManifest>,
}

/// A stage that two plugins offer: the plugin added first is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadowed {
    /// Id of the stage.
    pub stage: String,
    /// Index of the plugin that is used.
    pub used: usize,
    /// Index of the plugin that is not.
    pub ignored: usize,
}

/// All plugins that were found, and their stages by id.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    plugins: Vec<PluginManifest>,
    stages: BTreeMap<String, Offered>,
    shadowed: Vec<Shadowed>,
}

impl Catalogue {
    /// Without plugins.
    #[must_use]
    pub fn new() -> Catalogue {
        Catalogue::default()
    }

    /// Adds a plugin and gives its index. A stage id that is there already stays with its first plugin, see
    /// [`Catalogue::shadowed`].
    pub fn add(&mut self, manifest: PluginManifest) -> usize {
        let plugin = self.plugins.len();
        for stage in &manifest.stages {
            if let Some(first) = self.stages.get(&stage.id) {
                self.shadowed.push(Shadowed { stage: stage.id.clone(), used: first.plugin, ignored: plugin });
            } else {
                self.stages.insert(stage.id.clone(), Offered { plugin, stage: Arc::new(stage.clone()) });
            }
        }
        self.plugins.push(manifest);
        plugin
    }

    /// The stage of that id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Offered> {
        self.stages.get(id)
    }

    /// The id of a stage that is like `id`, which is none, enough to be what was meant.
    #[must_use]
    pub fn nearest(&self, id: &str) -> Option<&str> {
        crate::diagnostic::nearest(id, self.stages.keys().map(String::as_str))
    }

    /// All stages in the order of their ids.
    pub fn stages(&self) -> impl Iterator<Item = &Offered> + Clone {
        self.stages.values()
    }

    /// The plugin of that index.
    #[must_use]
    pub fn plugin(&self, index: usize) -> Option<&PluginManifest> {
        self.plugins.get(index)
    }

    /// All plugins in the order added.
    #[must_use]
    pub fn plugins(&self) -> &[PluginManifest] {
        &self.plugins
    }

    /// Stages that are not used because a plugin added earlier offers the same id.
    #[must_use]
    pub fn shadowed(&self) -> &[Shadowed] {
        &self.shadowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(stage: &Value) -> Value {
        json!({"ichor": 1, "name": "p", "version": "0.1.0", "stages": [stage]})
    }

    fn parse(json: &Value) -> Result<PluginManifest, ManifestError> {
        PluginManifest::parse(json.to_string().as_bytes())
    }

    #[test]
    fn a_full_manifest_is_read_and_strange_fields_are_ignored() {
        let read = parse(&json!({"ichor": 1, "name": "p", "version": "0.1.0", "licence": "MIT", "stages": [{
            "id": "threshold", "version": "1.2.3", "summary": "s", "doc": "", "cost": 3,
            "inputs": [{"name": "ct", "kind": ["volume"], "unit": ["HU"], "dtype": ["i16"]}],
            "outputs": [{"name": "mask", "kind": ["mask"], "grid": "ct", "like": "ct", "kind_param": "kind"}],
            "params": {"type": "object", "properties": {"kind": {"type": "string"}}, "required": ["kind"]}}]}))
        .unwrap();
        let stage = &read.stages[0];
        assert_eq!((stage.inputs[0].unit[0], stage.inputs[0].optional), (Unit::Hu, false));
        assert_eq!(stage.outputs[0].like.as_deref(), Some("ct"));
        assert_eq!(stage.required().collect::<Vec<_>>(), ["kind"]);
        assert_eq!(stage.major_minor(), (1, 2));
        let again: PluginManifest = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(again, read);
    }

    #[test]
    fn wrong_manifests_are_refused_with_the_reason() {
        let port = json!({"name": "a", "kind": ["mask"]});
        for (json, reason) in [
            (json!({"ichor": 2, "name": "p", "version": "1"}), "its format is 2"),
            (json!({"ichor": 1, "name": "p"}), "missing field `version`"),
            (manifest(&json!({"id": "../x", "version": "1.0.0"})), "`../x` is not a name of a stage id"),
            (manifest(&json!({"id": "s", "version": "1"})), "stage `s`: `1` is not a version"),
            (
                manifest(&json!({"id": "s", "version": "1.0.0", "inputs": [port, port]})),
                "`a` stands there twice",
            ),
            (
                manifest(&json!({"id": "s", "version": "1.0.0", "inputs": [{"name": "a", "kind": []}]})),
                "no kind",
            ),
            (
                manifest(&json!({"id": "s", "version": "1.0.0", "inputs": [{"name": "a", "kind": ["x"]}]})),
                "unknown variant `x`",
            ),
            (
                manifest(
                    &json!({"id": "s", "version": "1.0.0", "outputs": [{"name": "a", "kind": ["mask"], "like": "b"}]}),
                ),
                "port `a` refers to `b`",
            ),
            (
                manifest(
                    &json!({"id": "s", "version": "1.0.0", "params": {"properties": {"x": {"type": "number", "maximum": 1, "default": 2}}}}),
                ),
                "parameter `x`: its default 2",
            ),
            (
                manifest(&json!({"id": "s", "version": "1.0.0", "params": []})),
                "its parameters are not described",
            ),
            (manifest(&json!({"id": "s", "version": "1.0.0-\u{1b}"})), "is not a version"),
            (
                manifest(
                    &json!({"id": "s", "version": "1.0.0", "inputs": [{"name": "a", "kind": ["mask"], "orientation": "up"}]}),
                ),
                "port `a`: `up` is no orientation",
            ),
            (
                manifest(
                    &json!({"id": "s", "version": "1.0.0", "outputs": [{"name": "a", "kind": ["mask"], "grid": "a"}]}),
                ),
                "output `a` has the grid of itself",
            ),
            (
                manifest(&json!({"id": "s", "version": "1.0.0", "params": {"required": ["x"]}})),
                "`x` is required but not declared",
            ),
        ] {
            let error = parse(&json).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(PluginManifest::parse(&[0xff, 0xfe]).is_err());
        assert!(PluginManifest::parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_port_is_described_in_a_few_words() {
        let port = |json: Value| serde_json::from_value::<PortDecl>(json).unwrap().describe();
        assert_eq!(
            port(
                json!({"name": "a", "kind": ["mask", "labels"], "unit": ["none"], "dtype": ["u8"], "orientation": "RAS",
                        "grid": "ct", "optional": true, "many": true})
            ),
            "mask|labels, none, u8, orientation RAS, grid of ct, optional, several"
        );
        assert_eq!(port(json!({"name": "a", "kind": ["mask"], "like": "image"})), "like image");
    }

    #[test]
    fn the_first_plugin_keeps_a_stage_id() {
        let mut catalogue = Catalogue::new();
        let one = parse(&manifest(&json!({"id": "s", "version": "1.0.0"}))).unwrap();
        let two = parse(&manifest(&json!({"id": "s", "version": "2.0.0"}))).unwrap();
        assert_eq!((catalogue.add(one), catalogue.add(two)), (0, 1));
        assert_eq!(catalogue.find("s").unwrap().stage.version, "1.0.0");
        assert_eq!(catalogue.shadowed(), [Shadowed { stage: "s".into(), used: 0, ignored: 1 }]);
        assert_eq!(catalogue.stages().count(), 1);
        assert!(catalogue.plugin(2).is_none());
    }
}
