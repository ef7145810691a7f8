//! Bending energy of a cubic B-spline.

/// Integrals over the line of a cubic B-spline, its first and its second derivative times themselves, shifted by 0 to
/// 3 control points.
const KERNELS: [[f32; 4]; 3] = [
    [151.0 / 315.0, 397.0 / 1680.0, 1.0 / 42.0, 1.0 / 5040.0],
    [2.0 / 3.0, -1.0 / 8.0, -1.0 / 5.0, -1.0 / 120.0],
    [8.0 / 3.0, -1.5, 0.0, 1.0 / 6.0],
];

/// Mean over the lattice's cells of the sum of the squares of all second derivatives (Rueckert 1999, eq. 5), 1/mm²
/// for displacements in mm, and its derivatives by the coefficients; `spacing` in mm. Exact, as quadratic forms of
/// [`KERNELS`], with nothing beyond the lattice. A lattice that is not rectangular counts as one that is.
pub fn bending(coefficients: &[f32], shape: [usize; 3], spacing: [f64; 3]) -> (f64, Vec<f32>) {
    let n: usize = shape.iter().product();
    let kernel =
        |a: usize, order: usize| KERNELS[order].map(|k| k / (spacing[a] as f32).powi(2 * order as i32));
    let mut gradient = Vec::with_capacity(coefficients.len());
    let mut energy = 0.0;
    for c in coefficients.chunks_exact(n) {
        let x = [0, 1, 2].map(|order| along(c, shape, 0, kernel(0, order)));
        let y = |from: usize, order: usize| along(&x[from], shape, 1, kernel(1, order));
        let add =
            |a: Vec<f32>, b: &[f32], w: f32| a.iter().zip(b).map(|(a, b)| a + w * b).collect::<Vec<_>>();
        let plane = add(add(y(2, 0), &y(0, 2), 1.0), &y(1, 1), 2.0);
        let once = add(y(1, 0), &y(0, 1), 1.0);
        let z = |from: &[f32], order: usize| along(from, shape, 2, kernel(2, order));
        let all = add(add(z(&plane, 0), &z(&once, 1), 2.0), &z(&y(0, 0), 2), 1.0);
        energy += c.iter().zip(&all).map(|(c, q)| f64::from(*c) * f64::from(*q)).sum::<f64>();
        gradient.extend(all.iter().map(|q| 2.0 * q / n as f32));
    }
    (energy / n as f64, gradient)
}

/// Convolution with a symmetric kernel of seven along an axis, zeros beyond.
fn along(data: &[f32], shape: [usize; 3], axis: usize, kernel: [f32; 4]) -> Vec<f32> {
    let stride: usize = shape[..axis].iter().product();
    let (n, block) = (shape[axis], stride * shape[axis]);
    let mut out = vec![0f32; data.len()];
    for (from, to) in data.chunks_exact(block).zip(out.chunks_exact_mut(block)) {
        for m in 0..n {
            let to = &mut to[m * stride..][..stride];
            for s in m.saturating_sub(3)..(m + 4).min(n) {
                let weight = kernel[m.abs_diff(s)];
                to.iter_mut().zip(&from[s * stride..][..stride]).for_each(|(t, f)| *t += weight * f);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spline::weights;
    use ichor_image::random;

    #[test]
    fn kernels_are_the_integrals() {
        // Simpson's rule on pieces of polynomials of degree 6.
        let piece = |order: usize, cell: isize, f: f64| -> f64 {
            // The B-spline round 0 on [cell, cell + 1], cell from -2 to 1.
            if !(-2..2).contains(&cell) {
                return 0.0;
            }
            let tap = (1 - cell) as usize;
            match order {
                0 => weights(f).0[tap],
                1 => weights(f).1[tap],
                _ => [1.0 - f, 3.0 * f - 2.0, 1.0 - 3.0 * f, f][tap],
            }
        };
        for (order, kernel) in KERNELS.iter().enumerate() {
            for (shift, want) in kernel.iter().enumerate() {
                let mut sum = 0.0;
                for cell in -2..6isize {
                    for n in 0..1000 {
                        let f = (f64::from(n) + 0.5) / 1000.0;
                        sum += piece(order, cell, f) * piece(order, cell - shift as isize, f) / 1000.0;
                    }
                }
                assert!((sum - f64::from(*want)).abs() < 1e-5, "{order} {shift}: {sum} for {want}");
            }
        }
    }

    #[test]
    fn it_is_a_quadratic_form_with_its_gradient() {
        let (shape, spacing) = ([5, 6, 4], [20.0, 15.0, 10.0]);
        let c: Vec<f32> = (0..360).map(|n| random::normal_at(1, n) as f32).collect();
        let (energy, gradient) = bending(&c, shape, spacing);
        let product: f64 = c.iter().zip(&gradient).map(|(a, b)| f64::from(a * b)).sum();
        assert!(energy > 0.0 && (product / (2.0 * energy) - 1.0).abs() < 1e-5);
        // In the middle of a large lattice a ramp does not bend.
        let ramp: Vec<f32> = (0..3 * 1331).map(|n| (n % 11 + 2 * (n / 11 % 11)) as f32).collect();
        let (_, gradient) = bending(&ramp, [11; 3], [1.0; 3]);
        assert!(gradient[5 + 11 * (5 + 11 * 5)].abs() < 1e-5, "{}", gradient[5 + 11 * 60]);
    }
}
