//! The normal distribution with mean 0 and variance 1.

use statrs::function::erf::{erfc, erfc_inv};
use std::f64::consts::SQRT_2;

/// The probability of a value above `z`.
pub fn above(z: f64) -> f64 {
    0.5 * erfc(z / SQRT_2)
}

/// The probability of a value below `z`.
pub fn below(z: f64) -> f64 {
    above(-z)
}

/// The value below which the part `p` of all values lies.
pub fn quantile(p: f64) -> f64 {
    -SQRT_2 * erfc_inv(2.0 * p)
}
