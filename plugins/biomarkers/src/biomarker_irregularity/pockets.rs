//! Concavities of a slice, for outlines that a profile from the centroid cannot follow.

use super::slice::Slice;
use ichor_image::{Connectivity, Serial, components};

/// A concavity counts when it is deeper than this, mm.
const DEPTH_MM: f64 = 2.0;

/// Parts of the convex hull that the slice leaves free, deeper than 2 mm below the hull's sides: as many runs of
/// the outline bulge between them.
pub fn pockets(slice: &Slice) -> usize {
    let hull = slice.hull();
    let [nx, ny] = slice.shape;
    // Depth below the nearest side; not positive outside the hull.
    let depth = |p: [f64; 2]| {
        (0..hull.len())
            .map(|n| {
                let (a, b) = (hull[n], hull[(n + 1) % hull.len()]);
                let (x, y) = (b[0] - a[0], b[1] - a[1]);
                (x * (p[1] - a[1]) - y * (p[0] - a[0])) / x.hypot(y)
            })
            .fold(f64::INFINITY, f64::min)
    };
    let mut free = vec![0u8; nx * ny];
    let mut depths = vec![0f64; nx * ny];
    for n in 0..nx * ny {
        if slice.mask[n] == 0 {
            depths[n] = depth(slice.plane.apply([(n % nx) as f64, (n / nx) as f64]));
            free[n] = u8::from(depths[n] > 0.0);
        }
    }
    let found = components(&Serial, &free, [nx, ny, 1], Connectivity::Six);
    let mut deepest = vec![0f64; found.sizes.len()];
    for (label, d) in found.labels.iter().zip(&depths).filter(|(l, _)| **l > 0) {
        let deepest = &mut deepest[*label as usize - 1];
        *deepest = deepest.max(*d);
    }
    deepest.iter().filter(|d| **d > DEPTH_MM).count()
}
