//! A plan as an SVG picture: self-contained, dark on white.

use super::layered::{Layout, place};
use super::{Drawing, Item, Role};
use crate::plan::Plan;
use std::fmt::Write as _;

const MARGIN: f64 = 16.0;
const BOX_HEIGHT: f64 = 46.0;
const BOX_PADDING: f64 = 14.0;
/// From the top of a row to the top of the next: room for the names of ports and for wires to turn.
const ROW_HEIGHT: f64 = 100.0;
/// How far down the name of a port is beside its wire.
const PORT_HEIGHT: f64 = 17.0;
/// Between two wires that end in the same box.
const ENTRY_STEP: f64 = 16.0;
/// Widest characters of the two text sizes.
const TITLE_CHAR: f64 = 8.5;
const SMALL_CHAR: f64 = 6.7;

const STYLE: &str = "<style>
text { font-family: 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #1f2328 }
.title { font-size: 14px; font-weight: 600; text-anchor: middle }
.detail { font-size: 11px; text-anchor: middle; fill: #4b535d }
.port { font-size: 11px; fill: #4b535d }
.paper { fill: #ffffff }
.wire { fill: none; stroke: #6e7781; stroke-width: 1.4 }
.head { fill: #6e7781 }
.stage { fill: #f6f8fa; stroke: #424a53; stroke-width: 1.2 }
.input { fill: #ddf0ff; stroke: #0b5cad; stroke-width: 1.2 }
.output { fill: #dff5e3; stroke: #1a7431; stroke-width: 1.2 }
</style>
";

/// A drawing of the plan, from the top down.
#[must_use]
pub fn svg(plan: &Plan) -> String {
    let drawing = Drawing::of(plan);
    let picture = Picture::of(&drawing);
    let width = picture.layout.width + 2.0 * MARGIN;
    let height = picture.layout.rows.saturating_sub(1) as f64 * ROW_HEIGHT + BOX_HEIGHT + 2.0 * MARGIN;
    let name = escape(&plan.name);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"Pipeline {name}\">\n\
         <title>Pipeline {name}</title>\n{STYLE}<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n"
    );
    (0..drawing.nets.len()).for_each(|n| picture.wires(&mut text, n));
    (0..drawing.items.len()).for_each(|n| picture.item(&mut text, n));
    text.push_str("</svg>\n");
    text
}

/// Where everything is, in pixels.
struct Picture<'a> {
    drawing: &'a Drawing,
    layout: Layout,
    /// For each net, where it leaves its box.
    exits: Vec<f64>,
    /// For each net and each box it leads to, where it ends.
    entries: Vec<Vec<f64>>,
}

impl Picture<'_> {
    fn of(drawing: &Drawing) -> Picture<'_> {
        let chars = |text: &str| text.chars().count() as f64;
        let mut widths: Vec<f64> = drawing
            .items
            .iter()
            .map(|i| (chars(&i.title) * TITLE_CHAR).max(chars(&i.detail) * SMALL_CHAR) + 2.0 * BOX_PADDING)
            .collect();
        let mut ends = vec![(0.0_f64, 0.0_f64); drawing.items.len()];
        for net in &drawing.nets {
            ends[net.from].0 += label_width(&net.port);
            net.to.iter().for_each(|&to| ends[to].1 += ENTRY_STEP);
        }
        for (width, (labels, entries)) in widths.iter_mut().zip(ends) {
            *width = width.max(labels).max(entries + ENTRY_STEP);
        }
        let layout = place(&widths, &drawing.nets);
        let (exits, entries) = sides(drawing, &layout);
        Picture { drawing, layout, exits, entries }
    }

    /// A net: a trunk from its box through the rows, and from it a branch to each box it leads to.
    fn wires(&self, text: &mut String, n: usize) {
        let net = &self.drawing.nets[n];
        let start = self.layout.row[net.from];
        let (x, y) = (self.exits[n] + MARGIN, top(start) + BOX_HEIGHT);
        let mut ends = vec![(x, y + if net.port.is_empty() { 0.0 } else { PORT_HEIGHT })];
        if !net.port.is_empty() {
            let port = escape(&net.port);
            let _ = writeln!(
                text,
                "<path class=\"wire\" d=\"M{x:.1} {y:.1}v{PORT_HEIGHT}\"/>\
                 <text class=\"port\" x=\"{:.1}\" y=\"{:.1}\">{port}</text>",
                x + 5.0,
                y + 13.0
            );
        }
        for (step, pass) in self.layout.passes[n].iter().enumerate() {
            let (x, y) = (pass + MARGIN, top(start + 1 + step));
            let bottom = y + BOX_HEIGHT;
            let _ = writeln!(text, "<path class=\"wire\" d=\"{}V{bottom:.1}\"/>", curve(ends[step], (x, y)));
            ends.push((x, bottom));
        }
        for (&to, entry) in net.to.iter().zip(&self.entries[n]) {
            let row = self.layout.row[to];
            let from = ends[(row - start - 1).min(ends.len() - 1)];
            let (x, y) = (entry + MARGIN, top(row));
            let _ = writeln!(
                text,
                "<path class=\"wire\" d=\"{}v2\"/><path class=\"head\" d=\"M{x:.1} {y:.1}l-4 -8h8z\"/>",
                curve(from, (x, y - 8.0))
            );
        }
    }

    fn item(&self, text: &mut String, n: usize) {
        let Item { role, title, detail } = &self.drawing.items[n];
        let (x, y) = (self.layout.middle[n] + MARGIN, top(self.layout.row[n]));
        let width = self.layout.widths[n];
        let (class, round) = match role {
            Role::Input => ("input", BOX_HEIGHT / 2.0),
            Role::Stage => ("stage", 4.0),
            Role::Output => ("output", BOX_HEIGHT / 2.0),
        };
        let _ = writeln!(
            text,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BOX_HEIGHT}\" rx=\"{round}\"/>\
             <text class=\"title\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>\
             <text class=\"detail\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
            x - width / 2.0,
            y + 20.0,
            escape(title),
            y + 36.0,
            escape(detail),
        );
    }
}

fn top(row: usize) -> f64 {
    MARGIN + row as f64 * ROW_HEIGHT
}

/// Room for the name of a port beside its wire.
fn label_width(port: &str) -> f64 {
    port.chars().count() as f64 * SMALL_CHAR + 14.0
}

/// A line that leaves and arrives upright.
fn curve((x0, y0): (f64, f64), (x1, y1): (f64, f64)) -> String {
    let half = (y0 + y1) / 2.0;
    format!("M{x0:.1} {y0:.1}C{x0:.1} {half:.1} {x1:.1} {half:.1} {x1:.1} {y1:.1}")
}

/// Where each net leaves its box, and where it enters each box it leads to: side by side, in the order of the
/// other ends.
fn sides(drawing: &Drawing, layout: &Layout) -> (Vec<f64>, Vec<Vec<f64>>) {
    let nets = &drawing.nets;
    let mut leaving: Vec<Vec<(f64, usize)>> = vec![Vec::new(); drawing.items.len()];
    let mut entering: Vec<Vec<(f64, usize, usize)>> = vec![Vec::new(); drawing.items.len()];
    for (n, net) in nets.iter().enumerate() {
        let passes = &layout.passes[n];
        let mut next = 0.0;
        for (k, &to) in net.to.iter().enumerate() {
            let steps = (layout.row[to] - layout.row[net.from] - 1).min(passes.len());
            next += passes.first().filter(|_| steps > 0).unwrap_or(&layout.middle[to]);
            let last = steps.checked_sub(1).map_or(layout.middle[net.from], |s| passes[s]);
            entering[to].push((last, n, k));
        }
        leaving[net.from].push((next / net.to.len().max(1) as f64, n));
    }
    let mut exits = vec![0.0; nets.len()];
    let mut entries: Vec<Vec<f64>> = nets.iter().map(|net| vec![0.0; net.to.len()]).collect();
    for (middle, list) in layout.middle.iter().zip(&mut leaving) {
        list.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Names stand to the right of their wires; one wire alone leaves from the middle.
        let all: f64 = list.iter().map(|&(_, net)| label_width(&nets[net].port)).sum();
        let mut x = if list.len() == 1 { *middle } else { middle - all / 2.0 + 7.0 };
        for &(_, net) in list.iter() {
            exits[net] = x;
            x += label_width(&nets[net].port);
        }
    }
    for (middle, list) in layout.middle.iter().zip(&mut entering) {
        list.sort_by(|a, b| a.0.total_cmp(&b.0));
        let first = middle - (list.len() as f64 - 1.0) / 2.0 * ENTRY_STEP;
        for (k, &(_, net, to)) in list.iter().enumerate() {
            entries[net][to] = first + k as f64 * ENTRY_STEP;
        }
    }
    (exits, entries)
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // XML 1.0 has no way to write these.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
