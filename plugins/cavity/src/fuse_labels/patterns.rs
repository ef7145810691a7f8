//! Which raters have a voxel: what every voxel's decision depends on, so that it is worked out once a pattern.

use ichor_image::Parallel;
use ichor_image::parallel::{for_each_chunk, map_ranges};
use std::collections::BTreeMap;

/// Voxels of a piece of work.
const CHUNK: usize = 1 << 16;

/// How often each pattern occurs; bit r of a pattern is rater r's decision.
pub struct Patterns {
    /// Number of raters.
    pub raters: usize,
    /// Voxels of each pattern.
    pub counts: BTreeMap<u64, u64>,
}

impl Patterns {
    /// Counts the patterns of masks of one length.
    pub fn new(par: &dyn Parallel, masks: &[&[u8]]) -> Self {
        let n = masks.first().map_or(0, |m| m.len());
        let parts = map_ranges(par, n, CHUNK, &|range| {
            let mut counts = BTreeMap::<u64, u64>::new();
            let (mut last, mut run) = (0u64, 0u64);
            // Runs of one pattern are long.
            for pattern in words(masks, range) {
                if pattern == last {
                    run += 1;
                } else {
                    *counts.entry(last).or_default() += run;
                    (last, run) = (pattern, 1);
                }
            }
            *counts.entry(last).or_default() += run;
            counts
        });
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for (pattern, count) in parts.into_iter().flatten() {
            *counts.entry(pattern).or_default() += count;
        }
        counts.retain(|_, count| *count > 0);
        Self { raters: masks.len(), counts }
    }

    /// Writes `value(pattern)` to every voxel.
    pub fn paint(
        &self,
        par: &dyn Parallel,
        masks: &[&[u8]],
        out: &mut [f32],
        value: &(dyn Fn(u64) -> f32 + Sync),
    ) {
        let values: BTreeMap<u64, f32> = self.counts.keys().map(|&p| (p, value(p))).collect();
        for_each_chunk(par, out, CHUNK, &|n, part| {
            let begin = n * CHUNK;
            let mut last = (0, values.get(&0).copied().unwrap_or(0.0));
            let words = words(masks, begin..begin + part.len());
            for (out, pattern) in part.iter_mut().zip(words) {
                if pattern != last.0 {
                    last = (pattern, values.get(&pattern).copied().unwrap_or(0.0));
                }
                *out = last.1;
            }
        });
    }
}

/// The patterns of a range of voxels.
fn words(masks: &[&[u8]], range: std::ops::Range<usize>) -> Vec<u64> {
    let mut words = vec![0u64; range.len()];
    for (r, mask) in masks.iter().enumerate() {
        words.iter_mut().zip(&mask[range.clone()]).for_each(|(w, &m)| *w |= u64::from(m != 0) << r);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Serial;

    #[test]
    fn patterns_are_counted_and_painted() {
        let (a, b) = ([0u8, 1, 1, 0, 1], [0u8, 0, 1, 1, 1]);
        let masks = [&a[..], &b[..]];
        let patterns = Patterns::new(&Serial, &masks);
        assert_eq!(patterns.counts, BTreeMap::from([(0, 1), (1, 1), (2, 1), (3, 2)]));
        let mut out = [9.0; 5];
        patterns.paint(&Serial, &masks, &mut out, &|p| p as f32 / 2.0);
        assert_eq!(out, [0.0, 0.5, 1.5, 1.0, 1.5]);
    }
}
