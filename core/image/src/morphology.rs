//! Morphology with a ball whose radius is in mm, through the distance transform.
//!
//! What lies outside the volume is background. All four work on the box around the mask only, so they are quick
//! for small objects in large volumes.

use crate::parallel::for_each_chunk;
use crate::{Bounds, Parallel, bounding_box, distance_to};

/// Voxels within `radius_mm` of a voxel of the mask, the radius itself included. A radius of 0 or less changes
/// nothing.
pub fn dilate(
    par: &dyn Parallel,
    mask: &[u8],
    shape: [usize; 3],
    spacing: [f64; 3],
    radius_mm: f64,
) -> Vec<u8> {
    in_box(par, mask, shape, reach(spacing, radius_mm), |part, size| {
        dilated(par, part, size, spacing, radius_mm)
    })
}

/// Voxels of the mask that are more than `radius_mm` away from all background, so that it is the dilation of
/// the background that is taken away.
pub fn erode(
    par: &dyn Parallel,
    mask: &[u8],
    shape: [usize; 3],
    spacing: [f64; 3],
    radius_mm: f64,
) -> Vec<u8> {
    // One voxel of background all around is enough: what lies further out is further away.
    in_box(par, mask, shape, [1; 3], |part, size| eroded(par, part, size, spacing, radius_mm))
}

/// Erosion, then dilation: takes away what a ball inside the mask cannot reach.
pub fn open(
    par: &dyn Parallel,
    mask: &[u8],
    shape: [usize; 3],
    spacing: [f64; 3],
    radius_mm: f64,
) -> Vec<u8> {
    in_box(par, mask, shape, [1; 3], |part, size| {
        dilated(par, &eroded(par, part, size, spacing, radius_mm), size, spacing, radius_mm)
    })
}

/// Dilation, then erosion: fills what a ball outside the mask cannot reach. The border of the volume does not
/// act: the mask is dilated beyond it.
pub fn close(
    par: &dyn Parallel,
    mask: &[u8],
    shape: [usize; 3],
    spacing: [f64; 3],
    radius_mm: f64,
) -> Vec<u8> {
    in_box(par, mask, shape, reach(spacing, radius_mm), |part, size| {
        eroded(par, &dilated(par, part, size, spacing, radius_mm), size, spacing, radius_mm)
    })
}

/// Voxels by which a ball grows a box, and one more.
fn reach(spacing: [f64; 3], radius_mm: f64) -> [usize; 3] {
    spacing.map(|s| (limit(radius_mm.max(0.0)) / s) as usize + 1)
}

/// The radius with room for the rounding of distances, so that 3 voxels of 0.1 mm are 0.3 mm.
fn limit(radius_mm: f64) -> f64 {
    radius_mm * (1.0 + 1e-6)
}

/// Cuts out the box around the mask with `margin` voxels more, works there, and puts the result back.
fn in_box(
    par: &dyn Parallel,
    mask: &[u8],
    shape: [usize; 3],
    margin: [usize; 3],
    work: impl Fn(&[u8], [usize; 3]) -> Vec<u8>,
) -> Vec<u8> {
    let mut out = vec![0; mask.len()];
    if let Some(bounds) = bounding_box(par, mask, shape) {
        let bounds: Bounds = bounds.grown(margin);
        let part = work(&bounds.cut(mask, shape, 0), bounds.shape());
        bounds.paste(&part, &mut out, shape);
    }
    out
}

fn dilated(par: &dyn Parallel, mask: &[u8], shape: [usize; 3], spacing: [f64; 3], radius_mm: f64) -> Vec<u8> {
    let limit = limit(radius_mm.max(0.0)) as f32;
    by_distance(par, mask, shape, spacing, &|d| d <= limit)
}

fn eroded(par: &dyn Parallel, mask: &[u8], shape: [usize; 3], spacing: [f64; 3], radius_mm: f64) -> Vec<u8> {
    let limit = limit(radius_mm.max(0.0)) as f32;
    let background: Vec<u8> = mask.iter().map(|&v| u8::from(v == 0)).collect();
    by_distance(par, &background, shape, spacing, &|d| d > limit)
}

