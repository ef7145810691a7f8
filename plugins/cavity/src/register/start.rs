//! Where registration starts: many poses, of which the most alike are kept.

use super::climb::LEAST_OVERLAP;
use super::head::Pose;
use super::linear::{Linear, rotation, times};
use super::ncc::Lookup;
use super::samples::Samples;
use ichor_image::Parallel;
use ichor_image::parallel::map_ranges;

/// Turns that are tried, in degrees about the patient's axes right, front and up.
const PITCH: [f64; 7] = [0.0, 20.0, -20.0, 40.0, -40.0, 60.0, -60.0];
const ROLL: [f64; 5] = [0.0, 20.0, -20.0, 40.0, -40.0];
const YAW: [f64; 5] = [0.0, 20.0, -20.0, 40.0, -40.0];
/// Principal axes say nothing about which end is which: turns beyond this are not of patients in a scanner.
const FARTHEST_DEGREES: f64 = 70.0;

/// A pose to start from.
#[derive(Clone, Debug)]
pub struct Start {
    /// The map.
    pub map: Linear,
    /// How it was come by.
    pub name: String,
    /// NCC of the samples there.
    pub ncc: f64,
}

/// The most alike of all starts, at most `keep`: turns about the patient's axes and those that bring principal axes
/// together, with the middles of the heads or of their tops one on the other.
pub fn starts(
    par: &dyn Parallel,
    (fixed, moving): (&Pose, &Pose),
    samples: &Samples,
    lookup: &Lookup,
    keep: usize,
) -> Vec<Start> {
    let mut tried = Vec::new();
    for (pivot, from, to) in [("top", fixed.cap, moving.cap), ("middle", fixed.middle, moving.middle)] {
        for (turn, matrix) in turns(fixed, moving) {
            let centre = samples.centre;
            let off = [0, 1, 2].map(|a| from[a] - centre[a]);
            let shift =
                [0, 1, 2].map(|r| to[r] - centre[r] - (0..3).map(|k| matrix[r][k] * off[k]).sum::<f64>());
            tried.push((Linear { matrix, centre, shift }, format!("{turn}, {pivot} on {pivot}")));
        }
    }
    let scores = map_ranges(par, tried.len(), 1, &|range| {
        let (ncc, overlap) = lookup.ncc(samples, &tried[range.start].0);
        if overlap < LEAST_OVERLAP { f64::NEG_INFINITY } else { ncc }
    });
    let mut order: Vec<usize> = (0..tried.len()).filter(|&n| scores[n].is_finite()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let kept = order.into_iter().take(keep);
    kept.map(|n| Start { map: tried[n].0, name: tried[n].1.clone(), ncc: scores[n] }).collect()
}

type Matrix = [[f64; 3]; 3];

fn turns(fixed: &Pose, moving: &Pose) -> Vec<(String, Matrix)> {
    let mut out = Vec::new();
    for pitch in PITCH {
        for roll in ROLL {
            for yaw in YAW {
                let about = |axis: usize, degrees: f64| {
                    rotation([0, 1, 2].map(|a| if a == axis { degrees.to_radians() } else { 0.0 }))
                };
                let matrix = times(about(2, yaw), times(about(1, roll), about(0, pitch)));
                out.push((format!("pitch {pitch}, roll {roll}, yaw {yaw} degrees"), matrix));
            }
        }
    }
    for (a, b) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
        let (f, m) = (&fixed.axes, &moving.axes);
        let mut matrix = [[0.0; 3]; 3];
        let hand = |v: &Matrix| crate::transform::determinant(v).signum();
        let signs = [a, b, a * b * hand(f) * hand(m)];
        for (k, sign) in signs.iter().enumerate() {
            for r in 0..3 {
                for c in 0..3 {
                    matrix[r][c] += sign * m[k][r] * f[k][c];
                }
            }
        }
        let trace = matrix[0][0] + matrix[1][1] + matrix[2][2];
        if (trace - 1.0) / 2.0 > FARTHEST_DEGREES.to_radians().cos() {
            out.push(("principal axes".to_owned(), matrix));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principal_axes_lead_from_one_head_to_a_turned_one() {
        let turn = rotation([0.5, -0.4, 0.3]);
        let still = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        // Eigenvectors come with any sign.
        let turned = [0, 1, 2].map(|k| [0, 1, 2].map(|r| [-1.0, 1.0, -1.0][k] * turn[r][k]));
        let pose = |axes| Pose { middle: [0.0; 3], cap: [0.0; 3], axes };
        let all = turns(&pose(still), &pose(turned));
        let found = all
            .iter()
            .filter(|(name, _)| name == "principal axes")
            .any(|(_, m)| (0..9).all(|n| (m[n / 3][n % 3] - turn[n / 3][n % 3]).abs() < 1e-9));
        assert!(found);
        assert!(all.iter().all(|(_, m)| (crate::transform::determinant(m) - 1.0).abs() < 1e-9));
        assert!(all.len() > 175);
    }
}
