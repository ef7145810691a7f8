//! The ventricles: two lateral with their horns, third, aqueduct, fourth.

use crate::shapes::{ellipsoid, rod};
use crate::subject::Subject;
use crate::vector::Point;

/// A lateral ventricle as rods: ends and radii; x mirrored to be positive.
const HORNS: [(Point, Point, f32, f32); 7] = [
    ([13.5, 31.0, 3.0], [8.5, 15.0, 10.0], 2.6, 4.2), // frontal horn
    ([8.5, 15.0, 10.0], [8.5, -2.0, 16.5], 4.2, 3.9), // to the foramen of Monro
    ([8.5, -2.0, 16.5], [13.0, -22.0, 18.5], 3.9, 4.2), // body
    ([13.0, -22.0, 18.5], [22.0, -39.0, 9.0], 4.2, 6.0), // trigone
    ([22.0, -39.0, 9.0], [24.0, -62.0, 4.0], 5.0, 1.8), // occipital horn
    ([22.0, -39.0, 9.0], [32.0, -24.0, -9.0], 4.6, 2.2), // temporal horn
    ([32.0, -24.0, -9.0], [29.0, -5.0, -17.0], 2.2, 1.4),
];

/// Distance to the nearest ventricle, negative inside; right within some 15 mm, large beyond.
pub fn ventricles(subject: &Subject, q: Point) -> f32 {
    if q[0].abs() > 50.0 || q[1] < -80.0 || q[1] > 50.0 || q[2] > 42.0 || q[2] < -50.0 {
        return 20.0;
    }
    let side = usize::from(q[0] > 0.0);
    let size = subject.ventricle[side];
    let m: Point = [q[0].abs(), q[1], q[2]];
    let mut d = 20.0f32;
    if q[2] > -34.0 {
        for (a, b, ra, rb) in HORNS {
            // Wide ventricles grow more in width than towards the midline, where the septum holds.
            d = d.min(rod(m, a, b, ra * size, rb * size));
        }
        d = d.max(0.6 - m[0]); // septum pellucidum
        let third = [1.4 + 2.2 * (subject.ventricle[2] - 0.8), 13.5, 9.5];
        d = d.min(ellipsoid(q, [0.0, -9.0, -1.0], third));
    }
    if q[2] < 2.0 && q[0].abs() < 30.0 {
        d = d.min(rod(q, [0.0, -23.0, -4.0], [0.0, -33.0, -20.0], 0.8, 0.8));
        let w = subject.ventricle[2];
        d = d.min(ellipsoid(q, [0.0, -38.5, -29.0], [7.0 * w, 5.0 * w, 10.0]));
    }
    d
}
