//! Morphology (IBSI 3.1).

use super::region::Region;
use crate::diameter::largest_distance;
use crate::mesh::{Window, mesh_ibsi};
use ichor_image::{Grid, Parallel, parallel::map_ranges};
use std::f64::consts::PI;

/// Every pair of voxels counts for Moran's I and Geary's C: beyond so many voxels they are not computed.
pub const MOST_FOR_PAIRS: usize = 10_000;

/// In the order of `names::MORPHOLOGY`, mm. `NAN` where a feature is not defined.
pub fn morphology(par: &dyn Parallel, region: &Region, grid: &Grid) -> [f64; 25] {
    let Some(window) = Window::around(&region.lesion, grid) else { return [f64::NAN; 25] };
    let surface = mesh_ibsi(par, &window);
    let (v, a) = (surface.volume, surface.area);
    let sphere = (36.0 * PI * v * v).cbrt();
    let moments = Moments::of(region, grid);
    let [major, minor, least] = moments.axes;
    let semi = moments.axes.map(|d| d / 2.0);
    let positive = |x: f64| if x > 0.0 { x } else { f64::NAN };
    // The box around the mesh, which reaches half a voxel beyond the outermost centres.
    let column = |c: usize| {
        let n = (window.grid.shape[c] - 2) as f64;
        [0, 1, 2].map(|r| window.grid.affine.0[r][c] * n)
    };
    let (x, y, z) = (column(0), column(1), column(2));
    let side = |p: [f64; 3], q: [f64; 3]| {
        let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        2.0 * (dot(p, p) * dot(q, q) - dot(p, q).powi(2)).sqrt()
    };
    let box_volume =
        grid.voxel_volume_mm3() * window.grid.shape.map(|n| (n - 2) as f64).iter().product::<f64>();
    let box_area = side(x, y) + side(y, z) + side(z, x);
    let mean = region.kept().map(|(v, _)| f64::from(v)).sum::<f64>() / positive(region.voxels_kept() as f64);
    let [moran, geary] = autocorrelation(par, region, grid, mean);
    [
        v,
        region.values.len() as f64 * grid.voxel_volume_mm3(),
        a,
        a / v,
        v / (PI.sqrt() * a.powf(1.5)),
        36.0 * PI * v * v / a.powi(3),
        a / sphere,
        sphere / a,
        a / sphere - 1.0,
        moments.shift,
        largest_distance(par, &surface.hull).map_or(f64::NAN, |d| d.0),
        major,
        minor,
        least,
        minor / positive(major),
        least / positive(major),
        v / box_volume,
        a / box_area,
        v / positive(4.0 / 3.0 * PI * semi.iter().product::<f64>()),
        a / positive(ellipsoid_area(semi)),
        v / surface.hull_volume,
        a / surface.hull_area,
        mean * v,
        moran,
        geary,
    ]
}

struct Moments {
    /// Lengths of the principal axes, descending: 4 times the root of each eigenvalue.
    axes: [f64; 3],
    /// From the centre of the region to that of its intensities.
    shift: f64,
}

impl Moments {
    fn of(region: &Region, grid: &Grid) -> Self {
        // Voxel indices from the first voxel on: the sums stay small, and the affine comes in at the end.
        let origin = region.lesion.runs.first().map_or([0; 3], |r| [r.begin, r.j, r.k]);
        let place =
            |at: [u32; 3]| -> [f64; 3] { std::array::from_fn(|c| f64::from(at[c]) - f64::from(origin[c])) };
        let (mut sum, mut products) = ([0.0; 3], [[0.0; 3]; 3]);
        let (mut weighted, mut weight) = ([0.0; 3], 0.0);
        for ((at, v), keep) in region.positions().zip(&region.values).zip(&region.keep) {
            let p = place(at);
            for r in 0..3 {
                sum[r] += p[r];
                for c in r..3 {
                    products[r][c] += p[r] * p[c];
                }
            }
            if *keep {
                let v = f64::from(*v);
                weight += v;
                weighted.iter_mut().zip(p).for_each(|(w, p)| *w += v * p);
            }
        }
        let n = region.values.len() as f64;
        let cov = |r: usize, c: usize| {
            let (a, b) = (r.min(c), r.max(c));
            (products[a][b] - sum[a] * sum[b] / n) / (n - 1.0)
        };
        // Of positions in mm: A cov A'.
        let m = grid.affine.0;
        let in_mm = |r: usize, c: usize| {
            (0..3)
                .flat_map(|a| (0..3).map(move |b| (a, b)))
                .map(|(a, b)| m[r][a] * cov(a, b) * m[c][b])
                .sum::<f64>()
        };
        let matrix = std::array::from_fn(|r| std::array::from_fn(|c| in_mm(r, c)));
        let d: [f64; 3] = std::array::from_fn(|c| sum[c] / n - weighted[c] / weight);
        let shift = m.map(|r| r[0] * d[0] + r[1] * d[1] + r[2] * d[2]);
        Self {
            axes: eigenvalues(matrix).map(|l| 4.0 * l.max(0.0).sqrt()),
            shift: shift.iter().map(|s| s * s).sum::<f64>().sqrt(),
        }
    }
}

