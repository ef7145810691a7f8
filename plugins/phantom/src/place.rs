//! Where a haematoma of a site begins, and which part of the head may hold it.

use crate::cavity::Inner;
use crate::draw::Draw;
use crate::dura::{infratentorial, tentorium};
use crate::lesion::{Lesion, Site};
use crate::vector::{Point, add, scale, smooth};

/// A centre in reference coordinates. `scale_mm` is the head's size relative to the reference.
pub fn centre(seed: u64, lesion: &Lesion, scale_mm: f32) -> Point {
    let d = &mut Draw::new(seed, 5);
    let side = if d.chance(0.5) { 1.0 } else { -1.0 };
    let radius = (lesion.ml * 1000.0 * 0.238_732).cbrt() / scale_mm;
    let jitter = scale(d.direction(), d.range(0.0, 4.0));
    let lobes: [Point; 4] =
        [[31.0, 40.0, 18.0], [36.0, -42.0, 32.0], [44.0, -16.0, -14.0], [25.0, -72.0, 10.0]];
    let lobe = lobes[d.count(0, 3) as usize];
    let thalamus = d.chance(0.35);
    let c = match lesion.site {
        Site::Lobar => {
            // Towards the middle of the hemisphere the larger it is, so that there is room.
            let t = ((radius - 8.0) / 26.0).clamp(0.0, 0.8);
            let middle = [30.0, -18.0, 22.0];
            std::array::from_fn(|n| lobe[n] + (middle[n] - lobe[n]) * t)
        }
        Site::Cerebellar => [21.0 - 0.35 * radius, -60.0, -34.0],
        _ if thalamus && radius < 17.0 => [13.0, -16.0, 7.0],
        _ => [26.0, 0.0, 2.0 + 0.2 * radius],
    };
    let c = add(c, jitter);
    [side * c[0], c[1], c[2]]
}

/// Whether blood of this site may be at `q`: inside the brain, on its side of falx and tentorium.
pub fn allowed(site: Site, side: f32, gap: f32, q: Point, inner: Inner) -> bool {
    if inner.distance > -gap {
        return false;
    }
    let across = side * q[0];
    match site {
        Site::Cerebellar => infratentorial(q) && q[2] < tentorium(q[0], q[1]) - 1.5 && q[1] < -33.0,
        Site::Lobar => !infratentorial(q) && over_tent(q) && across > 2.0,
        _ => {
            !infratentorial(q)
                && over_tent(q)
                && across > if q[2] > 20.0 { 2.0 } else { -5.0 }
                && q[2] > -26.0
        }
    }
}

fn over_tent(q: Point) -> bool {
    q[1] > crate::base::petrous_crest(q[0].abs()) || q[2] > tentorium(q[0], q[1]) + 1.5
}

/// How much of a haematoma's push the tissue at `q` follows, 0 to 1; `distance` to the inner table is negative inside.
/// The skull does not give, nor much the other side of the tentorium.
pub fn gives(site: Site, q: Point, distance: f32) -> f32 {
    let mut share = smooth(-distance / 16.0);
    let above = q[2] - tentorium(q[0], q[1]);
    let beyond = if site == Site::Cerebellar { above } else { -above };
    if q[1] < -10.0 {
        share *= 1.0 - 0.8 * smooth((beyond + 6.0) / 12.0);
    }
    share
}

/// Shift of the midline, where `from(x)` is the place that the tissue now at x was at: the x whose tissue was at 0.
pub fn midline_shift(from: impl Fn(f32) -> f32) -> f32 {
    let (mut low, mut high) = (-25.0f32, 25.0f32);
    for _ in 0..40 {
        let mid = 0.5 * (low + high);
        if from(mid) < 0.0 { low = mid } else { high = mid }
    }
    0.5 * (low + high)
}
