//! From a person's head, in mm, to the reference head, in which the anatomy is written down.
//!
//! Head coordinates are R, A, S in mm about the reference point (near the anterior commissure). The reference
//! head has its size; a person's head is stretched, sheared and bent a little.

use crate::subject::Subject;
use crate::vector::Point;

/// The map and its overall scale.
pub struct Frame {
    per_mm: [f32; 3],
    bend: [f32; 3],
    /// Millimetres in this head for a millimetre of the reference head, on average.
    pub scale: f32,
}

impl Frame {
    /// A head of the subject's proportions, `scale` times the reference head.
    pub fn new(subject: &Subject, scale: f32) -> Self {
        let s = subject.stretch;
        let mean = (s[0] * s[1] * s[2]).cbrt();
        Self { per_mm: s.map(|s| mean / (s * scale)), bend: subject.skew, scale }
    }

    /// A point of this head (mm) in the reference head.
    pub fn to_reference(&self, p: Point) -> Point {
        let [x, y, z] = std::array::from_fn(|axis| p[axis] * self.per_mm[axis]);
        [x * (1.0 + self.bend[2] * z / 80.0), y + self.bend[0] * x, z + self.bend[1] * x * x / 60.0]
    }

    /// The inverse, by fixed-point iteration: the bends are small.
    pub fn of_reference(&self, q: Point) -> Point {
        let mut p: Point = std::array::from_fn(|axis| q[axis] / self.per_mm[axis]);
        for _ in 0..12 {
            let got = self.to_reference(p);
            for axis in 0..3 {
                p[axis] += (q[axis] - got[axis]) / self.per_mm[axis];
            }
        }
        p
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_undoes_the_map() {
        for seed in 0..20 {
            let frame = Frame::new(&Subject::new(seed, None), 0.95);
            for q in [[60.0, -40.0, 20.0], [-30.0, 60.0, -40.0], [0.0, 0.0, 70.0]] {
                let back = frame.to_reference(frame.of_reference(q));
                for axis in 0..3 {
                    assert!((back[axis] - q[axis]).abs() < 1e-3, "{back:?} {q:?}");
                }
            }
        }
    }
}
