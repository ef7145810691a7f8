//! Anti-aliased lines.

/// How much of each pixel is covered, 0 to 1. Lines that overlap or join do not add up, so that what is drawn
/// with one ink looks like one stroke of one pen.
pub struct Ink {
    width: usize,
    height: usize,
    cover: Vec<f32>,
    /// Pixels touched: x from, x to (excluded), y from, y to.
    touched: [usize; 4],
}

const UNTOUCHED: [usize; 4] = [usize::MAX, 0, usize::MAX, 0];

/// A point in pixels; (0, 0) is the top left corner of the picture, so pixel centres lie at halves.
pub type Point = [f64; 2];

impl Ink {
    /// No ink on a canvas of this size.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, cover: vec![0.0; width * height], touched: UNTOUCHED }
    }

    /// A line with round ends. `thickness` counts pixels; a line of length 0 is a dot.
    pub fn line(&mut self, p: Point, q: Point, thickness: f64) {
        let reach = thickness / 2.0 + 0.5;
        let range = |a: f64, b: f64, n: usize| {
            let from = (a.min(b) - reach).floor().clamp(0.0, n as f64) as usize;
            from..(a.max(b) + reach).ceil().clamp(0.0, n as f64) as usize
        };
        let (xs, ys) = (range(p[0], q[0], self.width), range(p[1], q[1], self.height));
        if xs.is_empty() || ys.is_empty() {
            return;
        }
        let t = &mut self.touched;
        *t = [t[0].min(xs.start), t[1].max(xs.end), t[2].min(ys.start), t[3].max(ys.end)];
        let d = [q[0] - p[0], q[1] - p[1]];
        let length2 = d[0] * d[0] + d[1] * d[1];
        for y in ys {
            for x in xs.clone() {
                let r = [x as f64 + 0.5 - p[0], y as f64 + 0.5 - p[1]];
                let along = if length2 > 0.0 { (r[0] * d[0] + r[1] * d[1]) / length2 } else { 0.0 };
                let along = along.clamp(0.0, 1.0);
                let away = [r[0] - along * d[0], r[1] - along * d[1]];
                let distance = (away[0] * away[0] + away[1] * away[1]).sqrt();
                // The part of a pixel-wide strip that the line covers.
                let cover = (reach - distance).clamp(0.0, thickness.min(1.0)) as f32;
                let pixel = &mut self.cover[y * self.width + x];
                *pixel = pixel.max(cover);
            }
        }
    }

    /// Hands over every covered pixel and wipes the ink.
    pub fn take(&mut self, mut each: impl FnMut(usize, f32)) {
        let [x0, x1, y0, y1] = self.touched;
        for y in y0..y1.max(y0) {
            for at in y * self.width + x0..y * self.width + x1 {
                let cover = std::mem::take(&mut self.cover[at]);
                if cover > 0.0 {
                    each(at, cover);
                }
            }
        }
        self.touched = UNTOUCHED;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(ink: &mut Ink) -> Vec<(usize, f32)> {
        let mut out = Vec::new();
        ink.take(|at, c| out.push((at, c)));
        out
    }

    #[test]
    fn a_line_through_pixel_centres_fills_its_row_and_one_between_rows_halves_two() {
        let mut ink = Ink::new(5, 3);
        ink.line([0.5, 1.5], [4.5, 1.5], 1.0);
        let row = covered(&mut ink);
        assert_eq!(row, (5..10).map(|at| (at, 1.0)).collect::<Vec<_>>());
        ink.line([0.5, 1.0], [4.5, 1.0], 1.0);
        let rows = covered(&mut ink);
        assert_eq!(rows, (0..10).map(|at| (at, 0.5)).collect::<Vec<_>>());
    }

    #[test]
    fn overlap_does_not_add_up_and_taking_wipes() {
        let mut ink = Ink::new(3, 3);
        ink.line([1.5, 1.2], [1.5, 1.2], 1.0);
        ink.line([1.5, 1.2], [1.5, 1.2], 1.0);
        let once = covered(&mut ink);
        assert!(once.iter().any(|&(at, c)| at == 4 && (c - 0.7).abs() < 1e-6));
        assert!(covered(&mut ink).is_empty());
    }

    #[test]
    fn what_lies_outside_is_no_matter() {
        let mut ink = Ink::new(4, 4);
        ink.line([-50.0, -50.0], [-10.0, -10.0], 2.0);
        ink.line([-1e9, 2.5], [1e9, 2.5], 1.0);
        assert_eq!(covered(&mut ink).len(), 4);
        ink.line([f64::NAN, 0.0], [1.0, 1.0], 1.0);
    }
}
