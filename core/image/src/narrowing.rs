//! Where a body that stands on a stalk ends and the stalk begins.

/// Clears `mask` below the place where, going down along z from the largest cross-section, it first narrows to
/// less than `area` voxels; returns the lowest plane that is kept. A mask that never does stays whole.
pub fn cut_below_narrowing(mask: &mut [u8], shape: [usize; 3], area: f64) -> usize {
    let plane = shape[0] * shape[1];
    if plane == 0 {
        return 0;
    }
    let areas: Vec<usize> =
        mask.chunks_exact(plane).map(|slice| slice.iter().filter(|&&v| v != 0).count()).collect();
    // Of equal planes the lowest, so that a plain tube is not cut.
    let largest = areas.iter().copied().max().unwrap_or(0);
    let widest = areas.iter().position(|&a| a >= largest).unwrap_or(0);
    let lowest = areas[..widest].iter().rposition(|&a| (a as f64) < area).map_or(0, |k| k + 1);
    mask[..lowest * plane].fill(0);
    lowest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tower(widths: &[usize]) -> Vec<u8> {
        widths.iter().flat_map(|&w| (0..100).map(move |n| u8::from(n % 10 < w && n / 10 < w))).collect()
    }

    #[test]
    fn stalk_below_the_narrowing_goes_and_the_top_stays() {
        let mut mask = tower(&[3, 4, 3, 6, 9, 10, 7, 2]);
        assert_eq!(cut_below_narrowing(&mut mask, [10, 10, 8], 20.0), 3);
        assert_eq!(mask, tower(&[0, 0, 0, 6, 9, 10, 7, 2]));
    }

    #[test]
    fn body_that_does_not_narrow_is_not_cut() {
        let mut mask = tower(&[8, 9, 10, 10, 3]);
        assert_eq!(cut_below_narrowing(&mut mask, [10, 10, 5], 20.0), 0);
        assert_eq!(mask, tower(&[8, 9, 10, 10, 3]));
    }
}
