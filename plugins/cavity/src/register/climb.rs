//! Levenberg-Marquardt steps up a likeness of two images.

use super::linear::{Linear, Model};
use super::ncc::Likeness;

/// Share of the samples that must meet the moving image; with less, two edges of air are alike, too.
pub const LEAST_OVERLAP: f64 = 0.4;
/// Steps no longer than this at the corners of the head, mm.
const LONGEST_MM: f64 = 25.0;

/// Where a climb ended.
pub struct Climb {
    /// The map.
    pub map: Linear,
    /// There.
    pub likeness: Likeness,
    /// How often the likeness was evaluated.
    pub evaluations: usize,
}

/// Climbs from `start` until steps move the `corners` by less than `still` mm on average, or the likeness was
/// evaluated `most` times.
///
/// Marquardt, "An algorithm for least-squares estimation of nonlinear parameters", SIAM J. Appl. Math. 11:431, 1963.
pub fn climb(
    evaluate: &dyn Fn(&Linear) -> Likeness,
    model: Model,
    start: Linear,
    corners: &[[f64; 3]],
    most: usize,
    still: f64,
) -> Climb {
    let mut at = Climb { likeness: evaluate(&start), map: start, evaluations: 1 };
    let mut lambda = 1e-3;
    while at.evaluations < most && lambda < 1e4 {
        let directions = at.map.directions(model);
        let k = directions.len();
        let gradient: Vec<f64> = directions.iter().map(|d| dot(d, &at.likeness.gradient)).collect();
        let mut matrix = vec![0.0; k * k];
        for (a, d) in directions.iter().enumerate() {
            let row: [f64; 12] = std::array::from_fn(|n| dot(d, &at.likeness.curvature[n]));
            for (b, e) in directions.iter().enumerate() {
                matrix[a * k + b] = dot(&row, e);
            }
        }
        let largest = (0..k).map(|n| matrix[n * k + n]).fold(0.0, f64::max);
        for n in 0..k {
            matrix[n * k + n] += lambda * matrix[n * k + n] + 1e-9 * largest;
        }
        let Some(mut step) = solve(matrix, gradient) else { break };
        let mut next = at.map.stepped(model, &step);
        let far = next.apart(&at.map, corners);
        if far > LONGEST_MM {
            step.iter_mut().for_each(|s| *s *= LONGEST_MM / far);
            next = at.map.stepped(model, &step);
        }
        let likeness = evaluate(&next);
        at.evaluations += 1;
        // Also false for NaN.
        if next.is_sound() && likeness.value > at.likeness.value && likeness.overlap >= LEAST_OVERLAP {
            (at.map, at.likeness) = (next, likeness);
            lambda = (lambda * 0.2f64).max(1e-6);
        } else {
            lambda = (lambda * 10.0).max(1e-3);
        }
        if far < still {
            break;
        }
    }
    at
}

fn dot(a: &[f64; 12], b: &[f64; 12]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Solves a positive definite system, its matrix given row by row, by Cholesky's decomposition; `None` if it is not.
fn solve(mut m: Vec<f64>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    for r in 0..n {
        for c in 0..=r {
            let sum: f64 = (0..c).map(|k| m[r * n + k] * m[c * n + k]).sum();
            let left = m[r * n + c] - sum;
            if r == c {
                if left.is_nan() || left <= 0.0 {
                    return None;
                }
                m[r * n + r] = left.sqrt();
            } else {
                m[r * n + c] = left / m[c * n + c];
            }
        }
    }
    for r in 0..n {
        let sum: f64 = (0..r).map(|k| m[r * n + k] * b[k]).sum();
        b[r] = (b[r] - sum) / m[r * n + r];
    }
    for r in (0..n).rev() {
        let sum: f64 = (r + 1..n).map(|k| m[k * n + r] * b[k]).sum();
        b[r] = (b[r] - sum) / m[r * n + r];
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::super::linear::rotation;
    use super::super::ncc::Lookup;
    use super::super::ncc::tests::{noise, samples};
    use super::*;
    use ichor_image::Serial;

    #[test]
    fn a_system_is_solved() {
        let x = solve(vec![4.0, 2.0, 0.0, 2.0, 5.0, 1.0, 0.0, 1.0, 3.0], vec![8.0, 15.0, 11.0]).unwrap();
        for (x, want) in x.iter().zip([1.0, 2.0, 3.0]) {
            assert!((x - want).abs() < 1e-12);
        }
        assert_eq!(solve(vec![1.0, 2.0, 2.0, 1.0], vec![1.0, 1.0]), None);
    }

    #[test]
    fn each_model_climbs_to_where_the_images_are_one() {
        let fixed = noise(5, 40);
        let (samples, lookup) = (samples(&fixed), Lookup::new(&fixed).unwrap());
        for (model, matrix) in [
            (Model::Rigid, rotation([0.03, -0.02, 0.04])),
            (Model::Similarity, rotation([0.03, -0.02, 0.04]).map(|row| row.map(|v| v * 1.04))),
            (Model::Affine, [[1.04, 0.02, 0.0], [0.0, 0.97, 0.03], [-0.03, 0.0, 1.0]]),
        ] {
            let start = Linear { matrix, centre: [0.0; 3], shift: [1.5, -1.0, 0.5] };
            let evaluate = |map: &Linear| lookup.likeness(&Serial, &samples, map);
            let end = climb(&evaluate, model, start, &samples.corners, 40, 1e-3);
            let still = Linear { matrix: rotation([0.0; 3]), centre: [0.0; 3], shift: [0.0; 3] };
            let off = end.map.apart(&still, &samples.corners);
            assert!(off < 0.02 && end.evaluations < 30, "{model:?}: {off} mm, {}", end.evaluations);
        }
    }
}
