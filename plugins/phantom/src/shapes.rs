//! Distances to simple bodies, negative inside. First order in the ellipsoid's case: right at its surface.

use crate::vector::{Point, dot, lerp, norm, scale, sub};

/// Distance to an axis-aligned ellipsoid.
pub fn ellipsoid(p: Point, centre: Point, radii: Point) -> f32 {
    let d = sub(p, centre);
    let unit = [d[0] / radii[0], d[1] / radii[1], d[2] / radii[2]];
    let f = norm(unit);
    let g = norm([unit[0] / radii[0], unit[1] / radii[1], unit[2] / radii[2]]);
    if g < 1e-6 { -radii[0].min(radii[1]).min(radii[2]) } else { (f - 1.0) * f / g }
}

/// The ellipsoid's level: 0 at the centre, 1 on the surface. Cheaper than the distance.
pub fn level(p: Point, centre: Point, radii: Point) -> f32 {
    let d = sub(p, centre);
    norm([d[0] / radii[0], d[1] / radii[1], d[2] / radii[2]])
}

/// Distance to a rod from `a` to `b` whose radius goes from `ra` to `rb`.
pub fn rod(p: Point, a: Point, b: Point, ra: f32, rb: f32) -> f32 {
    let (pa, ba) = (sub(p, a), sub(b, a));
    let t = (dot(pa, ba) / dot(ba, ba)).clamp(0.0, 1.0);
    norm(sub(pa, scale(ba, t))) - lerp(ra, rb, t)
}
