//! Pictures of a plan: Mermaid and Graphviz text, and SVG.

mod layered;
mod svg;

use crate::plan::{Plan, PlannedStage, Source};
use std::collections::BTreeMap;
use std::fmt::Write as _;

pub use svg::svg;

/// What a box stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Input,
    Stage,
    Output,
}

/// A box.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    role: Role,
    title: String,
    detail: String,
}

/// What leaves one box by one port: one wire that may end in several boxes.
#[derive(Debug, PartialEq, Eq)]
struct Net {
    from: usize,
    /// Name of the port, empty for an input of the pipeline.
    port: String,
    /// Boxes, each once.
    to: Vec<usize>,
}

/// A plan as boxes and wires. Every wire leads to boxes further down the list.
///
/// All texts are names, ids and versions: letters, digits and `-_.+:/`, so that no format needs them escaped.
/// Values of parameters, which may hold anything (and paths, which may name a patient), are left out.
#[derive(Debug)]
struct Drawing {
    items: Vec<Item>,
    nets: Vec<Net>,
}

impl Drawing {
    fn of(plan: &Plan) -> Drawing {
        let mut items: Vec<Item> = Vec::new();
        let mut add = |role, title: &str, detail: String| {
            items.push(Item { role, title: title.to_owned(), detail });
            items.len() - 1
        };
        let inputs: Vec<usize> =
            plan.inputs.iter().map(|i| add(Role::Input, &i.name, "input".to_owned())).collect();
        // A stage that was added to read an input or write an output is drawn as that input or output.
        let stages: Vec<Option<usize>> = plan
            .stages
            .iter()
            .map(|s| match (s.implicit, s.inputs.is_empty(), s.reads.as_slice()) {
                (true, true, [input]) => {
                    plan.inputs.iter().position(|i| i.name == *input).map(|place| inputs[place])
                }
                (true, false, _) => None,
                _ => Some(add(Role::Stage, &s.name, format!("{} {}", s.stage.id, s.stage.version))),
            })
            .collect();
        let outputs: Vec<usize> = plan
            .outputs
            .iter()
            .map(|output| {
                let detail = match plan.stages.get(output.source.stage) {
                    Some(writer) if is_writer(writer) => format!("output, {}", writer.stage.id),
                    _ => "output".to_owned(),
                };
                add(Role::Output, &output.name, detail)
            })
            .collect();

        let mut wires = Wires { plan, stages: &stages, nets: BTreeMap::new() };
        for (n, stage) in plan.stages.iter().enumerate() {
            let Some(Some(to)) = stages.get(n).copied() else { continue };
            for (input, from) in plan.inputs.iter().zip(&inputs).filter(|(_, from)| **from != to) {
                if stage.reads.contains(&input.name) {
                    wires.add(*from, 0, "", to);
                }
            }
            for source in stage.inputs.iter().flatten() {
                wires.connect(*source, to);
            }
        }
        for (output, to) in plan.outputs.iter().zip(outputs) {
            match plan.stages.get(output.source.stage) {
                Some(writer) if is_writer(writer) => {
                    writer.inputs.iter().flatten().for_each(|source| wires.connect(*source, to));
                }
                _ => wires.connect(output.source, to),
            }
        }
        let nets = wires.nets.into_values().collect();
        Drawing { items, nets }
    }
}

fn is_writer(stage: &PlannedStage) -> bool {
    stage.implicit && !stage.inputs.is_empty()
}

struct Wires<'a> {
    plan: &'a Plan,
    stages: &'a [Option<usize>],
    nets: BTreeMap<(usize, usize), Net>,
}

impl Wires<'_> {
    fn add(&mut self, from: usize, port: usize, name: &str, to: usize) {
        let net = self.nets.entry((from, port)).or_insert_with(|| Net {
            from,
            port: name.to_owned(),
            to: Vec::new(),
        });
        if !net.to.contains(&to) {
            net.to.push(to);
        }
    }

    fn connect(&mut self, source: Source, to: usize) {
        let from = self.stages.get(source.stage).copied().flatten();
        let port = self.plan.stages.get(source.stage).and_then(|s| s.stage.outputs.get(source.port));
        if let (Some(from), Some(port)) = (from, port) {
            self.add(from, source.port, &port.name, to);
        }
    }
}

/// A Mermaid flowchart, as Markdown on many forges shows it.
#[must_use]
pub fn mermaid(plan: &Plan) -> String {
    let drawing = Drawing::of(plan);
    let mut text = "flowchart TB\n".to_owned();
    for (n, item) in drawing.items.iter().enumerate() {
        let (open, close) = match item.role {
            Role::Input => ("[/", "/]"),
            Role::Stage => ("[", "]"),
            Role::Output => ("([", "])"),
        };
        let _ = writeln!(text, "  n{n}{open}\"{}<br>{}\"{close}", item.title, item.detail);
    }
    for net in &drawing.nets {
        for to in &net.to {
            let _ = match net.port.as_str() {
                "" => writeln!(text, "  n{} --> n{to}", net.from),
                port => writeln!(text, "  n{} -->|\"{port}\"| n{to}", net.from),
            };
        }
    }
    text
}

