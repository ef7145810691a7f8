//! Pipelines as stages of others, inputs as connections, overlays, and parts of a run.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_spec::{Catalogue, Limits, Options, Plan, PluginManifest, compose, graph, resolve};
use std::collections::BTreeMap;

const STAGES: &str = include_str!("stages.json");

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::new();
    catalogue.add(PluginManifest::parse(STAGES.as_bytes()).unwrap());
    catalogue
}

/// The plan of `p.yaml`, with the overlays of `with`, where these are the files.
fn plan_of(files: &[(&str, &str)], with: &[&str], options: &Options) -> Result<Plan, String> {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let read =
        |name: &str| files.get(name).map(|t| (*t).to_owned()).ok_or_else(|| "there is none".to_owned());
    let with: Vec<String> = with.iter().map(|w| (*w).to_owned()).collect();
    let spec = compose("p.yaml", &with, &BTreeMap::new(), &read).map_err(|e| e.to_string())?;
    resolve(&spec, &catalogue(), options).map_err(|e| e.to_string())
}

fn plan(files: &[(&str, &str)]) -> Result<Plan, String> {
    plan_of(files, &[], &Options::default())
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.stages.iter().map(|s| s.name.as_str()).collect()
}

/// `a.port -> b.port` of all connections.
fn edges(plan: &Plan) -> Vec<String> {
    let mut all = Vec::new();
    for stage in &plan.stages {
        for (port, sources) in stage.stage.inputs.iter().zip(&stage.inputs) {
            for source in sources {
                let from = &plan.stages[source.stage];
                let out = &from.stage.outputs[source.port].name;
                all.push(format!("{}.{out} -> {}.{}", from.name, stage.name, port.name));
            }
        }
    }
    all
}

fn params<'a>(plan: &'a Plan, name: &str) -> &'a serde_json::Value {
    &plan.stages.iter().find(|s| s.name == name).unwrap().params
}

/// Files, overlays and the error that they must give.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a str);

