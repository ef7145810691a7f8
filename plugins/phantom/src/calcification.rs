//! Calcifications that look like blood to the hasty: pineal, choroid plexus, pallidum, falx, carotid.

use crate::dura::falx_x;
use crate::shapes::level;
use crate::subject::Subject;
use crate::texture::Texture;
use crate::vector::{Point, sub};

/// Density of a calcification at `q`, if there is one.
pub fn calcification(subject: &Subject, texture: &Texture, q: Point) -> Option<f32> {
    let c = &subject.calcified;
    let m: Point = [q[0].abs(), q[1], q[2]];
    let lump =
        |p: Point, centre: Point, radii: Point| level(p, centre, radii) + 0.3 * texture.at(q, 2.0) < 1.0;
    // Within reach of a place, the only part of the brain where the costly question is asked.
    let near = |p: Point, centre: Point, reach: f32| sub(p, centre).iter().all(|v| v.abs() < reach);
    let pineal =
        || c.pineal > 0.0 && near(q, [0.0, -27.5, 1.5], 7.0) && lump(q, [0.0, -27.5, 1.5], [c.pineal; 3]);
    let choroid = || {
        let r = c.choroid[usize::from(q[0] > 0.0)];
        r > 0.0
            && near(m, [22.0, -39.0, 8.0], 12.0)
            && lump(m, [22.0, -39.0, 8.0], [0.7 * r, 1.25 * r, 0.9 * r])
    };
    let falx = || {
        let flat = [q[0] - falx_x(subject, q), q[1], q[2]];
        c.falx > 0.0
            && near(q, [0.0, 30.0, 40.0], 14.0)
            && level(flat, [0.0, 30.0, 40.0], [subject.look_alikes.plaque, c.falx, c.falx]) < 1.0
    };
    let carotid = || {
        let r = c.carotid;
        r > 0.0 && near(m, [11.0, -1.0, -22.0], 7.0) && lump(m, [11.0, -1.0, -22.0], [r, 2.5 * r, r])
    };
    let pallidum = || {
        let r = c.pallidum;
        r > 0.0 && near(m, [17.5, -1.0, -1.0], 9.0) && lump(m, [17.5, -1.0, -1.0], [0.7 * r, 1.6 * r, r])
    };
    let share = if pineal() || choroid() || falx() || carotid() {
        1.0
    } else if pallidum() {
        0.5 // fainter than the others
    } else {
        return None;
    };
    // Grains: denser here and there.
    Some(share * c.hu * (1.0 + 0.25 * texture.at(q, 1.5)))
}
