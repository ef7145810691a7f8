//! Whatever is in a pipeline file or a manifest: an answer, in short time, and never a panic.

use ichor_spec::{Catalogue, Options, Override, Plan, PluginManifest, compose, graph, parse, resolve};
use proptest::prelude::*;
use std::collections::BTreeMap;

const DEMO: &str = include_str!("demo.yaml");
const STAGES: &str = include_str!("stages.json");

/// Uses the demo as a stage.
const OUTER: &str = "ichor: 1\ninputs:\n  scan: { kind: volume, unit: HU }\n  note: { kind: text, default: x }\nstages:\n  \
    lesion: { use: ./demo.yaml, with: { ct: $inputs.scan } }\n  \
    thin: { use: resample, in: { image: lesion.mask, reference: $inputs.scan } }\n  \
    deep: { use: demo.yaml, with: { ct: y.nii } }\noutputs:\n  mask: thin\n  all: [lesion.volume, deep.volume]\n";
const OVERLAY: &str = "ichor: 1\noverlay: true\ninputs:\n  scan: { default: /a.nii }\nstages:\n  \
    lesion/clean: { with: { min_volume_ml: 3 }, limits: { seconds: 3, memory: 1GiB } }\n  \
    thin: { with: { order: nearest } }\n  deep: null\noutputs:\n  all: null\n";

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::new();
    catalogue.add(PluginManifest::parse(STAGES.as_bytes()).expect("the fixture is right"));
    catalogue
}

/// Reads a text as far as it goes. Every error must be one printable line.
fn attempt(text: &str, catalogue: &Catalogue, options: &Options) -> Result<Plan, String> {
    let result = parse("p.yaml", text).and_then(|spec| resolve(&spec, catalogue, options));
    let errors = match &result {
        Ok(plan) => {
            for picture in [graph::svg(plan), graph::mermaid(plan), graph::dot(plan)] {
                assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
            }
            &plan.warnings[..]
        }
        Err(errors) => {
            assert!(errors.as_slice().len() <= 50);
            assert!(errors.iter().all(|error| !error.render(text).is_empty()));
            errors.as_slice()
        }
    };
    for error in errors {
        let line = error.to_string();
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.len() < 4000, "{line}");
    }
    result.map_err(|e| e.to_string())
}

/// Pieces of pipelines, YAML and trouble.
const PIECES: [&str; 56] = [
    "ichor: 1",
    "stages:",
    "inputs:",
    "outputs:",
    "use: ",
    "with: ",
    "in: ",
    "kind: ",
    "default: ",
    "isolate: ",
    "a",
    "load",
    "ct",
    "mask",
    ".",
    "..",
    "/etc/passwd",
    "C:\\x",
    "$inputs.ct",
    "$inputs.",
    "resample@1",
    "@",
    "1",
    "-1",
    "1e999",
    ".nan",
    "0x1F",
    "18446744073709551616",
    "true",
    "~",
    "''",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    ",",
    ": ",
    "- ",
    "? ",
    "\n",
    "\n  ",
    "\t",
    "\r\n",
    "#",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "!x ",
    "|\n",
    ">-\n",
    "\0",
    "\u{1b}[31m",
    "\u{202e}\u{feff}é漢",
];

