//! Arteries at the base of the brain and the choroid plexus: brighter than brain, not haemorrhage.

use crate::shapes::{level, rod};
use crate::subject::Subject;
use crate::vector::Point;

/// Density of a vessel or plexus at `q`, if there is one.
pub fn vessel(subject: &Subject, q: Point, to_ventricle: f32) -> Option<f32> {
    let m: Point = [q[0].abs(), q[1], q[2]];
    if to_ventricle < -0.8 && level(m, [22.0, -38.0, 8.0], [2.4, 6.0, 3.6]) < 1.0 {
        return Some(subject.hu.grey + subject.look_alikes.plexus); // glomus of the choroid plexus
    }
    if m[0] > 34.0 || q[1] > 24.0 || q[1] < -46.0 || q[2] > -4.0 {
        return None;
    }
    let artery = |a: Point, b: Point, ra: f32, rb: f32| rod(m, a, b, ra, rb) < 0.0;
    let found = artery([10.0, 2.0, -26.0], [10.0, 3.0, -16.0], 2.0, 1.8) // carotid
        || artery([10.0, 3.0, -16.0], [32.0, 6.0, -9.0], 1.5, 1.1) // middle cerebral
        || artery([0.0, -11.5, -20.0], [0.0, -13.0, -34.0], 1.6, 1.5) // basilar
        || artery([0.0, -13.0, -34.0], [12.0, -27.0, -54.0], 1.3, 1.4) // vertebral
        || artery([1.5, 6.0, -15.0], [1.5, 22.0, -14.0], 1.0, 1.0); // anterior cerebral
    if found {
        return Some(subject.hu.vessel);
    }
    if level(q, [0.0, -1.0, -26.5], [6.0, 4.5, 3.5]) < 1.0 {
        return Some(subject.hu.grey + 6.0); // pituitary
    }
    (level(q, [0.0, 3.0, -14.0], [6.5, 3.0, 1.6]) < 1.0).then_some(subject.hu.grey) // chiasm
}
