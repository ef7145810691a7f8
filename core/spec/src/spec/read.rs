//! From YAML to a [`Spec`]: what stands where, and everything that is wrong with it.

use super::{
    Connection, InputKind, InputSpec, Limits, OutputSpec, PIPELINE_FORMAT, PortRef, Read, Spec, StageSpec,
    Use,
};
use crate::diagnostic::{Found, quote, suggest};
use crate::manifest::{Unit, is_name, number};
use crate::size;
use crate::yaml::{Node, Position, Spanned};
use std::collections::BTreeMap;

pub(super) const KEYS: [&str; 8] = ["ichor", "name", "doc", "seed", "inputs", "stages", "outputs", "group"];
const INPUT_KEYS: [&str; 4] = ["kind", "unit", "doc", "default"];
const STAGE_KEYS: [&str; 6] = ["use", "with", "in", "isolate", "limits", "doc"];

pub(super) type Entry = (Spanned<String>, Spanned<Node>);

/// Reads one document after another; what is wrong is gathered.
pub(super) struct Reader<'r> {
    pub(super) found: Found,
    /// Gives the text of a file.
    pub(super) read: &'r Read<'r>,
    /// Inputs of the pipeline that are bound.
    pub(super) given: &'r BTreeMap<String, String>,
    /// Inputs that are such tables.
    pub(super) reads: Vec<String>,
    /// Stages of the file being read that stand for a row, and the stage with `each` that they come of.
    pub(super) row_of: BTreeMap<String, String>,
    /// The pipelines that are being read, each used by the one before it.
    pub(super) open: Vec<String>,
    /// How many pipelines were read.
    pub(super) count: usize,
    /// What overlays say of the stages within a stage that is a pipeline, by that stage's name.
    pub(super) within: BTreeMap<String, Vec<Spanned<Node>>>,
}

/// The entries of a map whose keys are fixed.
pub(super) struct Fields<'a>(pub(super) &'a [Entry]);

impl<'a> Fields<'a> {
    pub(super) fn get(&self, key: &str) -> Option<&'a Spanned<Node>> {
        self.0.iter().find(|(k, _)| k.value == key).map(|(_, v)| v)
    }
}

