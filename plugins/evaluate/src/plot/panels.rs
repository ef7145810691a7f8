//! Panels side by side, each with a title and a vertical axis.

use super::axis::Axis;
use super::svg::{Anchor, Svg};

/// Panels in a row.
const COLUMNS: usize = 3;
/// Between the edge of a panel and its axes: left, top, right, bottom.
const MARGIN: [f64; 4] = [48.0, 26.0, 12.0, 24.0];

/// Where one panel is.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// Left and right end of the horizontal axis.
    pub x: [f64; 2],
    /// Bottom and top of the vertical axis.
    pub y: [f64; 2],
}

/// Places for `count` panels of this size between axes, with `below` more pixels under each; and the size of it all.
pub fn panels(count: usize, [width, height]: [f64; 2], below: f64) -> (Vec<Panel>, [f64; 2]) {
    let [left, top, right, bottom] = MARGIN;
    let step = [left + width + right, top + height + bottom + below];
    let place = |n: usize| {
        let (x, y) = ((n % COLUMNS) as f64 * step[0] + left, (n / COLUMNS) as f64 * step[1] + top);
        Panel { x: [x, x + width], y: [y + height, y] }
    };
    let size = [count.clamp(1, COLUMNS) as f64 * step[0], count.div_ceil(COLUMNS).max(1) as f64 * step[1]];
    ((0..count).map(place).collect(), size)
}

impl Panel {
    /// Draws the title, the vertical axis and its ticks.
    pub fn frame(&self, svg: &mut Svg, title: &str, axis: &Axis) {
        svg.text([(self.x[0] + self.x[1]) / 2.0, self.y[1] - 10.0], Anchor::Middle, 0.0, title);
        for (value, text) in axis.ticks() {
            let y = axis.at(value);
            svg.line([self.x[0], y], [self.x[1], y], "stroke=\"#ddd\"");
            svg.text([self.x[0] - 5.0, y + 4.0], Anchor::End, 0.0, &text);
        }
        svg.line([self.x[0], self.y[0]], [self.x[0], self.y[1]], "stroke=\"black\"");
        svg.line([self.x[0], self.y[0]], [self.x[1], self.y[0]], "stroke=\"black\"");
    }
}
