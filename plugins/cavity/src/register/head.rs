//! Where in a scan the head is, and how it lies.

use super::pyramid::Level;
use ichor_image::parallel::map_ranges;
use ichor_image::{Connectivity, Grid, Parallel, dilate, fill_holes, largest_component, open};

/// Windowed values above this, -20 HU, are body.
const BODY: f32 = 80.0;
/// What is thinner than twice this comes off: holders, blankets, tubes, mm.
const OPEN_MM: f64 = 6.0;
/// How far round the head registration looks, mm.
pub const MARGIN_MM: f64 = 8.0;
/// How much of the head from its vertex down is compared, mm: necks differ.
pub const CAP_MM: f64 = 140.0;

/// The head's voxels at one level, and the voxels within [`MARGIN_MM`] of it.
pub struct Head {
    /// The grid of both.
    pub grid: Grid,
    /// Filled: 1 on the head.
    pub mask: Vec<u8>,
    /// 1 where registration looks.
    pub domain: Vec<u8>,
}

/// Where a head is and how it lies, world RAS+ mm.
#[derive(Clone, Copy, Debug)]
pub struct Pose {
    /// Its middle.
    pub middle: [f64; 3],
    /// The middle of its top.
    pub cap: [f64; 3],
    /// Principal axes of its bright parts, of the smallest variance first, each a row.
    pub axes: [[f64; 3]; 3],
}

impl Head {
    /// The largest piece that is no air; with voxels that do not count, all that count.
    pub fn new(par: &dyn Parallel, level: &Level) -> Self {
        let (grid, data) = (level.grid, &level.data);
        let (shape, spacing) = (grid.shape, grid.spacing());
        if data.iter().any(|v| v.is_nan()) {
            let mask: Vec<u8> = data.iter().map(|v| u8::from(!v.is_nan())).collect();
            return Self { grid, domain: mask.clone(), mask };
        }
        let body: Vec<u8> = data.iter().map(|&v| u8::from(v > BODY)).collect();
        let opened = open(par, &body, shape, spacing, OPEN_MM);
        let piece = largest_component(par, &opened, shape, Connectivity::Six);
        let mask = fill_holes(par, &piece, shape);
        let domain = dilate(par, &mask, shape, spacing, MARGIN_MM);
        Self { grid, mask, domain }
    }

    /// Its volume.
    pub fn ml(&self) -> f64 {
        self.mask.iter().map(|&v| f64::from(v)).sum::<f64>() * self.grid.voxel_volume_mm3() / 1000.0
    }

    /// How it lies, its top being the highest `cap_mm`; `None` without a head.
    pub fn pose(&self, par: &dyn Parallel, level: &Level, cap_mm: f64) -> Option<Pose> {
        let [nx, ny, _] = self.grid.shape;
        let place = |n: usize| self.grid.affine.apply([n % nx, n / nx % ny, n / nx / ny].map(|v| v as f64));
        let top = map_ranges(par, self.mask.len(), 1 << 14, &|range| {
            range.filter(|&n| self.mask[n] != 0).map(|n| place(n)[2]).fold(f64::NEG_INFINITY, f64::max)
        });
        let top = top.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let parts = map_ranges(par, self.mask.len(), 1 << 14, &|range| {
            let mut sums = Sums::default();
            for n in range.filter(|&n| self.mask[n] != 0) {
                let p = place(n);
                sums.middle.add(p, 1.0);
                if p[2] > top - cap_mm {
                    sums.cap.add(p, 1.0);
                    sums.bright.add(p, f64::from(level.data[n]).max(0.0));
                }
            }
            sums
        });
        let mut sums = Sums::default();
        for part in &parts {
            sums.middle.join(&part.middle);
            sums.cap.join(&part.cap);
            sums.bright.join(&part.bright);
        }
        let axes = principal_axes(sums.bright.covariance()?);
        Some(Pose { middle: sums.middle.mean()?, cap: sums.cap.mean()?, axes })
    }
}

#[derive(Default)]
struct Sums {
    middle: Moments,
    cap: Moments,
    bright: Moments,
}

