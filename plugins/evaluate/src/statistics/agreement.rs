//! How far two measurements of the same agree (Bland and Altman 1999).

use crate::statistics::{mean, sd, student};

/// Bias and limits of agreement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// Mean difference.
    pub bias: f64,
    /// Standard deviation of the differences, divisor n - 1.
    pub sd: f64,
    /// Bias minus and plus 1.96 standard deviations.
    pub limits: [f64; 2],
    /// Interval of the bias with 95 % confidence.
    pub bias_interval: [f64; 2],
    /// Standard error of each limit.
    pub limit_error: f64,
}

/// Of differences; `None` for fewer than two.
pub fn agreement(differences: &[f64]) -> Option<Agreement> {
    if differences.len() < 2 {
        return None;
    }
    let (bias, sd, n) = (mean(differences), sd(differences), differences.len() as f64);
    let reach = student::two_sided_quantile(0.05, n - 1.0) * sd / n.sqrt();
    Some(Agreement {
        bias,
        sd,
        limits: [bias - 1.96 * sd, bias + 1.96 * sd],
        bias_interval: [bias - reach, bias + reach],
        limit_error: sd * (1.0 / n + 1.96f64.powi(2) / (2.0 * (n - 1.0))).sqrt(),
    })
}
