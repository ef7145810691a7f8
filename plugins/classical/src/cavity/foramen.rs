//! The foramen magnum, where the cavity ends and the spinal canal begins.

/// Clears `mask` below the foramen magnum and returns the lowest plane that is kept.
///
/// Going down from the largest cross-section, the foramen is where the cavity first narrows to less than
/// `area_mm2`; z is toward the top. A cavity that never does is cut by the scan and stays whole.
pub fn cut(mask: &mut [u8], shape: [usize; 3], pixel_mm2: f64, area_mm2: f64) -> usize {
    let plane = shape[0] * shape[1];
    let areas: Vec<f64> = mask
        .chunks_exact(plane)
        .map(|slice| slice.iter().filter(|&&v| v != 0).count() as f64 * pixel_mm2)
        .collect();
    // Of equal planes the lowest, so that a plain tube is not cut.
    let largest = areas.iter().copied().fold(0.0, f64::max);
    let widest = areas.iter().position(|&a| a >= largest).unwrap_or(0);
    let lowest = areas[..widest].iter().rposition(|&a| a < area_mm2).map_or(0, |k| k + 1);
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
    fn canal_below_the_narrowing_goes_and_the_vertex_stays() {
        let mut mask = tower(&[3, 4, 3, 6, 9, 10, 7, 2]);
        assert_eq!(cut(&mut mask, [10, 10, 8], 1.0, 20.0), 3);
        assert_eq!(mask, tower(&[0, 0, 0, 6, 9, 10, 7, 2]));
    }

    #[test]
    fn scan_that_ends_above_the_foramen_is_not_cut() {
        let mut mask = tower(&[8, 9, 10, 10, 3]);
        assert_eq!(cut(&mut mask, [10, 10, 5], 1.0, 20.0), 0);
        assert_eq!(mask, tower(&[8, 9, 10, 10, 3]));
    }
}
