//! The cerebral hemispheres: gyri and sulci, grey and white matter, deep nuclei, cisterns about them.

use crate::base::petrous_crest;
use crate::cavity::{CENTRE, Inner};
use crate::dura::{falx_x, tentorium};
use crate::hindbrain::brainstem;
use crate::shapes::{ellipsoid, level, rod};
use crate::subject::Subject;
use crate::texture::Texture;
use crate::vector::{Point, bump, length, lerp, norm, scale, smooth, sub};

/// Distance from the surface of the brain, positive in the tissue, negative in CSF, mm: outer surface,
/// midline, fissures, sulci and cisterns together.
pub fn pial_depth(subject: &Subject, texture: &Texture, q: Point, inner: Inner) -> f32 {
    let depth = -inner.distance;
    let ax = q[0].abs();
    // The brain leaves more room at the top and in front when it shrinks, and touches the floor.
    let room = 1.0 + 0.35 * smooth(q[2] / 40.0);
    let mut d = depth - if inner.below > -6.0 { 0.5 * subject.gap } else { subject.gap * room };
    if d < -1.0 {
        return d;
    }
    // Interhemispheric fissure, down to the corpus callosum.
    let arch = (q[1] + 2.0) / 37.0;
    let callosum = if arch.abs() < 1.0 { 25.0 - 17.0 * arch * arch } else { -1e3 };
    let off = (q[0] - falx_x(subject, q)).abs();
    let cleft = 0.55 + 0.5 * subject.sulcus + 0.5 * subject.dura;
    let medial = if q[2] > callosum { off - cleft } else { length((off - cleft).max(0.0), callosum - q[2]) };
    d = d.min(medial);
    // Sulci run into the hemisphere from its outer and its medial surface, but not into its core.
    if d > 0.0 && d < subject.sulcus_depth + 9.0 {
        let core = level(q, [0.0, -6.0, 4.0], [36.0, 48.0, 26.0]);
        if core > 0.8 {
            d = d.min(sulci(subject, texture, q, d) + 30.0 * (1.0 - core).max(0.0));
        }
    }
    if q[2] < 16.0 && q[1] < petrous_crest(ax) {
        d = d.min(q[2] - tentorium(q[0], q[1]) - 1.3);
    }
    d = d.min(sylvian(subject, texture, q, ax));
    d = d.min(cisterns(subject, q, ax));
    d
}

/// Distance to the nearest sulcus: sheets that run inwards from the surface, where a field on the surface is
/// zero. Their width falls to zero at their depth.
fn sulci(subject: &Subject, texture: &Texture, q: Point, depth: f32) -> f32 {
    // The field is read on a shell, so that the sheets stand upright; a little of the depth lets them curve.
    let from = sub(q, CENTRE);
    let radius = norm(from).max(45.0);
    let shell = 62.0 / radius;
    let p = scale(from, 0.86 * shell + 0.14);
    let size = subject.gyrus;
    // |field| / |gradient| is a distance; the mean gradient of the texture serves (its distances saturate).
    let mm = size / shell;
    let to = (texture.at(p, size).abs() * mm * 0.9).min(9.0);
    let deep = subject.sulcus_depth * (0.72 + 0.35 * texture.at(p, 9.0).clamp(-1.5, 0.8));
    let mut d = sheet(to, depth, deep, subject.sulcus);
    // Shallow secondary sulci.
    if depth < 14.0 {
        let offset = [p[0] + 50.0, p[1] - 70.0, p[2] + 30.0];
        let to = (texture.at(offset, 0.72 * size).abs() * mm * 0.7).min(9.0);
        d = d.min(sheet(to, depth, 6.5, 0.45 * subject.sulcus));
    }
    d
}

/// Distance to a sulcus whose sheet is `to` mm away, at `depth`, if it is `deep` mm deep and `half` wide.
fn sheet(to: f32, depth: f32, deep: f32, half: f32) -> f32 {
    if depth < deep { to - half * (1.0 - 0.8 * depth / deep) } else { length(to, depth - deep) - 0.2 * half }
}

