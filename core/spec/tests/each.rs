//! `each`: a stage a row.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_spec::{Catalogue, Options, Override, Plan, PluginManifest, compose, resolve};
use std::collections::BTreeMap;

fn plan_of(files: &[(&str, &str)], given: &[(&str, &str)], with: &[&str]) -> Result<Plan, String> {
    let inputs = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    plan_with(files, with, &Options { inputs, ..Options::default() })
}

fn plan_with(files: &[(&str, &str)], with: &[&str], options: &Options) -> Result<Plan, String> {
    let mut catalogue = Catalogue::new();
    catalogue.add(PluginManifest::parse(include_str!("stages.json").as_bytes()).unwrap());
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let read =
        |name: &str| files.get(name).map(|t| (*t).to_owned()).ok_or_else(|| "there is none".to_owned());
    let with: Vec<String> = with.iter().map(|w| (*w).to_owned()).collect();
    let spec = compose("dir/p.yaml", &with, &options.inputs, &read).map_err(|e| e.to_string())?;
    resolve(&spec, &catalogue, options).map_err(|e| e.to_string())
}

/// Name and parameter of every stage that uses `id`.
fn values<'a>(plan: &'a Plan, id: &str, param: &str) -> Vec<(&'a str, String)> {
    let uses = plan.stages.iter().filter(|s| s.stage.id == id);
    uses.map(|s| (s.name.as_str(), s.params[param].to_string())).collect()
}

/// Stages that the input `port` of a stage is connected to.
fn sources(plan: &Plan, name: &str, port: &str) -> Vec<String> {
    let stage = plan.stages.iter().find(|s| s.name == name).unwrap();
    let at = stage.stage.inputs.iter().position(|p| p.name == port).unwrap();
    stage.inputs[at].iter().map(|source| plan.stages[source.stage].name.clone()).collect()
}

#[test]
fn a_number_makes_so_many_stages_and_connections_go_row_by_row_or_to_all() {
    let text = "
ichor: 1
stages:
  head: { each: 3, use: phantom-head, with: { noise: $each.n } }
  segment: { each: 3, use: segment-threshold, in: { ct: head.ct, cavity: head.cavity } }
  show: { use: picture, in: { ct: head-2.ct, masks: [segment.mask, head.cavity] } }
outputs: { show: show, mask: segment.mask }
";
    let plan = plan_of(&[("dir/p.yaml", text)], &[], &[]).unwrap();
    let noise = values(&plan, "phantom-head", "noise");
    assert_eq!(noise, [("head-1", "1.0".into()), ("head-2", "2.0".into()), ("head-3", "3.0".into())]);
    assert_eq!(sources(&plan, "segment-2", "cavity"), ["head-2"]);
    let masks = ["segment-1", "segment-2", "segment-3", "head-1", "head-2", "head-3"];
    assert_eq!(sources(&plan, "show", "masks"), masks);
    let mut files: Vec<&str> = plan.outputs.iter().map(|o| o.name.as_str()).collect();
    files.sort_unstable();
    assert_eq!(files, ["mask-1", "mask-2", "mask-3", "show"]);
}

#[test]
fn rows_of_a_list_have_their_own_names_and_values() {
    let text = "
ichor: 1
stages:
  head: { each: [{ case: quiet, noise: 0 }, { case: loud, noise: 20.5 }], use: phantom-head, with: { noise: $each.noise } }
outputs: { ct: head.ct }
";
    let plan = plan_of(&[("dir/p.yaml", text)], &[], &[]).unwrap();
    let noise = values(&plan, "phantom-head", "noise");
    assert_eq!(noise, [("head-quiet", "0.0".into()), ("head-loud", "20.5".into())]);
}

const TABLE: &str = "
ichor: 1
inputs: { cases: { kind: table } }
stages:
  load: { each: $inputs.cases, use: load-nifti, with: { source: $each.ct, unit: HU } }
outputs: { out: load.image }
";

