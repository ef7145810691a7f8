//! A picture in memory.

use crate::ink::Ink;
use crate::palette::Rgb;

/// Pixels of red, green and blue, row after row from the top left.
#[derive(Clone, Debug, Default)]
pub struct Canvas {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

impl Canvas {
    /// A canvas of one colour.
    pub fn new(width: usize, height: usize, colour: Rgb) -> Self {
        Self { width, height, rgb: colour.repeat(width * height) }
    }

    /// A canvas of greys, 0 to 255.
    pub fn from_grey(width: usize, grey: &[f32]) -> Self {
        let rgb = grey.iter().flat_map(|&g| [(g + 0.5) as u8; 3]).collect();
        Self { width, height: grey.len() / width.max(1), rgb }
    }

    /// Copies `other` to (x, y); what lies outside is left out.
    pub fn paste(&mut self, x: usize, y: usize, other: &Self) {
        let n = other.width.min(self.width.saturating_sub(x));
        let rows = self.rgb.chunks_exact_mut(3 * self.width.max(1)).skip(y);
        for (row, from) in rows.zip(other.rgb.chunks_exact(3 * other.width.max(1))) {
            row[3 * x..3 * (x + n)].copy_from_slice(&from[..3 * n]);
        }
    }

    /// Colours what the ink covers and wipes the ink. Both have the same size.
    pub fn blend(&mut self, ink: &mut Ink, colour: Rgb, opacity: f32) {
        ink.take(|at, cover| {
            if let Some(pixel) = self.rgb.get_mut(3 * at..3 * at + 3) {
                for (p, &c) in pixel.iter_mut().zip(&colour) {
                    let old = f32::from(*p);
                    *p = (old + (f32::from(c) - old) * cover * opacity + 0.5) as u8;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasting_stops_at_the_border() {
        let mut c = Canvas::new(3, 2, [0; 3]);
        c.paste(2, 1, &Canvas::new(2, 2, [9; 3]));
        assert_eq!(c.rgb.iter().filter(|&&v| v == 9).count(), 3);
        assert_eq!(c.rgb[15..], [9; 3]);
    }

    #[test]
    fn greys_are_rounded() {
        assert_eq!(
            Canvas::from_grey(2, &[0.4, 127.5, 254.9, 255.0]).rgb[3..],
            [128, 128, 128, 255, 255, 255, 255, 255, 255]
        );
    }
}
