//! The orbits: bony wall, fat, globe, optic nerve, straight muscles.

use crate::shapes::{ellipsoid, level, rod};
use crate::subject::Subject;
use crate::vector::Point;

const CENTRE: Point = [30.0, 46.0, -34.5];
const GLOBE: Point = [31.0, 59.0, -34.5];
const APEX: Point = [14.0, 19.0, -29.0];

/// Density at `m` (x mirrored to be positive) if it belongs to the orbit.
pub fn orbit(subject: &Subject, m: Point) -> Option<f32> {
    if m[1] < 14.0 || m[1] > 80.0 || m[0] < 8.0 || m[0] > 54.0 || m[2] < -56.0 || m[2] > -12.0 {
        return None;
    }
    let hu = &subject.hu;
    // The axis runs backwards and inwards by 22 degrees.
    let (sin, cos) = (0.375, 0.927);
    let (x, y) = (m[0] - CENTRE[0], m[1] - CENTRE[1]);
    let turned = [x * cos - y * sin, x * sin + y * cos, m[2] - CENTRE[2]];
    // A pear: narrower behind.
    let narrow = if turned[1] < 0.0 { 1.0 + 0.012 * turned[1] } else { 1.0 };
    let wall = ellipsoid([turned[0] / narrow, turned[1], turned[2] / narrow], [0.0; 3], [18.5, 32.0, 17.0]);
    if wall > 1.8 {
        return None;
    }
    if wall > 0.0 {
        return (m[1] < 60.0).then_some(hu.cortical * 0.7);
    }
    let globe = level(m, GLOBE, [12.0; 3]);
    if globe < 1.0 {
        if level(m, [31.0, 67.5, -34.5], [4.6, 2.2, 4.6]) < 1.0 {
            return Some(75.0);
        }
        return Some(if globe > 0.9 { 45.0 } else { 8.0 });
    }
    if m[1] > 66.0 {
        return None; // lids: ordinary soft tissue
    }
    if rod(m, [31.0, 48.0, -34.5], APEX, 2.2, 2.0) < 0.0 {
        return Some(36.0);
    }
    let muscles = [[43.0, 55.0, -34.5], [19.0, 55.0, -34.5], [31.0, 55.0, -22.0], [31.0, 55.0, -47.0]];
    if muscles.iter().any(|&end| rod(m, APEX, end, 1.6, 2.1) < 0.0) {
        return Some(hu.muscle);
    }
    Some(hu.fat)
}
