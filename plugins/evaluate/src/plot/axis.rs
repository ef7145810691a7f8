//! An axis with round numbers.

/// Takes values to pixels.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    values: [f64; 2],
    pixels: [f64; 2],
    step: f64,
}

impl Axis {
    /// An axis that holds all `values` and begins and ends at a round number, between two places in pixels.
    pub fn new(values: impl Iterator<Item = f64>, pixels: [f64; 2]) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|v| v.is_finite()) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low <= 1e-9 * high.abs().max(low.abs()) {
            let more = if high == 0.0 { 1.0 } else { high.abs() * 0.1 };
            (low, high) = (low - more, high + more);
        }
        let rough = (high - low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|s| *s >= rough).unwrap_or(rough);
        Self { values: [(low / step).floor() * step, (high / step).ceil() * step], pixels, step }
    }

    /// The place of a value.
    pub fn at(&self, value: f64) -> f64 {
        let [low, high] = self.values;
        self.pixels[0] + (value - low) / (high - low) * (self.pixels[1] - self.pixels[0])
    }

    /// Both ends in pixels.
    pub fn ends(&self) -> [f64; 2] {
        self.pixels
    }

    /// The round values with their text.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let decimals = (-self.step.log10().floor()).clamp(0.0, 12.0) as usize;
        let count = ((self.values[1] - self.values[0]) / self.step).round() as usize;
        let tick = |n: usize| {
            let value = self.values[0] + n as f64 * self.step;
            // No minus before a zero.
            let value = if value.abs() < self.step / 2.0 { 0.0 } else { value };
            (value, format!("{value:.decimals$}"))
        };
        (0..=count).map(tick).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_the_values() {
        let texts = |values: &[f64]| {
            let axis = Axis::new(values.iter().copied(), [100.0, 0.0]);
            axis.ticks().into_iter().map(|(_, text)| text).collect::<Vec<_>>()
        };
        assert_eq!(texts(&[0.71, 0.98]), ["0.7", "0.8", "0.9", "1.0"]);
        assert_eq!(texts(&[-3.0, 14.0]), ["-5", "0", "5", "10", "15"]);
        assert_eq!(texts(&[0.0, 0.0]), ["-1.0", "-0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(texts(&[]).first().map(String::as_str), Some("0.0"));
        let axis = Axis::new([0.0, 10.0].into_iter(), [100.0, 0.0]);
        assert_eq!((axis.at(0.0), axis.at(10.0), axis.at(5.0)), (100.0, 0.0, 50.0));
    }
}
