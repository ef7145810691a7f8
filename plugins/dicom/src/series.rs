//! Which slices belong together, and which stack of them is meant.

use crate::place::SAME_MM;
use crate::slice::{Slice, dot};
use ichor_sdk::json::Value;
use ichor_sdk::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The fewest slices that make a volume.
pub const FEWEST: usize = 3;
/// Directions this near to each other are the same.
const SAME_DIRECTION: f64 = 5e-4;

/// A series as the user names it: its UID, or its number in the list that a refusal shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice(String);

impl Param for Choice {
    const OPEN: &'static str = "\"type\":[\"string\",\"integer\"]";
    const OPEN_NULLABLE: &'static str = "\"type\":[\"string\",\"integer\",\"null\"]";

    fn from_json(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(Self(text.trim().to_owned())),
            Value::Number(n) if n.is_u64() => Ok(Self(n.to_string())),
            _ => Err(format!("expected a series' UID or its number, got {value}")),
        }
    }
}

/// Slices of one series, size, pixel spacing, orientation and frame of reference; where positions repeat and
/// acquisitions tell them apart, of one acquisition.
pub type Group = Vec<Slice>;

/// Puts slices together. The order of groups is that of the series' numbers, then of UIDs.
pub fn group(slices: Vec<Slice>) -> Vec<Group> {
    let mut series: BTreeMap<(i64, String, String, usize, usize), Vec<Group>> = BTreeMap::new();
    for slice in slices {
        let key = (
            slice.series_number,
            slice.series.clone(),
            slice.frame_of_reference.clone(),
            slice.columns,
            slice.rows,
        );
        let groups = series.entry(key).or_default();
        match groups.iter_mut().find(|g| g.first().is_some_and(|first| is_parallel(first, &slice))) {
            Some(group) => group.push(slice),
            None => groups.push(vec![slice]),
        }
    }
    series.into_values().flatten().flat_map(by_acquisition).collect()
}

fn is_parallel(a: &Slice, b: &Slice) -> bool {
    let near = |p: &[f64], q: &[f64], most: f64| p.iter().zip(q).all(|(x, y)| (x - y).abs() <= most);
    near(&a.along_row, &b.along_row, SAME_DIRECTION)
        && near(&a.along_column, &b.along_column, SAME_DIRECTION)
        && near(&a.spacing, &b.spacing, 1e-3 * a.spacing[0])
}

/// Distance of a slice from the origin along a direction.
fn depth(slice: &Slice, normal: [f64; 3]) -> f64 {
    dot(slice.position, normal)
}

/// Sorts slices by their position along the normal; ties by file and frame.
pub fn sort(group: &mut Group) {
    let Some(normal) = group.first().map(Slice::normal) else { return };
    group.sort_by(|a, b| {
        depth(a, normal).total_cmp(&depth(b, normal)).then((a.file, a.frame).cmp(&(b.file, b.frame)))
    });
}

/// Whether two neighbours of a sorted group are at one position.
pub fn same_position(a: &Slice, b: &Slice) -> bool {
    let normal = a.normal();
    (depth(a, normal) - depth(b, normal)).abs() < SAME_MM
}

fn repeats(group: &mut Group) -> bool {
    sort(group);
    group
        .windows(2)
        .any(|pair| same_position(&pair[0], &pair[1]) && pair[0].sop_instance != pair[1].sop_instance)
}

fn by_acquisition(mut group: Group) -> Vec<Group> {
    if !repeats(&mut group) {
        return vec![group];
    }
    let mut parts: BTreeMap<Option<i64>, Group> = BTreeMap::new();
    for slice in &group {
        parts.entry(slice.acquisition).or_default().push(slice.clone());
    }
    let apart = parts.values_mut().all(|part| part.len() >= FEWEST && !repeats(part));
    if apart && parts.len() > 1 { parts.into_values().collect() } else { vec![group] }
}

/// The group that is meant, and how many there were: the chosen one, or the only one that can be a volume.
pub fn choose(groups: Vec<Group>, choice: Option<&Choice>) -> Result<Group> {
    let matching: Vec<usize> = match choice {
        None => (0..groups.len()).filter(|&n| groups[n].len() >= FEWEST).collect(),
        Some(Choice(text)) => match text.parse::<usize>() {
            Ok(number) => (0..groups.len()).filter(|n| n + 1 == number).collect(),
            Err(_) => (0..groups.len()).filter(|&n| groups[n].iter().any(|s| s.series == *text)).collect(),
        },
    };
    let list = || (0..groups.len()).map(|n| describe(n + 1, &groups[n])).collect::<Vec<_>>().join("; ");
    match (matching.as_slice(), choice) {
        (&[one], _) => {
            let group = groups.into_iter().nth(one).unwrap_or_default();
            if group.len() < FEWEST {
                return Err(few(group.len()));
            }
            Ok(group)
        }
        ([], None) if groups.len() > 1 => Err(Error::bad_input(format!(
            "none of {} series has {FEWEST} slices or more: {}",
            groups.len(),
            list()
        ))),
        ([], None) => Err(few(groups.first().map_or(0, Vec::len))),
        ([], Some(_)) => Err(Error::bad_params(format!("`series` names none of those here: {}", list()))),
        (many, _) => {
            let chosen: Vec<String> = many.iter().map(|&n| describe(n + 1, &groups[n])).collect();
            Err(Error::bad_input(format!(
                "{} series of images are here; choose one by its number, with `series`: {}",
                many.len(),
                chosen.join("; ")
            )))
        }
    }
}

fn few(slices: usize) -> Error {
    Error::bad_input(match slices {
        0 => "no CT image is here".to_owned(),
        1 => "1 slice is no volume: there must be 3 or more".to_owned(),
        n => format!("{n} slices are no volume: there must be {FEWEST} or more"),
    })
}

/// What tells a group from others without naming anybody: no description, no date.
fn describe(number: usize, group: &Group) -> String {
    let Some(first) = group.first() else { return String::new() };
    let mut sorted = group.clone();
    sort(&mut sorted);
    let normal = first.normal();
    let steps: Vec<f64> = sorted
        .windows(2)
        .map(|p| depth(&p[1], normal) - depth(&p[0], normal))
        .filter(|&s| s >= SAME_MM)
        .collect();
    let slices = if group.len() == 1 { "slice" } else { "slices" };
    let mut out = format!(
        "({number}) CT, {} {slices} of {} x {}, {:.3} x {:.3} mm",
        group.len(),
        first.columns,
        first.rows,
        first.spacing[0],
        first.spacing[1]
    );
    if !steps.is_empty() {
        out += &format!(", {:.2} mm apart", crate::place::median(&steps));
    }
    let kernels: BTreeSet<&str> = group.iter().filter_map(|s| s.kernel.as_deref()).collect();
    if let Some(kernel) = kernels.first() {
        out += &format!(", kernel {kernel}");
    }
    out
}
