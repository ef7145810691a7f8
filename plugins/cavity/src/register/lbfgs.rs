//! Limited-memory BFGS (Nocedal and Wright, Numerical Optimization, 2nd ed., algorithms 7.4 and 7.5), with
//! backtracking and a limit to how far a number may move in a step.

use ichor_sdk::Result;
use std::collections::VecDeque;

/// Pairs of steps and changes of the gradient that are remembered.
const MEMORY: usize = 6;
/// Armijo's share of the decrease that the gradient promises.
const SHARE: f64 = 1e-4;

/// A function's value and gradient at a place.
pub type Function<'a> = &'a mut dyn FnMut(&[f32]) -> Result<(f64, Vec<f32>)>;

/// How a search ended.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The lowest value.
    pub value: f64,
    /// How often the function was evaluated.
    pub evaluations: usize,
}

/// Lowers `f`, which returns its value and gradient, from `x` on: at most `most` evaluations, no number moved by more
/// than `longest` in a step, until a step lowers it by less than 1e-5 of what all have.
///
/// # Errors
/// Those of `f`.
pub fn minimise(x: &mut [f32], f: Function, most: usize, longest: f32) -> Result<Found> {
    let (mut value, mut gradient) = f(x)?;
    let first = value;
    let mut evaluations = 1;
    let mut memory: VecDeque<(Vec<f32>, Vec<f32>, f64)> = VecDeque::new();
    while evaluations < most {
        let mut step = direction(&gradient, &memory);
        let mut slope = dot(&step, &gradient);
        if slope.is_nan() || slope >= 0.0 {
            memory.clear();
            step = gradient.iter().map(|g| -g).collect();
            slope = -dot(&gradient, &gradient);
        }
        let far = step.iter().fold(0f32, |far, s| far.max(s.abs()));
        if far == 0.0 || slope == 0.0 {
            break;
        }
        // Without memory the gradient's length says nothing about a step's.
        let mut scale = if memory.is_empty() { 0.5 * longest / far } else { (longest / far).min(1.0) };
        let mut accepted = None;
        while evaluations < most && scale * far > 1e-3 * longest {
            let next: Vec<f32> = x.iter().zip(&step).map(|(x, s)| x + scale * s).collect();
            let (new, new_gradient) = f(&next)?;
            evaluations += 1;
            if new <= value + SHARE * f64::from(scale) * slope {
                accepted = Some((next, new, new_gradient));
                break;
            }
            // The minimum of the parabola through both values and the slope, within bounds.
            let t = f64::from(scale);
            let bend = (new - value - t * slope) / (t * t);
            let best = if bend > 0.0 { -slope / (2.0 * bend) } else { 0.5 * t };
            scale = best.clamp(0.1 * t, 0.5 * t) as f32;
        }
        let Some((next, new, new_gradient)) = accepted else {
            if memory.is_empty() {
                break;
            }
            memory.clear();
            continue;
        };
        let s: Vec<f32> = next.iter().zip(x.iter()).map(|(a, b)| a - b).collect();
        let y: Vec<f32> = new_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let sy = dot(&s, &y);
        if sy > 1e-10 * dot(&y, &y) {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back((s, y, sy));
        }
        x.copy_from_slice(&next);
        let gain = value - new;
        (value, gradient) = (new, new_gradient);
        if gain < 1e-5 * (first - value) {
            break;
        }
    }
    Ok(Found { value, evaluations })
}

fn direction(gradient: &[f32], memory: &VecDeque<(Vec<f32>, Vec<f32>, f64)>) -> Vec<f32> {
    let mut q: Vec<f32> = gradient.iter().map(|g| -g).collect();
    let add = |q: &mut [f32], w: f64, v: &[f32]| q.iter_mut().zip(v).for_each(|(q, v)| *q += w as f32 * v);
    let mut alphas = Vec::with_capacity(memory.len());
    for (s, y, sy) in memory.iter().rev() {
        let alpha = dot(s, &q) / sy;
        add(&mut q, -alpha, y);
        alphas.push(alpha);
    }
    if let Some((_, y, sy)) = memory.back() {
        let scale = (sy / dot(y, y)) as f32;
        q.iter_mut().for_each(|v| *v *= scale);
    }
    for ((s, y, sy), alpha) in memory.iter().zip(alphas.iter().rev()) {
        let beta = dot(y, &q) / sy;
        add(&mut q, alpha - beta, s);
    }
    q
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rosenbrocks_valley_is_followed_to_its_end() {
        let mut x = [-1.2f32, 1.0];
        let mut f = |x: &[f32]| {
            let (a, b) = (f64::from(x[0]), f64::from(x[1]));
            let gradient = [-2.0 * (1.0 - a) - 400.0 * a * (b - a * a), 200.0 * (b - a * a)];
            Ok(((1.0 - a).powi(2) + 100.0 * (b - a * a).powi(2), gradient.map(|g| g as f32).to_vec()))
        };
        let found = minimise(&mut x, &mut f, 200, 1.0).unwrap();
        assert!(found.value < 1e-4 && (x[0] - 1.0).abs() < 0.02, "{found:?} {x:?}");
    }

    #[test]
    fn no_number_moves_further_than_it_may() {
        let mut last = vec![0f32];
        let mut f = |x: &[f32]| {
            assert!((x[0] - last[0]).abs() <= 0.5001);
            last = x.to_vec();
            Ok((f64::from(x[0] - 100.0).powi(2), vec![2.0 * (x[0] - 100.0)]))
        };
        minimise(&mut [0.0], &mut f, 20, 0.5).unwrap();
    }
}