/// Distance to the Sylvian fissure: a slanted sheet from the side to the insula, which it uncovers.
fn sylvian(subject: &Subject, texture: &Texture, q: Point, ax: f32) -> f32 {
    if ax < 26.0 || q[1] < -48.0 || q[1] > 34.0 || q[2] < -28.0 || q[2] > 30.0 {
        return 9.0;
    }
    let plane = -6.0 - 0.32 * (q[1] - 10.0) + 3.0 * texture.at(q, 12.0);
    let along = ((q[1] - 20.0).max(-38.0 - q[1])).max(0.0);
    let half = 0.3 + 0.6 * subject.sulcus;
    // Its inner end is the insula: a curved sheet upright at |x| near 37.
    let insula_x = 37.5 - 0.006 * (q[1] + 2.0) * (q[1] + 2.0);
    let sheet = norm([q[2] - plane, along, (insula_x - ax).max(0.0)]) - half;
    let tall = ((q[2] - plane - 1.0).abs() - 10.0).max(0.0);
    let wide = ((q[1] + 3.0).abs() - 19.0).max(0.0);
    let insula = norm([ax - insula_x, tall, wide]) - half;
    sheet.min(insula)
}

/// Distance to the basal cisterns: suprasellar, ambient, quadrigeminal, and the gap under the frontal lobes.
fn cisterns(subject: &Subject, q: Point, ax: f32) -> f32 {
    if ax > 34.0 || q[1] > 24.0 || q[1] < -52.0 || q[2] > 14.0 || q[2] < -36.0 {
        return 9.0;
    }
    let more = 0.8 * subject.atrophy;
    let mut d = 9.0f32;
    if q[2] < 4.0 {
        // The ambient cistern ends where the midbrain meets the thalamus.
        d = d.min(brainstem(q).max(0.0) - 2.4 - more + 1.2 * (q[2] + 6.0).max(0.0));
    }
    // Suprasellar: a star; its arms run to the Sylvian fissures, forwards and round the midbrain.
    d = d.min(ellipsoid(q, [0.0, -2.0, -18.0], [11.0 + more, 11.0 + more, 9.0]));
    let m: Point = [ax, q[1], q[2]];
    d = d.min(rod(m, [6.0, 2.0, -16.0], [33.0, 5.0, -9.0], 2.6 + more, 1.6 + more));
    d = d.min(rod(q, [0.0, 4.0, -18.0], [0.0, 20.0, -17.0], 2.6 + more, 1.2 + more));
    d = d.min(ellipsoid(q, [0.0, -37.0, -3.0], [6.5 + more, 4.5 + more, 6.5]));
    d
}

/// How much of `q` is a deep grey nucleus, 0 to 1.
pub fn nuclei(q: Point) -> f32 {
    let m: Point = [q[0].abs(), q[1], q[2]];
    if m[0] > 34.0 || q[1] > 30.0 || q[1] < -34.0 || q[2] > 26.0 || q[2] < -16.0 {
        return 0.0;
    }
    // The lentiform nucleus opens outwards.
    let turned = [m[0] + 0.25 * (q[1] - 2.0), q[1], q[2]];
    let bodies = [
        level(m, [14.5, 14.0, 6.0], [5.0, 9.0, 9.0]), // head of the caudate
        level(m, [16.0, -8.0, 20.0], [2.6, 16.0, 3.5]), // its body
        level(turned, [24.5, 1.0, 1.0], [5.0, 15.0, 9.0]), // putamen
        level(turned, [18.0, -2.5, -1.0], [4.2, 9.0, 6.5]), // pallidum
        level(m, [10.0, -16.0, 6.5], [8.5, 13.5, 9.0]), // thalamus
    ];
    let nearest = bodies.iter().fold(9.0f32, |a, &b| a.min(b));
    smooth((1.12 - nearest) / 0.24)
}

/// Density of the cerebrum `depth` mm under its surface and `to_ventricle` mm from a ventricle.
pub fn cerebrum(subject: &Subject, texture: &Texture, q: Point, depth: f32, to_ventricle: f32) -> f32 {
    let hu = &subject.hu;
    let cortex = subject.cortex * (1.0 + 0.12 * texture.at(q, 9.0));
    let cortical = smooth((cortex - depth) / 1.2 + 0.5);
    let grey = cortical.max(nuclei(q));
    let pale = subject.leukoaraiosis
        * bump((to_ventricle.max(0.0) / 7.0).powi(2))
        * (0.8 + 0.3 * texture.at(q, 8.0));
    lerp(hu.white - pale.max(0.0), hu.grey, grey) + 0.7 * texture.at(q, 5.0)
}
