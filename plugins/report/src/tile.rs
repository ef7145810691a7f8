//! One slice with its outlines and labels.

use crate::canvas::Canvas;
use crate::contour::outline;
use crate::ink::{Ink, Point};
use crate::palette::{BLACK, FAINT, Rgb, TEXT};
use crate::plane::View;
use crate::scene::Scene;
use crate::slice::{self, Frame};
use crate::{font, ruler};
use ichor_sdk::prelude::Grid;

/// By how much the shade that lifts an outline off bright bone is thicker than it, pixels.
const SHADE: f64 = 2.0;

/// Height of capitals in a tile of this size, pixels.
pub fn text_size(tile_px: usize) -> f64 {
    (0.031 * tile_px as f64).clamp(6.0, 20.0)
}

/// Thickness of outlines in a tile of this size, pixels.
fn outline_thickness(tile_px: usize) -> f64 {
    (1.5 * (tile_px as f64 / 320.0).sqrt()).clamp(1.0, 2.0)
}

/// Draws slice `at`.
pub fn draw(scene: &Scene, view: &View, frame: &Frame, at: usize) -> Canvas {
    let shape = scene.grid.shape;
    let greys = slice::greys(scene.voxels, shape, view, at, scene.window);
    let mut canvas = Canvas::from_grey(frame.width, &slice::draw(&greys, shape, view, frame));
    let mut ink = Ink::new(frame.width, frame.height);
    let line = outline_thickness(scene.tile_px);
    for overlay in &scene.overlays {
        let plane = slice::labels(overlay.voxels, shape, view, at);
        let mut present: Vec<u32> = plane
            .iter()
            .copied()
            .filter(|&label| label != 0 && overlay.only.is_none_or(|only| only == label))
            .collect();
        present.sort_unstable();
        present.dedup();
        let lines: Vec<[Point; 2]> = present
            .into_iter()
            .flat_map(|label| outline(&plane, shape[view.u], label))
            .map(|line| line.map(|p| frame.to_pixels(view.to_mm(p))))
            .collect();
        for (thickness, colour, opacity) in [(line + SHADE, BLACK, 0.4), (line, overlay.colour, 1.0)] {
            lines.iter().for_each(|&[p, q]| ink.line(p, q, thickness));
            canvas.blend(&mut ink, colour, opacity);
        }
    }
    label(&mut canvas, &mut ink, scene, view, frame, at);
    canvas
}

fn label(canvas: &mut Canvas, ink: &mut Ink, scene: &Scene, view: &View, frame: &Frame, at: usize) {
    let size = text_size(scene.tile_px);
    let (w, h, pad) = (frame.width as f64, frame.height as f64, 0.9 * size);
    let [left, right, ..] = scene.plane.directions();
    let mut put = |text: &str, x: f64, y: f64, colour| {
        write(canvas, ink, text, [x, y], size, colour);
    };
    let number = format!("{} {at}", ['i', 'j', 'k'][view.n]);
    put(&number, pad, pad, TEXT);
    let position = position(scene, view, frame, at);
    if font::width(&position, size) + font::width(&number, size) + 3.0 * pad < w {
        put(&position, w - pad - font::width(&position, size), pad, FAINT);
    }
    let middle = 0.5 * (h - size);
    put(&left.to_string(), pad, middle, TEXT);
    put(&right.to_string(), w - pad - font::width(&right.to_string(), size), middle, TEXT);

    let (mm, text) = ruler::length(0.3 * w * frame.pixel);
    let (long, y, tick) = (mm / frame.pixel, h - pad, 0.25 * size);
    let lines = [
        [[pad, y], [pad + long, y]],
        [[pad, y - tick], [pad, y + tick]],
        [[pad + long, y - tick], [pad + long, y + tick]],
    ];
    for (wider, colour, opacity) in [(2.5, BLACK, 0.85), (0.0, FAINT, 1.0)] {
        lines.iter().for_each(|&[p, q]| ink.line(p, q, font::pen(size) + wider));
        canvas.blend(ink, colour, opacity);
    }
    write(canvas, ink, &text, [pad, y - 2.0 * size], size, FAINT);
}

/// Text on a dark rim, readable on any grey.
pub fn write(canvas: &mut Canvas, ink: &mut Ink, text: &str, at: Point, size: f64, colour: Rgb) {
    let pen = font::pen(size);
    for (wider, colour, opacity) in [(3.5, BLACK, 0.85), (0.0, colour, 1.0)] {
        font::write(ink, text, at, size, pen + wider);
        canvas.blend(ink, colour, opacity);
    }
}

/// Where the middle of the tile lies along the nearest anatomical axis, e.g. `S 42.5 mm`.
fn position(scene: &Scene, view: &View, frame: &Frame, at: usize) -> String {
    let centre = [frame.width, frame.height].map(|n| 0.5 * n as f64 * frame.pixel);
    let [a, b] = view.to_voxel([frame.corner[0] + centre[0], frame.corner[1] + centre[1]]);
    let mut voxel = [0.0; 3];
    (voxel[view.u], voxel[view.v], voxel[view.n]) = (a, b, at as f64);
    anatomical(&scene.grid, voxel, scene.plane.directions()[5])
}

fn anatomical(grid: &Grid, voxel: [f64; 3], direction: char) -> String {
    let world = grid.affine.apply(voxel);
    let [(mm, plus, minus)] = match direction {
        'R' | 'L' => [(world[0], 'R', 'L')],
        'A' | 'P' => [(world[1], 'A', 'P')],
        _ => [(world[2], 'S', 'I')],
    };
    format!("{} {:.1} mm", if mm < -0.05 { minus } else { plus }, mm.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_sdk::prelude::Affine;

    #[test]
    fn positions_are_named_by_their_side() {
        let grid = Grid::new([9, 9, 9], Affine::from_spacing([1.0, 2.0, 2.5], [-4.0, 0.0, -10.0])).unwrap();
        assert_eq!(anatomical(&grid, [1.0, 0.0, 0.0], 'L'), "L 3.0 mm");
        assert_eq!(anatomical(&grid, [1.0, 4.0, 0.0], 'P'), "A 8.0 mm");
        assert_eq!(anatomical(&grid, [0.0, 0.0, 3.0], 'S'), "I 2.5 mm");
        assert_eq!(anatomical(&grid, [0.0, 0.0, 4.0], 'S'), "S 0.0 mm");
    }
}
