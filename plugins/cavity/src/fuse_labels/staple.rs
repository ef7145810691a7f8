//! STAPLE for masks: Warfield, Zou and Wells, "Simultaneous truth and performance level estimation (STAPLE)",
//! IEEE TMI 23:903, 2004.

use super::patterns::Patterns;
use ichor_sdk::{Error, Result};

/// Where sensitivities and specificities start, as in ITK.
const START: f64 = 0.99999;
/// At rest when none of them changes by more.
const REST: f64 = 1e-10;

/// What was estimated.
pub struct Estimate {
    /// Of each rater.
    pub sensitivity: Vec<f64>,
    /// Of each rater.
    pub specificity: Vec<f64>,
    /// Whether it came to rest.
    pub rests: bool,
    prior: f64,
}

impl Estimate {
    /// The probability that a voxel which the raters of `pattern` have is inside (eq. 15).
    pub fn probability(&self, pattern: u64) -> f64 {
        let (mut inside, mut outside) = (self.prior, 1.0 - self.prior);
        for (r, (p, q)) in self.sensitivity.iter().zip(&self.specificity).enumerate() {
            if pattern >> r & 1 == 1 {
                inside *= p;
                outside *= 1.0 - q;
            } else {
                inside *= 1.0 - p;
                outside *= *q;
            }
        }
        // Both can vanish for raters that never differ.
        if inside + outside > 0.0 { inside / (inside + outside) } else { self.prior }
    }
}

/// Estimates the raters by expectation maximisation, a pattern of decisions at a time: the same as a voxel at a
/// time, only the sums are shorter. The prior is the mean of all decisions.
///
/// # Errors
/// No rater has a voxel, or all have all.
pub fn staple(patterns: &Patterns, iterations: u32) -> Result<Estimate> {
    let voxels: u64 = patterns.counts.values().sum();
    let set: u64 = patterns.counts.iter().map(|(p, n)| u64::from(p.count_ones()) * n).sum();
    let prior = set as f64 / (voxels as f64 * patterns.raters as f64);
    if !(prior > 0.0 && prior < 1.0) {
        return Err(Error::bad_input("STAPLE needs masks that have some voxels and lack others"));
    }
    let start = vec![START; patterns.raters];
    let mut now = Estimate { sensitivity: start.clone(), specificity: start, rests: false, prior };
    for _ in 0..iterations {
        let (mut inside, mut outside) = (0.0, 0.0);
        let mut hit = vec![0.0; patterns.raters];
        let mut spared = vec![0.0; patterns.raters];
        for (&pattern, &count) in &patterns.counts {
            let w = now.probability(pattern);
            let (yes, no) = (w * count as f64, (1.0 - w) * count as f64);
            inside += yes;
            outside += no;
            for r in 0..patterns.raters {
                if pattern >> r & 1 == 1 {
                    hit[r] += yes;
                } else {
                    spared[r] += no;
                }
            }
        }
        let mut change = 0f64;
        for r in 0..patterns.raters {
            let (p, q) = (hit[r] / inside, spared[r] / outside);
            change = change.max((p - now.sensitivity[r]).abs()).max((q - now.specificity[r]).abs());
            (now.sensitivity[r], now.specificity[r]) = (p, q);
        }
        if change < REST {
            now.rests = true;
            break;
        }
    }
    Ok(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Serial;

    const SHAPE: [usize; 3] = [11, 10, 9];

    /// Balls of several centres and radii, with flipped voxels.
    fn rater(r: usize) -> Vec<u8> {
        let centre = [[5, 5, 4], [6, 5, 4], [5, 4, 4], [5, 5, 5], [4, 5, 3]][r];
        let (square, flips) = ([16, 16, 20, 12, 9][r], [0, 2, 3, 5, 1][r]);
        let [nx, ny, nz] = SHAPE;
        (0..nx * ny * nz)
            .map(|n| {
                let [i, j, k] = [n % nx, n / nx % ny, n / nx / ny];
                let d = |a: usize, b: usize| a.abs_diff(b).pow(2);
                let inside = d(i, centre[0]) + d(j, centre[1]) + d(k, centre[2]) <= square;
                let flip = (i * 31 + j * 17 + k * 53 + r * 71 + i * j * 7 + j * k * 11) % 97 < flips;
                u8::from(inside != flip)
            })
            .collect()
    }

    #[test]
    fn estimates_are_those_of_simpleitk() {
        // SimpleITK 2.5.7, STAPLEImageFilter, foreground 1, 1000 iterations at most; it stopped after 101, a little
        // earlier than here.
        let sensitivity = [
            0.9974236172178117,
            0.823066056631338,
            0.9535540538200463,
            0.6496399653236112,
            0.45659124783911553,
        ];
        let specificity = [
            0.9908159791947052,
            0.9140526621877527,
            0.7824594878219804,
            0.9309569591806297,
            0.9790832776097701,
        ];
        let places = [
            ([5, 5, 4], 0.9999969086946936),
            ([9, 5, 4], 0.9969694607203802),
            ([5, 1, 4], 0.8692752812795395),
            ([5, 5, 8], 0.9940210064889043),
            ([2, 3, 2], 0.006222805007150405),
            ([0, 0, 0], 2.156006464951724e-6),
            ([5, 8, 6], 0.9998784325248661),
        ];
        let masks: Vec<Vec<u8>> = (0..5).map(rater).collect();
        let masks: Vec<&[u8]> = masks.iter().map(|m| &m[..]).collect();
        let patterns = Patterns::new(&Serial, &masks);
        let found = staple(&patterns, 1000).unwrap();
        assert!(found.rests);
        for (got, want) in found.sensitivity.iter().zip(sensitivity) {
            assert!((got - want).abs() < 1e-5, "{got} for {want}");
        }
        for (got, want) in found.specificity.iter().zip(specificity) {
            assert!((got - want).abs() < 1e-5, "{got} for {want}");
        }
        let mut agreement = vec![0f32; 990];
        patterns.paint(&Serial, &masks, &mut agreement, &|p| found.probability(p) as f32);
        for ([i, j, k], want) in places {
            let got = f64::from(agreement[i + 11 * (j + 10 * k)]);
            assert!((got - want).abs() < 1e-5, "{got} for {want}");
        }
        assert_eq!(agreement.iter().filter(|a| **a >= 0.5).count(), 253);
    }

    #[test]
    fn raters_that_agree_are_perfect_and_empty_masks_are_refused() {
        let a = rater(0);
        let masks = [&a[..], &a[..], &a[..]];
        let patterns = Patterns::new(&Serial, &masks);
        let found = staple(&patterns, 100).unwrap();
        assert!(found.rests && found.sensitivity.iter().chain(&found.specificity).all(|v| *v > 0.999_999));
        assert!(found.probability(7) > 0.999_999 && found.probability(0) < 1e-6);
        let none = vec![0u8; 990];
        assert!(staple(&Patterns::new(&Serial, &[&none[..], &none[..]]), 10).is_err());
    }
}
