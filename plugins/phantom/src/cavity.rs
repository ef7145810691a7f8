//! The inner table: what is inside the skull.

use crate::base::{FORAMEN, FORAMEN_Z, floor, foramen_level};
use crate::subject::Subject;
use crate::texture::Texture;
use crate::vector::{Point, smooth, smooth_max};

/// Where a point is with respect to the inner table.
#[derive(Clone, Copy)]
pub struct Inner {
    /// Distance to the inner table, negative inside, mm, first order.
    pub distance: f32,
    /// The same for the vault alone, without the floor.
    pub vault: f32,
    /// Distance below the floor; negative above it.
    pub below: f32,
    /// Thickness of the bone under the floor.
    pub floor_bone: f32,
}

/// Middle of the vault, about which it is an ellipsoid-like body.
pub const CENTRE: Point = [0.0, -15.0, 5.0];
const HALF: Point = [66.5, 83.0, 69.0];
/// Half height below the centre: the posterior fossa.
const HALF_DOWN: f32 = 65.0;

/// The inner table at `q` (reference coordinates).
///
/// A superellipsoid of exponent 2.25, narrower in front, roughened by a field of low frequency, cut by the
/// skull base. The cavity ends at the plane of the foramen magnum.
pub fn inner(subject: &Subject, texture: &Texture, q: Point) -> Inner {
    let y = q[1] - CENTRE[1];
    let z = q[2] - CENTRE[2];
    let width = (1.0 - subject.egg * y / HALF[1]).max(0.5);
    let half = [HALF[0] * width, HALF[1], if z > 0.0 { HALF[2] } else { HALF_DOWN }];
    let t: Point = [(q[0] / half[0]).abs(), (y / half[1]).abs(), (z / half[2]).abs()];
    let root = t.map(|t| t.sqrt().sqrt());
    let sum: f32 = (0..3).map(|a| t[a] * t[a] * root[a]).sum();
    // f = sum^(4/9) is the level; its gradient's length is sum^(-5/9) times the length of (t^1.25 / half).
    let slope = (0..3).map(|a| (t[a] * root[a] / half[a]).powi(2)).sum::<f32>().sqrt();
    let level = sum.powf(4.0 / 9.0);
    let smooth_vault = if slope > 1e-9 { (level - 1.0) * (sum / level) / slope } else { -HALF_DOWN };
    // Roughness fades away from the inner table, where nobody sees it and where it costs.
    let near = smooth((30.0 - smooth_vault.abs()) / 12.0);
    let rough = if near > 0.0 { near * subject.bumps * texture.at(q, 26.0) } else { 0.0 };
    // The frontal and the internal occipital crest.
    let crest = if q[0].abs() < 9.0 && (y > 60.0 || (y < -60.0 && z < -8.0)) {
        3.5 * (1.0 - q[0].abs() / 9.0).powi(2) * (1.0 - z / 30.0).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let vault = smooth_vault + rough + crest;
    if z > 0.0 {
        return Inner { distance: vault, vault, below: -1e3, floor_bone: 0.0 };
    }
    let (height, floor_bone) = floor(q[0], q[1]);
    let mut below = height - q[2];
    let jags = subject.look_alikes.jags;
    if jags > 0.0 && below.abs() < 12.0 {
        below += jags * texture.at(q, 7.0) * smooth((12.0 - below.abs()) / 6.0);
    }
    let closed = smooth_max(vault, below * 0.75, 7.0);
    Inner { distance: closed.min(foramen(q)), vault, below, floor_bone }
}

/// Distance to the last part of the way out, the foramen magnum, negative inside: what the rounded edge between vault
/// and floor would close with bone is open down to its plane.
fn foramen(q: Point) -> f32 {
    const REACH: f32 = 6.0;
    let wall = (foramen_level(q[0], q[1]) - 1.0) * FORAMEN[1];
    wall.max(FORAMEN_Z - q[2]).max(-REACH)
}
