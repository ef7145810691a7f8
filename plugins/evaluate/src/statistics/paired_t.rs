//! The paired t-test.

use crate::statistics::{mean, sd, student};

/// What the test says about differences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedT {
    /// The mean over its standard error.
    pub t: f64,
    /// Degrees of freedom.
    pub freedom: f64,
    /// Two-sided probability.
    pub p: f64,
    /// Interval of the mean with 95 % confidence.
    pub interval: [f64; 2],
}

/// The test that the mean of the differences is 0; `None` for fewer than two, or when all are equal.
pub fn paired_t(differences: &[f64]) -> Option<PairedT> {
    let (mean, sd, n) = (mean(differences), sd(differences), differences.len() as f64);
    if sd.is_nan() || sd <= 0.0 {
        return None;
    }
    let (error, freedom) = (sd / n.sqrt(), n - 1.0);
    let reach = error * student::two_sided_quantile(0.05, freedom);
    let t = mean / error;
    Some(PairedT { t, freedom, p: student::two_sided(t, freedom), interval: [mean - reach, mean + reach] })
}
