//! Largest distances between the outer corners of a lesion's voxels.

use crate::hull::hull;
use crate::lesion::{Lesion, Run};
use ichor_image::{Grid, Parallel, parallel::map_ranges};
use std::collections::BTreeMap;

/// Corners of the outline of one slice, `(i, j)` counted so that voxel (i, j) spans i..i+1 and j..j+1.
pub fn outline(slice: &[Run]) -> Vec<[i32; 2]> {
    let mut corners = Vec::with_capacity(4 * slice.len());
    for run in slice {
        let (begin, end, j) = (run.begin as i32, run.end as i32, run.j as i32);
        corners.extend([[begin, j], [end, j], [begin, j + 1], [end, j + 1]]);
    }
    hull(&mut corners)
}

/// World positions (RAS+ mm) of voxel corners that span the convex hull of the lesion; their number grows
/// with its outline, not with its volume.
pub fn corners(lesion: &Lesion, grid: &Grid) -> Vec<[f64; 3]> {
    // A plane between two slices holds corners of both.
    let mut planes: BTreeMap<u32, Vec<[i32; 2]>> = BTreeMap::new();
    for slice in lesion.slices() {
        let outline = outline(slice);
        planes.entry(slice[0].k + 1).or_default().extend(&outline);
        planes.entry(slice[0].k).or_default().extend(outline);
    }
    let corner = |p: [i32; 2], plane: u32| {
        grid.affine.apply([f64::from(p[0]) - 0.5, f64::from(p[1]) - 0.5, f64::from(plane) - 0.5])
    };
    planes.iter_mut().flat_map(|(&k, points)| hull(points).into_iter().map(move |p| corner(p, k))).collect()
}

/// The largest distance between two of `points`, and the pair; `None` without points.
pub fn largest_distance<const D: usize>(
    par: &dyn Parallel,
    points: &[[f64; D]],
) -> Option<(f64, [f64; D], [f64; D])> {
    let square = |a: &[f64; D], b: &[f64; D]| (0..D).map(|c| (a[c] - b[c]).powi(2)).sum::<f64>();
    let farthest = |from: [f64; D]| {
        points.iter().copied().reduce(|x, y| if square(&from, &y) > square(&from, &x) { y } else { x })
    };
    // A long pair found in two passes leaves only points far from its middle as candidates: each end of a
    // longer one is at least `shortest - reach` from the middle, for the other is at most `reach` away.
    let p = farthest(*points.first()?)?;
    let q = farthest(p)?;
    let middle = std::array::from_fn(|c| (p[c] + q[c]) / 2.0);
    let reach = square(&middle, &farthest(middle)?).sqrt();
    let shortest = square(&p, &q).sqrt() - reach - 1e-6;
    let far: Vec<[f64; D]> =
        points.iter().copied().filter(|p| square(&middle, p).sqrt() >= shortest).collect();
    let best = map_ranges(par, far.len(), 64, &|range| {
        let mut best = (-1.0, p, q);
        for (n, a) in far.iter().enumerate().take(range.end).skip(range.start) {
            for b in &far[n..] {
                let d = square(a, b);
                if d > best.0 {
                    best = (d, *a, *b);
                }
            }
        }
        best
    });
    best.into_iter().reduce(|x, y| if y.0 > x.0 { y } else { x }).map(|(d, a, b)| (d.sqrt(), a, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesion::whole;
    use ichor_image::{Affine, Serial};

    fn feret(mask: &[u8], grid: &Grid) -> f64 {
        largest_distance(&Serial, &corners(&whole(mask, grid.shape), grid)).unwrap().0
    }

    #[test]
    fn diameter_of_a_box_is_its_diagonal_on_an_oblique_grid() {
        // Columns at right angles, 0.5, 1 and 4 mm long, turned by 30 degrees about the first.
        let (s, c) = 30f64.to_radians().sin_cos();
        let affine = Affine([[-0.5, 0.0, 0.0, 9.0], [0.0, c, -4.0 * s, 0.0], [0.0, s, 4.0 * c, 0.0]]);
        let grid = Grid::new([12, 9, 7], affine).unwrap();
        let mut mask = vec![0; grid.len()];
        for (i, j, k) in (2..10).flat_map(|i| (1..7).flat_map(move |j| (3..6).map(move |k| (i, j, k)))) {
            mask[grid.index(i, j, k)] = 1;
        }
        // 8 x 0.5, 6 x 1, 3 x 4 mm
        assert!((feret(&mask, &grid) - (4f64.powi(2) + 6f64.powi(2) + 12f64.powi(2)).sqrt()).abs() < 1e-9);
    }

    #[test]
    fn diameter_spans_empty_slices_and_matches_brute_force() {
        let grid = Grid::new([9, 8, 7], Affine::from_spacing([0.7, 0.9, 2.5], [0.0; 3])).unwrap();
        let mut mask = vec![0; grid.len()];
        let voxels = [(1, 1, 0), (2, 5, 0), (4, 4, 2), (7, 0, 5), (3, 3, 6), (8, 7, 5)];
        for (i, j, k) in voxels {
            mask[grid.index(i, j, k)] = 1;
        }
        let all: Vec<[f64; 3]> = voxels
            .iter()
            .flat_map(|&(i, j, k)| {
                (0..8).map(move |c| {
                    [
                        i as f64 - 0.5 + (c & 1) as f64,
                        j as f64 - 0.5 + (c >> 1 & 1) as f64,
                        k as f64 - 0.5 + (c >> 2) as f64,
                    ]
                })
            })
            .map(|v| grid.affine.apply(v))
            .collect();
        let brute = largest_distance(&Serial, &all).unwrap().0;
        assert!((feret(&mask, &grid) - brute).abs() < 1e-12);
    }
}