#[derive(Default)]
struct Moments {
    weight: f64,
    first: [f64; 3],
    second: [[f64; 3]; 3],
}

impl Moments {
    fn add(&mut self, p: [f64; 3], weight: f64) {
        self.weight += weight;
        for a in 0..3 {
            self.first[a] += weight * p[a];
            for b in 0..3 {
                self.second[a][b] += weight * p[a] * p[b];
            }
        }
    }

    fn join(&mut self, other: &Self) {
        self.weight += other.weight;
        for a in 0..3 {
            self.first[a] += other.first[a];
            for b in 0..3 {
                self.second[a][b] += other.second[a][b];
            }
        }
    }

    fn mean(&self) -> Option<[f64; 3]> {
        (self.weight > 0.0).then(|| self.first.map(|v| v / self.weight))
    }

    fn covariance(&self) -> Option<[[f64; 3]; 3]> {
        let mean = self.mean()?;
        let cell = |a: usize, b: usize| self.second[a][b] / self.weight - mean[a] * mean[b];
        Some([0, 1, 2].map(|a| [0, 1, 2].map(|b| cell(a, b))))
    }
}

/// Eigenvectors of a symmetric matrix as rows, of the smallest eigenvalue first, by Jacobi's rotations (Golub and
/// Van Loan, Matrix Computations, 4th ed., section 8.5).
fn principal_axes(mut m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let mut v = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for _ in 0..30 {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if m[p][q].abs() < 1e-12 * (m[p][p].abs() + m[q][q].abs()) {
                continue;
            }
            let theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
            let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
            let c = 1.0 / (t * t + 1.0).sqrt();
            let s = t * c;
            for row in &mut m {
                (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
            }
            let (a, b) = (m[p], m[q]);
            m[p] = [0, 1, 2].map(|k| c * a[k] - s * b[k]);
            m[q] = [0, 1, 2].map(|k| s * a[k] + c * b[k]);
            for row in &mut v {
                (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
            }
        }
    }
    let mut order = [0, 1, 2];
    order.sort_by(|&a, &b| m[a][a].total_cmp(&m[b][b]));
    order.map(|n| [v[0][n], v[1][n], v[2][n]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Affine, Serial};

    #[test]
    fn axes_of_a_turned_ellipsoid_are_found() {
        let (s, c) = 0.5f64.sin_cos();
        // Variances 1, 4 and 9 along turned axes.
        let r = [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]];
        let d = [4.0, 1.0, 9.0];
        let m = [0, 1, 2].map(|a| [0, 1, 2].map(|b| (0..3).map(|k| r[a][k] * d[k] * r[b][k]).sum()));
        let axes = principal_axes(m);
        for (axis, k) in axes.iter().zip([1, 0, 2]) {
            let dot: f64 = (0..3).map(|a| axis[a] * r[a][k]).sum();
            assert!((dot.abs() - 1.0).abs() < 1e-9, "{axes:?}");
        }
    }

    #[test]
    fn a_holder_is_not_of_the_head() {
        let grid = Grid::new([50, 50, 50], Affine::from_spacing([4.0; 3], [-100.0; 3])).unwrap();
        let data = (0..grid.len())
            .map(|n| {
                let p = grid.affine.apply([n % 50, n / 50 % 50, n / 2500].map(|v| v as f64));
                let r = (p[0] * p[0] + p[1] * p[1] + p[2] * p[2]).sqrt();
                if r < 70.0 || (p[1] + 88.0).abs() < 3.0 { 150.0 } else { 0.0 }
            })
            .collect();
        let level = Level { grid, data };
        let head = Head::new(&Serial, &level);
        assert!((head.ml() / 1436.8 - 1.0).abs() < 0.03, "{}", head.ml());
        let pose = head.pose(&Serial, &level, CAP_MM).unwrap();
        assert!(pose.middle.iter().all(|v| v.abs() < 1.0), "{pose:?}");
        assert!((pose.cap[2] - 0.0).abs() < 3.0, "{pose:?}");
    }
}
