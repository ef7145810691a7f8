//! The plane between a darker and a brighter phase.

use super::field::Field;
use super::patches::{Patch, least_voxels, without_specks};
use ichor_image::Parallel;

/// A plane fitted to a border.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Direction at right angles to the plane, toward the darker phase, RAS+.
    pub normal: [f64; 3],
    /// Root mean square distance of the border from the plane, mm.
    pub rms_mm: f64,
    /// How far the border reaches in the plane, longer and shorter direction, mm.
    pub extent_mm: [f64; 2],
}

impl Level {
    /// Fits a plane to the faces between a patch and the clot that lie in axial slices; `None` for fewer than 10.
    ///
    /// Specks on either side, joined by faces and smaller than the least patch, are noise and have no border.
    pub fn of(
        par: &dyn Parallel,
        field: &Field,
        dark: &[u8],
        patch: &Patch,
        min_patch_ml: f64,
    ) -> Option<Self> {
        let least = least_voxels(field, min_patch_ml);
        let mut own = vec![0u8; dark.len()];
        patch.voxels.iter().for_each(|n| own[*n as usize] = 1);
        let clot: Vec<u8> = field.core.iter().zip(dark).map(|(c, d)| c & (1 - d)).collect();
        let [own, clot] = [own, clot].map(|side| without_specks(par, field, &side, least));
        let mut points = Vec::new();
        for n in patch.voxels.iter().copied().filter(|n| own[*n as usize] != 0) {
            let v = field.indices(n as usize).map(|v| v as f64);
            for (a, (step, _)) in field.faces().into_iter().take(4).enumerate() {
                let beside = (n as usize).wrapping_add_signed(step);
                if clot[beside] != 0 {
                    let mut face = v;
                    face[a / 2] += if a % 2 == 0 { -0.5 } else { 0.5 };
                    points.push(field.grid.affine.apply(face));
                }
            }
        }
        if points.len() < 10 {
            return None;
        }
        let middle = mean(points.iter().copied())?;
        let mut spread = [[0.0; 3]; 3];
        for p in &points {
            for (r, row) in spread.iter_mut().enumerate() {
                for (c, s) in row.iter_mut().enumerate() {
                    *s += (p[r] - middle[r]) * (p[c] - middle[c]) / points.len() as f64;
                }
            }
        }
        let (values, axes) = eigen(spread);
        let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        let mut order = [0, 1, 2];
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let axis = |n: usize| [0, 1, 2].map(|r| axes[r][order[n]]);
        let extent = |along: [f64; 3]| {
            let s = points.iter().map(|p| dot(*p, along));
            s.clone().fold(f64::MIN, f64::max) - s.fold(f64::MAX, f64::min)
        };
        let mut normal = axis(0);
        let patch_middle = mean(patch.voxels.iter().map(|n| field.world(*n as usize)))?;
        let clot = mean(field.core_voxels().filter(|n| dark[*n] == 0).map(|n| field.world(n)))?;
        if dot(normal, std::array::from_fn(|a| patch_middle[a] - clot[a])) < 0.0 {
            normal = normal.map(|v| -v);
        }
        Some(Self {
            normal,
            rms_mm: values[order[0]].max(0.0).sqrt(),
            extent_mm: [extent(axis(2)), extent(axis(1))],
        })
    }

    /// Angle between the normal and a direction, degrees, 0 to 180.
    pub fn angle_to(&self, direction: [f64; 3]) -> f64 {
        let along: f64 = (0..3).map(|a| self.normal[a] * direction[a]).sum();
        along.clamp(-1.0, 1.0).acos().to_degrees()
    }
}

fn mean(points: impl Iterator<Item = [f64; 3]>) -> Option<[f64; 3]> {
    let (mut sum, mut n) = ([0.0; 3], 0.0);
    for p in points {
        (0..3).for_each(|a| sum[a] += p[a]);
        n += 1.0;
    }
    (n > 0.0).then(|| sum.map(|s| s / n))
}

/// Eigenvalues and eigenvectors (columns) of a symmetric matrix by Jacobi rotations.
fn eigen(mut m: [[f64; 3]; 3]) -> ([f64; 3], [[f64; 3]; 3]) {
    let mut axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for _ in 0..30 {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if m[p][q].abs() < 1e-300 {
                continue;
            }
            let theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
            let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
            let (c, s) = (1.0 / t.hypot(1.0), t / t.hypot(1.0));
            let turn = |m: &mut [[f64; 3]; 3]| {
                for row in m.iter_mut() {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
            };
            turn(&mut m);
            let mut t = [0, 1, 2].map(|r| [0, 1, 2].map(|c| m[c][r]));
            turn(&mut t);
            m = [0, 1, 2].map(|r| [0, 1, 2].map(|c| t[c][r]));
            turn(&mut axes);
        }
    }
    ([m[0][0], m[1][1], m[2][2]], axes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_rebuild_the_matrix() {
        let m = [[4.0, 1.0, -2.0], [1.0, 3.0, 0.5], [-2.0, 0.5, 6.0]];
        let (values, axes) = eigen(m);
        for (r, row) in m.iter().enumerate() {
            for (c, v) in row.iter().enumerate() {
                let back: f64 = (0..3).map(|n| values[n] * axes[r][n] * axes[c][n]).sum();
                assert!((back - v).abs() < 1e-12);
            }
        }
    }
}