/// Of a symmetric matrix, descending (Jacobi's method).
fn eigenvalues(mut m: [[f64; 3]; 3]) -> [f64; 3] {
    for _ in 0..30 {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if m[p][q].abs() < 1e-300 {
                continue;
            }
            let theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
            let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
            let c = 1.0 / (t * t + 1.0).sqrt();
            let s = t * c;
            for row in &mut m {
                (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
            }
            let (up, down) = (m[p], m[q]);
            m[p] = std::array::from_fn(|k| c * up[k] - s * down[k]);
            m[q] = std::array::from_fn(|k| s * up[k] + c * down[k]);
        }
    }
    let mut out = [m[0][0], m[1][1], m[2][2]];
    out.sort_by(|a, b| b.total_cmp(a));
    out
}

/// The series for the area of the enclosing ellipsoid on which the reference values rest, semi-axes descending, to
/// degree 20, with alpha = √(1 - b²/a²) and beta = √(1 - c²/a²). An ellipsoid with three different axes has a few
/// per cent more.
fn ellipsoid_area([a, b, c]: [f64; 3]) -> f64 {
    // Of Legendre's polynomials only (alpha beta)^n P_n((alpha² + beta²) / (2 alpha beta)) occurs, which has no
    // pole for a sphere.
    let (alpha2, beta2) = (1.0 - b * b / (a * a), 1.0 - c * c / (a * a));
    let (middle, product) = ((alpha2 + beta2) / 2.0, alpha2 * beta2);
    let (mut before, mut term, mut sum) = (0.0, 1.0, 0.0);
    for n in 0..=20 {
        let n = f64::from(n);
        sum += term / (1.0 - 4.0 * n * n);
        (before, term) = (term, ((2.0 * n + 1.0) * middle * term - n * product * before) / (n + 1.0));
    }
    4.0 * PI * a * b * sum
}

/// Moran's I and Geary's C with weights of one over the distance.
fn autocorrelation(par: &dyn Parallel, region: &Region, grid: &Grid, mean: f64) -> [f64; 2] {
    let n = region.voxels_kept();
    if !(2..=MOST_FOR_PAIRS).contains(&n) {
        return [f64::NAN; 2];
    }
    let voxels: Vec<([f64; 3], f64)> =
        region.kept().map(|(v, at)| (grid.affine.apply(at.map(f64::from)), f64::from(v) - mean)).collect();
    let parts = map_ranges(par, n, 64, &|range| {
        let (mut weights, mut products, mut squares) = (0.0, 0.0, 0.0);
        for i in range {
            let (p, x) = voxels[i];
            for (q, y) in &voxels[i + 1..] {
                let d: f64 = (0..3).map(|c| (p[c] - q[c]).powi(2)).sum();
                let w = 1.0 / d.sqrt();
                weights += w;
                products += w * x * y;
                squares += w * (x - y).powi(2);
            }
        }
        [weights, products, squares]
    });
    let total = |c: usize| parts.iter().map(|p| p[c]).sum::<f64>();
    let variance: f64 = voxels.iter().map(|v| v.1 * v.1).sum();
    if variance == 0.0 {
        return [f64::NAN; 2];
    }
    let n = n as f64;
    [n / total(0) * total(1) / variance, (n - 1.0) / (2.0 * total(0)) * total(2) / variance]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ellipsoid_area_is_that_of_a_sphere_and_follows_the_series() {
        assert!((ellipsoid_area([3.0; 3]) / (36.0 * PI) - 1.0).abs() < 1e-12);
        // a = 2, b = c = 1.5: alpha and beta are e, and the polynomials 1.
        let e = (1.0f64 - 0.5625).sqrt();
        let series: f64 = (0..=20).map(|n| e.powi(2 * n) / (1.0 - 4.0 * f64::from(n * n))).sum();
        assert!((ellipsoid_area([2.0, 1.5, 1.5]) / (4.0 * PI * 3.0 * series) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn eigenvalues_of_a_turned_diagonal_matrix() {
        let (s, c) = 0.4f64.sin_cos();
        let m = [
            [5.0 * c * c + 2.0 * s * s, 3.0 * s * c, 0.0],
            [3.0 * s * c, 5.0 * s * s + 2.0 * c * c, 0.0],
            [0.0, 0.0, 3.0],
        ];
        for (found, expected) in eigenvalues(m).into_iter().zip([5.0, 3.0, 2.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
    }
}
