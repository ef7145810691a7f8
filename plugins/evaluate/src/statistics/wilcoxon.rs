//! The Wilcoxon signed-rank test.

use crate::statistics::{normal, ranks::doubled_ranks};

/// Up to how many differences the distribution is exact.
const EXACT: usize = 50;

/// What the test says about differences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wilcoxon {
    /// The smaller of the two sums of ranks.
    pub w: f64,
    /// Sum of the ranks of positive differences minus that of negative ones, over their sum: the matched-pairs
    /// rank-biserial correlation, an effect size in [-1, 1].
    pub rank_biserial: f64,
    /// Two-sided probability.
    pub p: f64,
    /// Whether `p` is exact.
    pub exact: bool,
    /// Differences that are not zero.
    pub n: usize,
}

/// The test that differences are symmetric about 0. Zeros are dropped and ties share their mean rank (Wilcoxon 1945).
/// Up to 50 differences the probability is exact, ties included: that of all assignments of signs to these ranks.
/// Beyond, it is that of the normal distribution with the variance that ties leave, without correction for continuity.
/// `None` when all differences are zero.
pub fn wilcoxon(differences: &[f64], scale: f64) -> Option<Wilcoxon> {
    // What the rounding of numbers of this size leaves is no difference.
    let d: Vec<f64> = differences.iter().copied().filter(|d| d.abs() > 1e-12 * scale).collect();
    if d.is_empty() {
        return None;
    }
    let ranks = doubled_ranks(&d);
    let total: u64 = ranks.iter().sum();
    let positive: u64 = ranks.iter().zip(&d).filter(|(_, d)| **d > 0.0).map(|(r, _)| r).sum();
    let least = positive.min(total - positive);
    let exact = d.len() <= EXACT;
    let p = if exact { exact_p(&ranks, least) } else { normal_p(&ranks, positive, total) };
    Some(Wilcoxon {
        w: least as f64 / 2.0,
        rank_biserial: (2.0 * positive as f64 - total as f64) / total as f64,
        p,
        exact,
        n: d.len(),
    })
}

/// The part of all assignments of signs in which the positive ranks sum up to `least` or less, twice.
fn exact_p(ranks: &[u64], least: u64) -> f64 {
    // Counts are at most 2^50: exact as f64.
    let mut counts = vec![0f64; ranks.iter().sum::<u64>() as usize + 1];
    counts[0] = 1.0;
    let mut reach = 0;
    for &rank in ranks {
        let rank = rank as usize;
        reach += rank;
        for sum in (rank..=reach).rev() {
            counts[sum] += counts[sum - rank];
        }
    }
    let below: f64 = counts[..=least as usize].iter().sum();
    (2.0 * below / (ranks.len() as f64).exp2()).min(1.0)
}

fn normal_p(ranks: &[u64], positive: u64, total: u64) -> f64 {
    // Sum of r²/4 over the ranks, of which ties need no further correction.
    let variance = ranks.iter().map(|r| (*r as f64 / 2.0).powi(2)).sum::<f64>() / 4.0;
    let z = (positive as f64 - total as f64 / 2.0) / 2.0 / variance.sqrt();
    (2.0 * normal::above(z.abs())).min(1.0)
}
