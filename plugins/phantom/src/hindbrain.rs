//! Brain stem and cerebellum.

use crate::cavity::Inner;
use crate::dura::tentorium;
use crate::shapes::{ellipsoid, rod};
use crate::subject::Subject;
use crate::texture::Texture;
use crate::vector::{Point, lerp, smooth, smooth_min};

/// Distance to midbrain, pons and medulla, negative inside.
pub fn brainstem(q: Point) -> f32 {
    if q[0].abs() > 36.0 || q[1] > 14.0 || q[1] < -60.0 || q[2] > 20.0 {
        return 20.0;
    }
    // Midbrain with its two peduncles, pons, medulla.
    let m: Point = [q[0].abs(), q[1], q[2]];
    let midbrain = smooth_min(
        ellipsoid(q, [0.0, -26.0, -10.0], [14.0, 8.5, 13.0]),
        rod(m, [6.0, -22.0, -18.0], [12.0, -14.0, -2.0], 6.0, 6.5),
        4.0,
    );
    let pons = ellipsoid(q, [0.0, -24.0, -27.0], [16.5, 10.5, 13.0]);
    let medulla = rod(q, [0.0, -30.0, -34.0], [0.0, -41.0, -56.0], 8.5, 6.2);
    smooth_min(smooth_min(midbrain, pons, 4.0), medulla, 5.0)
}

/// Distance to the cerebellum, negative inside: two hemispheres and the vermis, under the tentorium and clear
/// of the bone, and the peduncles that hold it.
fn cerebellum(subject: &Subject, q: Point, inner: Inner) -> f32 {
    let m: Point = [q[0].abs(), q[1], q[2]];
    let hemisphere = ellipsoid(m, [24.0, -60.0, -31.0], [40.0, 37.0, 30.0]);
    let vermis = ellipsoid(q, [0.0, -61.0, -22.0], [13.0, 27.0, 26.0]);
    let gap = 0.8 + 0.6 * subject.gap;
    let whole = smooth_min(hemisphere, vermis, 4.0);
    // The flocculus and tonsils leave the angle and the great cistern free.
    let room = (gap + inner.distance).max(q[2] - tentorium(q[0], q[1]) + 1.3);
    let great_cistern = -ellipsoid(q, [0.0, -74.0, -53.0], [13.0, 14.0, 9.0 + 3.0 * subject.atrophy]);
    let bounded = whole.max(room).max(2.2 - brainstem(q)).max(great_cistern);
    let peduncle = rod(m, [10.0, -27.0, -27.0], [22.0, -42.0, -30.0], 6.5, 7.5);
    bounded.min(peduncle.max(room))
}

/// Density of what is below the tentorium: stem, cerebellum with its folia, CSF.
pub fn hindbrain(subject: &Subject, texture: &Texture, q: Point, inner: Inner) -> f32 {
    let hu = &subject.hu;
    let stem = brainstem(q);
    if stem < 0.0 {
        return lerp(hu.white, hu.grey, 0.45) + 0.8 * texture.at(q, 4.0);
    }
    let d = cerebellum(subject, q, inner);
    if d > 0.0 {
        return hu.csf;
    }
    let m: Point = [q[0].abs(), q[1], q[2]];
    // Medullary core with branches, cortex in fine leaves with CSF between them near the surface.
    let core = ellipsoid(m, [19.0, -52.0, -31.0], [15.0, 13.0, 9.0]) + 3.0 * texture.at(q, 6.0);
    let white = smooth((1.5 - core) / 3.0);
    let leaf = ((q[2] + 0.35 * q[1] + 1.6 * texture.at(q, 11.0)) / 4.6).fract().abs();
    let fold = (1.0 - ((leaf - 0.5).abs() * 4.0)).max(0.0) * smooth((7.0 + d) / 5.0);
    let fissure = (4.0 + 5.0 * subject.atrophy) * fold;
    lerp(hu.grey - fissure, hu.white, white) + 0.7 * texture.at(q, 4.0)
}
