//! The course of a training as a picture.

use crate::checkpoint::Measured;
use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
const EDGE: f64 = 48.0;

/// Loss and validation Dice over patches, as SVG.
pub fn svg(history: &[Measured]) -> String {
    let last = history.last().map_or(1, |m| m.patches).max(1) as f64;
    let top = history.iter().map(|m| m.loss).fold(1e-9, f64::max);
    let place = |patches: usize, share: f64| {
        let x = EDGE + (WIDTH - 2.0 * EDGE) * patches as f64 / last;
        format!("{x:.1},{:.1} ", HEIGHT - EDGE - (HEIGHT - 2.0 * EDGE) * share)
    };
    let loss: String = history.iter().map(|m| place(m.patches, m.loss / top)).collect();
    let dice: String = history.iter().filter_map(|m| Some(place(m.patches, m.dice?))).collect();
    let (right, low) = (WIDTH - EDGE, HEIGHT - EDGE);
    let mut out = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">"#
    );
    let _ = write!(
        out,
        r##"<rect width="100%" height="100%" fill="#fff"/><path d="M{EDGE} {EDGE}V{low}H{right}V{EDGE}" fill="none" stroke="#888"/>
<polyline points="{loss}" fill="none" stroke="#b3452c" stroke-width="1.5"/>
<polyline points="{dice}" fill="none" stroke="#1f6f8b" stroke-width="1.5"/>
<text x="{EDGE}" y="{y}" fill="#b3452c">loss, 0 to {top:.3}</text>
<text x="{right}" y="{y}" text-anchor="end" fill="#1f6f8b">validation Dice, 0 to 1</text>
<text x="{right}" y="{below}" text-anchor="end">{last} patches</text></svg>
"##,
        y = EDGE - 12.0,
        below = low + 18.0,
    );
    out
}
