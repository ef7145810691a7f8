//! The Shapiro-Wilk test of normality: Royston 1995, algorithm AS R94.

use crate::statistics::{normal, sorted};

/// W and the probability of one as small from a normal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shapiro {
    /// The statistic W, at most 1.
    pub w: f64,
    /// The probability.
    pub p: f64,
}

/// The test; `None` for fewer than 3 or more than 5000 values, or when all are equal.
pub fn shapiro(x: &[f64]) -> Option<Shapiro> {
    let x = sorted(x);
    let n = x.len();
    let range = x.last()? - x.first()?;
    if !(3..=5000).contains(&n) || range.is_nan() || range <= 0.0 {
        return None;
    }
    let a = weights(n);
    // 1 - W by differences from the means, as the paper does, so that W near 1 keeps its digits.
    let weight = |i: usize| {
        if i < n / 2 {
            -a[i]
        } else if i >= n - n / 2 {
            a[n - 1 - i]
        } else {
            0.0
        }
    };
    let middle = x[n / 2];
    let scaled = |i: usize| (x[i] - middle) / range;
    let mean_x = (0..n).map(scaled).sum::<f64>() / n as f64;
    let mean_a = (0..n).map(weight).sum::<f64>() / n as f64;
    let (mut aa, mut xx, mut ax) = (0.0, 0.0, 0.0);
    for i in 0..n {
        let (da, dx) = (weight(i) - mean_a, scaled(i) - mean_x);
        aa += da * da;
        xx += dx * dx;
        ax += da * dx;
    }
    let root = (aa * xx).sqrt();
    let short = ((root - ax) * (root + ax) / (aa * xx)).max(0.0);
    Some(Shapiro { w: 1.0 - short, p: probability(short, n) })
}

/// The weights of the lower half.
fn weights(n: usize) -> Vec<f64> {
    if n == 3 {
        return vec![0.5f64.sqrt()];
    }
    let half = n / 2;
    let m: Vec<f64> = (0..half).map(|i| normal::quantile((i as f64 + 0.625) / (n as f64 + 0.25))).collect();
    let sum = 2.0 * m.iter().map(|v| v * v).sum::<f64>();
    let (root, small) = (sum.sqrt(), 1.0 / (n as f64).sqrt());
    let first = polynomial(&[0.0, 0.221157, -0.147981, -2.07119, 4.434685, -2.706056], small) - m[0] / root;
    let mut out = vec![first];
    let mut rest = sum - 2.0 * m[0] * m[0];
    let mut left = 1.0 - 2.0 * first * first;
    if n > 5 {
        let second =
            polynomial(&[0.0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633], small) - m[1] / root;
        out.push(second);
        rest -= 2.0 * m[1] * m[1];
        left -= 2.0 * second * second;
    }
    let factor = (rest / left).sqrt();
    out.extend(m.iter().skip(out.len()).map(|v| -v / factor));
    out
}

/// The probability of 1 - W of at least `short`.
fn probability(short: f64, n: usize) -> f64 {
    if n == 3 {
        let p = 6.0 / std::f64::consts::PI * ((1.0 - short).sqrt().asin() - 0.75f64.sqrt().asin());
        return p.clamp(0.0, 1.0);
    }
    let (mut y, n, ln) = (short.ln(), n as f64, (n as f64).ln());
    let (mean, sd) = if n <= 11.0 {
        let gamma = polynomial(&[-2.273, 0.459], n);
        if y >= gamma {
            return 0.0;
        }
        y = -(gamma - y).ln();
        (
            polynomial(&[0.544, -0.39978, 0.025054, -6.714e-4], n),
            polynomial(&[1.3822, -0.77857, 0.062767, -0.0020322], n).exp(),
        )
    } else {
        (
            polynomial(&[-1.5861, -0.31082, -0.083751, 0.0038915], ln),
            polynomial(&[-0.4803, -0.082676, 0.0030302], ln).exp(),
        )
    };
    normal::above((y - mean) / sd)
}

/// The first coefficient is that of x to the power of 0.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}
