//! How much the left half of a mask differs from the right.

use ichor_image::{Grid, Parallel, parallel::map_ranges};

/// Distance of the voxels that are mirrored, mm.
const STEP: f64 = 5.0;
/// The head may be turned by so much, degrees, and is searched in halved steps down to the last.
const TURN: [f64; 4] = [4.0, 2.0, 1.0, 0.5];

/// 1 less the share of the mask that lies in the mask when it is mirrored about the plane through its centroid that
/// suits it best, within 16 degrees of the sagittal plane of the grid: 0 for a symmetrical mask. x of `grid`
/// points to the right, z to the top, at right angles.
pub fn asymmetry(par: &dyn Parallel, mask: &[u8], grid: &Grid) -> f64 {
    let [nx, ny, _] = grid.shape;
    let spacing = grid.spacing();
    let stride = spacing.map(|s| (STEP / s).round().max(1.0) as usize);
    let mut points: Vec<[f64; 3]> = Vec::new();
    let mut centre = [0f64; 3];
    let mut count = 0f64;
    for (n, _) in mask.iter().enumerate().filter(|(_, v)| **v != 0) {
        let at = [n % nx, n / nx % ny, n / nx / ny];
        let p: [f64; 3] = std::array::from_fn(|a| at[a] as f64 * spacing[a]);
        (0..3).for_each(|a| centre[a] += p[a]);
        count += 1.0;
        if (0..3).all(|a| at[a] % stride[a] == 0) {
            points.push(p);
        }
    }
    if points.is_empty() {
        return 0.0;
    }
    let centre = centre.map(|c| c / count);
    let inside = |p: [f64; 3]| {
        let mut n = 0;
        for a in (0..3).rev() {
            let v = (p[a] / spacing[a]).round();
            if v < 0.0 || v >= grid.shape[a] as f64 {
                return false;
            }
            n = n * grid.shape[a] + v as usize;
        }
        mask[n] != 0
    };
    let overlap = |[yaw, roll]: [f64; 2]| {
        let (yaw, roll) = (yaw.to_radians(), roll.to_radians());
        let normal = [yaw.cos() * roll.cos(), yaw.sin() * roll.cos(), roll.sin()];
        let parts = map_ranges(par, points.len(), 2048, &|range| {
            points[range]
                .iter()
                .filter(|p| {
                    let off: f64 = (0..3).map(|a| (p[a] - centre[a]) * normal[a]).sum();
                    inside(std::array::from_fn(|a| p[a] - 2.0 * off * normal[a]))
                })
                .count()
        });
        parts.iter().sum::<usize>()
    };
    let mut best = ([0.0; 2], overlap([0.0; 2]));
    for (round, step) in TURN.into_iter().enumerate() {
        let from = best.0;
        let reach = if round == 0 { 4 } else { 1 };
        for a in -reach..=reach {
            for b in -reach..=reach {
                let turn = [from[0] + f64::from(a) * step, from[1] + f64::from(b) * step];
                let found = overlap(turn);
                if found > best.1 {
                    best = (turn, found);
                }
            }
        }
    }
    1.0 - best.1 as f64 / points.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Affine, Serial};

    #[test]
    fn turned_ellipsoid_is_symmetrical_and_half_of_it_is_not() {
        let grid = Grid::new([90, 100, 80], Affine::from_spacing([2.0; 3], [-90.0, -100.0, -80.0])).unwrap();
        let (s, c) = 9f64.to_radians().sin_cos();
        let mask = |cut: f64| -> Vec<u8> {
            (0..grid.len())
                .map(|n| {
                    let p = grid.affine.apply([n % 90, n / 90 % 100, n / 9000].map(|v| v as f64));
                    let q = [c * p[0] + s * p[1], c * p[1] - s * p[0], p[2]];
                    let inside = (q[0] / 60.0).powi(2) + (q[1] / 80.0).powi(2) + (q[2] / 55.0).powi(2) < 1.0;
                    u8::from(inside && !(q[0] > 25.0 && q[2] > cut))
                })
                .collect()
        };
        let whole = asymmetry(&Serial, &mask(1e9), &grid);
        assert!(whole < 0.03, "{whole}");
        let lacking = asymmetry(&Serial, &mask(0.0), &grid);
        assert!(lacking > 0.06, "{lacking}");
        assert_eq!(asymmetry(&Serial, &vec![0; grid.len()], &grid), 0.0);
    }
}