#[derive(Clone, Debug)]
enum Edit {
    Insert(usize, &'static str),
    Remove(usize, usize),
    Repeat(usize, usize, usize),
    Swap(usize, usize, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = 0..2000_usize;
    prop_oneof![
        (at.clone(), prop::sample::select(&PIECES[..])).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (at.clone(), 1..40_usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        (at.clone(), 1..80_usize, at.clone()).prop_map(|(from, count, to)| Edit::Repeat(from, count, to)),
        (at.clone(), at, 1..20_usize).prop_map(|(a, b, count)| Edit::Swap(a, b, count)),
    ]
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for edit in edits {
        let n = chars.len().max(1);
        let range = |from: usize, count: usize| from % n..(from % n + count).min(chars.len());
        match *edit {
            Edit::Insert(at, piece) => {
                chars.splice(at % n..at % n, piece.chars());
            }
            Edit::Remove(at, count) => {
                chars.drain(range(at, count));
            }
            Edit::Repeat(from, count, to) => {
                let copy = chars[range(from, count)].to_vec();
                chars.splice(to % n..to % n, copy);
            }
            Edit::Swap(a, b, count) => {
                for k in 0..count {
                    if a % n + k < chars.len() && b % n + k < chars.len() {
                        chars.swap(a % n + k, b % n + k);
                    }
                }
            }
        }
        if chars.is_empty() {
            break;
        }
    }
    chars.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}|(?s).{0,200}") {
        let _ = attempt(&text, &catalogue(), &Options::default());
        let _ = attempt(&format!("ichor: 1\nstages: {text}"), &catalogue(), &Options::default());
    }

    #[test]
    fn any_heap_of_pieces_is_answered(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)) {
        let text = pieces.concat();
        let _ = attempt(&text, &catalogue(), &Options::default());
        let _ = attempt(&format!("ichor: 1\nstages:\n  a: {text}"), &catalogue(), &Options::default());
    }

    #[test]
    fn a_damaged_pipeline_is_answered(edits in prop::collection::vec(edit(), 1..8)) {
        let _ = attempt(&edited(DEMO, &edits), &catalogue(), &Options::default());
    }

    #[test]
    fn damaged_parts_of_a_pipeline_are_answered(edits in prop::collection::vec(edit(), 1..6), which in 0..3_usize) {
        let mut texts = [OUTER, DEMO, OVERLAY].map(str::to_owned);
        texts[which] = edited(&texts[which], &edits);
        let read = |name: &str| match name {
            "p.yaml" => Ok(texts[0].clone()),
            "demo.yaml" => Ok(texts[1].clone()),
            "site.yaml" => Ok(texts[2].clone()),
            _ => Err("there is none".to_owned()),
        };
        let spec = compose("p.yaml", &["site.yaml".to_owned()], &Default::default(), &read);
        match spec.and_then(|spec| resolve(&spec, &catalogue(), &Options::default())) {
            Ok(plan) => assert!(!graph::svg(&plan).is_empty()),
            Err(errors) => errors.iter().for_each(|e| assert!(!e.to_string().chars().any(char::is_control), "{e:?}")),
        }
    }

    #[test]
    fn any_argument_is_answered(name in "ct|[a-z.$\\n]{0,6}", value in "(?s).{0,30}", stage in "thin|load|save:mask|[a-z:]{0,5}",
                                param in "spacing|source|kind|order|(?s).{0,5}") {
        let options = Options {
            inputs: BTreeMap::from([(name, value.clone())]),
            require_inputs: true,
            until: Some(stage.clone()),
            from: (stage.len() > 2).then(|| stage.clone()),
            keep: vec![format!("{stage}.{param}"), stage.clone(), param.clone()],
            overrides: vec![Override { stage, param, value_text: value }],
        };
        let _ = attempt(DEMO, &catalogue(), &options);
    }

    #[test]
    fn a_damaged_manifest_is_refused_or_usable(edits in prop::collection::vec(edit(), 1..6), at in 0..8000_usize) {
        // The edits reach the first 2000 characters: turn the text so that they reach all of it.
        let turned = [&STAGES[at % STAGES.len()..], &STAGES[..at % STAGES.len()]].concat();
        let damaged = edited(&turned, &edits);
        let back = damaged.len() - (at % STAGES.len()).min(damaged.len());
        let back = (0..=back).rev().find(|&n| damaged.is_char_boundary(n)).unwrap_or(0);
        for text in [[&damaged[back..], &damaged[..back]].concat(), edited(STAGES, &edits)] {
            if let Ok(manifest) = PluginManifest::parse(text.as_bytes()) {
                let mut damaged = Catalogue::new();
                damaged.add(manifest);
                let _ = attempt(DEMO, &damaged, &Options::default());
            }
        }
    }