fn expect_errors(cases: &[Case<'_>]) {
    let mut failures = Vec::new();
    for (files, with, expected) in cases {
        let error = plan_of(files, with, &Options::default()).err().unwrap_or_default();
        if !error.starts_with(expected) || error.lines().count() != 1 {
            failures.push(format!(" got {error}\nwant {expected}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Finds the lesion in a CT.
const LESION: &str = "ichor: 1
inputs:
  ct: { kind: volume, unit: HU }
  lower: { kind: number, default: 40 }
stages:
  cavity: { use: cavity-threshold, in: { ct: $inputs.ct } }
  segment: { use: segment-threshold, in: { ct: $inputs.ct, cavity: cavity }, with: { lower: $inputs.lower } }
  size: { use: measure-volume, in: { mask: segment } }
  look: { use: picture, in: { ct: $inputs.ct, masks: [segment] } }
outputs:
  mask: segment
  volume: size
  picture: look
";

/// Uses it.
const USER: &str = "ichor: 1
inputs:
  scan: { kind: volume, unit: HU }
stages:
  lesion: { use: ./parts/lesion.yaml, in: { ct: $inputs.scan }, with: { lower: 55 } }
  clean: { use: filter-clusters, in: { mask: lesion.mask } }
outputs:
  mask: clean.mask
  volume: lesion.volume
";

fn user(change: (&str, &str)) -> String {
    assert!(USER.contains(change.0), "{}", change.0);
    USER.replacen(change.0, change.1, 1)
}

fn lesion(change: (&str, &str)) -> String {
    assert!(LESION.contains(change.0), "{}", change.0);
    LESION.replacen(change.0, change.1, 1)
}

#[test]
fn an_input_that_is_connected_is_read_by_a_stage_of_its_own() {
    let files = [("p.yaml", LESION)];
    let one = plan(&files).unwrap();
    assert_eq!(one.warnings, []);
    assert_eq!(names(&one), ["load:ct", "cavity", "segment", "size", "look", "save:mask", "save:volume"]);
    assert_eq!(
        edges(&one)[..3],
        ["load:ct.image -> cavity.ct", "load:ct.image -> segment.ct", "cavity.mask -> segment.cavity"]
    );
    assert!(one.stages[0].implicit);
    assert_eq!(
        *params(&one, "load:ct"),
        serde_json::json!({"source": "$inputs.ct", "kind": "volume", "unit": "HU"})
    );
    let options = Options {
        inputs: BTreeMap::from([("ct".to_owned(), "x.nii".to_owned())]),
        require_inputs: true,
        ..Options::default()
    };
    let bound = plan_of(&files, &[], &options).unwrap();
    assert_eq!(bound.stages[0].input_files, [("source".to_owned(), "x.nii".to_owned())]);
    assert_eq!((bound.stages[0].reads.as_slice(), bound.stages[0].line), (["ct".to_owned()].as_slice(), 3));
    // The picture shows the input, not the stage that reads it.
    let picture = graph::mermaid(&bound);
    assert!(!picture.contains("load-nifti"), "{picture}");
    assert!(
        picture.contains("n0[/\"ct<br>input\"/]") && picture.contains("n0 -->|\"image\"| n2"),
        "{picture}"
    );
}

#[test]
fn an_output_that_is_kept_as_it_is_made_comes_of_its_stage() {
    let user = "ichor: 1\ninputs: { scan: { kind: volume, unit: HU } }\nstages:\n  lesion: { use: q.yaml, in: { ct: $inputs.scan }                 }\noutputs: { picture: lesion.picture }\n";
    let made = plan(&[("p.yaml", user), ("q.yaml", LESION)]).unwrap();
    let source = made.outputs[0].source;
    assert_eq!(made.stages[source.stage].name, "lesion/look");
}

#[test]
fn an_input_left_out_connects_nothing() {
    let text = "ichor: 1\ninputs: { atlas: { kind: mask, default: null }, ct: { kind: volume, unit: HU } }\nstages:\n  \
                thin: { use: resample, in: { image: $inputs.ct, reference: $inputs.atlas } }\noutputs: { o: thin }\n";
    let with = |value: Option<&str>| {
        let inputs = value.map(|v| ("atlas".to_owned(), v.to_owned())).into_iter().collect();
        plan_of(&[("p.yaml", text)], &[], &Options { inputs, ..Options::default() })
    };
    assert_eq!(names(&with(None).unwrap()), ["load:ct", "thin", "save:o"]);
    assert_eq!(names(&with(Some("a.nii")).unwrap()), ["load:ct", "load:atlas", "thin", "save:o"]);
    let needed = text
        .replace("reference: $inputs.atlas", "reference: thin")
        .replace("image: $inputs.ct", "image: $inputs.atlas");
    assert_eq!(
        plan(&[("p.yaml", &needed)]).unwrap_err().lines().next().unwrap(),
        "p.yaml:4:39: input `image` of stage `thin` (resample) is not connected; add `image: STAGE.OUTPUT` under `in`, \
         with volume or mask or labels or probs"
    );
}

#[test]
fn a_pipeline_is_a_stage_of_another() {
    let files = [("p.yaml", USER), ("parts/lesion.yaml", LESION)];
    let plan = plan(&files).unwrap();
    assert_eq!(plan.warnings, []);
    // The picture in it has no reader here, so it is not made.
    assert_eq!(
        names(&plan),
        ["load:scan", "lesion/cavity", "lesion/segment", "lesion/size", "clean", "save:mask", "save:volume"]
    );
    assert_eq!(
        edges(&plan),
        [
            "load:scan.image -> lesion/cavity.ct",
            "load:scan.image -> lesion/segment.ct",
            "lesion/cavity.mask -> lesion/segment.cavity",
            "lesion/segment.mask -> lesion/size.mask",
            "lesion/segment.mask -> clean.mask",
            "clean.mask -> save:mask.image",
            "lesion/size.table -> save:volume.tables",
        ]
    );
    assert_eq!(params(&plan, "lesion/segment")["lower"], 55.0);
    assert_eq!(plan.files, ["p.yaml", "parts/lesion.yaml"]);
    let place = &plan.stages[2];
    assert_eq!((place.file.as_str(), place.line), ("parts/lesion.yaml", 7));
    assert!(graph::mermaid(&plan).contains("lesion/segment<br>segment-threshold"));
}

#[test]
fn values_flow_through_pipelines_within_pipelines() {
    let outer = "ichor: 1\ninputs: { low: { kind: number, default: 61 }, file: { kind: volume, unit: HU } }\nstages:\n  \
                 deep: { use: middle.yaml, with: { low: $inputs.low, ct: $inputs.file } }\noutputs: { o: deep.m }\n";
    let middle = "ichor: 1\ninputs: { low: { kind: number }, ct: { kind: volume, unit: HU } }\nstages:\n  \
                  in: { use: parts/lesion.yaml, with: { lower: $inputs.low }, in: { ct: $inputs.ct } }\noutputs: { m: in.mask }\n";
    let files = [("p.yaml", outer), ("middle.yaml", middle), ("parts/lesion.yaml", LESION)];
    let plan = plan(&files).unwrap();
    assert_eq!(names(&plan), ["deep/load:ct", "deep/in/cavity", "deep/in/segment", "save:o"]);
    assert_eq!(params(&plan, "deep/in/segment")["lower"], 61.0);
    assert_eq!(params(&plan, "deep/load:ct")["source"], "$inputs.file");
    let reads: Vec<_> = plan.stages.iter().map(|s| s.reads.join(",")).collect();
    assert_eq!(reads, ["file", "", "low", ""]);
    // Parameters of a stage within can be set from outside.
    let set = ichor_spec::Override {
        stage: "deep/in/segment".into(),
        param: "upper".into(),
        value_text: "90".into(),
    };
    let options = Options { overrides: vec![set], ..Options::default() };
    assert_eq!(params(&plan_of(&files, &[], &options).unwrap(), "deep/in/segment")["upper"], 90.0);
}

#[test]
fn mistakes_name_the_file_they_are_in() {
    let inner = |text: &'static str| -> Vec<(&'static str, &'static str)> {
        vec![("p.yaml", USER), ("parts/lesion.yaml", text)]
    };
    let outer = |change: (&str, &str)| -> Vec<(&'static str, &'static str)> {
        vec![("p.yaml", user(change).leak()), ("parts/lesion.yaml", LESION)]
    };
    let cases = [
        // Within.
        (
            inner(lesion(("measure-volume", "measure-volum")).leak()),
            "parts/lesion.yaml:8:16: no plugin offers a stage `measure-volum`; did you mean",
        ),
        (
            inner(lesion(("mask: segment }", "mask: segmnt }")).leak()),
            "parts/lesion.yaml:8:44: the pipeline has no stage `segmnt`; did you mean `segment`?",
        ),
        (
            inner(lesion(("lower: $inputs.lower", "lower: $inputs.low")).leak()),
            "parts/lesion.yaml:7:93: parameter `lower` in stage `lesion/segment` (segment-threshold) refers to `$inputs.low`, which is not an input; the pipeline's inputs are `ct`, `lower`",
        ),
        (
            inner(lesion(("ct: $inputs.ct }", "ct: $inputs.cd }")).leak()),
            "parts/lesion.yaml:6:46: `$inputs.cd` is not an input of the pipeline; did you mean `ct`?",
        ),
        (
            inner(lesion(("ct: $inputs.ct }", "ct: $inputs.lower }")).leak()),
            "parts/lesion.yaml:6:46: the input `lower` is a number, nothing to connect",
        ),
        (
            inner(lesion(("lower: $inputs.lower", "lower: $inputs.ct")).leak()),
            "parts/lesion.yaml:7:93: parameter `lower` in stage `lesion/segment` (segment-threshold) refers to the input `ct`, which is the output of a stage here",
        ),
        (inner("ichor: 1\nstages: [\n"), "parts/lesion.yaml:"),
        (vec![("p.yaml", USER)], "p.yaml:5:18: parts/lesion.yaml cannot be read: there is none"),
        // Outside.
        (
            outer(("lesion.mask", "lesion.maks")),
            "p.yaml:6:46: stage `lesion` (parts/lesion.yaml) has no output `maks`; did you mean `mask`?",
        ),
        (
            outer(("lesion.mask", "lesion")),
            "p.yaml:6:46: stage `lesion` (parts/lesion.yaml) has 3 outputs; write one of `lesion.mask`",
        ),
        (
            outer(("{ ct: $inputs.scan }", "{ cd: $inputs.scan }")),
            "p.yaml:5:45: stage `lesion` (parts/lesion.yaml) has no input `cd`; did you mean `ct`?",
        ),
        (
            outer(("in: { ct: $inputs.scan }, ", "")),
            "p.yaml:5:3: input `ct` of stage `lesion` (parts/lesion.yaml) is not given; add `ct: STAGE.OUTPUT` under `in`",
        ),
        (
            outer(("lower: 55", "lower: $inputs.scan")),
            "p.yaml:5:80: input `lower` of stage `lesion` (parts/lesion.yaml) refers to a volume input; give a number",
        ),
        (
            outer(("lower: 55", "lower: x")),
            "p.yaml:5:80: input `lower` of stage `lesion` (parts/lesion.yaml) is the text `x`; give a number or null",
        ),
        (
            outer(("lower: 55", "lower: 9999")),
            "p.yaml:5:80: parameter `lower` of stage `lesion/segment` (segment-threshold) is 9999; give a number from -1024",
        ),
        (
            outer(("lower: 55", "lower: 55, ct: x")),
            "p.yaml:5:84: input `ct` of stage `lesion` (parts/lesion.yaml) is given twice",
        ),
        (
            outer(("ct: $inputs.scan }, with: { lower: 55 }", "ct: $inputs.scan, lower: clean.mask }")),
            "p.yaml:5:70: input `lower` of stage `lesion` (parts/lesion.yaml) is a number, nothing to connect",
        ),
        (
            outer(("ct: $inputs.scan }", "ct: [$inputs.scan] }")),
            "p.yaml:5:49: input `ct` of stage `lesion` (parts/lesion.yaml) takes one connection, this is a list",
        ),
        // What is not what the pipeline takes is said once, outside.
        (
            outer(("kind: volume, unit: HU", "kind: volume")),
            "p.yaml:5:49: `load:scan.image -> lesion.ct` carries volume without unit, the input takes volume in HU; if that is what it is, write `unit: HU` in the declaration of input `scan`",
        ),
        (
            outer(("with: { lower: 55 }", "with: { lower: 55 }, isolate: true")),
            "p.yaml:5:3: stage `lesion` is a pipeline, and `isolate` and `limits` are for stages of plugins; write them in parts/lesion.yaml, or in an overlay for `lesion/STAGE`",
        ),
    ];
    let cases: Vec<_> =
        cases.iter().map(|(files, expected)| (files.as_slice(), &[] as &[&str], *expected)).collect();
    expect_errors(&cases);
}

#[test]
fn circles_are_errors() {
    let uses = |path: &str| format!("ichor: 1\nstages:\n  a: {{ use: {path} }}\n");
    let itself = uses("./p.yaml");
    assert_eq!(
        plan(&[("p.yaml", &itself)]).unwrap_err(),
        "p.yaml:3:13: a pipeline uses itself: p.yaml -> p.yaml; remove one of these stages"
    );
    let (out, back) = (uses("d/q.yml"), uses("../d/../p.yaml"));
    assert_eq!(
        plan(&[("p.yaml", &out), ("d/q.yml", &back)]).unwrap_err(),
        "d/q.yml:3:13: a pipeline uses itself: p.yaml -> d/q.yml -> d/../d/../p.yaml; remove one of these stages"
    );
    // Deep, and many.
    let chain: Vec<(String, String)> = (0..12)
        .map(|n| {
            (if n == 0 { "p.yaml".into() } else { format!("{n}.yaml") }, uses(&format!("{}.yaml", n + 1)))
        })
        .collect();
    let chain: Vec<(&str, &str)> = chain.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let error = plan(&chain).unwrap_err();
    assert!(error.starts_with("7.yaml:3:13: pipelines are stages of each other more than 8 deep"), "{error}");
    let waits = user(("ct: $inputs.scan }", "ct: wide }"))
        .replace("stages:\n", "stages:\n  wide: { use: resample, in: { image: lesion.mask } }\n");
    let error = plan(&[("p.yaml", &waits), ("parts/lesion.yaml", LESION)]).unwrap_err();
    assert!(error.contains("wait for each other in a cycle: `wide -> lesion/segment -> "), "{error}");
    let many = format!(
        "ichor: 1\nstages:\n{}",
        (0..300).map(|n| format!("  s{n}: {{ use: q.yaml }}\n")).collect::<String>()
    );
    let error = plan(&[("p.yaml", &many), ("q.yaml", "ichor: 1\nstages: { x: { use: phantom-head } }\n")])
        .unwrap_err();
    assert!(error.starts_with("p.yaml:259:16: the pipeline is made of more than 256 others"), "{error}");
}

/// Hands its input on.
const PASS: &str = "ichor: 1\ninputs: { t: { kind: table } }\nstages: {}\noutputs: { t: $inputs.t, two: [$inputs.t, $inputs.t] }\n";

#[test]
fn connections_through_pipelines_end() {
    let stages = |text: &str| format!("ichor: 1\nstages:\n  v: {{ use: phantom-head }}\n{text}");
    let circle = stages(
        "  a: { use: t.yaml, in: { t: b.t } }\n  b: { use: t.yaml, in: { t: a.t } }\noutputs: { o: a.t }\n",
    );
    assert_eq!(
        plan(&[("p.yaml", &circle), ("t.yaml", PASS)]).unwrap_err(),
        "p.yaml:4:30: this connection leads back to itself; connect it to a stage"
    );
    let long = |port: &str| {
        let links = (0..250).map(|n| match n {
            0 => "  p0: { use: t.yaml, in: { t: v.truth } }\n".to_owned(),
            n => format!("  p{n}: {{ use: t.yaml, in: {{ t: p{}.{port} }} }}\n", n - 1),
        });
        stages(&links.collect::<String>())
    };
    let end = |text: &str, n: usize| format!("{text}outputs: {{ o: p{n}.t }}\n");
    let straight = long("t");
    assert_eq!(names(&plan(&[("p.yaml", &end(&straight, 150)), ("t.yaml", PASS)]).unwrap()), ["v", "save:o"]);
    let error = plan(&[("p.yaml", &end(&straight, 249)), ("t.yaml", PASS)]).unwrap_err();
    assert!(error.contains("passes through more than 200 inputs of pipelines"), "{error}");
    let error = plan(&[("p.yaml", &end(&long("two"), 100)), ("t.yaml", PASS)]).unwrap_err();
    assert!(error.contains("this leads to more than 50000 outputs"), "{error}");
    // Twice the same table is two connections, which a list of tables takes.
    let twice = stages("  a: { use: t.yaml, in: { t: v.truth } }\noutputs: { o: a.two }\n");
    assert_eq!(
        edges(&plan(&[("p.yaml", &twice), ("t.yaml", PASS)]).unwrap()),
        ["v.truth -> save:o.tables", "v.truth -> save:o.tables"]
    );
}

#[test]
fn a_pipeline_that_nobody_uses_is_a_warning() {
    let text = user(("mask: lesion.mask }", "mask: other.cavity }"))
        .replace("  volume: lesion.volume\n", "")
        .replace("stages:\n", "stages:\n  other: { use: phantom-head }\n");
    let plan = plan(&[("p.yaml", &text), ("parts/lesion.yaml", LESION)]).unwrap();
    assert_eq!(names(&plan), ["other", "clean", "save:mask"]);
    assert!(
        plan.warnings[0].to_string().starts_with("p.yaml:6:3: nothing uses the outputs of stage `lesion`")
    );
}

const SITE: &str = "ichor: 1
overlay: true
doc: Our scanner
inputs:
  scan: { default: /data/scan.nii }
stages:
  clean: { with: { min_volume_ml: 2, connectivity: 6 }, limits: { seconds: 9 } }
  lesion: { with: { lower: 60 } }
  lesion/cavity: { isolate: true }
  extra: { use: measure-volume, in: { mask: clean.mask } }
outputs:
  volume: null
  size: extra
";

fn site(change: (&str, &str)) -> &'static str {
    assert!(SITE.contains(change.0), "{}", change.0);
    SITE.replacen(change.0, change.1, 1).leak()
}

#[test]
fn an_overlay_changes_adds_and_removes() {
    let base = user(("in: { mask: lesion.mask }", "in: { mask: lesion.mask }, with: { min_volume_ml: 1 }"));
    let last = "ichor: 1\noverlay: true\nseed: 5\nstages: { clean: { with: { connectivity: null } } }\n";
    let files = [
        ("p.yaml", base.as_str()),
        ("parts/lesion.yaml", LESION),
        ("conf/site.yaml", SITE),
        ("last.yaml", last),
    ];
    let plan = plan_of(&files, &["conf/site.yaml", "last.yaml"], &Options::default()).unwrap();
    assert_eq!(
        names(&plan),
        ["load:scan", "lesion/cavity", "lesion/segment", "clean", "extra", "save:mask", "save:size"]
    );
    assert_eq!(*params(&plan, "clean"), serde_json::json!({"min_volume_ml": 2.0, "connectivity": "26"}));
    assert_eq!(params(&plan, "lesion/segment")["lower"], 60.0);
    assert_eq!((plan.seed, plan.inputs[0].value.as_str()), (5, "/data/scan.nii"));
    let stage = |name: &str| plan.stages.iter().find(|s| s.name == name).unwrap();
    assert_eq!(stage("clean").limits, Limits { seconds: Some(9.0), bytes: None });
    assert_eq!((stage("lesion/cavity").isolate, stage("lesion/segment").isolate), (Some(true), None));
    assert_eq!((stage("extra").file.as_str(), stage("extra").line), ("conf/site.yaml", 10));
    assert_eq!(plan.files, ["p.yaml", "conf/site.yaml", "last.yaml", "parts/lesion.yaml"]);
}

#[test]
fn another_stage_takes_over_connections_but_no_parameters() {
    let site = "ichor: 1\noverlay: true\nstages: { lesion/segment: { use: ./mine.yaml } }\n";
    let mine = "ichor: 1\ninputs: { ct: { kind: volume }, cavity: { kind: mask } }\nstages:\n  \
                f: { use: filter-clusters, in: { mask: $inputs.cavity } }\noutputs: { mask: f.mask }\n";
    let files =
        [("p.yaml", USER), ("parts/lesion.yaml", LESION), ("conf/site.yaml", site), ("conf/mine.yaml", mine)];
    let plan = plan_of(&files, &["conf/site.yaml"], &Options::default()).unwrap();
    assert_eq!(
        names(&plan),
        [
            "load:scan",
            "lesion/cavity",
            "lesion/segment/f",
            "lesion/size",
            "clean",
            "save:mask",
            "save:volume"
        ]
    );
}

#[test]
fn mistakes_of_an_overlay_are_in_its_file() {
    let files = |text: &'static str| [("p.yaml", USER), ("parts/lesion.yaml", LESION), ("s.yaml", text)];
    let cases: Vec<([(&str, &str); 3], &str)> = vec![
        (
            files(site(("  clean:", "  claen:"))),
            "s.yaml:7:3: the pipeline has no stage `claen`; did you mean `clean`?",
        ),
        (
            files(site(("  clean:", "  zzz:"))),
            "s.yaml:7:3: the pipeline has no stage `zzz`; to add one, say its `use`",
        ),
        (
            files(site(("  scan:", "  scna:"))),
            "s.yaml:5:3: the pipeline has no input `scna`; did you mean `scan`?",
        ),
        (
            files(site(("volume: null", "volum: null"))),
            "s.yaml:12:3: the pipeline has no output `volum`; did you mean `volume`?",
        ),
        (
            files(site(("connectivity: 6", "connectivity: null"))),
            "s.yaml:7:38: the pipeline does not say `connectivity` here; remove the line",
        ),
        (
            files(site(("min_volume_ml: 2", "min_volum_ml: 2"))),
            "s.yaml:7:20: stage `clean` (filter-clusters) has no parameter `min_volum_ml`",
        ),
        (
            files(site(("min_volume_ml: 2", "min_volume_ml: -2"))),
            "s.yaml:7:35: parameter `min_volume_ml` of stage `clean` (filter-clusters) is -2",
        ),
        (
            files(site(("lesion/cavity", "lesion/cavty"))),
            "s.yaml:9:3: the pipeline has no stage `cavty`; did you mean `cavity`?",
        ),
        (
            files(site(("lesion/cavity", "clean/cavity"))),
            "s.yaml:9:3: stage `clean` is not a pipeline, so no stages are in it",
        ),
        (files(site(("lesion/cavity", "lesoin/cavity"))), "s.yaml:9:3: the pipeline has no stage `lesoin`"),
        (
            files(site(("overlay: true\n", ""))),
            "s.yaml:1:1: this is not marked as an overlay; add `overlay: true`",
        ),
        (files(site(("ichor: 1\n", ""))), "s.yaml:1:1: the key `ichor` is missing"),
        (files(site(("doc:", "name:"))), "s.yaml:3:1: an overlay has no key `name`"),
        (files("[1]"), "s.yaml:1:1: an overlay is a list of 1, a map is expected"),
    ];
    let cases: Vec<_> =
        cases.iter().map(|(files, expected)| (files.as_slice(), &["s.yaml"] as &[&str], *expected)).collect();
    expect_errors(&cases);
    let error =
        plan_of(&[("p.yaml", USER), ("parts/lesion.yaml", LESION)], &["no.yaml"], &Options::default());
    assert_eq!(error.unwrap_err(), "no.yaml: the file cannot be read: there is none");
}

fn part(until: Option<&str>, from: Option<&str>, keep: &[&str]) -> Result<Plan, String> {
    let options = Options {
        until: until.map(str::to_owned),
        from: from.map(str::to_owned),
        keep: keep.iter().map(|k| (*k).to_owned()).collect(),
        ..Options::default()
    };
    plan_of(&[("p.yaml", USER), ("parts/lesion.yaml", LESION)], &[], &options)
}

#[test]
fn until_ends_after_a_stage() {
    let plan = part(Some("clean"), None, &[]).unwrap();
    assert_eq!(names(&plan), ["load:scan", "lesion/cavity", "lesion/segment", "clean", "save:mask"]);
    assert_eq!((plan.left_out.join(","), plan.outputs.len()), ("volume".to_owned(), 1));
    assert_eq!(edges(&plan)[4], "clean.mask -> save:mask.image");
    assert_eq!(plan.warnings[0].to_string(), "--until clean: left out, because they come later: `volume`");
    // A pipeline: all stages of it.
    let plan = part(Some("lesion"), None, &[]).unwrap();
    assert_eq!(
        names(&plan),
        ["load:scan", "lesion/cavity", "lesion/segment", "lesion/size", "lesion/look", "save:volume"]
    );
    let plan = part(Some("lesion/cavity"), None, &["lesion/cavity.mask"]).unwrap();
    assert_eq!(names(&plan), ["load:scan", "lesion/cavity", "save:lesion-cavity-mask"]);
    let nothing = part(Some("lesion/cavity"), None, &[]).unwrap();
    assert!(
        nothing.warnings[0]
            .to_string()
            .ends_with("`mask`, `volume`; no output is left; --keep STAGE.PORT writes one")
    );
    assert_eq!(
        part(Some("claen"), None, &[]).unwrap_err(),
        "--until claen: the pipeline has no stage `claen`; did you mean `clean`?"
    );
}

#[test]
fn from_marks_what_runs_again_and_what_must_not() {
    let plan = part(None, Some("lesion/size"), &[]).unwrap();
    let marks: Vec<_> = plan.stages.iter().map(|s| (s.name.as_str(), s.force, s.reuse_only)).collect();
    assert_eq!(
        marks,
        [
            ("load:scan", false, true),
            ("lesion/cavity", false, true),
            ("lesion/segment", false, true),
            ("lesion/size", true, false),
            ("clean", false, false),
            ("save:mask", false, false),
            ("save:volume", true, false),
        ]
    );
    let both = part(Some("clean"), Some("lesion"), &[]).unwrap();
    let forced: Vec<_> = both.stages.iter().filter(|s| s.force).map(|s| s.name.as_str()).collect();
    assert_eq!(forced, ["lesion/cavity", "lesion/segment", "clean", "save:mask"]);
    for (until, from, expected) in [
        (None, "zzz", "--from zzz: the pipeline has no stage `zzz`; its stages are `lesion/cavity`"),
        (
            None,
            "lesion/look",
            "--from lesion/look: stage `lesion/look` does not run: nothing uses its outputs",
        ),
        (
            Some("lesion/cavity"),
            "clean",
            "--from clean: stage `clean` does not run: nothing up to `lesion/cavity` needs it",
        ),
    ] {
        let error = part(until, Some(from), &[]).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn keep_writes_more() {
    let plan =
        part(None, None, &["clean.labels", "lesion.picture", "lesion/cavity", "clean.labels"]).unwrap();
    let outputs: Vec<_> = plan.outputs.iter().map(|o| o.name.as_str()).collect();
    assert_eq!(outputs, ["mask", "volume", "clean-labels", "lesion-picture", "lesion-cavity-mask"]);
    assert!(edges(&plan).contains(&"lesion/cavity.mask -> save:lesion-cavity-mask.image".to_owned()));
    for (keep, expected) in [
        ("clean", "stage `clean` (filter-clusters) has 2 outputs; write one of `clean.mask`, `clean.labels`"),
        ("clean.lables", "stage `clean` (filter-clusters) has no output `lables`; did you mean `labels`?"),
        ("claen.mask", "the pipeline has no stage `claen`; did you mean `clean`?"),
        ("lesoin/size.table", "the pipeline has no stage `lesoin`; did you mean `lesion`?"),
        ("clean/size.table", "stage `clean` is not a pipeline, so no stages are in it"),
    ] {
        assert_eq!(part(None, None, &[keep]).unwrap_err(), format!("--keep {keep}: {expected}"));
    }
}
