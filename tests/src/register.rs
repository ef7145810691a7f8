//! Truth for registration: maps that are known, images moved by them, and a reader of transforms of its own.

use crate::stage::Grid;
use ichor_image::random::Random;

/// A map of world places, RAS+ mm.
pub enum Map {
    /// Rows of matrix and offset.
    Affine([[f64; 4]; 3]),
    /// A cubic B-spline of displacements in LPS, as ITK defines it: size, origin, spacing, direction, coefficients.
    Spline([usize; 3], [f64; 3], [f64; 3], [f64; 9], Vec<f64>),
    /// Bumps: centre, height and width of each, mm.
    Bumps(Vec<([f64; 3], [f64; 3], f64)>),
    /// The last first.
    All(Vec<Map>),
}

impl Map {
    /// Where a place goes.
    pub fn apply(&self, p: [f64; 3]) -> [f64; 3] {
        match self {
            Self::Affine(m) => m.map(|r| r[0] * p[0] + r[1] * p[1] + r[2] * p[2] + r[3]),
            Self::Bumps(bumps) => {
                let mut q = p;
                for (centre, height, width) in bumps {
                    let square: f64 = (0..3).map(|a| (p[a] - centre[a]).powi(2)).sum();
                    let g = (-0.5 * square / (width * width)).exp();
                    (0..3).for_each(|a| q[a] += g * height[a]);
                }
                q
            }
            Self::All(maps) => maps.iter().rev().fold(p, |p, map| map.apply(p)),
            Self::Spline(size, origin, spacing, direction, c) => {
                let lps = [-p[0], -p[1], p[2]];
                let off: [f64; 3] = std::array::from_fn(|a| lps[a] - origin[a]);
                // Directions here are orthonormal: the inverse is the transpose.
                let at: [f64; 3] = std::array::from_fn(|a| {
                    (0..3).map(|r| direction[3 * r + a] * off[r]).sum::<f64>() / spacing[a]
                });
                let beta = |x: f64| match x.abs() {
                    t if t < 1.0 => 2.0 / 3.0 - t * t + t * t * t / 2.0,
                    t if t < 2.0 => (2.0 - t).powi(3) / 6.0,
                    _ => 0.0,
                };
                let n: usize = size.iter().product();
                let mut q = p;
                if (0..3).any(|a| at[a] < 1.0 || at[a] > size[a] as f64 - 2.0) {
                    return p;
                }
                let range = |a: usize| (at[a] as usize - 1)..(at[a] as usize + 3).min(size[a]);
                for k in range(2) {
                    for j in range(1) {
                        for i in range(0) {
                            let w = beta(at[0] - i as f64) * beta(at[1] - j as f64) * beta(at[2] - k as f64);
                            let m = i + size[0] * (j + size[1] * k);
                            q[0] -= w * c[m];
                            q[1] -= w * c[n + m];
                            q[2] += w * c[2 * n + m];
                        }
                    }
                }
                q
            }
        }
    }

    /// Reads an ITK transform in text of affine and B-spline ones.
    pub fn parse(text: &str) -> Self {
        assert!(text.starts_with("#Insight Transform File V1.0\n"), "{}", &text[..40]);
        let numbers = |line: &str| -> Vec<f64> {
            line.split_once(':').unwrap().1.split_whitespace().map(|w| w.parse().unwrap()).collect()
        };
        let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
        let mut maps = Vec::new();
        for (n, line) in lines.iter().enumerate() {
            match line.strip_prefix("Transform: ") {
                Some("AffineTransform_double_3_3") => {
                    let (p, c) = (numbers(lines[n + 1]), numbers(lines[n + 2]));
                    let sign = [-1.0, -1.0, 1.0];
                    maps.push(Self::Affine(std::array::from_fn(|r| {
                        let turned: f64 = (0..3).map(|k| p[3 * r + k] * c[k]).sum();
                        let row: [f64; 3] = std::array::from_fn(|k| sign[r] * sign[k] * p[3 * r + k]);
                        [row[0], row[1], row[2], sign[r] * (p[9 + r] + c[r] - turned)]
                    })));
                }
                Some("BSplineTransform_double_3_3") => {
                    let (p, f) = (numbers(lines[n + 1]), numbers(lines[n + 2]));
                    let three = |at: usize| [f[at], f[at + 1], f[at + 2]];
                    let direction = std::array::from_fn(|n| f[9 + n]);
                    maps.push(Self::Spline(three(0).map(|v| v as usize), three(3), three(6), direction, p));
                }
                Some("CompositeTransform_double_3_3") | None => {}
                Some(other) => panic!("{other}"),
            }
        }
        Self::All(maps)
    }

