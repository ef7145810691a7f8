//! The Lanczos window of three voxels.

use std::f64::consts::PI;

/// Voxels to either side.
const REACH: isize = 3;

/// Weights of voxels -2 to 3 at a place `f` in [0, 1) past voxel 0; their sum is 1.
pub(crate) fn weights(f: f64) -> [f64; 6] {
    let raw: [f64; 6] = std::array::from_fn(|n| window(n as f64 - 2.0 - f));
    let sum: f64 = raw.iter().sum();
    raw.map(|w| w / sum)
}

/// sinc(x) sinc(x / 3) within three voxels.
fn window(x: f64) -> f64 {
    let reach = REACH as f64;
    if x == 0.0 {
        return 1.0;
    }
    if x.abs() >= reach {
        return 0.0;
    }
    reach * (PI * x).sin() * (PI * x / reach).sin() / (PI * PI * x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_the_published_ones() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        assert_eq!(weights(0.0).map(|w| (w * 1e12).round() / 1e12), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        // At one half: 6 / pi^2, -2 / (3 pi^2) ... from sin(pi / 6) = 1/2, sin(pi / 2) = 1, sin(5 pi / 6) = 1/2.
        let (near, next, far) = (6.0 / PI.powi(2), -4.0 / (3.0 * PI.powi(2)), 6.0 / (25.0 * PI.powi(2)));
        let sum = 2.0 * (near + next + far);
        for (w, want) in weights(0.5).iter().zip([far, next, near, near, next, far]) {
            close(*w, want / sum);
        }
        close(weights(0.3).iter().sum(), 1.0);
    }
}