#[test]
fn paths_in_a_table_are_relative_to_its_folder() {
    let files = [("dir/p.yaml", TABLE), ("lab/cases.tsv", "case\tct\na 1\tx.nii\n007\t/abs/y.nii\n")];
    let plan = plan_of(&files, &[("cases", "lab/cases.tsv")], &[]).unwrap();
    let found = values(&plan, "load-nifti", "source");
    assert_eq!(found, [("load-a-1", "\"lab/x.nii\"".into()), ("load-007", "\"/abs/y.nii\"".into())]);
    assert_eq!(plan.stages[0].input_files, [("source".to_owned(), "lab/x.nii".to_owned())]);
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    // Without its table it can be checked.
    assert!(plan_of(&files, &[], &[]).is_ok());
    // A table named in the pipeline lies beside it.
    let beside = TABLE.replace("$inputs.cases", "cases.tsv");
    let plan = plan_of(&[("dir/p.yaml", &beside), ("dir/cases.tsv", "ct\nx.nii\n")], &[], &[]).unwrap();
    assert_eq!(values(&plan, "load-nifti", "source"), [("load-1", "\"dir/x.nii\"".into())]);
}

#[test]
fn paths_in_a_file_are_relative_to_its_folder() {
    let text = "
ichor: 1
inputs: { given: { kind: file }, usual: { kind: file, default: u.nii } }
stages:
  here: { use: load-nifti, with: { source: ./x.nii, unit: HU } }
  abroad: { use: load-nifti, with: { source: ../x.nii, unit: HU } }
  given: { use: load-nifti, with: { source: $inputs.given, unit: HU } }
  usual: { use: load-nifti, with: { source: $inputs.usual, unit: HU } }
  changed: { use: load-nifti, with: { source: x.nii, unit: HU } }
  part: { use: parts/q.yaml, with: { file: y.nii } }
outputs: { a: here, b: abroad, c: given, d: usual, e: changed, f: part.own, g: part.theirs }
";
    let part = "
ichor: 1
inputs: { file: { kind: file } }
stages:
  own: { use: load-nifti, with: { source: x.nii, unit: HU } }
  theirs: { use: load-nifti, with: { source: $inputs.file, unit: HU } }
outputs: { own: own, theirs: theirs }
";
    let overlay = "ichor: 1\noverlay: true\nstages: { changed: { with: { source: z.nii } } }\n";
    let files = [("dir/p.yaml", text), ("dir/parts/q.yaml", part), ("site/o.yaml", overlay)];
    let plan = plan_of(&files, &[("given", "g.nii")], &["site/o.yaml"]).unwrap();
    let found: BTreeMap<_, _> = values(&plan, "load-nifti", "source").into_iter().collect();
    for (stage, path) in [
        ("here", "dir/x.nii"),
        ("abroad", "dir/../x.nii"),
        ("given", "g.nii"), // from the command line
        ("usual", "dir/u.nii"),
        ("changed", "site/z.nii"),
        ("part/own", "dir/parts/x.nii"),
        ("part/theirs", "dir/y.nii"),
    ] {
        assert_eq!(found[stage], format!("\"{path}\""), "{stage}");
    }
}

#[test]
fn the_command_line_speaks_of_all_rows_or_of_one() {
    let text = "
ichor: 1
stages:
  head: { each: 3, use: phantom-head, with: { noise: 1 } }
  part: { each: 3, use: q.yaml, in: { ct: head.ct } }
outputs: { out: part.out }
";
    let part = "
ichor: 1
inputs: { ct: { kind: volume, unit: HU } }
stages:
  fit: { use: resample, in: { image: $inputs.ct }, with: { spacing: [1, 1, 1] } }
  last: { use: resample, in: { image: fit.image }, with: { spacing: [1, 1, 1] } }
outputs: { out: last }
";
    let files = [("dir/p.yaml", text), ("dir/q.yaml", part)];
    let set = |stage: &str, param: &str, value: &str| Override {
        stage: stage.to_owned(),
        param: param.to_owned(),
        value_text: value.to_owned(),
    };
    let mut options = Options {
        overrides: vec![
            set("head", "noise", "7"),
            set("head-2", "noise", "9"),
            set("part/fit", "spacing", "[2, 2, 2]"),
        ],
        ..Options::default()
    };
    let plan = plan_with(&files, &[], &options).unwrap();
    let noise: Vec<String> = values(&plan, "phantom-head", "noise").into_iter().map(|(_, v)| v).collect();
    assert_eq!(noise, ["7.0", "9.0", "7.0"]);
    let spacing: BTreeMap<_, _> = values(&plan, "resample", "spacing").into_iter().collect();
    assert_eq!(
        (spacing["part-3/fit"].as_str(), spacing["part-3/last"].as_str()),
        ("[2.0,2.0,2.0]", "[1.0,1.0,1.0]")
    );
    options.until = Some("head".to_owned());
    let names: Vec<String> =
        plan_with(&files, &[], &options).unwrap().stages.into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["head-1", "head-2", "head-3"]);
    options.overrides = vec![set("heads", "noise", "7")];
    let error = plan_with(&files, &[], &options).unwrap_err();
    assert!(error.contains("no stage `heads`"), "{error}");
}

