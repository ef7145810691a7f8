use super::*;
use ichor_image::Serial;
use ichor_image::parallel::Threads;

const STILL: Motion = Motion {
    propagation: 0.0,
    curvature: 0.0,
    advection: 0.0,
    prior: 0.0,
    prior_at_bone: 0.1,
    edge_scale: 25.0,
    time_step: 0.15,
    iterations: 250,
    tolerance: 0.0,
};
const DENSITIES: Densities = Densities { brain: 35.0, bone: 200.0, range: 12.0 };

/// A cube of `width` mm about the origin.
struct Cube {
    shape: [usize; 3],
    spacing: [f64; 3],
    half: f64,
}

impl Cube {
    fn new(width: f64, spacing: [f64; 3]) -> Self {
        Self { shape: spacing.map(|h| (width / h) as usize), spacing, half: width / 2.0 - 0.37 }
    }

    fn fill(&self, value: impl Fn([f64; 3]) -> f64) -> Vec<f32> {
        let [nx, ny, nz] = self.shape;
        let place = |n: usize| {
            let at = [n % nx, n / nx % ny, n / nx / ny];
            std::array::from_fn(|a| at[a] as f64 * self.spacing[a] - self.half)
        };
        (0..nx * ny * nz).map(|n| value(place(n)) as f32).collect()
    }

    /// Radius at which phi crosses 0, from the origin in many directions.
    fn radii(&self, phi: &[f32]) -> Vec<f64> {
        (0..500)
            .map(|n| {
                // A spiral of about equal steps over the sphere.
                let z = 1.0 - (2.0 * n as f64 + 1.0) / 500.0;
                let (s, c) = (n as f64 * 2.399_963).sin_cos();
                let w = (1.0 - z * z).sqrt();
                let at = |r: f64| {
                    let p = [w * c * r, w * s * r, z * r];
                    let v = std::array::from_fn(|a| ((p[a] + self.half) / self.spacing[a]) as f32);
                    f64::from(pull::linear(phi, self.shape, v))
                };
                let mut r = 1.0;
                while at(r) < 0.0 {
                    r += 0.05;
                }
                r - 0.05 * at(r) / (at(r) - at(r - 0.05))
            })
            .collect()
    }
}

fn radius(p: [f64; 3]) -> f64 {
    p.iter().map(|v| v * v).sum::<f64>().sqrt()
}

#[test]
fn sphere_shrinks_by_its_curvature() {
    // Mean curvature flow: r(t)² = r0² - 4t.
    for spacing in [[1.0; 3], [1.0, 1.0, 2.0]] {
        let cube = Cube::new(52.0, spacing);
        let mut phi = cube.fill(|p| radius(p) - 20.0);
        start(&Serial, &mut phi, cube.shape, cube.spacing);
        let flat = vec![35.0; phi.len()];
        let field = Field { hu: &flat, prior: &flat, shape: cube.shape, spacing, slab: [1.0; 3] };
        let motion = Motion { curvature: 1.0, ..STILL };
        let done = evolve(&Serial, &mut phi, &field, &motion, DENSITIES, &|_| Ok(())).unwrap();
        assert_eq!(done.steps, 250);
        let want = (20f64 * 20.0 - 4.0 * 37.5).sqrt();
        let radii = cube.radii(&phi);
        let mean = radii.iter().sum::<f64>() / radii.len() as f64;
        assert!((mean / want - 1.0).abs() < 0.02, "{mean} for {want} at {spacing:?}");
    }
}

/// Abramowitz and Stegun 7.1.26.
fn erf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let series = [0.254_829_592, -0.284_496_736, 1.421_413_741, -1.453_152_027, 1.061_405_429];
    let sum = series.iter().rev().fold(0.0, |sum, a| (sum + a) * t);
    (1.0 - sum * (-x * x).exp()).copysign(x)
}

/// A ball of radius `a` and density 1 seen through a Gaussian of standard deviation `sd`, at distance `r`.
fn blurred_ball(r: f64, a: f64, sd: f64) -> f64 {
    let r = r.max(1e-3);
    let part = |v: f64| 0.5 * erf(v / (sd * 2f64.sqrt()));
    let bell = |v: f64| (-0.5 * (v / sd).powi(2)).exp();
    part(a - r) + part(a + r) - sd / (r * (2.0 * std::f64::consts::PI).sqrt()) * (bell(a - r) - bell(a + r))
}

/// A head of 30 mm: brain, a shell of bone, scalp, seen through a scanner.
fn shell(r: f64, thick: f64, sd: f64) -> f64 {
    35.0 + 1000.0 * (blurred_ball(r, 30.0 + thick, sd) - blurred_ball(r, 30.0, sd))
}

