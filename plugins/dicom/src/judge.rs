//! Findings about the geometry of a stack of slices.

use crate::findings::{Findings, Verdict};
use crate::layout::{distances, runs};
use crate::place::Stack;

/// A disagreement of degrees between the positions and what the header says of the tilt that is worth a word.
const TILT_TOLERANCE: f64 = 0.5;
/// An overlap or a gap of less than this part of the thickness is rounding.
const SLACK: f64 = 0.1;

/// What has been done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// The volume is orthogonal although the stack is not.
    pub untilted: bool,
    /// The volume's slices are equally far apart although the stack's are not.
    pub evened: bool,
}

/// Tilt, distances, missing slices and overlap.
pub fn judge(findings: &mut Findings, stack: &Stack, tilt_in_header: Option<f64>, done: Done) {
    tilt(findings, stack, tilt_in_header, done.untilted);
    distance(findings, stack, done.evened);
    overlap(findings, stack);
}

fn tilt(findings: &mut Findings, stack: &Stack, header: Option<f64>, untilted: bool) {
    let angle = stack.tilt();
    if stack.is_tilted() {
        let [u, v] = stack.shear;
        let shift = format!(
            "slices move {u:+.4} mm along a row and {v:+.4} mm along a column from one mm to the next"
        );
        let (verdict, what) = if untilted {
            (Verdict::Repaired, "each slice was shifted in its own plane, and the volume is orthogonal")
        } else {
            (Verdict::Warn, "the affine is sheared, which many programs cannot read")
        };
        findings.add("gantry tilt", angle, "deg", verdict, format!("{shift}; {what}"));
    } else {
        findings.add("gantry tilt", angle, "deg", Verdict::Ok, "slices lie straight above each other");
    }
    if let Some(header) = header.filter(|h| (h.abs() - angle).abs() > TILT_TOLERANCE) {
        let text = format!(
            "the header states a tilt of {header:.1}° and the positions say {angle:.1}°; the positions are believed"
        );
        findings.add("gantry tilt in the header", header, "deg", Verdict::Warn, text);
    }
    if stack.is_crooked() {
        let verdict = if untilted || !stack.is_tilted() { Verdict::Repaired } else { Verdict::Warn };
        let text = "slices lie beside the line through all of them; they were shifted in their planes";
        findings.add("crooked stack", stack.crooked, "mm", verdict, text);
    }
}

fn distance(findings: &mut Findings, stack: &Stack, evened: bool) {
    let mended = if evened { Verdict::Repaired } else { Verdict::Warn };
    for (mm, n) in different(&stack.travel) {
        let times = if n == 1 { "once".to_owned() } else { format!("{n} times") };
        let text = format!("{times}, from one slice's first pixel to the next one's (along the table)");
        findings.add("slice distance", mm, "mm", Verdict::Ok, text);
    }
    let change = stack.steps.iter().map(|s| (s - stack.median).abs()).fold(0.0, f64::max);
    if stack.is_regular() {
        findings.add("change of distance", change, "mm", Verdict::Ok, "slices are equally far apart");
    } else {
        let text = format!(
            "most that a distance differs from the median; along the normal: {}{}",
            distances(&stack.steps),
            if evened { "; interpolated linearly at the median distance" } else { "" }
        );
        findings.add("change of distance", change, "mm", mended, text);
    }
    match stack.missing() {
        0 => {
            findings.add("missing slices", 0.0, "", Verdict::Ok, "no distance is a multiple of the usual one")
        }
        n => {
            let text = "distances are a multiple of the usual one: what lay there is not known";
            findings.add("missing slices", n as f64, "", Verdict::Warn, text);
        }
    }
}

/// Distances that differ, each with how often it occurs, in the order in which they come first.
fn different(steps: &[f64]) -> Vec<(f64, usize)> {
    let mut out: Vec<(f64, usize)> = Vec::new();
    for (mm, n) in runs(steps) {
        match out.iter_mut().find(|(other, _)| (mm - *other).abs() <= 0.02 + 0.01 * *other) {
            Some((_, count)) => *count += n,
            None => out.push((mm, n)),
        }
    }
    // A scan of many distances is described by the change of distance.
    out.truncate(8);
    out
}

fn overlap(findings: &mut Findings, stack: &Stack) {
    let known: Vec<(f64, f64)> =
        stack.overlap.iter().zip(&stack.steps).filter_map(|(o, step)| o.map(|o| (o, o + step))).collect();
    if known.is_empty() {
        return;
    }
    let over = known.iter().filter(|(o, thickness)| *o > SLACK * thickness + 0.02).count();
    let gaps = known.iter().filter(|(o, thickness)| -*o > SLACK * thickness + 0.02).count();
    let most = known.iter().map(|(o, _)| *o).fold(f64::NEG_INFINITY, f64::max);
    let least = known.iter().map(|(o, _)| *o).fold(f64::INFINITY, f64::min);
    let of = known.len();
    if over == of {
        findings.add(
            "overlap",
            most,
            "mm",
            Verdict::Ok,
            "all slices overlap: a reconstruction at small distances",
        );
    } else if over > 0 {
        let text = format!("{over} of {of} neighbours overlap, by the slice thickness of the header");
        findings.add("overlap", most, "mm", Verdict::Warn, text);
    } else {
        findings.add("overlap", most.max(0.0), "mm", Verdict::Ok, "slices do not overlap");
    }
    if gaps > 0 {
        let text = format!("{gaps} of {of} neighbours leave tissue between them that was not imaged");
        findings.add("gap between slices", -least, "mm", Verdict::Warn, text);
    }
}