impl Reader<'_> {
    pub(super) fn pipeline(&mut self, file: &str, root: &Spanned<Node>) -> Option<Spec> {
        const FIRST: &str = "begin the file with `ichor: 1`, then `stages:` and `outputs:`";
        let Node::Map(entries) = &root.value else {
            self.found.error(root.at, || match &root.value {
                Node::Null => ("the file is empty".to_owned(), FIRST),
                other => (format!("a pipeline is a map of keys, this is {}", other.describe()), FIRST),
            });
            return None;
        };
        self.format(root.at.file, entries)?;
        if let Some((key, _)) = entries.iter().find(|(key, _)| key.value == "overlay") {
            self.found.error(key.at, || {
                ("this is an overlay, not a pipeline", "lay it over one: PIPELINE --with OVERLAY")
            });
            return None;
        }
        let fields = self.fields(root, "a pipeline", &KEYS)?;
        let stem = file.rsplit(['/', '\\']).next().unwrap_or(file);
        let stem = stem.split('.').next().filter(|s| !s.is_empty()).unwrap_or("pipeline");
        let name = match fields.get("name") {
            Some(node) => self.name_value(node)?,
            None => stem.chars().filter(|c| !c.is_control()).take(64).collect(),
        };
        let seed = fields.get("seed").map_or(Some(0), |node| self.seed(node));
        let inputs = self.each(fields.get("inputs"), "inputs", Reader::input);
        let stages = self.each(fields.get("stages"), "stages", Reader::stage);
        let outputs = self.each(fields.get("outputs"), "outputs", Reader::output);
        if matches!(fields.get("stages").map(|n| &n.value), None | Some(Node::Null)) {
            self.found.error(Position::start(root.at.file), || {
                ("the pipeline has no stages", "add `stages:` with `NAME: {use: STAGE}` below it")
            });
        }
        self.distinct_files(&outputs);
        let group = match fields.get("group") {
            None | Some(Spanned { value: Node::Null, .. }) => None,
            Some(node) => Some(self.group(node, &stages)?),
        };
        Some(Spec {
            file: file.to_owned(),
            files: Vec::new(),
            name,
            doc: self.text(&fields, "doc"),
            seed: seed?,
            inputs,
            stages,
            outputs,
            group,
            table_inputs: Vec::new(),
        })
    }

    /// The version decides what the other keys mean, so nothing else is read before it is right.
    pub(super) fn format(&mut self, file: usize, entries: &[Entry]) -> Option<()> {
        match Fields(entries).get("ichor") {
            Some(version) if version.value == Node::Number(PIPELINE_FORMAT.into()) => return Some(()),
            Some(version) => self.found.error(version.at, || {
                (
                    format!("the pipeline's format is {}", version.value.describe()),
                    format!("this version of Ichor reads `ichor: {PIPELINE_FORMAT}`"),
                )
            }),
            None => self.found.error(Position::start(file), || {
                ("the key `ichor` is missing", "begin the file with `ichor: 1`")
            }),
        }
        None
    }

    pub(super) fn input(&mut self, name: &Spanned<String>, node: &Spanned<Node>) -> Option<InputSpec> {
        let what = format!("input {}", quote(&name.value));
        let fields = self.fields(node, &what, &INPUT_KEYS)?;
        let names = InputKind::NAMES.map(|(name, _)| name);
        let kind = match fields.get("kind") {
            None => {
                self.found.error(name.at, || {
                    (format!("{what} has no kind"), format!("add `kind:` with one of {}", names.join(", ")))
                });
                return None;
            }
            Some(node) => self.choice(node, &what, "kind", &InputKind::NAMES)?,
        };
        let units = Unit::ALL.map(|u| (u.name(), u));
        let unit = match fields.get("unit") {
            None => None,
            Some(node) => Some(self.choice(node, &what, "unit", &units)?),
        };
        Some(InputSpec {
            name: name.clone(),
            kind,
            unit,
            doc: self.text(&fields, "doc"),
            default: fields.get("default").cloned(),
        })
    }

    pub(super) fn stage(&mut self, name: &Spanned<String>, node: &Spanned<Node>) -> Option<StageSpec> {
        let what = format!("stage {}", quote(&name.value));
        let fields = self.fields(node, &what, &STAGE_KEYS)?;
        let Some(used) = fields.get("use") else {
            self.found.error(name.at, || {
                (
                    format!("{what} does not say which stage it uses"),
                    "add `use: STAGE`; `ichor plugins` lists them",
                )
            });
            return None;
        };
        let uses = self.used(name, used)?;
        let with = match fields.get("with") {
            Some(node) => self.map(node, &format!("`with` of {what}"))?.to_vec(),
            None => Vec::new(),
        };
        let mut inputs = Vec::new();
        if let Some(node) = fields.get("in") {
            for (port, value) in self.map(node, &format!("`in` of {what}"))? {
                inputs.push((port.clone(), self.connection(value)?));
            }
        }
        let isolate_node = fields.get("isolate");
        let isolate = match isolate_node {
            None | Some(Spanned { value: Node::Null, .. }) => None,
            Some(Spanned { value: Node::Bool(v), .. }) => Some(*v),
            Some(other) => {
                self.found.error(other.at, || {
                    (
                        format!("`isolate` of {what} is {}", other.value.describe()),
                        "write `true` for a worker process or `false` for this one",
                    )
                });
                return None;
            }
        };
        let limits = match fields.get("limits") {
            Some(node) => self.limits(&what, node)?,
            None => Limits::default(),
        };
        if let (true, Some(node)) = (limits.any() && isolate == Some(false), isolate_node) {
            self.found.error(node.at, || {
                (
                    format!("{what} has limits, which can be kept in a worker process only"),
                    "remove `isolate: false` or `limits`",
                )
            });
        }
        if let Use::Pipeline(inner) = &uses.value
            && (limits.any() || isolate.is_some())
        {
            self.found.error(name.at, || {
                (
                    format!("{what} is a pipeline, and `isolate` and `limits` are for stages of plugins"),
                    format!("write them in {}, or in an overlay for `{}/STAGE`", inner.file, name.value),
                )
            });
        }
        Some(StageSpec {
            name: name.clone(),
            row_of: None,
            uses,
            with,
            inputs,
            isolate,
            limits,
            doc: self.text(&fields, "doc"),
        })
    }

    pub(super) fn limits(&mut self, what: &str, node: &Spanned<Node>) -> Option<Limits> {
        let fields = self.fields(node, &format!("`limits` of {what}"), &["seconds", "memory"])?;
        let seconds = fields.get("seconds").map(|node| match &node.value {
            Node::Number(number) => number.as_f64().filter(|s| *s > 0.0),
            _ => None,
        });
        let bytes = fields.get("memory").map(|node| match &node.value {
            Node::Number(number) => number.as_u64().filter(|b| *b > 0),
            Node::Text(text) => size::parse(text).ok().filter(|b| *b > 0),
            _ => None,
        });
        for (key, is_wrong, help) in [
            ("seconds", seconds == Some(None), "give a number above 0"),
            ("memory", bytes == Some(None), "give a size, such as 500MiB or 2GiB"),
        ] {
            if let (true, Some(node)) = (is_wrong, fields.get(key)) {
                self.found
                    .error(node.at, || (format!("`{key}` of {what} is {}", node.value.describe()), help));
            }
        }
        Some(Limits { seconds: seconds.flatten(), bytes: bytes.flatten() })
    }

    pub(super) fn output(&mut self, name: &Spanned<String>, node: &Spanned<Node>) -> Option<OutputSpec> {
        if ["run", "failed-run"].iter().any(|taken| name.value.eq_ignore_ascii_case(taken)) {
            self.found.error(name.at, || {
                (
                    format!("the output name {} is taken by the run record", quote(&name.value)),
                    "choose another name",
                )
            });
        }
        Some(OutputSpec { name: name.clone(), from: self.connection(node)? })
    }

    /// Outputs become files, and some file systems do not tell upper from lower case.
    pub(super) fn distinct_files(&mut self, outputs: &[OutputSpec]) {
        let mut seen = BTreeMap::new();
        for output in outputs {
            let name = &output.name.value;
            if let Some(other) = seen.insert(name.to_ascii_lowercase(), name.clone()) {
                self.found.error(output.name.at, || {
                    (
                        format!("outputs {} and {} would have the same file", quote(&other), quote(name)),
                        "rename one of the two",
                    )
                });
            }
        }
    }

    /// `ID`, `ID@MAJOR` or `ID@MAJOR.MINOR`, or the path of another pipeline.
    pub(super) fn used(&mut self, name: &Spanned<String>, node: &Spanned<Node>) -> Option<Spanned<Use>> {
        if let Node::Text(text) = &node.value {
            if is_pipeline_file(text) {
                let inner = self.pipeline_used(&name.value, text, node.at)?;
                return Some(Spanned { value: Use::Pipeline(Box::new(inner)), at: node.at });
            }
            let (id, version) = match text.split_once('@') {
                Some((id, version)) => (id, version_asked(version).map(Some)),
                None => (text.as_str(), Some(None)),
            };
            if let (true, Some(version)) = (is_name(id), version) {
                return Some(Spanned { value: Use::Stage { id: id.to_owned(), version }, at: node.at });
            }
        }
        self.found.error(node.at, || {
            (
                format!("`use` is {}", node.value.describe()),
                "write the id of a stage, `resample`, or with a version, `resample@1` or `resample@1.2`, or the \
                 path of a pipeline, `./cavity.yaml`",
            )
        });
        None
    }

    pub(super) fn connection(&mut self, node: &Spanned<Node>) -> Option<Connection> {
        match &node.value {
            Node::Seq(items) => {
                let from = items.iter().map(|item| self.port(item)).collect::<Option<Vec<_>>>()?;
                Some(Connection { from, is_list: true, at: node.at })
            }
            _ => Some(Connection { from: vec![self.port(node)?], is_list: false, at: node.at }),
        }
    }

    pub(super) fn port(&mut self, node: &Spanned<Node>) -> Option<Spanned<PortRef>> {
        if let Node::Text(text) = &node.value {
            if let Some(input) = text.strip_prefix("$inputs.").filter(|name| is_name(name)) {
                return Some(Spanned { value: PortRef::Input(input.to_owned()), at: node.at });
            }
            let (stage, port) = match text.split_once('.') {
                Some((stage, port)) => (stage, Some(port)),
                None => (text.as_str(), None),
            };
            if is_name(stage) && port.is_none_or(is_name) {
                let value = PortRef::Stage { stage: stage.to_owned(), port: port.map(str::to_owned) };
                return Some(Spanned { value, at: node.at });
            }
        }
        self.found.error(node.at, || {
            (
                format!("a connection is expected, this is {}", node.value.describe()),
                "write `STAGE.OUTPUT` or `$inputs.NAME`",
            )
        });
        None
    }

    /// Reads every entry of a map from names to something.
    pub(super) fn each<T>(
        &mut self,
        node: Option<&Spanned<Node>>,
        what: &str,
        read: impl Fn(&mut Self, &Spanned<String>, &Spanned<Node>) -> Option<T>,
    ) -> Vec<T> {
        let Some(entries) = node.and_then(|n| self.map(n, &format!("`{what}`"))) else { return Vec::new() };
        let mut list = Vec::new();
        for (name, value) in entries {
            if !is_name(&name.value) {
                self.found.error(name.at, || {
                    (
                        format!("{} cannot be a name in `{what}`", quote(&name.value)),
                        "use 1 to 64 letters, digits, `-` and `_`",
                    )
                });
            }
            list.extend(read(self, name, value));
        }
        list
    }

    pub(super) fn map<'a>(&mut self, node: &'a Spanned<Node>, what: &str) -> Option<&'a [Entry]> {
        match &node.value {
            Node::Map(entries) => Some(entries),
            Node::Null => Some(&[]),
            other => {
                self.found.error(node.at, || {
                    (format!("{what} is {}, a map is expected", other.describe()), "write `NAME: VALUE`")
                });
                None
            }
        }
    }

    pub(super) fn fields<'a>(
        &mut self,
        node: &'a Spanned<Node>,
        what: &str,
        keys: &[&str],
    ) -> Option<Fields<'a>> {
        let entries = self.map(node, what)?;
        for (key, _) in entries.iter().filter(|(k, _)| !keys.contains(&k.value.as_str())) {
            self.found.error(key.at, || {
                (
                    format!("{what} has no key {}", quote(&key.value)),
                    suggest(&key.value, keys.iter().copied(), "its keys are"),
                )
            });
        }
        Some(Fields(entries))
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        node: &Spanned<Node>,
        what: &str,
        key: &str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let given = match &node.value {
            Node::Text(text) => text.as_str(),
            _ => "",
        };
        let found = choices.iter().find(|(name, _)| *name == given).map(|(_, value)| *value);
        if found.is_none() {
            self.found.error(node.at, || {
                (
                    format!("the {key} of {what} is {}", node.value.describe()),
                    suggest(given, choices.iter().map(|(name, _)| *name), "choose one of"),
                )
            });
        }
        found
    }

    pub(super) fn name_value(&mut self, node: &Spanned<Node>) -> Option<String> {
        let text = match &node.value {
            Node::Text(text) => text.clone(),
            Node::Number(number) => number.to_string(),
            _ => String::new(),
        };
        if is_name(&text) {
            return Some(text);
        }
        self.found.error(node.at, || {
            (
                format!("the pipeline's name is {}", node.value.describe()),
                "use 1 to 64 letters, digits, `-` and `_`",
            )
        });
        None
    }

    pub(super) fn seed(&mut self, node: &Spanned<Node>) -> Option<u64> {
        if let Node::Number(number) = &node.value
            && let Some(seed) = number.as_u64()
        {
            return Some(seed);
        }
        self.found.error(node.at, || {
            (format!("`seed` is {}", node.value.describe()), "give an integer from 0 to 18446744073709551615")
        });
        None
    }

    /// Text for people; a number or date is text too.
    pub(super) fn text(&mut self, fields: &Fields<'_>, key: &str) -> String {
        match fields.get(key) {
            None | Some(Spanned { value: Node::Null, .. }) => String::new(),
            Some(Spanned { value: Node::Text(text), .. }) => text.clone(),
            Some(Spanned { value: Node::Number(number), .. }) => number.to_string(),
            Some(other) => {
                self.found.error(other.at, || {
                    (format!("`{key}` is {}", other.value.describe()), "write text, in quotes if need be")
                });
                String::new()
            }
        }
    }
}

