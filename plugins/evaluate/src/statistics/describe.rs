//! A group of values in a few numbers: mean and standard deviation when they may come from a normal distribution, else
//! median and quartiles.

use crate::quantile::quantile;
use crate::statistics::shapiro::{Shapiro, shapiro};
use crate::statistics::{mean, sd, sorted};

/// The probability below which the Shapiro-Wilk test rejects normality.
pub const ALPHA: f64 = 0.05;

/// A group of values; everything is NaN without values.
#[derive(Clone, Debug)]
pub struct Description {
    /// Values in ascending order.
    pub sorted: Vec<f64>,
    /// Mean.
    pub mean: f64,
    /// Standard deviation, divisor n - 1.
    pub sd: f64,
    /// First quartile, median and third quartile (type 7).
    pub quartiles: [f64; 3],
    /// Test of normality, when there are at least three values that differ.
    pub shapiro: Option<Shapiro>,
}

impl Description {
    /// Of these values.
    pub fn new(x: &[f64]) -> Self {
        let sorted = sorted(x);
        let quartiles = [0.25, 0.5, 0.75].map(|p| quantile(&sorted, p));
        Self { mean: mean(x), sd: sd(x), quartiles, shapiro: shapiro(x), sorted }
    }

    /// Whether nothing speaks against a normal distribution. What cannot be tested is not normal.
    pub fn normal(&self) -> bool {
        self.shapiro.is_some_and(|s| s.p >= ALPHA)
    }

    /// `mean ± SD` or `median [first quartile–third quartile]`; a dash without values.
    pub fn text(&self, decimals: usize) -> String {
        let d = decimals;
        let [low, middle, high] = self.quartiles;
        match (self.sorted.is_empty(), self.normal()) {
            (true, _) => "–".into(),
            (_, true) => format!("{:.d$} ± {:.d$}", self.mean, self.sd),
            (_, false) => format!("{middle:.d$} [{low:.d$}–{high:.d$}]"),
        }
    }
}
