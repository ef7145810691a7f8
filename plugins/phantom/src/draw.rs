//! Random values as the anatomy wants them: in ranges, and one independent stream a purpose.

use ichor_image::random::Random;

/// A stream of random values.
pub struct Draw(Random);

impl Draw {
    /// Stream `purpose` of `seed`. Streams are independent: what one draws shifts no other.
    pub fn new(seed: u64, purpose: u64) -> Self {
        Self(Random::new(seed).stream(purpose))
    }

    /// Uniform between two values.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.0.uniform() as f32
    }

    /// Normal, cut at 2.5 standard deviations so that no head is a monster.
    pub fn normal(&mut self, mean: f32, sd: f32) -> f32 {
        mean + sd * (self.0.normal() as f32).clamp(-2.5, 2.5)
    }

    /// True with a probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        (self.0.uniform() as f32) < probability
    }

    /// Log-uniform between two positive values.
    pub fn log_range(&mut self, low: f32, high: f32) -> f32 {
        self.range(low.ln(), high.ln()).exp()
    }

    /// A direction, uniform on the sphere.
    pub fn direction(&mut self) -> [f32; 3] {
        let z = self.range(-1.0, 1.0);
        let (sin, cos) = self.range(0.0, std::f32::consts::TAU).sin_cos();
        let r = (1.0 - z * z).max(0.0).sqrt();
        [r * cos, r * sin, z]
    }

    /// A whole number from `low` to `high`, both included.
    pub fn count(&mut self, low: u32, high: u32) -> u32 {
        (low + (self.0.uniform() * f64::from(high - low + 1)) as u32).min(high)
    }
}
