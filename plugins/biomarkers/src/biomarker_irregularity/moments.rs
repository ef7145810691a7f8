//! Second moments of a lesion.

use crate::lesion::Lesion;
use ichor_image::Grid;

/// Variances along the principal axes, largest first, mm²; divisor N - 1. `None` below two voxels.
pub fn variances(lesion: &Lesion, grid: &Grid) -> Option<[f64; 3]> {
    let n = lesion.voxels() as f64;
    if n < 2.0 {
        return None;
    }
    // Relative to the first voxel, so that squares stay small.
    let first = lesion.runs.first()?;
    let (mut sum, mut squares) = ([0f64; 3], [[0f64; 3]; 3]);
    for run in &lesion.runs {
        let length = run.len() as f64;
        let middle = f64::from(run.begin) - f64::from(first.begin) + (length - 1.0) / 2.0;
        let v = [middle, f64::from(run.j) - f64::from(first.j), f64::from(run.k) - f64::from(first.k)];
        for a in 0..3 {
            sum[a] += length * v[a];
            (0..3).for_each(|b| squares[a][b] += length * v[a] * v[b]);
        }
        squares[0][0] += length * (length * length - 1.0) / 12.0;
    }
    let m = &grid.affine.0;
    let index = |a: usize, b: usize| (squares[a][b] - sum[a] * sum[b] / n) / (n - 1.0);
    let world = std::array::from_fn(|r| {
        std::array::from_fn(|c| {
            (0..3).map(|a| (0..3).map(|b| m[r][a] * index(a, b) * m[c][b]).sum::<f64>()).sum::<f64>()
        })
    });
    let mut out = eigenvalues(world);
    out.sort_by(|a, b| b.total_cmp(a));
    Some(out.map(|v| v.max(0.0)))
}

/// Of a symmetric matrix, by Jacobi's rotations.
fn eigenvalues(mut m: [[f64; 3]; 3]) -> [f64; 3] {
    for _ in 0..30 {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if m[p][q] == 0.0 {
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
            for k in 0..3 {
                m[p][k] = c * a[k] - s * b[k];
                m[q][k] = s * a[k] + c * b[k];
            }
        }
    }
    [m[0][0], m[1][1], m[2][2]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesion::whole;
    use ichor_image::Affine;

    #[test]
    fn the_digital_phantom_has_its_elongation_and_flatness() {
        // IBSI 1 digital phantom: Q3CK 0.816 and N17B 0.749, both within 0.005; axes 4 √λ of 11.4, 9.31, 8.54 mm.
        let rows =
            "11111 11111 11111 11111 11111 11111 01111 11111 11100 11111 11011 11111 11100 11111 11111 11111";
        let mask: Vec<u8> = rows.bytes().filter(|b| *b != b' ').map(|b| b - b'0').collect();
        let grid = Grid::new([5, 4, 4], Affine::from_spacing([2.0; 3], [0.0; 3])).unwrap();
        let l = variances(&whole(&mask, grid.shape), &grid).unwrap();
        assert!(
            ((l[1] / l[0]).sqrt() - 0.816).abs() <= 0.005 && ((l[2] / l[0]).sqrt() - 0.749).abs() <= 0.005
        );
        for (l, (axis, tolerance)) in l.into_iter().zip([(11.4, 0.1), (9.31, 0.06), (8.54, 0.05)]) {
            assert!((4.0 * l.sqrt() - axis).abs() <= tolerance);
        }
    }
}
