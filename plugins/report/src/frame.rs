//! The part of a slice that every tile shows.

use crate::extent::Extent;
use crate::plane::View;
use crate::slice::Frame;

/// Room around the head, mm: the skin lies a little outside of what is found on a coarse grid.
const MARGIN: f64 = 8.0;

/// A frame around an extent whose longer side has `pixels`; or, with `field` in mm, a square of that side
/// around its middle.
pub fn around(extent: &Extent, view: &View, field: Option<f64>, pixels: usize) -> Frame {
    let ends = |axis: usize| [extent[axis].start as f64 - 0.5, extent[axis].end as f64 - 0.5];
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for a in ends(view.u) {
        for b in ends(view.v) {
            let at = view.to_mm([a, b]);
            for c in 0..2 {
                low[c] = low[c].min(at[c] - MARGIN);
                high[c] = high[c].max(at[c] + MARGIN);
            }
        }
    }
    if let Some(field) = field {
        for c in 0..2 {
            let middle = 0.5 * (low[c] + high[c]);
            (low[c], high[c]) = (middle - 0.5 * field, middle + 0.5 * field);
        }
    }
    let size = [high[0] - low[0], high[1] - low[1]];
    let pixel = size[0].max(size[1]) / pixels as f64;
    // At least a quarter of the longer side, so that the writing has room; the middle stays the middle.
    let [width, height] = size.map(|s| ((s / pixel).round() as usize).clamp(pixels.div_ceil(4), pixels));
    let corner = std::array::from_fn(|c| 0.5 * (low[c] + high[c] - pixel * [width, height][c] as f64));
    Frame { corner, pixel, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::Plane;
    use ichor_sdk::prelude::{Affine, Grid};

    fn view() -> View {
        // LPS, so that mm are voxels times spacing.
        let affine = Affine([[-0.5, 0., 0., 0.], [0., -0.5, 0., 0.], [0., 0., 5.0, 0.]]);
        View::new(&Grid::new([512, 512, 30], affine).unwrap(), Plane::Axial)
    }

    #[test]
    fn the_frame_is_the_extent_and_its_margin() {
        let frame = around(&[100..400, 50..450, 0..30], &view(), None, 432);
        assert_eq!((frame.width, frame.height), (332, 432)); // 150 + 16 and 200 + 16 mm, 0.5 mm a pixel
        assert!((frame.pixel - 0.5).abs() < 1e-12);
        assert!((frame.corner[0] - 41.75).abs() < 1e-9 && (frame.corner[1] - 16.75).abs() < 1e-9);
    }

    #[test]
    fn a_field_is_a_square_around_the_middle() {
        let frame = around(&[100..400, 50..450, 0..30], &view(), Some(80.0), 160);
        assert_eq!((frame.width, frame.height, frame.pixel), (160, 160, 0.5));
        assert!((frame.corner[0] - (124.75 - 40.0)).abs() < 1e-9);
        assert!((frame.corner[1] - (124.75 - 40.0)).abs() < 1e-9);
    }

    #[test]
    fn a_sliver_still_has_room_for_writing() {
        let frame = around(&[0..512, 0..1, 0..30], &view(), None, 272);
        assert_eq!((frame.width, frame.height), (272, 68));
        assert_eq!(frame.to_pixels([frame.corner[0], 0.0])[1], 34.0, "the row stays in the middle");
    }
}
