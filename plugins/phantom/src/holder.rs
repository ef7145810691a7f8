//! The head holder: a shell of plastic behind the head, which turns with the table, not with the head.

/// Density of the holder at a place of the world (mm), smooth over a pixel, if there is some.
pub fn holder(world: [f64; 3]) -> Option<f32> {
    let [x, y, z] = world;
    if y > -50.0 || z > 105.0 {
        return None;
    }
    let off = (x.hypot(y + 2.0) - 102.0).abs();
    let share = (2.2 - off).clamp(0.0, 1.0);
    (share > 0.0).then(|| (-1000.0 + share * 1120.0) as f32)
}
