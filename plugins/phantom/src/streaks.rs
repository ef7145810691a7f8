//! Streaks and dark bands between dense bones.
//!
//! A light model of what polychromatic X-rays and few photons do: the bone of a slice is projected along many
//! directions; where a ray passes much bone, its view is a little too dark (beam hardening) and noisier
//! (photon starvation); the errors are projected back. The pattern changes slowly from slice to slice.

use crate::texture::Texture;

const ANGLES: usize = 60;
/// Cell of the lattice on which it is done, mm.
const CELL: f64 = 1.6;
/// Bone on a ray (mm of 1300 HU) that the scanner's own correction handles.
const CORRECTED: f32 = 22.0;

/// Adds streaks of relative strength `strength` to a slice at height `z` mm.
pub fn add(hu: &mut [f32], shape: [usize; 2], spacing: [f64; 2], z: f64, strength: f32, texture: &Texture) {
    if strength <= 0.0 {
        return;
    }
    let every = spacing.map(|s| ((CELL / s).round() as usize).max(1));
    let coarse = [shape[0].div_ceil(every[0]), shape[1].div_ceil(every[1])];
    let mut bone = vec![0.0f32; coarse[0] * coarse[1]];
    for (index, &v) in hu.iter().enumerate() {
        let (i, j) = (index % shape[0] / every[0], index / shape[0] / every[1]);
        bone[i + coarse[0] * j] += (v - 300.0).max(0.0) / 1000.0;
    }
    let cell = [spacing[0] * every[0] as f64, spacing[1] * every[1] as f64];
    let share = (cell[0] * cell[1]) as f32 / (every[0] * every[1]) as f32;
    let at = |i: usize, j: usize| {
        [(i as f64 - coarse[0] as f64 / 2.0) * cell[0], (j as f64 - coarse[1] as f64 / 2.0) * cell[1]]
    };
    let half = (coarse[0] as f64 * cell[0]).hypot(coarse[1] as f64 * cell[1]) / 2.0;
    let bins = (2.0 * half / CELL) as usize + 3;
    let mut error = vec![0.0f32; bone.len()];
    for angle in 0..ANGLES {
        let (sin, cos) = (std::f64::consts::PI * angle as f64 / ANGLES as f64).sin_cos();
        let bin = |i: usize, j: usize| {
            let [x, y] = at(i, j);
            let t = ((x * cos + y * sin + half) / CELL + 0.5) as f32;
            (t as usize, t.fract())
        };
        let mut path = vec![0.0f32; bins + 1];
        for (index, &b) in bone.iter().enumerate().filter(|(_, b)| **b > 0.0) {
            let (n, part) = bin(index % coarse[0], index / coarse[0]);
            path[n] += b * share * (1.0 - part) / CELL as f32;
            path[n + 1] += b * share * part / CELL as f32;
        }
        let view: Vec<f32> = path
            .iter()
            .enumerate()
            .map(|(n, &mm)| {
                let over = (mm - CORRECTED).clamp(0.0, 60.0) / 30.0;
                if over <= 0.0 {
                    return 0.0;
                }
                let place = [n as f32 * CELL as f32, 37.0 * angle as f32, z as f32];
                over * (26.0 * texture.at(place, 3.2) - 13.0 * over)
            })
            .collect();
        if view.iter().all(|v| *v == 0.0) {
            continue;
        }
        for (index, e) in error.iter_mut().enumerate() {
            let (n, part) = bin(index % coarse[0], index / coarse[0]);
            *e += view[n] + (view[n + 1] - view[n]) * part;
        }
    }
    let gain = strength / (ANGLES as f32).sqrt() / 4.0;
    for (index, v) in hu.iter_mut().enumerate() {
        let spot = |axis: usize, n: usize| {
            let x = ((n as f32 + 0.5) / every[axis] as f32 - 0.5).clamp(0.0, coarse[axis] as f32 - 1.0);
            let low = (x as usize).min(coarse[axis].saturating_sub(2));
            (low, x - low as f32)
        };
        let ((i, fi), (j, fj)) = (spot(0, index % shape[0]), spot(1, index / shape[0]));
        let e = |i: usize, j: usize| error[i.min(coarse[0] - 1) + coarse[0] * j.min(coarse[1] - 1)];
        let low = e(i, j) + (e(i + 1, j) - e(i, j)) * fi;
        let high = e(i, j + 1) + (e(i + 1, j + 1) - e(i, j + 1)) * fi;
        *v += gain * (low + (high - low) * fj);
    }
}
