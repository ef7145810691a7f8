//! Quantiles, linear between order statistics: type 7 of Hyndman and Fan (1996), the default of R and NumPy.

/// The quantile `p` in [0, 1] of so many zeros and of `rest`, whose values are not negative; NaN without values.
/// Reorders `rest`.
pub fn quantile_after_zeros(zeros: usize, rest: &mut [f64], p: f64) -> f64 {
    let n = zeros + rest.len();
    if n == 0 {
        return f64::NAN;
    }
    let at = (n - 1) as f64 * p.clamp(0.0, 1.0);
    let (first, part) = (at.floor() as usize, at.fract());
    let Some(place) = first.checked_sub(zeros) else {
        // The value after the last zero is the least of the rest.
        let next = if first + 1 < zeros { 0.0 } else { rest.iter().copied().reduce(f64::min).unwrap_or(0.0) };
        return part * next;
    };
    let (_, low, above) = rest.select_nth_unstable_by(place, f64::total_cmp);
    let low = *low;
    // Without a fraction there may be no value above.
    let high = if part > 0.0 { above.iter().copied().reduce(f64::min).unwrap_or(low) } else { low };
    low + part * (high - low)
}

/// The quantile `p` in [0, 1] of values in ascending order; NaN without values.
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = last as f64 * p.clamp(0.0, 1.0);
    let first = at.floor() as usize;
    let (low, high) = (sorted[first], sorted[(first + 1).min(last)]);
    low + at.fract() * (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy 2.4.6, np.percentile(x, [25, 50, 75, 90]).
        let mut x = [12.4, 33.1, 5.6, 58.9, 21.7, 8.3, 44.0, 17.2, 71.5, 2.9, 26.6, 39.4];
        let want = [11.375, 24.15, 40.55, 57.41];
        for (p, want) in [0.25, 0.5, 0.75, 0.9].into_iter().zip(want) {
            assert!((quantile_after_zeros(0, &mut x, p) - want).abs() < 1e-9);
        }
        x.sort_unstable_by(f64::total_cmp);
        for (p, want) in [0.25, 0.5, 0.75, 0.9].into_iter().zip(want) {
            assert!((quantile(&x, p) - want).abs() < 1e-9);
        }
    }

    #[test]
    fn zeros_count_as_values() {
        for zeros in 0..6 {
            let mut all = vec![0.0; zeros];
            all.extend([0.5, 1.0, 2.5, 7.0]);
            for step in 0..=20 {
                let (p, mut rest) = (f64::from(step) / 20.0, [7.0, 1.0, 0.5, 2.5]);
                assert!((quantile_after_zeros(zeros, &mut rest, p) - quantile(&all, p)).abs() < 1e-12);
            }
        }
        assert_eq!(quantile_after_zeros(3, &mut [], 0.95), 0.0);
        assert!(quantile_after_zeros(0, &mut [], 0.5).is_nan());
    }
}
