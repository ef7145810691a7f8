//! A star-shaped body: its radius in every direction, in a table.

use crate::vector::{Point, scale};

const N: usize = 96;

/// Radii (mm) on an octahedral map of the sphere, read with bilinear interpolation. The map has its folds on
/// the table's lines, so the surface is continuous.
#[derive(Clone)]
pub struct Star {
    radii: Vec<f32>,
    /// The largest radius.
    pub reach: f32,
}

impl Star {
    /// The body whose surface is `radius(direction)` away, where `directions` gives the nodes' directions.
    pub fn new(radii: Vec<f32>) -> Self {
        let reach = radii.iter().fold(0.0f32, |a, &b| a.max(b));
        Self { radii, reach }
    }

    /// The radius along `d`, which need not have length 1.
    pub fn radius(&self, d: Point) -> f32 {
        let sum = d[0].abs() + d[1].abs() + d[2].abs();
        if sum <= 0.0 {
            return self.reach;
        }
        let (mut u, mut v) = (d[0] / sum, d[1] / sum);
        if d[2] < 0.0 {
            (u, v) = ((1.0 - v.abs()).copysign(u), (1.0 - u.abs()).copysign(v));
        }
        let place = |t: f32| {
            let x = ((t * 0.5 + 0.5) * N as f32).clamp(0.0, N as f32 - 1e-3);
            (x as usize, x.fract())
        };
        let ((i, fu), (j, fv)) = (place(u), place(v));
        let at = |i: usize, j: usize| self.radii[i + (N + 1) * j];
        let low = at(i, j) + (at(i + 1, j) - at(i, j)) * fu;
        let high = at(i, j + 1) + (at(i + 1, j + 1) - at(i, j + 1)) * fu;
        low + (high - low) * fv
    }

    /// Volume in mm³, by quadrature over the sphere.
    pub fn volume(&self) -> f64 {
        let points = sphere(8192);
        let weight = 4.0 * std::f64::consts::PI / points.len() as f64;
        points.iter().map(|&d| f64::from(self.radius(d)).powi(3) / 3.0).sum::<f64>() * weight
    }

    /// Surface in mm²: ∫ r √(r² + |∇r|²) over the sphere, the gradient by differences of 0.02 rad.
    pub fn area(&self) -> f64 {
        let points = sphere(8192);
        let weight = 4.0 * std::f64::consts::PI / points.len() as f64;
        let step = 0.02f32;
        let mut sum = 0.0;
        for &d in &points {
            let r = f64::from(self.radius(d));
            let helper = if d[2].abs() < 0.9 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
            let a = unit(cross(d, helper));
            let b = cross(d, a);
            let slope = |t: Point| {
                let ahead: Point = std::array::from_fn(|n| d[n] + step * t[n]);
                let behind: Point = std::array::from_fn(|n| d[n] - step * t[n]);
                f64::from(self.radius(ahead) - self.radius(behind)) / f64::from(2.0 * step)
            };
            sum += r * (r * r + slope(a).powi(2) + slope(b).powi(2)).sqrt();
        }
        sum * weight
    }
}

/// Directions of the table's nodes, in its order.
pub fn directions() -> Vec<Point> {
    let mut out = Vec::with_capacity((N + 1) * (N + 1));
    for j in 0..=N {
        for i in 0..=N {
            let (u, v) = (2.0 * i as f32 / N as f32 - 1.0, 2.0 * j as f32 / N as f32 - 1.0);
            let z = 1.0 - u.abs() - v.abs();
            let fold = |a: f32, b: f32| (1.0 - b.abs()).copysign(a);
            out.push(unit(if z < 0.0 { [fold(u, v), fold(v, u), z] } else { [u, v, z] }));
        }
    }
    out
}

/// `n` directions spread evenly over the sphere (Fibonacci lattice).
pub fn sphere(n: usize) -> Vec<Point> {
    let golden = std::f64::consts::PI * (3.0 - 5f64.sqrt());
    (0..n)
        .map(|k| {
            let z = 1.0 - (2.0 * k as f64 + 1.0) / n as f64;
            let (sin, cos) = (golden * k as f64).sin_cos();
            let r = (1.0 - z * z).max(0.0).sqrt();
            [(r * cos) as f32, (r * sin) as f32, z as f32]
        })
        .collect()
}

fn cross(a: Point, b: Point) -> Point {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn unit(a: Point) -> Point {
    scale(a, 1.0 / crate::vector::norm(a).max(1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ball_and_ellipsoid_have_their_volume_and_area() {
        let ball = Star::new(directions().iter().map(|_| 10.0).collect());
        assert!((ball.volume() / 4188.79 - 1.0).abs() < 1e-4);
        assert!((ball.area() / 1256.637 - 1.0).abs() < 1e-4);
        // Prolate spheroid, semi-axes 10, 10, 20: V = 8377.58, A = 2148.2 mm² (closed form).
        let long = |d: &Point| 1.0 / (d[0] * d[0] / 100.0 + d[1] * d[1] / 100.0 + d[2] * d[2] / 400.0).sqrt();
        let egg = Star::new(directions().iter().map(long).collect());
        assert!((egg.volume() / 8377.58 - 1.0).abs() < 2e-3, "{}", egg.volume());
        let e = (1.0f64 - 0.25).sqrt();
        let area = std::f64::consts::TAU * 100.0 * (1.0 + 2.0 / e * e.asin());
        assert!((egg.area() / area - 1.0).abs() < 3e-3, "{} {area}", egg.area());
    }

    #[test]
    fn the_surface_is_continuous_across_folds() {
        let wavy = |d: &Point| 10.0 + d[0] + 2.0 * d[1] * d[2];
        let star = Star::new(directions().iter().map(wavy).collect());
        for d in sphere(5000) {
            assert!((star.radius(d) - wavy(&d)).abs() < 0.02, "{d:?}");
        }
    }
}
