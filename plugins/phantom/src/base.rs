//! The floor of the cranial cavity: three fossae, sella, petrous ridges, clivus, foramen magnum.

use crate::vector::{bump, length, lerp, smooth};

/// Height of the plane of the foramen magnum, where the cavity ends by definition.
pub const FORAMEN_Z: f32 = -55.0;

/// Centre (y) and radii (x, y) of the foramen magnum.
pub const FORAMEN: [f32; 3] = [-43.0, 14.5, 17.5];

/// 1 on the rim of the foramen magnum, less inside.
pub fn foramen_level(x: f32, y: f32) -> f32 {
    length(x / FORAMEN[1], (y - FORAMEN[0]) / FORAMEN[2])
}

/// y of the crest that parts the middle from the posterior fossa: dorsum sellae, then petrous ridge.
pub fn petrous_crest(ax: f32) -> f32 {
    -9.0 - 0.62 * (ax - 3.0).max(0.0)
}

/// y of the crest that parts the anterior from the middle fossa: the lesser wing of the sphenoid.
pub fn sphenoid_crest(ax: f32) -> f32 {
    6.0 + 15.0 * smooth((ax - 10.0) / 45.0)
}

/// Height of the floor at (x, y), and the thickness of the bone under it.
pub fn floor(x: f32, y: f32) -> (f32, f32) {
    let ax = x.abs();
    let square = |v: f32, width: f32| (v / width) * (v / width);
    let lateral = smooth((ax - 9.0) / 10.0);

    // Anterior fossa: orbital roofs bulge up, the cribriform plate lies low.
    let roof = bump(square(ax - 30.0, 15.0) + square(y - 40.0, 19.0));
    let anterior = -22.0 + 7.0 * roof - 4.0 * bump(square(ax, 6.0) + square(y - 38.0, 16.0));
    let anterior_bone = lerp(4.0, 2.0, roof);

    // Middle fossa, deepest at the sides; the sella in the midline.
    let sella = bump(square(ax, 6.5) + square(y + 1.0, 5.0));
    let temporal = -37.0 - 3.0 * bump(square(ax - 42.0, 12.0) + square(y - 2.0, 14.0));
    let middle = lerp(-24.0 - 8.0 * sella, temporal, lateral);
    let middle_bone = lerp(2.5, 4.0, lateral);

    let front = smooth((y - sphenoid_crest(ax) + 5.0) / 9.0);
    let ahead = lerp(middle, anterior, front);
    let ahead_bone = lerp(middle_bone, anterior_bone, front);

    // The crest rises from the middle fossa and falls steeply into the posterior one.
    let crest = -20.5 - 3.5 * bump(square(ax - 11.0, 4.0));
    let beyond = y - petrous_crest(ax);
    if beyond >= 0.0 {
        let near = bump(square(beyond, lerp(3.5, 10.0, lateral)));
        let height = lerp(ahead, crest, near).max(FORAMEN_Z);
        let petrous = near * smooth((ax - 10.0) / 8.0);
        return (height, lerp(ahead_bone, 14.0, petrous));
    }
    let fall = smooth(-beyond / lerp(18.0, 15.0, lateral));
    let height = lerp(crest, -60.0, fall).max(FORAMEN_Z);
    (height, lerp(16.0, 5.0, smooth((-beyond - 18.0) / 10.0)))
}
