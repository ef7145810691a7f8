//! The reconstruction kernel: sharpness of the image and texture of its noise.

use crate::draw::Draw;
use ichor_image::{Serial, gaussian};
use ichor_sdk::Param;

/// A reconstruction kernel.
#[derive(Param, Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// For brain: smooth, with coarse noise.
    Soft,
    /// For bone: crisp, with fine and more noise and a little overshoot at edges.
    Sharp,
    /// Drawn from the seed: anything from softer than soft to about as crisp as sharp.
    Random,
}

/// What a kernel does to the image and to its noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Response {
    /// Point spread: a narrow Gaussian and a wide one (sd mm), and how much of their difference is added. A little
    /// less than nothing is the glare about bone that scanners have.
    spread: (f64, f64, f32),
    /// Noise: narrow and wide Gaussian (sd mm) whose difference is the band, and the share of the wide one.
    /// Filtered back projection has little noise at low frequencies, a ramp, and the kernel's cut above.
    band: (f64, f64, f32),
    /// Standard deviation of the noise, relative.
    pub noise: f32,
}

impl Kernel {
    /// Soft: half modulation at about 4 line pairs a cm; sharp: about 7; random: drawn from `d`, from softer than
    /// soft to sharp, with glare or overshoot.
    pub fn response(self, d: &mut Draw) -> Response {
        match self {
            Self::Soft => Response { spread: (0.47, 1.0, 0.0), band: (0.55, 1.5, 0.85), noise: 1.0 },
            Self::Sharp => Response { spread: (0.30, 0.8, 0.35), band: (0.28, 0.75, 0.85), noise: 2.2 },
            Self::Random => {
                let narrow = f64::from(d.range(0.3, 0.85));
                let wide = narrow * f64::from(d.range(2.0, 4.0));
                let more = d.range(-0.12, 0.25);
                let grain = narrow * f64::from(d.range(0.85, 1.15));
                let band = (grain, grain * f64::from(d.range(2.2, 3.5)), d.range(0.6, 0.9));
                Response { spread: (narrow, wide, more), band, noise: 1.0 }
            }
        }
    }
}

impl Response {
    /// The slice as the scanner blurs it.
    pub fn blur(self, data: &[f32], shape: [usize; 2], spacing: [f64; 2]) -> Vec<f32> {
        let (narrow, wide, more) = self.spread;
        let mut out = filter(data, shape, spacing, narrow);
        if more != 0.0 {
            for (value, low) in out.iter_mut().zip(filter(data, shape, spacing, wide)) {
                *value += more * (*value - low);
            }
        }
        out
    }

    /// White noise of variance 1 made into this kernel's, of variance 1.
    pub fn texture(self, white: &[f32], shape: [usize; 2], spacing: [f64; 2]) -> Vec<f32> {
        let (narrow, wide, share) = self.band;
        // Sums of products of the separable responses give the band's variance.
        let [x, y] = [0, 1].map(|a| products(narrow / spacing[a], wide / spacing[a]));
        let share = f64::from(share);
        let variance = x[0] * y[0] - 2.0 * share * x[1] * y[1] + share * share * x[2] * y[2];
        let gain = (1.0 / variance.sqrt()) as f32;
        let mut out = filter(white, shape, spacing, narrow);
        for (value, low) in out.iter_mut().zip(filter(white, shape, spacing, wide)) {
            *value = gain * (*value - share as f32 * low);
        }
        out
    }
}

/// Sums of a·a, a·b and b·b of the one-dimensional filters of two widths (voxels).
fn products(narrow: f64, wide: f64) -> [f64; 3] {
    let n = 2 * (4.0 * wide).ceil() as usize + 9;
    let mut impulse = vec![0.0f32; n];
    impulse[n / 2] = 1.0;
    let a = gaussian(&Serial, &impulse, [n, 1, 1], [narrow, 0.0, 0.0]);
    let b = gaussian(&Serial, &impulse, [n, 1, 1], [wide, 0.0, 0.0]);
    let sum = |p: &[f32], q: &[f32]| p.iter().zip(q).map(|(x, y)| f64::from(x * y)).sum();
    [sum(&a, &a), sum(&a, &b), sum(&b, &b)]
}

fn filter(data: &[f32], shape: [usize; 2], spacing: [f64; 2], sd: f64) -> Vec<f32> {
    gaussian(&Serial, data, [shape[0], shape[1], 1], [sd / spacing[0], sd / spacing[1], 0.0])
}
