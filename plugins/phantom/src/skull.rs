//! Bone of the vault and base: thickness, tables and diploe, sutures, air cells.

use crate::cavity::Inner;
use crate::shapes::level;
use crate::subject::Subject;
use crate::texture::Texture;
use crate::vector::{Point, bump, lerp, smooth};

/// Thickness of the skull at `q`, mm: thin at the temples, thick at the occipital protuberance; under the
/// floor what the floor says.
pub fn thickness(subject: &Subject, texture: &Texture, q: Point, inner: Inner) -> f32 {
    let square = |v: f32, width: f32| (v / width) * (v / width);
    let mut vault = subject.vault * (1.0 + 0.16 * texture.at(q, 21.0));
    let temple =
        bump(square(q[1] - 2.0, 26.0) + square(q[2] + 8.0, 20.0)) * smooth((q[0].abs() - 40.0) / 12.0);
    vault *= 1.0 - 0.5 * temple;
    if q[1] < -70.0 {
        vault += 5.0 * bump(square(q[0], 11.0) + square(q[2] + 20.0, 11.0));
    }
    vault += 1.5 * smooth((q[1] - 45.0) / 15.0);
    let vault = vault.clamp(2.2, 14.0);
    // Where the floor's distance rules, so does its bone.
    let floor = smooth((inner.below * 0.75 - inner.vault + 4.0) / 8.0);
    lerp(vault, inner.floor_bone, floor)
}

/// Density of the skull at depth `depth` under the inner table where it is `thick` mm thick.
pub fn bone(subject: &Subject, texture: &Texture, q: Point, depth: f32, thick: f32, inner: Inner) -> f32 {
    let hu = &subject.hu;
    let ax = q[0].abs();
    if let Some(air) = frontal_sinus(subject, texture, q, depth, thick, inner) {
        return air;
    }
    if ax > 10.0
        && (-62.0..-12.0).contains(&q[2])
        && (-66.0..-8.0).contains(&q[1])
        && let Some(value) = temporal_bone(subject, texture, q, depth)
    {
        return value;
    }
    // Compact tables of 1.2 to 1.8 mm about the spongy diploe; thin bone is compact throughout.
    let from_surface = depth.min(thick - depth);
    let table = (0.24 * thick).clamp(1.0, 1.7);
    let spongy = smooth((from_surface - table) / 0.7);
    let mut value = lerp(hu.cortical, hu.diploe + 90.0 * texture.at(q, 3.0), spongy);
    if suture(texture, q, inner) < 0.7 {
        value = value.min(250.0);
    }
    value
}

/// Distance to the coronal, sagittal and lambdoid sutures on the vault: zigzag lines.
fn suture(texture: &Texture, q: Point, inner: Inner) -> f32 {
    if q[2] < -5.0 || inner.vault < 0.0 {
        return 9.0;
    }
    let zigzag = 2.2 * texture.at(q, 3.5);
    let coronal = (q[1] - 14.0 + 0.18 * q[0].abs() - zigzag).abs();
    let lambdoid = (q[1] + 84.0 - 0.55 * q[0].abs() + 0.25 * (q[2] - 10.0) + zigzag).abs();
    let sagittal = if q[1] < 14.0 && q[2] > 20.0 && q[1] > -80.0 { (q[0] - zigzag).abs() } else { 9.0 };
    coronal.min(lambdoid).min(sagittal)
}

/// The frontal sinus: air between the tables above the nose, lobed, with a septum.
fn frontal_sinus(
    subject: &Subject,
    texture: &Texture,
    q: Point,
    depth: f32,
    thick: f32,
    inner: Inner,
) -> Option<f32> {
    if subject.frontal_sinus <= 0.0 || q[1] < 48.0 || q[2] > 24.0 || q[0].abs() > 32.0 {
        return None;
    }
    let extent = level(q, [1.5, 72.0, -16.0], [26.0, 40.0, 24.0 * subject.frontal_sinus]);
    let lobes = 0.16 * texture.at(q, 7.0);
    let wall = depth.min(thick - depth).min((q[0] - 1.5).abs() + 0.6);
    (extent + lobes < 1.0 && wall > 1.4 && inner.vault > 0.0).then_some(-1000.0)
}

/// Mastoid air cells, tympanic cavity, otic capsule with its fluid, internal and external auditory canals.
fn temporal_bone(subject: &Subject, texture: &Texture, q: Point, depth: f32) -> Option<f32> {
    let m: Point = [q[0].abs(), q[1], q[2]];
    if depth > 1.0 && air_cells(subject, texture, q, m) {
        return Some(-980.0);
    }
    if level(m, [37.0, -25.0, -35.0], [3.0, 6.0, 6.0]) < 1.0 {
        return Some(-1000.0); // tympanic cavity; the ossicles are too small to matter
    }
    if level(m, [25.0, -29.0, -31.0], [2.2, 5.0, 1.8]) < 1.0 && depth > 0.0 {
        return Some(20.0); // internal auditory canal
    }
    if level(m, [31.0, -27.0, -32.0], [8.0, 6.0, 6.0]) < 1.0 {
        let labyrinth = level(m, [31.0, -27.0, -32.0], [3.4, 1.8, 1.8]) < 1.0;
        return Some(if labyrinth { 40.0 } else { subject.hu.petrous });
    }
    None
}

/// Whether the mastoid is air at `m` (mirrored `q`): bubbles that leave thin walls.
fn air_cells(subject: &Subject, texture: &Texture, q: Point, m: Point) -> bool {
    let extent = level(m, [54.0, -42.0, -38.0], [12.0, 16.0, 17.0]);
    extent < 1.0 && texture.at(q, 2.6) < 2.4 * (subject.mastoid - 0.25) - 1.2 * (extent - 0.4)
}
