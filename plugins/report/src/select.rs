//! Which slices are shown.

use std::ops::Range;

/// Chooses `n` slices spread evenly over `extent`, the part of `0..slices` that there is something to see in.
///
/// The extent is cut into `n` parts of equal length; each shows the slice nearest to its middle among those that
/// show most: for each of `areas` (a mask's area in every slice) one point when the slice has at least half
/// of the part's largest. An extent of fewer slices than `n` is widened on both sides.
pub fn choose(slices: usize, extent: Range<usize>, areas: &[Vec<usize>], n: usize) -> Vec<usize> {
    let extent = widen(slices, extent, n);
    let n = n.min(extent.len());
    let border = |part: usize| extent.start + part * extent.len() / n;
    (0..n)
        .filter_map(|part| {
            let part = border(part)..border(part + 1);
            let most: Vec<usize> =
                areas.iter().map(|a| part.clone().map(|k| of(a, k)).max().unwrap_or(0)).collect();
            let score = |k: usize| {
                areas.iter().zip(&most).filter(|&(a, &most)| most > 0 && 2 * of(a, k) >= most).count()
            };
            let off = |k: usize| (2 * k + 1).abs_diff(part.start + part.end);
            part.clone().min_by_key(|&k| (std::cmp::Reverse(score(k)), off(k)))
        })
        .collect()
}

fn of(area: &[usize], k: usize) -> usize {
    area.get(k).copied().unwrap_or(0)
}

fn widen(slices: usize, extent: Range<usize>, n: usize) -> Range<usize> {
    let n = n.min(slices);
    if extent.len() >= n {
        return extent;
    }
    let start = extent.start.saturating_sub((n - extent.len()) / 2).min(slices - n);
    start..start + n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_the_middles_of_equal_parts() {
        assert_eq!(choose(100, 10..70, &[], 6), [14, 24, 34, 44, 54, 64]);
        assert_eq!(choose(100, 20..21, &[], 1), [20]);
        assert_eq!(choose(7, 0..7, &[], 7), [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_short_extent_is_widened_within_the_volume() {
        assert_eq!(choose(30, 10..12, &[], 6), [8, 9, 10, 11, 12, 13]);
        assert_eq!(choose(30, 0..2, &[], 4), [0, 1, 2, 3]);
        assert_eq!(choose(30, 29..30, &[], 4), [26, 27, 28, 29]);
        assert_eq!(choose(3, 1..2, &[], 12), [0, 1, 2]);
    }

    #[test]
    fn a_small_mask_inside_a_large_one_is_not_missed() {
        let mut large = vec![0; 60];
        large[..].fill(1000);
        let mut small = vec![0; 60];
        small[30..=31].copy_from_slice(&[4, 9]);
        // Parts of 20 slices: 31 shows most of the small mask, in the middle part; 30 has less than half of it.
        assert_eq!(choose(60, 0..60, &[large, small], 3), [9, 31, 49]);
    }
}
