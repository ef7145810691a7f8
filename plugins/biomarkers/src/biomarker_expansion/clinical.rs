//! What scores ask of the patient, and points that may not be known.

use super::SpotSign;

/// Clinical values; `None` is not known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clinical {
    pub hours: Option<f64>,
    pub nihss: Option<u32>,
    pub glucose: Option<f64>,
    pub anticoagulant: Option<bool>,
    pub warfarin: Option<bool>,
    pub recurrent: Option<bool>,
    pub ivh: Option<bool>,
    pub spot: Option<SpotSign>,
}

/// Points of one item of a score.
pub struct Item {
    /// What it is called where it is missing.
    pub name: &'static str,
    pub points: Option<u32>,
    /// Least and most points it can give.
    pub range: [u32; 2],
}

impl Item {
    pub fn new(name: &'static str, points: Option<u32>, range: [u32; 2]) -> Self {
        Self { name, points, range }
    }

    /// `points` if true, else none.
    pub fn yes(name: &'static str, value: Option<bool>, points: u32) -> Self {
        Self::new(name, value.map(|v| if v { points } else { 0 }), [0, points])
    }
}

/// A sum of items.
pub struct Sum {
    /// `None` where an item is missing.
    pub points: Option<u32>,
    /// Least and most that it can be.
    pub range: [u32; 2],
    /// Names of the items that are missing.
    pub missing: Vec<&'static str>,
}

impl Sum {
    pub fn of(items: &[Item]) -> Self {
        let end = |side: usize| items.iter().map(|i| i.points.unwrap_or(i.range[side])).sum();
        Self {
            points: items.iter().map(|i| i.points).sum(),
            range: [end(0), end(1)],
            missing: items.iter().filter(|i| i.points.is_none()).map(|i| i.name).collect(),
        }
    }
}
