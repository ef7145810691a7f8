//! Ranks of differences by size.

/// Twice the rank of each value by its absolute size, so that the mean rank that ties share is whole. Values that agree
/// to about 12 digits of the largest are ties: 34.0 - 33.1 and 0.9 are the same difference to who wrote them down.
pub fn doubled_ranks(x: &[f64]) -> Vec<u64> {
    let largest = x.iter().fold(0.0f64, |a, v| a.max(v.abs()));
    let size = |n: usize| x[n].abs();
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|a, b| size(*a).total_cmp(&size(*b)));
    let mut ranks = vec![0; x.len()];
    let mut begin = 0;
    for group in order.chunk_by(|a, b| size(*b) - size(*a) <= 1e-12 * largest) {
        let end = begin + group.len();
        group.iter().for_each(|n| ranks[*n] = (begin + 1 + end) as u64);
        begin = end;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(doubled_ranks(&[-0.5, 34.0 - 33.1, 2.0, 0.9, 3.0]), [2, 5, 8, 5, 10]);
        assert_eq!(doubled_ranks(&[1.0, -1.0, 1.0]), [4, 4, 4]);
        assert!(doubled_ranks(&[]).is_empty());
    }
}
