//! Soft tissue outside the skull: skin, fat, muscle.

use crate::outline::temporal_muscle;
use crate::subject::Subject;
use crate::texture::Texture;
use crate::vector::Point;

/// Density at `q`, `under` mm under the skin and `over` mm over the bone.
pub fn scalp(subject: &Subject, texture: &Texture, q: Point, under: f32, over: f32) -> f32 {
    let hu = &subject.hu;
    if under < 1.6 {
        return hu.skin;
    }
    let fat = hu.fat + 8.0 * texture.at(q, 4.0);
    let muscle = hu.muscle + 5.0 * texture.at(q, 3.0);
    if q[2] > -12.0 {
        // Over the vault: fat on a thin galea, or on the temporal muscle.
        let temporal = temporal_muscle(q);
        return if over < (1.6 * temporal).max(1.3) && under > 2.8 { muscle } else { fat };
    }
    // Elsewhere fat under the skin, then muscles between planes of fat.
    let planes = texture.at([q[0], q[1], 0.5 * q[2]], 6.5);
    // The face is fatter than the neck.
    let share = if q[1] > 8.0 { 0.5 } else { 0.24 };
    if under < 4.0 + planes || planes.abs() < share { fat } else { muscle }
}
