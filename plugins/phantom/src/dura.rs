//! Falx, tentorium and the venous sinuses.

use crate::base::petrous_crest;
use crate::cavity::Inner;
use crate::shapes::{level, rod};
use crate::subject::Subject;
use crate::vector::{Point, length, lerp, smooth};

/// Where the straight sinus begins and ends: the tentorium's ridge.
const RIDGE: [Point; 2] = [[0.0, -40.0, 4.0], [0.0, -94.0, -15.0]];

/// Height of the tentorium at (x, y): a tent whose ridge rises forwards and whose sides fall to the petrous
/// crest and to the inner table.
pub fn tentorium(x: f32, y: f32) -> f32 {
    let t = (RIDGE[0][1] - y) / (RIDGE[0][1] - RIDGE[1][1]);
    let ridge = lerp(RIDGE[0][2], RIDGE[1][2], t.clamp(-0.2, 1.0));
    // Concave sides, as in a real tent.
    let side = smooth(x.abs() / 75.0).sqrt();
    let tent = lerp(ridge, -19.0, side.min(1.0));
    // In front it is fixed to the petrous crest.
    lerp(-20.0, tent, smooth((petrous_crest(x.abs()) - y) / 28.0))
}

/// Whether `q` is behind the petrous crest and under the tentorium: the posterior fossa.
pub fn infratentorial(q: Point) -> bool {
    q[1] < petrous_crest(q[0].abs()) && q[2] < tentorium(q[0], q[1])
}

/// x of the falx at `q`.
pub fn falx_x(subject: &Subject, q: Point) -> f32 {
    let t = (q[1] + 15.0) / 80.0;
    subject.falx_bend * (1.0 - t * t).max(0.0)
}

/// Distance from the inner table that the falx reaches into the cavity.
pub fn falx_depth(y: f32) -> f32 {
    lerp(16.0, 46.0, smooth((45.0 - y) / 100.0))
}

/// 1 at the edge of the tentorial notch, less inside it.
pub fn notch(q: Point) -> f32 {
    length(q[0] / 17.0, (q[1] + 20.0) / 24.0)
}

/// What of the dura is at `q`.
pub enum Dura {
    Membrane,
    /// Blood in a venous sinus.
    Sinus,
}

/// The dura at `q`, if any.
pub fn dura(subject: &Subject, q: Point, inner: Inner) -> Option<Dura> {
    let depth = -inner.distance;
    let off = (q[0] - falx_x(subject, q)).abs();
    let roof = tentorium(q[0], q[1]);
    let half = subject.dura;
    let look = &subject.look_alikes;
    if depth < look.lining {
        return Some(Dura::Membrane);
    }
    let size = look.sinus[2];
    if off < 6.0 * size.max(1.0) && q[1] > -97.0 {
        // Superior sagittal sinus: a wedge at the inner table, from the forehead to the torcular, growing.
        let wide = size * lerp(2.0, 5.5, smooth((60.0 - q[1]) / 140.0));
        if q[2] > -14.0 && inner.distance - inner.vault < 0.5 && (q[2] > 5.0 || q[1] < 0.0) {
            let tall = wide * 1.3;
            if depth < tall && off < wide * (1.0 - depth / tall) + 0.4 {
                return Some(Dura::Sinus);
            }
        }
        if off < half
            && q[2] > roof
            && (depth < falx_depth(q[1]) && q[2] > -20.0)
            && !(q[1] > -38.0 && q[2] < 12.0 && q[1] < 40.0)
        {
            return Some(Dura::Membrane);
        }
        if rod(q, RIDGE[0], RIDGE[1], 1.5 * size, 2.3 * size) < 0.0 {
            return Some(Dura::Sinus);
        }
        if level(q, [0.0, -95.0, -16.0], [7.0, 5.0, 6.0]) < size {
            return Some(Dura::Sinus); // torcular
        }
    }
    if q[2] > 10.0 || q[1] > -8.0 {
        return None;
    }
    // Transverse sinuses where the tentorium meets the inner table, then sigmoid ones downwards.
    let of_side = look.sinus[usize::from(q[0] > 0.0)];
    if depth < 6.0 * of_side.max(1.0) && q[1] < petrous_crest(q[0].abs()) {
        let right = of_side * if q[0] > 0.0 { 4.2 } else { 3.2 }; // the right one is usually the wider
        if length(q[2] - roof, depth - 1.0) < right && inner.below < -3.0 {
            return Some(Dura::Sinus);
        }
        if q[0].abs() > 38.0 && q[1] > -58.0 && length(q[1] + 50.0, depth - 1.0) < right && q[2] < roof {
            return Some(Dura::Sinus);
        }
    }
    if (q[2] - roof).abs() < half * look.tentorium && notch(q) > 1.0 && q[1] < petrous_crest(q[0].abs()) {
        return Some(Dura::Membrane);
    }
    None
}
