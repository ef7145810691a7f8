//! The statistics of cohorts, one idea a file. Values are checked against SciPy's in `statistics/tests.rs`.

pub mod agreement;
pub mod bootstrap;
pub mod describe;
pub mod effect;
pub mod holm;
pub mod normal;
pub mod paired_t;
pub mod ranks;
pub mod shapiro;
pub mod student;
pub mod wilcoxon;

#[cfg(test)]
mod tests;

/// The mean; NaN without values.
pub fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// The standard deviation with divisor n - 1; NaN for fewer than two values.
pub fn sd(x: &[f64]) -> f64 {
    if x.len() < 2 {
        return f64::NAN;
    }
    let mean = mean(x);
    (x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (x.len() - 1) as f64).sqrt()
}

/// The values in ascending order.
pub fn sorted(x: &[f64]) -> Vec<f64> {
    let mut out = x.to_vec();
    out.sort_by(f64::total_cmp);
    out
}
