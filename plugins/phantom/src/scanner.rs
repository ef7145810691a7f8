//! What the scanner does to a slice: blur, streaks, noise, rounding.

use crate::head::{AIR, Head};
use crate::holder::holder;
use crate::kernel::Response;
use crate::streaks;
use ichor_image::{Grid, random};

/// Settings of the scanner.
#[derive(Clone, Copy)]
pub struct Scanner {
    pub seed: u64,
    pub kernel: Response,
    /// Standard deviation of the noise in the middle of the brain for slices of 5 mm, HU.
    pub noise_hu: f32,
    /// Relative strength of streaks.
    pub streaks: f32,
    /// Slice thickness, mm.
    pub thickness: f64,
    pub holder: bool,
}

impl Scanner {
    /// The slice as stored: HU, rounded.
    pub fn scan(&self, head: &Head, grid: &Grid, k: usize, mut hu: Vec<f32>) -> Vec<i16> {
        let shape = [grid.shape[0], grid.shape[1]];
        let spacing = grid.spacing();
        let spacing = [spacing[0], spacing[1]];
        if self.holder {
            for (index, v) in hu.iter_mut().enumerate().filter(|(_, v)| **v <= AIR + 1.0) {
                let at = [(index % shape[0]) as f64, (index / shape[0]) as f64, k as f64];
                if let Some(plastic) = holder(grid.affine.apply(at)) {
                    *v = plastic;
                }
            }
        }
        let mut image = self.kernel.blur(&hu, shape, spacing);
        let z = k as f64 * grid.spacing()[2];
        streaks::add(&mut image, shape, spacing, z, self.streaks, head.texture());
        if self.noise_hu > 0.0 {
            self.noise(grid, k, &hu, &mut image);
        }
        image.iter().map(|v| v.round().clamp(-1024.0, 3071.0) as i16).collect()
    }

    fn noise(&self, grid: &Grid, k: usize, hu: &[f32], image: &mut [f32]) {
        let shape = [grid.shape[0], grid.shape[1]];
        let spacing = grid.spacing();
        let first = k * shape[0] * shape[1];
        // Noise of voxel n depends on the seed and n alone, so threads do not matter.
        let white: Vec<f32> = (0..hu.len())
            .map(|n| random::normal_at(self.seed ^ 0x6e6f_6973_6500, (first + n) as u64) as f32)
            .collect();
        let texture = self.kernel.texture(&white, shape, [spacing[0], spacing[1]]);
        // Much bone in the slice leaves fewer photons: about twice the noise at the skull base.
        let bone: f32 = hu.iter().map(|v| (v - 300.0).max(0.0) / 1000.0).sum();
        let bone_mm2 = bone * (spacing[0] * spacing[1]) as f32;
        let starved = ((bone_mm2 - 1500.0) / 3500.0).clamp(0.0, 0.8).exp();
        let sd = self.noise_hu * self.kernel.noise * starved * (5.0 / self.thickness).sqrt() as f32;
        for (index, (value, t)) in image.iter_mut().zip(texture).enumerate() {
            let x = ((index % shape[0]) as f64 - shape[0] as f64 / 2.0) * spacing[0];
            let y = ((index / shape[0]) as f64 - shape[1] as f64 / 2.0) * spacing[1];
            // Rays through the middle are the longest.
            let r2 = ((x * x + y * y) / (120.0 * 120.0)) as f32;
            *value += sd * (1.0 - 0.4 * r2).max(0.35) * t;
        }
    }
}
