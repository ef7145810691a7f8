//! How often each HU occurs, and whether the values are HU at all.

use crate::findings::{Findings, Verdict};
use crate::voxels::{Sample, Visit};
use ichor_sdk::prelude::*;

const LOWEST: i32 = -1200;
const HIGHEST: i32 = 3100;
const BINS: usize = (HIGHEST - LOWEST + 1) as usize;
/// Where air is, HU.
const AIR: [i32; 2] = [-1100, -900];
/// A CT of a head holds at least so much air around it.
const LEAST_AIR: f64 = 0.01;

/// Counts in bins of 1 HU, and the ends.
pub struct Histogram {
    bins: Vec<u64>,
    below: u64,
    above: u64,
    /// NaN and infinite.
    no_number: u64,
    pub min: f32,
    pub max: f32,
}

/// Counts voxels.
pub struct Count<'a>(pub &'a dyn Parallel);

impl Visit for Count<'_> {
    type Out = Histogram;

    fn visit<T: Sample>(self, voxels: &[T]) -> Histogram {
        const GRAIN: usize = 1 << 20;
        let parts = map_ranges(self.0, voxels.len(), GRAIN, &|range| {
            let mut part = Histogram::new();
            voxels[range].iter().for_each(|v| part.add(v.hu()));
            part
        });
        parts.into_iter().fold(Histogram::new(), Histogram::joined)
    }
}

impl Histogram {
    fn new() -> Self {
        let (min, max) = (f32::INFINITY, f32::NEG_INFINITY);
        Self { bins: vec![0; BINS], below: 0, above: 0, no_number: 0, min, max }
    }

    fn add(&mut self, v: f32) {
        if !v.is_finite() {
            self.no_number += 1;
            return;
        }
        (self.min, self.max) = (self.min.min(v), self.max.max(v));
        let bin = (v.round() as i32).saturating_sub(LOWEST);
        if bin < 0 {
            self.below += 1;
        } else if let Some(count) = self.bins.get_mut(bin as usize) {
            *count += 1;
        } else {
            self.above += 1;
        }
    }

    fn joined(mut self, other: Self) -> Self {
        self.bins.iter_mut().zip(&other.bins).for_each(|(a, b)| *a += b);
        self.below += other.below;
        self.above += other.above;
        self.no_number += other.no_number;
        (self.min, self.max) = (self.min.min(other.min), self.max.max(other.max));
        self
    }

    fn total(&self) -> u64 {
        self.bins.iter().sum::<u64>() + self.below + self.above + self.no_number
    }

    /// Voxels from one HU to another.
    fn between(&self, [low, high]: [i32; 2]) -> u64 {
        let at = |hu: i32| (hu.clamp(LOWEST, HIGHEST) - LOWEST) as usize;
        self.bins[at(low)..=at(high)].iter().sum()
    }

    /// The middle value of the voxels from one HU to another.
    fn median(&self, [low, high]: [i32; 2]) -> Option<f64> {
        let half = self.between([low, high]).div_ceil(2);
        let mut seen = 0;
        (low..=high)
            .find(|&hu| {
                seen += self.between([hu, hu]);
                seen >= half && half > 0
            })
            .map(f64::from)
    }

    /// The commonest HU within bounds.
    fn peak(&self, [low, high]: [i32; 2]) -> i32 {
        (low..=high).max_by_key(|&hu| (self.between([hu, hu]), std::cmp::Reverse(hu))).unwrap_or(low)
    }

    /// Whether the values look like HU: air near -1000, a head of soft tissue, and no impossible numbers.
    pub fn judge(&self, f: &mut Findings) {
        let total = self.total().max(1) as f64;
        let (min, max) = (f64::from(self.min), f64::from(self.max));
        if self.no_number > 0 {
            let text = "voxels that are NaN or infinite";
            f.add("no number", self.no_number as f64, "voxels", Verdict::Fail, text);
        }
        let air = self.between(AIR) as f64 / total;
        let (verdict, text) = self.air(air, total);
        f.add("air", 100.0 * air, "%", verdict, text);
        f.add("minimum", min, "HU", Verdict::Ok, "lowest value");
        let verdict = if max < 300.0 { Verdict::Warn } else { Verdict::Ok };
        let text = if max < 300.0 { "highest value: no bone is here" } else { "highest value" };
        f.add("maximum", max, "HU", verdict, text);
        let low = self.below + self.between([LOWEST, AIR[0] - 1]);
        if low > 0 {
            let text = "voxels below -1100 HU, which nothing has: padding that the header did not declare";
            f.add("below air", low as f64, "voxels", Verdict::Warn, text);
        }
        if let Some(median) = self.median([-200, HIGHEST]) {
            let fine = (0.0..=120.0).contains(&median);
            let text = if fine {
                "of voxels above -200 HU"
            } else {
                "of voxels above -200 HU; 0 to 120 are usual for a head"
            };
            f.add("median of the head", median, "HU", if fine { Verdict::Ok } else { Verdict::Warn }, text);
        }
    }

    fn air(&self, air: f64, total: f64) -> (Verdict, String) {
        let (min, max) = (f64::from(self.min), f64::from(self.max));
        if air >= LEAST_AIR {
            return (Verdict::Ok, format!("of voxels are air, most often {} HU", self.peak(AIR)));
        }
        let zero = self.between([0, 0]) as f64 / total;
        if max - min < 200.0 {
            return (
                Verdict::Fail,
                format!("values from {min} to {max} are no HU of a head: they seem to be rescaled"),
            );
        }
        if zero > 0.2 && min > -300.0 && max < 300.0 {
            let text = "no air, and a background of 0: this seems to be a brain cut out of its head";
            return (Verdict::Warn, text.into());
        }
        if min >= 0.0 {
            let text = "no air near -1000 HU, and nothing below 0: the rescale intercept seems to be missing";
            return (Verdict::Fail, text.into());
        }
        (Verdict::Fail, "no air near -1000 HU: these are no HU, or the picture is cut to the head".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Serial;

    fn verdict(values: &[(f32, usize)], name: &str) -> (Verdict, f64) {
        let all: Vec<f32> = values.iter().flat_map(|&(v, n)| vec![v; n]).collect();
        let mut f = Findings::default();
        Count(&Serial).visit(&all).judge(&mut f);
        let found = f.0.iter().find(|f| f.name == name).unwrap();
        (found.verdict, found.value.unwrap())
    }

    #[test]
    fn hu_are_told_from_other_numbers() {
        let head = [(-1000.0, 600), (30.0, 300), (900.0, 100)];
        assert_eq!(verdict(&head, "air"), (Verdict::Ok, 60.0));
        assert_eq!(verdict(&head, "median of the head"), (Verdict::Ok, 30.0));
        let shifted = head.map(|(v, n)| (v + 1000.0, n));
        assert_eq!(verdict(&shifted, "air").0, Verdict::Fail);
        assert_eq!(verdict(&[(0.0, 600), (30.0, 390), (250.0, 10)], "air").0, Verdict::Warn);
        assert_eq!(verdict(&[(0.0, 600), (1.0, 400)], "air").0, Verdict::Fail);
        assert_eq!(verdict(&[(-1000.0, 9), (f32::NAN, 1), (900.0, 9)], "no number"), (Verdict::Fail, 1.0));
        assert_eq!(verdict(&[(-1000.0, 9), (-1500.0, 3), (900.0, 9)], "below air"), (Verdict::Warn, 3.0));
    }
}