fn by_distance(
    par: &dyn Parallel,
    mask: &[u8],
    shape: [usize; 3],
    spacing: [f64; 3],
    keep: &(dyn Fn(f32) -> bool + Sync),
) -> Vec<u8> {
    let distance = distance_to(par, mask, shape, spacing);
    let mut out = vec![0; distance.len()];
    for_each_chunk(par, &mut out, 1 << 16, &|n, part| {
        let distance = &distance[n << 16..][..part.len()];
        part.iter_mut().zip(distance).for_each(|(o, &d)| *o = u8::from(keep(d)));
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::Threads;
    use crate::testing::noise;
    use crate::{Serial, random::at};

    fn count(mask: &[u8]) -> usize {
        mask.iter().map(|&v| usize::from(v)).sum()
    }

    #[test]
    fn a_voxel_grows_to_the_ball_of_lattice_points() {
        // 33 integer points lie within 2 of the origin, and 257 within 4 (OEIS A000605).
        let shape = [11, 11, 11];
        let mut mask = vec![0; 1331];
        mask[5 + 11 * (5 + 11 * 5)] = 1;
        assert_eq!(count(&dilate(&Serial, &mask, shape, [1.0; 3], 2.0)), 33);
        assert_eq!(count(&dilate(&Serial, &mask, shape, [0.1; 3], 0.4)), 257);
        // Only x and y are within 2 mm when slices are 5 mm apart: 13 points of a disc.
        assert_eq!(count(&dilate(&Serial, &mask, shape, [1.0, 1.0, 5.0], 2.0)), 13);
        let ball = dilate(&Serial, &mask, shape, [1.0; 3], 4.0);
        assert_eq!(erode(&Serial, &ball, shape, [1.0; 3], 3.9), mask);
        assert_eq!(dilate(&Serial, &mask, shape, [1.0; 3], 0.0), mask);
    }

    #[test]
    fn the_outside_is_background_and_closing_does_not_see_the_border() {
        let shape = [8, 8, 8];
        let full = vec![1; 512];
        assert_eq!(count(&erode(&Serial, &full, shape, [1.0; 3], 1.0)), 216);
        assert_eq!(close(&Serial, &full, shape, [1.0; 3], 3.0), full);
        assert_eq!(erode(&Serial, &full, shape, [1.0; 3], 0.0), full);
        assert_eq!(count(&dilate(&Serial, &[0; 512], shape, [1.0; 3], 3.0)), 0);
    }

    #[test]
    fn all_four_follow_their_definitions() {
        for n in 0..10u64 {
            let shape = [3 + at(1, n) % 14, 3 + at(2, n) % 14, 1 + at(3, n) % 9].map(|v| v as usize);
            let spacing = [0.5, 0.5 + (n % 3) as f64 / 4.0, 1.0 + (n % 4) as f64];
            let radius = 0.5 + (n % 5) as f64 * 0.6;
            let mask = noise(shape.iter().product(), n, 10 + 20 * (n % 5));
            let ball = |inside: &dyn Fn([isize; 3]) -> bool, p: [isize; 3]| -> bool {
                let r: [isize; 3] = std::array::from_fn(|a| (radius / spacing[a]) as isize + 1);
                let mut hit = false;
                for z in -r[2]..=r[2] {
                    for y in -r[1]..=r[1] {
                        for x in -r[0]..=r[0] {
                            let d = [x as f64 * spacing[0], y as f64 * spacing[1], z as f64 * spacing[2]];
                            let near = d.iter().map(|v| v * v).sum::<f64>() <= radius * radius + 1e-6;
                            hit |= near && inside([p[0] + x, p[1] + y, p[2] + z]);
                        }
                    }
                }
                hit
            };
            let get = |m: &[u8], p: [isize; 3]| {
                (0..3).all(|a| (0..shape[a] as isize).contains(&p[a]))
                    && m[p[0] as usize + shape[0] * (p[1] as usize + shape[1] * p[2] as usize)] != 0
            };
            let all = |f: &dyn Fn([isize; 3]) -> bool| -> Vec<u8> {
                (0..mask.len())
                    .map(|n| {
                        [n % shape[0], n / shape[0] % shape[1], n / shape[0] / shape[1]].map(|v| v as isize)
                    })
                    .map(|p| u8::from(f(p)))
                    .collect()
            };
            let dilated = all(&|p| ball(&|q| get(&mask, q), p));
            let eroded = all(&|p| !ball(&|q| !get(&mask, q), p));
            assert_eq!(dilate(&Threads(3), &mask, shape, spacing, radius), dilated);
            assert_eq!(erode(&Threads(3), &mask, shape, spacing, radius), eroded);
            let opened = all(&|p| ball(&|q| get(&eroded, q), p));
            assert_eq!(open(&Threads(3), &mask, shape, spacing, radius), opened);
            // Closing, with the dilation taken beyond the border.
            let closed = all(&|p| !ball(&|q| !ball(&|s| get(&mask, s), q), p));
            assert_eq!(close(&Threads(3), &mask, shape, spacing, radius), closed);
        }
    }
}
