//! Student's t distribution.

use statrs::function::beta::{beta_reg, inv_beta_reg};

/// The probability that |t| is at least this large with so many degrees of freedom.
pub fn two_sided(t: f64, freedom: f64) -> f64 {
    if !t.is_finite() {
        return if t.is_nan() { f64::NAN } else { 0.0 };
    }
    beta_reg(freedom / 2.0, 0.5, freedom / (freedom + t * t))
}

/// The t that is exceeded on either side with probability `p` in all, in (0, 1).
pub fn two_sided_quantile(p: f64, freedom: f64) -> f64 {
    let x = inv_beta_reg(freedom / 2.0, 0.5, p);
    (freedom * (1.0 - x) / x).sqrt()
}
