//! Holm's correction for many comparisons (Holm 1979).

/// Probabilities after correction, in the order of `p`; those that are `None` do not count.
pub fn holm(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> =
        p.iter().enumerate().filter_map(|(n, p)| p.filter(|p| !p.is_nan()).map(|p| (n, p))).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut out = vec![None; p.len()];
    let (count, mut largest) = (order.len(), 0.0f64);
    for (rank, (n, p)) in order.into_iter().enumerate() {
        largest = largest.max((count - rank) as f64 * p).min(1.0);
        out[n] = Some(largest);
    }
    out
}
