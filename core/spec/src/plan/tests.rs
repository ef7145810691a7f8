use super::*;
use crate::manifest::{Kind, PluginManifest};
use crate::parse;
use serde_json::json;

const DEMO: &str = include_str!("../../tests/demo.yaml");

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::new();
    catalogue.add(PluginManifest::parse(include_bytes!("../../tests/stages.json")).unwrap());
    catalogue
}

fn plan_with(text: &str, options: &Options) -> Result<Plan, String> {
    let spec = parse("p.yaml", text).map_err(|e| e.to_string())?;
    resolve(&spec, &catalogue(), options).map_err(|e| e.to_string())
}

fn plan(text: &str) -> Result<Plan, String> {
    plan_with(text, &Options::default())
}

/// A pipeline with these stages (flow style, one line from column 3 of line 3) and outputs.
fn short(stages: &str, outputs: &str) -> String {
    format!("ichor: 1\nstages:\n  {stages}\noutputs: {{{outputs}}}\n")
}

fn set(argument: &str) -> Override {
    let (target, value) = argument.split_once('=').unwrap();
    let (stage, param) = target.split_once('.').unwrap();
    Override { stage: stage.into(), param: param.into(), value_text: value.into() }
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.stages.iter().map(|s| s.name.as_str()).collect()
}

fn stage<'a>(plan: &'a Plan, name: &str) -> &'a PlannedStage {
    plan.stages.iter().find(|s| s.name == name).unwrap()
}

#[test]
fn the_demo_resolves() {
    let plan = plan(DEMO).unwrap();
    assert_eq!((plan.name.as_str(), plan.seed), ("demo", 7));
    assert_eq!(plan.warnings, []);
    assert_eq!(
        names(&plan),
        [
            "load",
            "thin",
            "cavity",
            "segment",
            "clean",
            "back",
            "volume",
            "overlay",
            "save:mask",
            "save:clusters",
            "save:volume"
        ]
    );
    let overlay = stage(&plan, "overlay");
    let at =
        |name: &str, port| Source { stage: plan.stages.iter().position(|s| s.name == name).unwrap(), port };
    assert_eq!(overlay.inputs, [vec![at("load", 0)], vec![at("back", 0), at("cavity", 0)]]);
    assert_eq!(stage(&plan, "clean").params, json!({"min_volume_ml": 0.5, "connectivity": "26"}));
    assert_eq!(stage(&plan, "load").reads, ["ct"]);
    assert_eq!(stage(&plan, "load").line, 7);
    // Voxels and tables are written by a stage that was added, the bytes of a file as they are.
    let writer = stage(&plan, "save:clusters");
    assert!(writer.implicit && !overlay.implicit);
    assert_eq!((writer.stage.id.as_str(), &writer.inputs), ("save-nifti", &vec![vec![at("clean", 1)]]));
    assert_eq!(writer.params, json!({"extension": "nii.gz"}));
    let outputs: Vec<_> = plan.outputs.iter().map(|o| (o.name.as_str(), o.source)).collect();
    assert_eq!(
        outputs,
        [
            ("mask", at("save:mask", 0)),
            ("clusters", at("save:clusters", 0)),
            ("volume", at("save:volume", 0)),
            ("overlay", at("overlay", 0)),
        ]
    );
}