/// Whether what `use` says is the path of a pipeline, not the id of a stage.
fn is_pipeline_file(text: &str) -> bool {
    [".yaml", ".yml"].iter().any(|end| text.len() > end.len() && text.ends_with(end))
}

fn version_asked(text: &str) -> Option<(u64, Option<u64>)> {
    match text.split_once('.') {
        Some((major, minor)) => Some((number(major)?, Some(number(minor)?))),
        None => Some((number(text)?, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn a_pipeline_is_read_as_written() {
        let spec = parse(
            "dir/demo.yaml",
            "ichor: 1\nseed: 7\ninputs:\n  ct: {kind: volume, unit: HU}\nstages:\n  load: {use: load-nifti@1.2, with: {source: $inputs.ct}}\n  show: {use: picture, in: {ct: load.volume, masks: [a.b, c]}, isolate: true}\noutputs:\n  p: show\n",
        )
        .unwrap();
        assert_eq!((spec.name.as_str(), spec.seed), ("demo", 7));
        assert_eq!((spec.inputs[0].kind, spec.inputs[0].unit), (InputKind::Volume, Some(Unit::Hu)));
        assert!(
            matches!(&spec.stages[0].uses.value, Use::Stage { id, version: Some((1, Some(2))) } if id == "load-nifti")
        );
        let masks = &spec.stages[1].inputs[1].1;
        assert!(masks.is_list);
        assert_eq!(masks.from[1].value, PortRef::Stage { stage: "c".into(), port: None });
        assert_eq!(masks.from[1].at, Position { file: 0, line: 7, column: 59 });
        assert_eq!(spec.stages[1].isolate, Some(true));
        assert_eq!(spec.outputs[0].from.from[0].value, PortRef::Stage { stage: "show".into(), port: None });
    }

    #[test]
    fn each_mistake_has_its_line() {
        const HEAD: &str = "ichor: 1\nstages: {a: {use: x}}\n";
        for (text, expected) in [
            ("", "1:1: the file is empty; begin the file with `ichor: 1`"),
            ("# nothing\n", "2:1: the file is empty"),
            ("hello", "1:1: a pipeline is a map of keys, this is the text `hello`"),
            ("stages: {}\n", "1:1: the key `ichor` is missing; begin the file with `ichor: 1`"),
            (
                "name: x\nichor: 2\nfuture: key\n",
                "2:8: the pipeline's format is 2; this version of Ichor reads `ichor: 1`",
            ),
            ("ichor: '1'\n", "1:8: the pipeline's format is the text `1`"),
            ("ichor: 1\n", "1:1: the pipeline has no stages"),
            ("ichor: 1\nstages: 5\n", "2:9: `stages` is 5, a map is expected"),
            (&format!("{HEAD}stagse: {{}}\n"), "3:1: a pipeline has no key `stagse`; did you mean `stages`?"),
            (&format!("{HEAD}seed: -1\n"), "3:7: `seed` is -1; give an integer from 0"),
            (&format!("{HEAD}seed: x\n"), "3:7: `seed` is the text `x`"),
            (&format!("{HEAD}name: a/b\n"), "3:7: the pipeline's name is the text `a/b`"),
            (&format!("{HEAD}doc: [a]\n"), "3:6: `doc` is a list of 1"),
            (&format!("{HEAD}inputs: {{ct: {{}}}}\n"), "3:10: input `ct` has no kind; add `kind:`"),
            (
                &format!("{HEAD}inputs: {{ct: {{kind: volum}}}}\n"),
                "3:21: the kind of input `ct` is the text `volum`; did you mean `volume`?",
            ),
            (
                &format!("{HEAD}inputs: {{ct: {{kind: volume, unit: hu}}}}\n"),
                "3:35: the unit of input `ct` is the text `hu`; did you mean `HU`?",
            ),
            (
                &format!("{HEAD}inputs: {{ct: {{kind: volume, defualt: x}}}}\n"),
                "3:29: input `ct` has no key `defualt`; did you mean `default`?",
            ),
            (
                "ichor: 1\nstages:\n  a: {}\n",
                "3:3: stage `a` does not say which stage it uses; add `use: STAGE`",
            ),
            (
                "ichor: 1\nstages:\n  a: {use: x@one}\n",
                "3:12: `use` is the text `x@one`; write the id of a stage",
            ),
            ("ichor: 1\nstages:\n  a: {use: 3}\n", "3:12: `use` is 3"),
            ("ichor: 1\nstages:\n  a: {use: x@+1}\n", "3:12: `use` is the text `x@+1`"),
            (
                "ichor: 1\nstages:\n  a: {use: x, wiht: {}}\n",
                "3:15: stage `a` has no key `wiht`; did you mean `with`?",
            ),
            (
                "ichor: 1\nstages:\n  a: {use: x, with: [1]}\n",
                "3:21: `with` of stage `a` is a list of 1, a map is expected",
            ),
            (
                "ichor: 1\nstages:\n  a: {use: x, isolate: no}\n",
                "3:24: `isolate` of stage `a` is the text `no`; write `true`",
            ),
            (
                "ichor: 1\nstages:\n  a: {use: x, in: {ct: 5}}\n",
                "3:24: a connection is expected, this is 5; write `STAGE.OUTPUT`",
            ),
            ("ichor: 1\nstages:\n  a: {use: x, in: {ct: a.b.c}}\n", "3:24: a connection is expected"),
            (
                "ichor: 1\nstages:\n  a: {use: x, in: {ct: $inputs.}}\n",
                "3:24: a connection is expected, this is the text `$inputs.`; write `STAGE.OUTPUT` or `$inputs.NAME`",
            ),
            ("ichor: 1\noverlay: true\n", "2:1: this is an overlay, not a pipeline; lay it over one"),
            (
                "ichor: 1\nstages:\n  a: {use: ./b.yaml}\n",
                "3:12: b.yaml cannot be read: other files are not read here",
            ),
            (
                "ichor: 1\nstages:\n  a: {use: x, limits: {seconds: 0}}\n",
                "3:33: `seconds` of stage `a` is 0; give a number above 0",
            ),
            (
                "ichor: 1\nstages:\n  a: {use: x, limits: {memory: 2 apples}}\n",
                "3:32: `memory` of stage `a` is the text `2 apples`; give a size, such as 500MiB or 2GiB",
            ),
            (
                "ichor: 1\nstages:\n  a: {use: x, limits: {second: 3}}\n",
                "3:24: `limits` of stage `a` has no key `second`; did you mean `seconds`?",
            ),
            (
                "ichor: 1\nstages:\n  a: {use: x, isolate: false, limits: {seconds: 3}}\n",
                "3:24: stage `a` has limits, which can be kept in a worker process only; remove `isolate: false`",
            ),
            (
                "ichor: 1\nstages:\n  a/../b: {use: x}\n",
                "3:3: `a/../b` cannot be a name in `stages`; use 1 to 64 letters",
            ),
            ("ichor: 1\nstages:\n  \"a\\nb\": {use: x}\n", "3:3: `a\\nb` cannot be a name"),
            (
                &format!("{HEAD}outputs: {{Mask: a, mask: a}}\n"),
                "3:20: outputs `Mask` and `mask` would have the same file",
            ),
            (
                &format!("{HEAD}outputs: {{mask: a, mask: a}}\n"),
                "3:20: the key `mask` stands here a second time",
            ),
            (
                &format!("{HEAD}outputs: {{run: a}}\n"),
                "3:11: the output name `run` is taken by the run record",
            ),
            (&format!("{HEAD}outputs: {{..: a}}\n"), "3:11: `..` cannot be a name in `outputs`"),
        ] {
            let error = parse("p.yaml", text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("p.yaml:{expected}")), "{text}\n{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn limits_are_read() {
        let limits = |text: &str| {
            let spec = parse("p", &format!("ichor: 1\nstages: {{a: {{use: x, limits: {text}}}}}\n")).unwrap();
            spec.stages[0].limits
        };
        assert_eq!(
            limits("{seconds: 60, memory: 2GiB}"),
            Limits { seconds: Some(60.0), bytes: Some(2 << 30) }
        );
        assert_eq!(limits("{memory: 4096}"), Limits { seconds: None, bytes: Some(4096) });
        assert!(!limits("{}").any());
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let error = parse("p", "ichor: 1\nsed: 1\nstages: {a: {use: x, wth: 1}, b: {}}\n").unwrap_err();
        let places: Vec<_> = error.iter().map(|d| (d.line, d.column)).collect();
        assert_eq!(places, [(2, 1), (3, 22), (3, 31)]);
    }
}