/// Graphviz text.
#[must_use]
pub fn dot(plan: &Plan) -> String {
    let drawing = Drawing::of(plan);
    let mut text = "digraph {\n  rankdir=TB\n".to_owned();
    for (n, item) in drawing.items.iter().enumerate() {
        let shape = match item.role {
            Role::Input => "parallelogram",
            Role::Stage => "box",
            Role::Output => "ellipse",
        };
        let _ = writeln!(text, "  n{n} [label=\"{}\\n{}\" shape={shape}]", item.title, item.detail);
    }
    for net in &drawing.nets {
        for to in &net.to {
            let _ = match net.port.as_str() {
                "" => writeln!(text, "  n{} -> n{to}", net.from),
                port => writeln!(text, "  n{} -> n{to} [label=\"{port}\"]", net.from),
            };
        }
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalogue, Options, PluginManifest, parse, resolve};

    fn plan(file: &str, text: &str) -> Plan {
        let mut catalogue = Catalogue::new();
        catalogue.add(PluginManifest::parse(include_bytes!("../tests/stages.json")).unwrap());
        resolve(&parse(file, text).unwrap(), &catalogue, &Options::default()).unwrap()
    }

    const TEXT: &str = "ichor: 1\ninputs: {ct: {kind: volume}}\nstages:\n  \
        load: { use: load-nifti, with: { source: $inputs.ct, unit: HU } }\n  \
        cavity: { use: cavity-threshold, in: { ct: load } }\n  \
        look: { use: picture, in: { ct: load, masks: [cavity, cavity] } }\n\
        outputs: { mask: cavity, look: look }\n";

    #[test]
    fn mermaid_and_dot_say_what_leads_where() {
        let plan = plan("p.yaml", TEXT);
        assert_eq!(
            mermaid(&plan),
            "flowchart TB\n  n0[/\"ct<br>input\"/]\n  n1[\"load<br>load-nifti 1.2.0\"]\n  \
             n2[\"cavity<br>cavity-threshold 1.0.0\"]\n  n3[\"look<br>picture 1.0.0\"]\n  \
             n4([\"mask<br>output, save-nifti\"])\n  n5([\"look<br>output\"])\n  n0 --> n1\n  \
             n1 -->|\"image\"| n2\n  n1 -->|\"image\"| n3\n  n2 -->|\"mask\"| n3\n  n2 -->|\"mask\"| n4\n  \
             n3 -->|\"png\"| n5\n"
        );
        let dot = dot(&plan);
        assert!(
            dot.starts_with("digraph {\n  rankdir=TB\n  n0 [label=\"ct\\ninput\" shape=parallelogram]\n"),
            "{dot}"
        );
        assert!(
            dot.ends_with(
                "  n0 -> n1\n  n1 -> n2 [label=\"image\"]\n  n1 -> n3 [label=\"image\"]\n  \
             n2 -> n3 [label=\"mask\"]\n  n2 -> n4 [label=\"mask\"]\n  n3 -> n5 [label=\"png\"]\n}\n"
            ),
            "{dot}"
        );
    }

    #[test]
    fn the_svg_shows_every_box_within_its_borders() {
        let svg = svg(&plan("p.yaml", TEXT));
        let number = |text: &str, key: &str| {
            let rest = text.split(&format!(" {key}=\"")).nth(1)?;
            rest.split('"').next()?.parse::<f64>().ok()
        };
        let (width, height) = (number(&svg, "width").unwrap(), number(&svg, "height").unwrap());
        let boxes: Vec<&str> =
            svg.lines().filter(|l| l.starts_with("<rect class") && l.contains(" x=")).collect();
        assert_eq!(boxes.len(), 6);
        for one in &boxes {
            let of = |key| number(one, key).unwrap();
            assert!(of("x") >= 0.0 && of("x") + of("width") <= width, "{one}");
            assert!(of("y") >= 0.0 && of("y") + of("height") <= height, "{one}");
        }
        let count = |class: &str| boxes.iter().filter(|b| b.contains(&format!("class=\"{class}\""))).count();
        assert_eq!((count("input"), count("stage"), count("output")), (1, 3, 2));
        // An arrowhead for every end of a wire, a name for every output in use.
        assert_eq!((svg.matches("class=\"head\"").count(), svg.matches("class=\"port\"").count()), (6, 3));
        assert!(svg.contains(">cavity-threshold 1.0.0</text>"));
    }

    #[test]
    fn a_file_name_cannot_break_the_svg() {
        let svg = svg(&plan("<script>&\"\u{1b}.yaml", TEXT));
        assert!(svg.contains("<title>Pipeline &lt;script&gt;&amp;&quot;</title>"), "{svg}");
        assert!(!svg.contains("<script"));
    }

    #[test]
    fn without_stages_there_is_an_empty_picture() {
        let svg = svg(&plan("p.yaml", "ichor: 1\nstages: {}\n"));
        assert!(svg.contains("width=\"32\" height=\"78\""), "{svg}");
    }
}