    /// Turns up to `degrees` about each axis, shifts up to `mm` along each, and scales `scale` along each, about
    /// `centre`.
    pub fn random(random: &mut Random, centre: [f64; 3], degrees: f64, mm: f64, scale: [f64; 2]) -> Self {
        let mut between = |a: f64, b: f64| a + (b - a) * random.uniform();
        let mut m: [[f64; 3]; 3] = [[0.0; 3]; 3];
        (0..3).for_each(|a| m[a][a] = between(scale[0], scale[1]));
        for axis in 0..3 {
            let (s, c) = between(-degrees, degrees).to_radians().sin_cos();
            let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
            let (p, q) = (m[a], m[b]);
            m[a] = std::array::from_fn(|k| c * p[k] - s * q[k]);
            m[b] = std::array::from_fn(|k| s * p[k] + c * q[k]);
        }
        Self::Affine(std::array::from_fn(|r| {
            let turned: f64 = (0..3).map(|k| m[r][k] * centre[k]).sum();
            [m[r][0], m[r][1], m[r][2], centre[r] - turned + between(-mm, mm)]
        }))
    }

    /// Sixty bumps 25 mm wide within 90 mm of `centre`, about `rms` mm high on the whole.
    pub fn smooth(random: &mut Random, centre: [f64; 3], rms: f64) -> Self {
        let bumps = (0..60)
            .map(|_| {
                let place = std::array::from_fn(|a| centre[a] + 180.0 * (random.uniform() - 0.5));
                // A bump fills (2π)^1.5 25³ of 180³ mm³, twice that of its square.
                let height = std::array::from_fn(|_| rms * random.normal() / 1.27);
                (place, height, 25.0)
            })
            .collect();
        Self::Bumps(bumps)
    }
}

/// The image that has at each voxel of `to` the value of `data` at `map` of its place, linear between voxels, and
/// -1024 where that is outside.
pub fn moved(data: &[i16], from: &Grid, map: &Map, to: &Grid) -> Vec<i16> {
    let back = from.affine.inverse().unwrap();
    let [nx, ny, _] = to.shape;
    let value = |n: usize| {
        let p = back.apply(map.apply(to.affine.apply([n % nx, n / nx % ny, n / nx / ny].map(|v| v as f64))));
        if (0..3).any(|a| p[a] < 0.0 || p[a] > from.shape[a] as f64 - 1.0) {
            return -1024;
        }
        let first: [usize; 3] = std::array::from_fn(|a| (p[a] as usize).min(from.shape[a] - 2));
        let mut sum = 0.0;
        for corner in 0..8 {
            let (mut at, mut w) = ([0; 3], 1.0);
            for a in 0..3 {
                let (bit, f) = (corner >> a & 1, p[a] - first[a] as f64);
                at[a] = first[a] + bit;
                w *= if bit == 1 { f } else { 1.0 - f };
            }
            sum += w * f64::from(data[from.index(at[0], at[1], at[2])]);
        }
        sum.round() as i16
    };
    (0..to.len()).map(value).collect()
}

/// Distances in mm between where two maps take the voxels of a CT that are no air, every `step`th of them.
pub fn distances(ct: &[i16], grid: &Grid, a: &Map, b: &Map, step: usize) -> Vec<f64> {
    let [nx, ny, _] = grid.shape;
    (0..ct.len())
        .filter(|&n| ct[n] > -20)
        .step_by(step)
        .map(|n| {
            let p = grid.affine.apply([n % nx, n / nx % ny, n / nx / ny].map(|v| v as f64));
            let (a, b) = (a.apply(p), b.apply(p));
            (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt()
        })
        .collect()
}