#[test]
fn front_stops_at_half_height_within_a_fraction_of_a_voxel() {
    for (spacing, thick, sd, mean_limit, limit) in [
        ([1.0; 3], 6.0, 0.8, 0.05, 0.15),
        ([0.9, 0.9, 2.0], 6.0, 0.8, 0.1, 0.35),
        // Half the peak that blur leaves of thin bone lies a little before it.
        ([1.0; 3], 2.0, 0.8, 0.4, 0.45),
    ] {
        let cube = Cube::new(90.0, spacing);
        let hu = cube.fill(|p| shell(radius(p), thick, sd));
        // Too small and off centre: 1 to 5 mm inside the bone.
        let mut phi = cube.fill(|p| radius([p[0] - 2.0, p[1], p[2]]) - 27.0);
        start(&Serial, &mut phi, cube.shape, cube.spacing);
        let prior = phi.clone();
        let field = Field { hu: &hu, prior: &prior, shape: cube.shape, spacing, slab: [1.0; 3] };
        let motion = Motion {
            propagation: 1.0,
            curvature: 0.3,
            prior: 0.2,
            prior_at_bone: 0.0,
            time_step: 0.25,
            iterations: 60,
            tolerance: 0.02,
            ..STILL
        };
        let done = evolve(&Serial, &mut phi, &field, &motion, DENSITIES, &|_| Ok(())).unwrap();
        assert!(done.steps < 60 && done.open < 0.01, "{done:?}");
        let radii = cube.radii(&phi);
        let mean = radii.iter().sum::<f64>() / radii.len() as f64;
        let worst = radii.iter().map(|r| (r - 30.0).abs()).fold(0.0, f64::max);
        assert!(
            (mean - 30.0).abs() < mean_limit && worst < limit,
            "mean {mean}, worst {worst}, at {spacing:?}, {thick} mm of bone, {done:?}"
        );
    }
}

#[test]
fn prior_rules_where_there_is_no_bone() {
    let cube = Cube::new(90.0, [1.0; 3]);
    // No bone in the upper third.
    let hu = cube.fill(|p| if p[2] > 15.0 { 35.0 } else { shell(radius(p), 6.0, 0.8) });
    let mut phi = cube.fill(|p| radius(p) - 26.0);
    start(&Serial, &mut phi, cube.shape, cube.spacing);
    let mut prior = cube.fill(|p| radius(p) - 28.0);
    start(&Serial, &mut prior, cube.shape, cube.spacing);
    let field = Field { hu: &hu, prior: &prior, shape: cube.shape, spacing: cube.spacing, slab: [1.0; 3] };
    let motion = Motion {
        propagation: 1.0,
        curvature: 0.1,
        prior: 0.5,
        time_step: 0.25,
        iterations: 80,
        tolerance: 1e-3,
        ..STILL
    };
    evolve(&Serial, &mut phi, &field, &motion, DENSITIES, &|_| Ok(())).unwrap();
    let at = |p: [f64; 3]| pull::linear(&phi, cube.shape, p.map(|v| (v + cube.half) as f32));
    let top = (0..60).map(|n| 20.0 + 0.25 * n as f64).find(|&z| at([0.0, 0.0, z]) >= 0.0).unwrap();
    let side = (0..60).map(|n| 20.0 + 0.25 * n as f64).find(|&x| at([x, 0.0, -3.0]) >= 0.0).unwrap();
    assert!((top - 28.0).abs() < 0.5 && (side - 30.0).abs() < 0.5, "{top} {side}");
}

#[test]
fn threads_do_not_change_a_bit() {
    let cube = Cube::new(80.0, [1.0, 1.0, 1.5]);
    let hu = cube.fill(|p| shell(radius(p), 4.0, 0.8) + 3.0 * (p[0] * 1.7).sin() * (p[1] * 2.3).cos());
    let run = |par: &dyn Parallel| {
        let mut phi = cube.fill(|p| radius(p) - 27.0);
        start(par, &mut phi, cube.shape, cube.spacing);
        let prior = phi.clone();
        let field =
            Field { hu: &hu, prior: &prior, shape: cube.shape, spacing: cube.spacing, slab: [1.0; 3] };
        let motion =
            Motion { propagation: 1.0, curvature: 0.3, advection: 0.5, prior: 0.2, iterations: 20, ..STILL };
        evolve(par, &mut phi, &field, &motion, DENSITIES, &|_| Ok(())).unwrap();
        phi.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
    };
    let once = run(&Serial);
    assert!(run(&Threads(2)) == once && run(&Threads(5)) == once);
}
