//! Mutual information of two sets of values, with its derivatives.
//!
//! Mattes et al., "PET-CT image registration in the chest using free-form deformations", IEEE TMI 22(1):120, 2003:
//! a joint histogram with a box as the fixed image's kernel and a cubic B-spline as the moving one's, so that it is
//! smooth in the moving values.

use crate::spline::weights;
use ichor_image::Parallel;
use ichor_image::parallel::map_ranges;

/// Bins along either axis.
const BINS: usize = 32;
/// The largest windowed value.
const HIGHEST: f32 = 1000.0;
/// Bins a unit of the moving value: two bins at either end are for the kernel.
const PER_UNIT: f32 = (BINS - 5) as f32 / HIGHEST;
/// Values of a piece of work.
const GRAIN: usize = 8192;

fn fixed_bin(f: f32) -> usize {
    (f / HIGHEST * (BINS - 1) as f32 + 0.5).clamp(0.0, (BINS - 1) as f32) as usize
}

/// The first of four bins, and the place past the second.
fn moving_bin(m: f32) -> (usize, f64) {
    let place = 2.0 + m.clamp(0.0, HIGHEST) * PER_UNIT;
    (place as usize - 1, f64::from(place.fract()))
}

/// Mutual information in nats of the pairs whose moving value is no NaN, and its derivative by each moving value.
pub fn mutual_information(par: &dyn Parallel, fixed: &[f32], moving: &[f32]) -> (f64, Vec<f32>) {
    let parts = map_ranges(par, moving.len(), GRAIN, &|range| {
        let mut joint = vec![0f64; BINS * BINS + 1];
        for (f, m) in fixed[range.clone()].iter().zip(&moving[range]).filter(|(_, m)| !m.is_nan()) {
            let (first, place) = moving_bin(*m);
            let row = &mut joint[fixed_bin(*f) * BINS + first..][..4];
            row.iter_mut().zip(weights(place).0).for_each(|(cell, w)| *cell += w);
            joint[BINS * BINS] += 1.0;
        }
        joint
    });
    let mut joint = vec![0f64; BINS * BINS + 1];
    for part in &parts {
        joint.iter_mut().zip(part).for_each(|(j, p)| *j += p);
    }
    let n = joint.pop().unwrap_or(0.0);
    if n == 0.0 {
        return (0.0, vec![0.0; moving.len()]);
    }
    joint.iter_mut().for_each(|p| *p /= n);
    let of_fixed: Vec<f64> = joint.chunks(BINS).map(|row| row.iter().sum()).collect();
    let of_moving: Vec<f64> = (0..BINS).map(|b| joint.iter().skip(b).step_by(BINS).sum()).collect();
    let mut value = 0.0;
    // log p(f, m) / p(m); where there is nothing, what a value would bring is bounded.
    let logs: Vec<f64> = joint
        .iter()
        .enumerate()
        .map(|(at, &p)| {
            let (pf, pm) = (of_fixed[at / BINS], of_moving[at % BINS]);
            if p > 0.0 {
                value += p * (p / (pf * pm)).ln();
            }
            (p.max(1e-12) / pm.max(1e-12)).ln()
        })
        .collect();
    let forces = map_ranges(par, moving.len(), GRAIN, &|range| {
        let force = |(f, m): (&f32, &f32)| {
            if m.is_nan() || *m <= 0.0 || *m >= HIGHEST {
                return 0.0;
            }
            let (first, place) = moving_bin(*m);
            let row = &logs[fixed_bin(*f) * BINS + first..][..4];
            let sum: f64 = row.iter().zip(weights(place).1).map(|(log, d)| log * d).sum();
            (sum * f64::from(PER_UNIT) / n) as f32
        };
        fixed[range.clone()].iter().zip(&moving[range]).map(force).collect::<Vec<f32>>()
    });
    (value, forces.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Serial, random};

    fn pairs(n: usize) -> (Vec<f32>, Vec<f32>) {
        let f: Vec<f32> = (0..n).map(|k| (500.0 + 120.0 * random::normal_at(1, k as u64)) as f32).collect();
        let noise = |k: usize| (80.0 * random::normal_at(2, k as u64)) as f32;
        // Another contrast: bright where the other is dark.
        let m = f.iter().enumerate().map(|(k, f)| 900.0 - 0.8 * f + noise(k)).collect();
        (f, m)
    }

    #[test]
    fn of_normal_pairs_it_is_that_of_their_correlation() {
        let (f, m) = pairs(200_000);
        let r2 = 0.64 * 120f64.powi(2) / (0.64 * 120f64.powi(2) + 80f64.powi(2));
        let want = -0.5 * (1.0 - r2).ln();
        let (value, _) = mutual_information(&Serial, &f, &m);
        // The kernel blurs; it never adds.
        assert!(value < want + 0.005 && value > 0.85 * want, "{value} for {want}");
        let (shuffled, _) = mutual_information(&Serial, &f, &m.iter().rev().copied().collect::<Vec<_>>());
        assert!(shuffled < 0.005, "{shuffled}");
    }

    #[test]
    fn derivatives_are_those_of_finite_differences() {
        let (f, mut m) = pairs(500);
        m[7] = f32::NAN;
        let (_, forces) = mutual_information(&Serial, &f, &m);
        assert_eq!(forces[7], 0.0);
        let size = forces.iter().map(|v| v.abs()).fold(0.0, f32::max);
        for n in (0..500).step_by(50) {
            let mut at = |h: f32| {
                let before = m[n];
                m[n] += h;
                let value = mutual_information(&Serial, &f, &m).0;
                m[n] = before;
                value
            };
            let slope = ((at(0.25) - at(-0.25)) / 0.5) as f32;
            assert!((slope - forces[n]).abs() < 5e-3 * size, "{n}: {slope} for {}", forces[n]);
        }
    }
}
