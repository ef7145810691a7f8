//! Holes of a mask: background that the border of the volume does not reach.

use crate::components::paint;
use crate::permute::permuted;
use crate::runs::{Link, Runs};
use crate::{Parallel, bounding_box};

/// The mask with its holes filled: background that is not 6-connected to the border of the volume becomes
/// foreground.
pub fn fill_holes(par: &dyn Parallel, mask: &[u8], shape: [usize; 3]) -> Vec<u8> {
    let links = [Link { dj: -1, dk: 0, reach: 0 }, Link { dj: 0, dk: -1, reach: 0 }];
    filled(par, mask, shape, &links, [true; 3])
}

/// The mask with the holes of each slice across `axis` (0, 1 or 2) filled: background that is not 4-connected,
/// within the slice, to the border of the slice becomes foreground.
pub fn fill_holes_slices(par: &dyn Parallel, mask: &[u8], shape: [usize; 3], axis: usize) -> Vec<u8> {
    match axis {
        2 => filled(par, mask, shape, &[Link { dj: -1, dk: 0, reach: 0 }], [true, true, false]),
        1 => filled(par, mask, shape, &[Link { dj: 0, dk: -1, reach: 0 }], [true, false, true]),
        _ => {
            // Runs lie along x, so x must lie in the slice.
            let [nx, ny, nz] = shape;
            let turned = permuted(par, mask, shape, [1, 0, 2]);
            let filled = fill_holes_slices(par, &turned, [ny, nx, nz], 1);
            permuted(par, &filled, [ny, nx, nz], [1, 0, 2])
        }
    }
}

/// `borders` tells along which axes the border opens a hole.
fn filled(par: &dyn Parallel, mask: &[u8], shape: [usize; 3], links: &[Link], borders: [bool; 3]) -> Vec<u8> {
    let mut out = vec![0; mask.len()];
    let Some(bounds) = bounding_box(par, mask, shape) else { return out };
    // All background outside the box around the mask is open, and so is what touches it.
    let part = bounds.cut(mask, shape, 0);
    let [nx, ny, nz] = bounds.shape();
    let runs = Runs::new(par, &part, [nx, ny, nz], false, links);
    let mut open = vec![false; runs.runs.len()];
    for r in 0..ny * nz {
        let (j, k) = (r % ny, r / ny);
        let edge = borders[1] && (j == 0 || j == ny - 1) || borders[2] && (k == 0 || k == nz - 1);
        for n in runs.of_row(r) {
            let run = runs.runs[n];
            if edge || run.begin == 0 || run.end as usize == nx {
                open[runs.roots[n] as usize] = true;
            }
        }
    }
    let mut holes = vec![0u8; part.len()];
    paint(par, &mut holes, [nx, ny, nz], &runs, &|n| u8::from(!open[runs.roots[n] as usize]));
    for (hole, &v) in holes.iter_mut().zip(&part) {
        *hole |= u8::from(v != 0);
    }
    bounds.paste(&holes, &mut out, shape);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::Threads;
    use crate::testing::pattern_below;
    use crate::{Serial, permute};

    const SHAPE: [usize; 3] = [23, 19, 17];

    fn count(mask: &[u8]) -> usize {
        mask.iter().map(|&v| usize::from(v)).sum()
    }

    #[test]
    fn as_many_voxels_are_filled_as_by_scipy() {
        // scipy 1.17.1, ndimage.binary_fill_holes, of the volume and of its slices.
        let mask = pattern_below(SHAPE, 70.0);
        assert_eq!(count(&mask), 5386);
        assert_eq!(count(&fill_holes(&Threads(3), &mask, SHAPE)), 6070);
        let slices = [0, 1, 2].map(|axis| count(&fill_holes_slices(&Threads(3), &mask, SHAPE, axis)));
        assert_eq!(slices, [6535, 6551, 6670]);
        assert_eq!(count(&fill_holes(&Serial, &pattern_below(SHAPE, 80.0), SHAPE)), 6811);
    }

    #[test]
    fn a_box_is_filled_and_a_tube_only_in_its_slices() {
        let shape = [6, 7, 5];
        let wall = |open_at_top: bool| -> Vec<u8> {
            (0..210)
                .map(|n| {
                    let v = [n % 6, n / 6 % 7, n / 42];
                    let inside = (2..4).contains(&v[0]) && (2..5).contains(&v[1]) && v[2] >= 1;
                    let hollow = inside && (open_at_top || v[2] < 4);
                    u8::from((1..5).contains(&v[0]) && (1..6).contains(&v[1]) && !hollow)
                })
                .collect()
        };
        let tube = wall(true);
        assert_eq!(fill_holes(&Serial, &tube, shape), tube);
        assert_eq!(count(&fill_holes_slices(&Serial, &tube, shape, 2)), 4 * 5 * 5);
        assert_eq!(count(&fill_holes(&Serial, &wall(false), shape)), 4 * 5 * 5);
        // The same tube along x.
        let turned = permute::permuted(&Serial, &tube, shape, [2, 0, 1]);
        assert_eq!(count(&fill_holes_slices(&Serial, &turned, [5, 6, 7], 0)), 4 * 5 * 5);
        assert_eq!(fill_holes_slices(&Serial, &turned, [5, 6, 7], 1), turned);
        assert_eq!(fill_holes(&Serial, &[0; 210], shape), [0; 210]);
    }
}