    #[test]
    fn a_manifest_with_any_value_anywhere_is_refused_or_usable(place in 0..400_usize, value in json_value()) {
        let mut manifest: serde_json::Value = serde_json::from_str(STAGES).expect("the fixture is JSON");
        let mut count = 0;
        replace(&mut manifest, place, &value, &mut count);
        if let Ok(manifest) = PluginManifest::parse(manifest.to_string().as_bytes()) {
            let mut changed = Catalogue::new();
            changed.add(manifest);
            let _ = attempt(DEMO, &changed, &Options::default());
            changed.stages().for_each(|o| assert!(o.stage.inputs.iter().all(|p| !p.describe().is_empty())));
        }
    }
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::json;
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("mask"),
        json!("ct"),
        json!("../x"),
        json!("\u{1b}"),
        json!([]),
        json!({}),
        json!(["mask"]),
        json!(["mask", "mask"]),
        json!({"type": "array"}),
        json!([null]),
        json!({"properties": []}),
        json!({"type": []}),
        json!({"enum": {}}),
        json!({"items": 3}),
        json!("1.0.0"),
    ])
}

/// Puts `value` in place of the value number `place`, counted in the order of the text.
fn replace(node: &mut serde_json::Value, place: usize, value: &serde_json::Value, count: &mut usize) {
    *count += 1;
    if *count == place + 1 {
        *node = value.clone();
        return;
    }
    match node {
        serde_json::Value::Array(list) => list.iter_mut().for_each(|v| replace(v, place, value, count)),
        serde_json::Value::Object(map) => map.values_mut().for_each(|v| replace(v, place, value, count)),
        _ => {}
    }
}

#[test]
fn giants_are_answered() {
    let catalogue = catalogue();
    let refuse =
        |text: &str| attempt(text, &catalogue, &Options::default()).expect_err("this is no pipeline");
    let head = "ichor: 1\nstages:\n";
    // Text that is large only once its aliases are expanded.
    let text = "x".repeat(500_000);
    refuse(&format!("ichor: 1\ndoc: &a {text}\nstages: [{}]\n", "*a,".repeat(40_000)));
    refuse(&format!(
        "ichor: 1\ndoc: &a {text}\nstages: {{{}}}\n",
        (0..9_000).map(|n| format!("a{n}: {{use: *a}},")).collect::<String>()
    ));
    // Long lines, long names, many mistakes.
    refuse(&format!("{head}  {}: {{ use: x }}\n", "y".repeat(900_000)));
    refuse(&format!("{head}  a: {{ use: {} }}\n", "y".repeat(900_000)));
    refuse(&format!("{head}  a: {{ use: filter-clusters, in: {{ mask: {} }} }}\n", "y".repeat(60)));
    refuse(&format!("{head}{}", (0..9_000).map(|n| format!("  a{n}: {{ use: zzz }}\n")).collect::<String>()));
    refuse(&format!("{head}  a: {{ use: save-table, in: {{ tables: [{}] }} }}\n", "b, ".repeat(45_000)));
    // Deep and unclosed.
    for piece in [
        "[", "{", "{a: ", "- ", "? ", "a:\n ", "&a ", "!x ", "'", "\"\\", "|\n", "%", "---\n", "...\n",
        "#\n", "\t", "\0", "\u{feff}", "*a ",
    ] {
        let _ = attempt(&piece.repeat(100_000.min(1_000_000 / piece.len())), &catalogue, &Options::default());
        let _ = attempt(&format!("{head}  a: {}", piece.repeat(10_000)), &catalogue, &Options::default());
    }
}

#[test]
fn long_pipelines_resolve_and_are_drawn() {
    // Each stage takes the one before it and the first.
    let mut chain = "ichor: 1\nstages:\n  s0: { use: phantom-head }\n".to_owned();
    for n in 1..3000 {
        let before = if n == 1 { "s0.cavity".to_owned() } else { format!("s{}", n - 1) };
        chain += &format!("  s{n}: {{ use: resample, in: {{ image: {before}, reference: s0.ct }} }}\n");
    }
    let plan = attempt(&format!("{chain}outputs: {{ o: s2999 }}\n"), &catalogue(), &Options::default());
    assert_eq!(plan.map(|p| p.stages.len()), Ok(3001));
}