#[test]
fn a_stage_of_all_rows_gets_a_column() {
    let text = "
ichor: 1
stages:
  head: { each: [{ size: 1 }, { size: 2.5 }], use: phantom-head }
  fit: { use: resample, in: { image: head-1.ct }, with: { spacing: $each.head.size } }
outputs: { ct: fit }
";
    // A list of two where three are wanted: its cells are there.
    let error = plan_of(&[("dir/p.yaml", text)], &[], &[]).unwrap_err();
    assert!(error.contains("`spacing` of stage `fit` (resample) is a list of 2"), "{error}");
    let plan = plan_of(&[("dir/p.yaml", &text.replace("}]", "}, { size: 4 }]"))], &[], &[]).unwrap();
    assert_eq!(values(&plan, "resample", "spacing"), [("fit", "[1.0,2.5,4.0]".into())]);
}

#[test]
fn the_same_list_written_twice_is_connected_row_by_row() {
    let text = "
ichor: 1
stages:
  head: { each: [{ seed: 3 }, { seed: 5 }], use: phantom-head }
  fit: { each: [{ seed: 3 }, { seed: 5 }], use: resample, in: { image: head.ct }, with: { spacing: [1, 1, 1] } }
outputs: { ct: fit }
";
    let plan = plan_of(&[("dir/p.yaml", text)], &[], &[]).unwrap();
    assert_eq!(sources(&plan, "fit-2", "image"), ["head-2"]);
}

#[test]
fn an_overlay_changes_all_rows() {
    let text = "
ichor: 1
stages:
  head: { each: 2, use: phantom-head, with: { noise: 1 } }
outputs: { ct: head.ct }
";
    let change = "ichor: 1\noverlay: true\nstages: { head: { each: 3, with: { noise: 9 } } }\n";
    let plan = plan_of(&[("dir/p.yaml", text), ("o.yaml", change)], &[], &["o.yaml"]).unwrap();
    assert_eq!(values(&plan, "phantom-head", "noise").len(), 3);
    assert!(values(&plan, "phantom-head", "noise").iter().all(|(_, v)| v == "9.0"));
}

#[test]
fn mistakes_have_their_place_also_in_the_table() {
    let head = |each: &str, with: &str| {
        format!(
            "ichor: 1\nstages:\n  h: {{ each: {each}, use: phantom-head, with: {{ noise: {with} }} }}\noutputs: {{ c: h.ct }}\n"
        )
    };
    for (each, with, table, expected) in [
        ("0", "1", "", "dir/p.yaml:3:14: `each` is 0; give a number of rows"),
        ("{a: 1}", "1", "", "dir/p.yaml:3:14: `each` is a map"),
        ("[]", "1", "", "dir/p.yaml:3:14: `each` is a list of 0"),
        ("[3]", "1", "", "dir/p.yaml:3:15: a row of `each` is 3"),
        ("5000", "1", "", "dir/p.yaml:3:14: `each` has more than 2000 rows"),
        ("2", "$each.nn", "", "dir/p.yaml:3:51: `each` has no column `nn`; did you mean `n`?"),
        ("[{case: a}, {case: a}]", "1", "", "dir/p.yaml:3:33: rows 1 and 2 of `each` are both called `a`"),
        ("no.tsv", "1", "", "dir/p.yaml:3:14: the table `dir/no.tsv` cannot be read: there is none"),
        ("t.tsv", "$each.noise", "", "dir/t.tsv:1:1: the table has no names of columns"),
        ("t.tsv", "$each.noise", "noise\n", "dir/t.tsv:1:1: the table has no rows"),
        ("t.tsv", "$each.noise", "case\tnoise\na\t1\nb\n", "dir/t.tsv:3:1: this row has 1 cells under 2"),
        ("t.tsv", "$each.noise", "case\tnoise\na\tloud\n", "dir/t.tsv:2:3: parameter `noise` of stage `h-a`"),
    ] {
        let error =
            plan_of(&[("dir/p.yaml", &head(each, with)), ("dir/t.tsv", table)], &[], &[]).unwrap_err();
        assert!(
            error.lines().next().unwrap_or("").starts_with(expected),
            "{each} {with}\n got {error}\nwant {expected}"
        );
    }
}
