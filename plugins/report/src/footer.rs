//! What stands below the tiles.

use crate::canvas::Canvas;
use crate::font;
use crate::ink::Ink;
use crate::palette::{BLACK, FAINT, TEXT};
use crate::scene::Scene;
use crate::tile::{text_size, write};
use crate::window::Window;

const PURPOSE: &str = "research use only";

/// The outlines' names, in as many lines as they need, then plane and window on the left and the purpose on the
/// right. A narrow picture has smaller writing, and leaves out plane and window, never the purpose.
pub fn draw(scene: &Scene, width: usize) -> Canvas {
    let size = text_size(scene.tile_px);
    let pad = 0.9 * size;
    let room = width as f64 - 2.0 * pad;
    let fit = |text: &str, room: f64| size.min(size * room / font::width(text, size).max(1.0));
    let line = (2.1 * size).ceil();
    let (swatch, after_swatch, between) = (2.0 * size, 2.7 * size, 2.4 * size);

    let (mut x, mut y) = (pad, pad);
    let mut legend = Vec::new();
    for overlay in &scene.overlays {
        let size = fit(&overlay.name, room - after_swatch);
        let wide = after_swatch + font::width(&overlay.name, size);
        if x > pad && x + wide > pad + room {
            (x, y) = (pad, y + line);
        }
        legend.push((x, y, size, overlay));
        x += wide + between;
    }
    if !legend.is_empty() {
        y += line;
    }
    let mut canvas = Canvas::new(width, (y + 1.2 * size + pad).ceil() as usize, BLACK);
    let mut ink = Ink::new(width, canvas.height);
    for (x, y, small, overlay) in legend {
        let middle = y + 0.5 * size;
        ink.line([x + 1.0, middle], [x + swatch - 1.0, middle], 2.5);
        canvas.blend(&mut ink, overlay.colour, 1.0);
        write(&mut canvas, &mut ink, &overlay.name, [x + after_swatch, middle - 0.5 * small], small, TEXT);
    }
    let size = fit(PURPOSE, room);
    let purpose = font::width(PURPOSE, size);
    write(&mut canvas, &mut ink, PURPOSE, [width as f64 - pad - purpose, y], size, TEXT);
    let Window { width: window, level } = scene.window;
    let shown = format!("{}, window {window}, level {level}{}", scene.plane.name(), scene.unit);
    if font::width(&shown, size) + between + purpose < room {
        write(&mut canvas, &mut ink, &shown, [pad, y], size, FAINT);
    }
    canvas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::OVERLAYS;
    use crate::plane::Plane;
    use crate::scene::Overlay;
    use ichor_sdk::Voxels;
    use ichor_sdk::prelude::{Affine, Grid};

    fn scene(names: &[&str]) -> Scene<'static> {
        let overlay = |(name, colour): (&&str, _)| Overlay {
            voxels: Voxels::U8(&[0]),
            only: None,
            name: name.to_string(),
            colour,
        };
        Scene {
            voxels: Voxels::U8(&[0]),
            grid: Grid::new([1, 1, 1], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap(),
            overlays: names.iter().zip(OVERLAYS).map(overlay).collect(),
            focus: None,
            window: Window { width: 80.0, level: 40.0 },
            unit: " HU",
            plane: Plane::Axial,
            slices: 1,
            columns: None,
            tile_px: 320,
            tile_mm: None,
        }
    }

    /// First and last column of the lowest rows in which something is written.
    fn written(canvas: &Canvas) -> [usize; 2] {
        let rows = &canvas.rgb[3 * canvas.width * (canvas.height - 20)..];
        let bright = |x: &usize| rows.chunks_exact(3 * canvas.width).any(|row| row[3 * x] > 100);
        let columns: Vec<usize> = (0..canvas.width).filter(bright).collect();
        [columns[0], *columns.last().unwrap()]
    }

    #[test]
    fn the_purpose_is_written_at_every_width() {
        for width in [64, 100, 130, 300, 2000] {
            let canvas = draw(&scene(&["a name that is too long for any narrow picture"]), width);
            let [first, last] = written(&canvas);
            assert!(last < width - 5 && last > width - 13, "{width}: {last}");
            assert!(first >= 7, "{width}: {first}");
        }
    }

    #[test]
    fn names_take_as_many_lines_as_they_need() {
        let height = |names: &[&str], width| draw(&scene(names), width).height;
        let one = height(&[], 600);
        assert!(
            height(&["cavity", "haematoma"], 600) == one + 21
                && height(&["cavity", "haematoma"], 100) == one + 42
        );
    }

    #[test]
    fn each_name_has_its_colour() {
        let canvas = draw(&scene(&["cavity", "haematoma"]), 600);
        for colour in &OVERLAYS[..2] {
            assert!(canvas.rgb.chunks_exact(3).any(|pixel| pixel == colour));
        }
    }
}