#[test]
fn each_mistake_is_one_line_with_its_place() {
    let demo = |from: &str, to: &str| {
        assert!(DEMO.contains(from), "{from}");
        DEMO.replacen(from, to, 1)
    };
    let mut failures = Vec::new();
    for (text, expected) in [
        // Stages.
        (
            demo("filter-clusters", "filter-cluster"),
            "11:17: no plugin offers a stage `filter-cluster`; did you mean `filter-clusters`?",
        ),
        (
            demo("filter-clusters", "zzz"),
            "11:17: no plugin offers a stage `zzz`; `ichor plugins` lists the stages; --plugin-path DIR adds plugins",
        ),
        (
            demo("mask: segment }", "mask: segmnt }"),
            "11:46: the pipeline has no stage `segmnt`; did you mean `segment`?",
        ),
        (
            demo("mask: segment }", "mask: zzz }"),
            "11:46: the pipeline has no stage `zzz`; its stages are `load`, `thin`, `cavity`",
        ),
        (
            demo("  mask: back", "  mask: bakc"),
            "16:9: the pipeline has no stage `bakc`; did you mean `back`?",
        ),
        // Versions.
        (
            demo("resample@1", "resample@2"),
            "8:16: stage `resample@2` is not installed, version 1.4.2 is (plugin `fixture`); install a plugin that has it, or write `use: resample@1`",
        ),
        (demo("resample@1", "resample@1.5"), "8:16: stage `resample@1.5` is not installed, version 1.4.2 is"),
        // Ports.
        (
            demo("in: { mask: segment }", "in: { maks: segment }"),
            "11:40: stage `clean` (filter-clusters) has no input `maks`; did you mean `mask`?",
        ),
        (
            demo("clean.labels", "clean.lables"),
            "17:13: stage `clean` (filter-clusters) has no output `lables`; did you mean `labels`?",
        ),
        (
            demo("clean.labels", "clean"),
            "17:13: stage `clean` (filter-clusters) has 2 outputs; write one of `clean.mask`, `clean.labels`",
        ),
        (
            short("{ a: { use: phantom-head, in: { x: b.ct } }, b: { use: phantom-head } }", "o: a.truth"),
            "3:35: stage `a` (phantom-head) has no input `x`; it takes none",
        ),
        (
            short("{ a: { use: phantom-head }, b: { use: audit, in: { image: a.ct } } }", "o: b"),
            "4:14: stage `b` (audit) has no outputs; connect another stage",
        ),
        (
            demo("reference: load.image }", "reference: load.image, order: load }"),
            "12:74: stage `back` (resample) has no input `order`; `order` is a parameter: write it under `with`",
        ),
        // Connections.
        (
            demo(", cavity: cavity }", " }"),
            "10:3: input `cavity` of stage `segment` (segment-threshold) is not connected; add `cavity: STAGE.OUTPUT` under `in`, with mask",
        ),
        (
            demo("in: { ct: load, masks: [back, cavity] }", "in: { masks: [back] }"),
            "14:3: input `ct` of stage `overlay` (picture) is not connected; add `ct: STAGE.OUTPUT` under `in`, with volume in HU",
        ),
        (
            demo("mask: segment }", "mask: [segment] }"),
            "11:46: input `mask` of stage `clean` (filter-clusters) takes one connection, this is a list; write `mask: STAGE.OUTPUT`",
        ),
        // Types.
        (
            demo(", unit: HU } }", " } }"),
            "9:46: `thin.image -> cavity.ct` carries volume without unit, the input takes volume in HU; if that is what it is, write `unit: HU` under `with` of stage `load`",
        ),
        (
            short(
                "{ a: { use: load-nifti, with: { source: x } }, b: { use: cavity-threshold, in: { ct: a } } }",
                "m: b",
            ),
            "3:88: `a.image -> b.ct` carries volume without unit, the input takes volume in HU; if that is what it is, write `unit: HU` under `with` of stage `a`",
        ),
        (
            short(
                "{ a: { use: load-nifti, with: { source: x } }, b: { use: measure-volume, in: { mask: a } } }",
                "m: b",
            ),
            "3:88: `a.image -> b.mask` carries volume without unit, the input takes mask; if that is what it is, write `kind: mask` under `with` of stage `a`",
        ),
        (
            demo("mask: segment }", "mask: load }"),
            "11:46: `load.image -> clean.mask` carries volume in HU, the input takes mask",
        ),
        (
            demo("{ mask: back }", "{ mask: clean.labels }"),
            "13:46: `clean.labels -> volume.mask` carries labels, the input takes mask; did you mean `clean.mask`?",
        ),
        (
            demo("mask: segment }", "mask: volume.table }").replace(
                "volume: { use: measure-volume, in: { mask: back } }",
                "volume: { use: measure-volume, in: { mask: segment } }",
            ),
            "11:46: `volume.table -> clean.mask` carries table, the input takes mask; connect another output",
        ),
        // What stands behind `like` is what arrives there.
        (
            demo(
                "{ image: clean.mask, reference: load.image }",
                "{ image: load.image, reference: clean.mask }",
            )
            .replace("masks: [back, cavity]", "masks: [cavity]"),
            "13:46: `back.image -> volume.mask` carries volume in HU, the input takes mask",
        ),
        // Cycles.
        (
            short(
                "{ a: { use: filter-clusters, in: { mask: b.mask } }, b: { use: filter-clusters, in: { mask: a.mask } } }",
                "o: a.mask",
            ),
            "3:44: the stages wait for each other in a cycle: `a -> b -> a`; remove one of these connections",
        ),
        (
            short("a: { use: filter-clusters, in: { mask: a.mask } }", "o: a.mask"),
            "3:42: the stages wait for each other in a cycle: `a -> a`",
        ),
        // Parameters.
        (
            demo("min_volume_ml", "min_volume"),
            "11:65: stage `clean` (filter-clusters) has no parameter `min_volume`; did you mean `min_volume_ml`?",
        ),
        (
            demo("min_volume_ml: 0.5", "min_volume_ml: -1"),
            "11:80: parameter `min_volume_ml` of stage `clean` (filter-clusters) is -1; give a number of at least 0 mL",
        ),
        (
            demo("spacing: [1, 1, 1]", "spacing: [1, 1, 0]"),
            "8:79: parameter `spacing[2]` of stage `thin` (resample) is 0; give a number of at least 0.01",
        ),
        (
            demo("source: $inputs.ct, ", ""),
            "7:3: stage `load` (load-nifti) needs the parameter `source`; add `source: VALUE` under `with`: the path of a file",
        ),
        (
            demo("$inputs.ct", "$inputs.cr"),
            "7:44: parameter `source` in stage `load` (load-nifti) refers to `$inputs.cr`, which is not an input; did you mean `ct`?",
        ),
        // Inputs.
        (
            demo("unit: HU }\nstages", "unit: HU, default: 5 }\nstages"),
            "5:42: the default of input `ct` is 5; give a path or null",
        ),
        (
            demo("unit: HU }\nstages", "unit: HU, default: '' }\nstages"),
            "5:42: the default of input `ct` is the text ``; give a path or null",
        ),
        // Outputs.
        (
            demo("  overlay: overlay", "  Volume: overlay"),
            "19:3: outputs `volume` and `Volume` would have the same file; rename one of the two",
        ),
        (
            demo("  overlay: overlay", "  volume: overlay"),
            "19:3: the key `volume` stands here a second time; keep one of the two or rename one",
        ),
        (
            demo("  overlay: overlay", "  overlay: []"),
            "19:12: output `overlay` is an empty list; write `STAGE.OUTPUT`",
        ),
        (
            demo("  overlay: overlay", "  overlay: [volume.table, overlay]"),
            "19:12: output `overlay` is a list, and not of tables alone; only tables are written to one file",
        ),
        (
            short("{ a: { use: phantom-head }, b: { use: embed, in: { ct: a.ct } } }", "o: b"),
            "4:14: output `o` carries tensor, which has no file format",
        ),
    ] {
        let error = plan(&text).unwrap_err();
        if !error.starts_with(&format!("p.yaml:{expected}")) || error.lines().count() != 1 {
            failures.push(format!(" got {error}\nwant p.yaml:{expected}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn one_mistake_does_not_hide_or_multiply_others() {
    let text = DEMO
        .replace("use: resample@1,", "use: resmaple,")
        .replace("min_volume_ml: 0.5", "min_volume_ml: x")
        .replace("  overlay: overlay", "  overlay: overly");
    let places: Vec<String> =
        plan(&text).unwrap_err().lines().map(|l| l.chars().take(12).collect()).collect();
    assert_eq!(places, ["p.yaml:8:16:", "p.yaml:11:80", "p.yaml:19:12"]);
}

#[test]
fn two_cycles_are_two_errors_and_a_long_one_is_cropped() {
    let link = |name: &str, from: &str| {
        format!("  {name}: {{ use: filter-clusters, in: {{ mask: {from}.mask }} }}\n")
    };
    let mut text = "ichor: 1\nstages:\n".to_owned() + &link("a", "b") + &link("b", "a") + &link("tail", "b");
    for n in 0..5000 {
        text += &link(&format!("s{n}"), &format!("s{}", (n + 1) % 5000));
    }
    let error = plan(&text).unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 2, "{error}");
    assert!(
        lines[0].starts_with("p.yaml:3:42: the stages wait for each other in a cycle: `a -> b -> a`;"),
        "{error}"
    );
    assert!(lines[1].contains(" -> … -> "), "{}", lines[1]);
    assert!(lines[1].len() < 300);
}

#[test]
fn the_order_is_that_of_the_file_where_there_is_a_choice() {
    let text = "ichor: 1\nstages:\n  z: { use: measure-volume, in: { mask: m.cavity } }\n  c: { use: audit, in: { image: m.ct } }\n  m: { use: phantom-head }\n  a: { use: phantom-head }\n  b: { use: measure-volume, in: { mask: a.cavity } }\noutputs: { t: [z, b], u: m.ct }\n";
    let first = plan(text).unwrap();
    assert_eq!(names(&first), ["m", "z", "c", "a", "b", "save:t", "save:u"]);
    for _ in 0..5 {
        assert_eq!(format!("{:?}", plan(text).unwrap()), format!("{first:?}"));
    }
}

#[test]
fn a_table_output_may_be_a_list_and_keeps_its_order() {
    let text = short(
        "{ a: { use: phantom-head }, v: { use: measure-volume, in: { mask: a.cavity } } }",
        "t: [v, a.truth]",
    );
    let plan = plan(&text).unwrap();
    let writer = stage(&plan, "save:t");
    assert_eq!(writer.stage.id, "save-table");
    assert_eq!(writer.inputs, [vec![Source { stage: 1, port: 0 }, Source { stage: 0, port: 3 }]]);
}

#[test]
fn a_missing_writer_is_an_error_at_the_output() {
    let mut manifest = PluginManifest::parse(include_bytes!("../../tests/stages.json")).unwrap();
    manifest.stages.retain(|s| s.id != "save-nifti");
    let mut catalogue = Catalogue::new();
    catalogue.add(manifest);
    let spec = parse("p.yaml", &DEMO.replace("  clusters: clean.labels\n", "")).unwrap();
    let error = resolve(&spec, &catalogue, &Options::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        "p.yaml:16:9: output `mask` needs the stage `save-nifti` to be written and no plugin offers it; \
         install the plugin `ichor-plugin-nifti`, or add its folder with --plugin-path"
    );
}

#[test]
fn inputs_come_from_the_command_line_or_their_default() {
    let value = |text: &str, options: &Options| {
        plan_with(text, options)
            .map(|p| (p.inputs.first().map(|i| i.value.clone()), stage(&p, "load").params["source"].clone()))
    };
    let given = |pairs: &[(&str, &str)]| Options {
        inputs: pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        require_inputs: true,
        ..Options::default()
    };
    let with_default = DEMO.replace("unit: HU }\nstages", "unit: HU, default: d.nii }\nstages");
    assert_eq!(value(DEMO, &given(&[("ct", "x.nii")])), Ok((Some("x.nii".into()), json!("x.nii"))));
    assert_eq!(value(&with_default, &given(&[])), Ok((Some("d.nii".into()), json!("d.nii"))));
    assert_eq!(value(&with_default, &given(&[("ct", "x.nii")])), Ok((Some("x.nii".into()), json!("x.nii"))));
    // Enough to check a pipeline: no value, and no file that anybody would open.
    assert_eq!(value(DEMO, &Options::default()), Ok((Some("$inputs.ct".into()), json!("$inputs.ct"))));
    assert_eq!(stage(&plan(DEMO).unwrap(), "load").input_files, []);
    let files = plan_with(DEMO, &given(&[("ct", "x.nii")])).unwrap();
    assert_eq!(stage(&files, "load").input_files, [("source".to_owned(), "x.nii".to_owned())]);
    for (options, expected) in [
        (
            given(&[]),
            "p.yaml:5:3: input `ct` has no value; give it one with -i ct=PATH, or a `default:` in the pipeline",
        ),
        (
            given(&[("ct", "x"), ("cd", "y\n")]),
            "-i cd=y\\n: the pipeline has no input `cd`; did you mean `ct`?",
        ),
        (given(&[("ct", "")]), "-i ct=: input `ct` has an empty path; write -i ct=PATH"),
    ] {
        assert_eq!(value(DEMO, &options).unwrap_err(), expected);
    }
    let number = DEMO
        .replace(
            "ct: { kind: volume, unit: HU }",
            "ct: { kind: volume }\n  low: { kind: number, default: 40 }",
        )
        .replace("use: segment-threshold,", "use: segment-threshold, with: { lower: $inputs.low },");
    let lower =
        |options: &Options| plan_with(&number, options).map(|p| stage(&p, "segment").params["lower"].clone());
    assert_eq!(lower(&given(&[("ct", "x")])), Ok(json!(40.0)));
    assert_eq!(lower(&given(&[("ct", "x"), ("low", "45.5")])), Ok(json!(45.5)));
    assert_eq!(
        lower(&given(&[("ct", "x"), ("low", "1e")])).unwrap_err(),
        "-i low=1e: input `low` is a number, `1e` is not; give a number"
    );
    assert!(
        lower(&given(&[("ct", "x"), ("low", "9000")])).unwrap_err().contains("`lower` of stage `segment`")
    );
}

#[test]
fn overrides_replace_what_the_file_says() {
    let with = |sets: &[&str]| {
        plan_with(DEMO, &Options { overrides: sets.iter().map(|s| set(s)).collect(), ..Options::default() })
    };
    let plan = with(&[
        "clean.min_volume_ml=2",
        "clean.min_volume_ml=3",
        "thin.spacing=[2, 2, 2]",
        "save:mask.extension=nii",
    ])
    .unwrap();
    assert_eq!(stage(&plan, "clean").params["min_volume_ml"], json!(3.0));
    assert_eq!(stage(&plan, "thin").params["spacing"], json!([2.0, 2.0, 2.0]));
    assert_eq!(stage(&plan, "save:mask").params["extension"], json!("nii"));
    assert_eq!(stage(&plan, "save:clusters").params["extension"], json!("nii.gz"));
    for (argument, expected) in [
        ("clena.x=1", "the pipeline has no stage `clena`; did you mean `clean`?"),
        ("save:maks.extension=nii", "the pipeline has no stage `save:maks`; did you mean `save:mask`?"),
        (
            "clean.min_volum=1",
            "stage `clean` (filter-clusters) has no parameter `min_volum`; did you mean `min_volume_ml`?",
        ),
        (
            "clean.min_volume_ml=-1",
            "parameter `min_volume_ml` of stage `clean` (filter-clusters) is -1; give a number of at least 0 mL",
        ),
        (
            "save:mask.extension=gz",
            "parameter `extension` of stage `save:mask` (save-nifti) is the text `gz`",
        ),
        ("thin.spacing=[1, 1", "this is not YAML"),
        ("thin.spacing=[1, 1, -1]", "parameter `spacing[2]` of stage `thin` (resample) is -1"),
        (
            "load.source=$inputs.x",
            "parameter `source` in stage `load` (load-nifti) refers to `$inputs.x`, which is not an input",
        ),
    ] {
        let error = with(&[argument]).unwrap_err();
        assert!(error.starts_with(&format!("--set {argument}: {expected}")), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn versions_that_will_do() {
    for (asked, fits) in [
        ("", true),
        ("@1", true),
        ("@1.4", true),
        ("@1.0", true),
        ("@1.5", false),
        ("@0", false),
        ("@2.0", false),
    ] {
        assert_eq!(
            plan(&DEMO.replacen("resample@1", &format!("resample{asked}"), 1)).is_ok(),
            fits,
            "{asked}"
        );
    }
}

#[test]
fn work_that_nobody_sees_is_a_warning() {
    let text = DEMO.replace("unit: HU }\nstages", "unit: HU }\n  note: { kind: text }\nstages").replace(
        "outputs:\n",
        "  idle: { use: embed, in: { ct: load } }\n  look: { use: audit, in: { image: load } }\noutputs:\n",
    );
    let warnings: Vec<String> = plan(&text).unwrap().warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "p.yaml:6:3: nothing uses the input `note`; write `$inputs.note` in the `with` of a stage, or remove it",
            "p.yaml:16:3: nothing uses the outputs of stage `idle`; connect one, name one under `outputs`, or remove the stage",
        ]
    );
}

#[test]
fn what_a_parameter_says_of_an_output_counts() {
    let text = |kind: &str| {
        short(
            &format!(
                "{{ a: {{ use: load-nifti, with: {{ source: x, kind: {kind} }} }}, v: {{ use: measure-volume, in: {{ mask: a }} }} }}"
            ),
            "v: v",
        )
    };
    assert!(plan(&text("mask")).is_ok());
    assert!(plan(&text("labels")).unwrap_err().contains("carries labels without unit, the input takes mask"));
    let by_override = Options { overrides: vec![set("a.kind=mask")], ..Options::default() };
    assert!(plan_with(&text("labels"), &by_override).is_ok());
}

#[test]
fn voxels_that_can_never_fit_are_an_error() {
    let manifest = |dtype: &str| {
        json!({"ichor": 1, "name": "p", "version": "1.0.0", "stages": [
            {"id": "make", "version": "1.0.0", "outputs": [{"name": "ct", "kind": ["volume"], "dtype": ["i16"]}]},
            {"id": "take", "version": "1.0.0", "inputs": [{"name": "ct", "kind": ["volume"], "dtype": [dtype]}]}]})
    };
    let spec = parse("p.yaml", &short("{ a: { use: make }, b: { use: take, in: { ct: a } } }", "")).unwrap();
    let with = |dtype| {
        let mut catalogue = Catalogue::new();
        catalogue.add(PluginManifest::parse(manifest(dtype).to_string().as_bytes()).unwrap());
        resolve(&spec, &catalogue, &Options::default()).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(with("i16"), Ok(()));
    assert_eq!(
        with("f32").unwrap_err(),
        "p.yaml:3:49: `a.ct -> b.ct` carries volume with i16, the input takes f32; put a stage between that converts"
    );
}

#[test]
fn types_meet_where_both_allow() {
    let of = |kinds: &[Kind], units: &[&str]| {
        let units: Vec<_> = units.iter().map(|u| crate::Unit::from_name(u).unwrap()).collect();
        Type::of(&serde_json::from_value(json!({"name": "x", "kind": kinds, "unit": units})).unwrap())
    };
    let any = of(&[Kind::Volume, Kind::Mask], &[]);
    assert_eq!(any.meet(&of(&[Kind::Mask], &["none"])), Some(of(&[Kind::Mask], &["none"])));
    assert_eq!(of(&[Kind::Volume], &["HU"]).meet(&of(&[Kind::Volume], &["mm"])), None);
    assert_eq!(of(&[Kind::Volume], &["HU"]).meet(&of(&[Kind::Mask], &["HU"])), None);
    assert_eq!(any.words(), "volume or mask");
}
