//! The skin: where the head ends.

use crate::cavity::Inner;
use crate::shapes::{ellipsoid, rod};
use crate::subject::Subject;
use crate::vector::{Point, bump, length, smooth, smooth_min};

/// Thickness of the temporal muscle, which fills the temple, mm.
pub fn temporal_muscle(q: Point) -> f32 {
    let square = |v: f32, width: f32| (v / width) * (v / width);
    5.5 * bump(square(q[1] - 8.0, 30.0) + square(q[2] + 15.0, 25.0)) * smooth((q[0].abs() - 35.0) / 15.0)
}

/// Distance to the skin, negative inside: scalp over the vault, face, nose, ears and neck, joined smoothly.
pub fn skin(subject: &Subject, q: Point, inner: Inner) -> f32 {
    let ax = q[0].abs();
    let mut d = inner.vault - subject.vault - subject.scalp - temporal_muscle(q);
    if q[2] > 40.0 {
        return d;
    }
    d = smooth_min(d, ellipsoid(q, [0.0, 32.0, -54.0], [64.0, 54.0, 66.0]), 14.0);
    if q[2] < -10.0 {
        let neck = (length(q[0] / 60.0, (q[1] + 32.0) / 58.0) - 1.0) * 56.0;
        d = smooth_min(d, neck.max(q[2] + 32.0), 16.0);
        d = smooth_min(d, rod(q, [0.0, 83.0, -30.0], [0.0, 95.0, -58.0], 5.0, 9.0), 9.0);
    }
    if ax > 55.0 && q[1] < 10.0 && q[2] < 20.0 {
        let turned = [ax + 0.35 * (q[1] + 24.0), q[1], q[2]];
        let pinna = ellipsoid(turned, [77.0, -30.0, -34.0], [3.5, 16.0, 28.0]);
        d = smooth_min(d, pinna, 4.0);
    }
    d
}
