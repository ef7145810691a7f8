//! Tiles side by side.

use crate::canvas::Canvas;
use crate::extent::{self, Extent, Head};
use crate::footer;
use crate::frame;
use crate::palette::{BLACK, LINE};
use crate::plane::View;
use crate::scene::Scene;
use crate::select::choose;
use crate::slice::Frame;
use crate::tile;
use ichor_sdk::prelude::*;

/// Pixels between tiles.
const GAP: usize = 2;
/// Width to height that a picture without `columns` comes near to.
const ASPECT: f64 = 1.4;

/// Which slices are shown, in the order of the tiles, and which part of them.
pub struct Plan {
    view: View,
    frame: Frame,
    pub slices: Vec<usize>,
}

impl Plan {
    /// Looks at the masks (or the one in focus) and the head. Slices are spread over what the masks cover;
    /// without a mask, or with empty masks only, over the head; without a head, over the volume.
    pub fn new(par: &dyn Parallel, scene: &Scene) -> Self {
        let (grid, shape) = (&scene.grid, scene.grid.shape);
        let view = View::new(grid, scene.plane);
        let mut masks: Option<Extent> = None;
        let mut areas = Vec::new();
        let followed = |n: usize| scene.focus.is_none_or(|focus| focus == n);
        for (_, overlay) in scene.overlays.iter().enumerate().filter(|&(n, _)| followed(n)) {
            let covered = extent::covered(par, overlay.voxels, overlay.only, shape, view.n);
            masks = extent::union(masks, covered.extent);
            areas.push(covered.area);
        }
        let window = scene.window;
        let head = Head::find(par, scene.voxels, grid, window.lower() - 0.5 * window.width);
        let whole = shape.map(|n| 0..n);
        let span = masks.clone().or_else(|| head.extent(view.n, whole[view.n].clone()));
        let span = span.unwrap_or_else(|| whole.clone());
        let mut slices = choose(shape[view.n], span[view.n].clone(), &areas, scene.slices);
        let among = slices.first().map_or(0, |&k| k)..slices.last().map_or(0, |&k| k + 1);
        let shown = match (scene.tile_mm, masks.is_some()) {
            (Some(_), true) => masks,
            _ => extent::union(head.extent(view.n, among), masks),
        };
        let frame = frame::around(&shown.unwrap_or(whole), &view, scene.tile_mm, scene.tile_px);
        if view.backwards {
            slices.reverse();
        }
        Self { view, frame, slices }
    }

    /// Columns and rows of tiles.
    fn table(&self, columns: Option<usize>) -> [usize; 2] {
        let n = self.slices.len();
        let columns =
            columns.unwrap_or_else(|| pleasing(n, self.frame.width, self.frame.height)).clamp(1, n.max(1));
        [columns, n.div_ceil(columns)]
    }

    /// Pixels of the whole picture, before anything is drawn.
    pub fn pixels(&self, scene: &Scene) -> usize {
        let [columns, rows] = self.table(scene.columns);
        columns.saturating_mul(self.frame.width).saturating_mul(rows.saturating_mul(self.frame.height))
    }

    /// Draws the picture.
    pub fn draw(&self, par: &dyn Parallel, scene: &Scene) -> Canvas {
        let mut tiles = vec![Canvas::default(); self.slices.len()];
        for_each_chunk(par, &mut tiles, 1, &|n, tile| {
            if let (Some(tile), Some(&at)) = (tile.first_mut(), self.slices.get(n)) {
                *tile = tile::draw(scene, &self.view, &self.frame, at);
            }
        });
        let [columns, rows] = self.table(scene.columns);
        let step = [self.frame.width + GAP, self.frame.height + GAP];
        let width = columns * step[0] - GAP;
        let footer = footer::draw(scene, width);
        let mut canvas = Canvas::new(width, rows * step[1] + footer.height, LINE);
        let blank = Canvas::new(self.frame.width, self.frame.height, BLACK);
        for n in 0..columns * rows {
            canvas.paste(n % columns * step[0], n / columns * step[1], tiles.get(n).unwrap_or(&blank));
        }
        canvas.paste(0, rows * step[1], &footer);
        canvas
    }
}

/// The number of columns that leaves few tiles empty and comes near to a pleasing shape.
fn pleasing(n: usize, width: usize, height: usize) -> usize {
    let cost = |columns: usize| {
        let rows = n.div_ceil(columns);
        let aspect = (columns * width) as f64 / (rows * height) as f64;
        (aspect / ASPECT).ln().abs() + 2.0 * (columns * rows - n) as f64 / n as f64
    };
    (1..=n).min_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::OVERLAYS;
    use crate::plane::{Plane, tests::grids};
    use crate::scene::Overlay;
    use crate::window::Window;
    use ichor_image::Serial;
    use ichor_sdk::Voxels;

    fn scene<'a>(grid: Grid, voxels: &'a [i16], masks: &[&'a [u8]]) -> Scene<'a> {
        let overlay =
            |(mask, colour)| Overlay { voxels: Voxels::U8(mask), only: None, name: "a mask".into(), colour };
        Scene {
            voxels: Voxels::I16(voxels),
            grid,
            overlays: masks.iter().copied().zip(OVERLAYS).map(overlay).collect(),
            focus: None,
            window: Window { width: 80.0, level: 40.0 },
            unit: " HU",
            plane: Plane::Axial,
            slices: 12,
            columns: None,
            tile_px: 320,
            tile_mm: None,
        }
    }

    /// Calls `body` for every voxel in the order of memory.
    fn fill<T>(grid: &Grid, body: impl Fn([usize; 3]) -> T) -> Vec<T> {
        let [nx, ny, _] = grid.shape;
        (0..grid.len()).map(|n| body([n % nx, n / nx % ny, n / nx / ny])).collect()
    }

    fn pixel(canvas: &Canvas, x: usize, y: usize) -> [u8; 3] {
        std::array::from_fn(|c| canvas.rgb[3 * (y * canvas.width + x) + c])
    }

    #[test]
    fn a_marker_at_the_left_anterior_superior_corner_is_drawn_there_whatever_the_axes() {
        // 10 x 24 x 42 mm along R, A, S, grey; within 4, 8 and 12 mm of the corner, white.
        for (grid, corner) in grids() {
            let spacing = grid.spacing();
            let near = |v: [usize; 3]| {
                (0..3).all(|a| {
                    let mm = v[a].abs_diff(corner[a]) as f64 * spacing[a];
                    mm < [0.0, 4.0, 8.0, 12.0][spacing[a].round() as usize]
                })
            };
            let voxels = fill(&grid, |v| if near(v) { 80 } else { 20 });
            for (plane, width, height, x, y, in_last) in [
                (Plane::Axial, 10.0, 24.0, 8.0, 4.0, true),
                (Plane::Coronal, 10.0, 42.0, 8.0, 6.0, false),
                (Plane::Sagittal, 24.0, 42.0, 4.0, 6.0, true),
            ] {
                let mut scene = scene(grid, &voxels, &[]);
                (scene.plane, scene.slices, scene.columns) = (plane, 4, Some(1));
                let plan = Plan::new(&Serial, &scene);
                let canvas = plan.draw(&Serial, &scene);
                // x and y are the marker's middle in mm from the head's corner; the margin is 8 mm.
                let scale = 320.0 / (f64::max(width, height) + 16.0);
                let [px, py] = [x + 8.0, y + 8.0].map(|mm: f64| (mm * scale) as usize);
                let mirrored = [width - x + 8.0, height - y + 8.0].map(|mm| (mm * scale) as usize);
                let last = (plan.slices.len() - 1) * (plan.frame.height + GAP);
                let (with, without) = if in_last { (last, 0) } else { (0, last) };
                assert_eq!(pixel(&canvas, px, with + py), [255; 3], "{grid} {plane:?}");
                assert_eq!(pixel(&canvas, mirrored[0], with + py), [64; 3], "{grid} {plane:?}");
                assert_eq!(pixel(&canvas, px, with + mirrored[1]), [64; 3], "{grid} {plane:?}");
                assert_eq!(pixel(&canvas, px, without + py), [64; 3], "{grid} {plane:?}");
                assert_eq!(pixel(&canvas, 2, with + 320 / 4), BLACK, "the margin");
            }
        }
    }

    #[test]
    fn outlines_lie_on_the_border_of_the_mask() {
        // LPS, 1 mm; a square of 20 voxels in a head of 48: 64 mm with the margin on 320 pixels, 5 a voxel.
        let affine = Affine([[-1.0, 0., 0., 0.], [0., -1.0, 0., 0.], [0., 0., 1.0, 0.]]);
        let grid = Grid::new([48, 48, 20], affine).unwrap();
        let voxels = vec![20; grid.len()];
        let mask =
            fill(&grid, |v| u8::from((14..34).contains(&v[0]) && (14..34).contains(&v[1]) && v[2] == 9));
        let mut scene = scene(grid, &voxels, &[&mask]);
        scene.slices = 1;
        let plan = Plan::new(&Serial, &scene);
        assert_eq!((plan.slices.as_slice(), plan.frame.width, plan.frame.height), (&[9][..], 320, 320));
        let canvas = plan.draw(&Serial, &scene);
        // The border between voxels 13 and 14 is 8 + 14 mm from the left, between 33 and 34 8 + 34 mm.
        for border in [110, 210] {
            for side in [border - 1, border] {
                // A line of 1.5 pixels covers three quarters of either: orange on grey 64 shaded to 38.
                let [r, g, b] = pixel(&canvas, side, 150);
                for (got, orange) in [(r, 230.0), (g, 159.0), (b, 0.0)] {
                    assert!((f64::from(got) - (0.75 * orange + 0.25 * 38.0)).abs() < 1.5, "{border}: {got}");
                }
                assert_eq!(pixel(&canvas, 150, side), [r, g, b]);
            }
            assert_eq!(pixel(&canvas, border + 5, 150), [64; 3]);
            assert_eq!(pixel(&canvas, border - 6, 150), [64; 3]);
        }
    }

    #[test]
    fn slices_and_field_follow_the_mask_in_focus() {
        let grid = Grid::new([40, 40, 60], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
        let voxels = vec![20; grid.len()];
        let all = vec![1; grid.len()];
        let small = fill(&grid, |v| {
            u8::from((5..15).contains(&v[0]) && (20..30).contains(&v[1]) && (30..36).contains(&v[2]))
        });
        let mut scene = scene(grid, &voxels, &[&all, &small]);
        (scene.slices, scene.tile_mm) = (3, Some(20.0));
        assert_eq!(
            Plan::new(&Serial, &scene).slices,
            [9, 30, 49],
            "of the middle third, what shows both masks"
        );
        scene.focus = Some(1);
        let plan = Plan::new(&Serial, &scene);
        assert_eq!(plan.slices, [30, 32, 34]);
        // RAS: voxel (9.5, 24.5) lies at picture mm (-9.5, -24.5).
        assert_eq!(plan.frame.corner, [-19.5, -34.5]);
    }

    #[test]
    fn tiles_stand_in_rows_above_the_footer() {
        let grid = Grid::new([40, 40, 60], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
        let mut scene = scene(grid, &[], &[]);
        (scene.slices, scene.columns, scene.tile_px) = (5, Some(3), 100);
        let plan = Plan::new(&Serial, &scene);
        assert_eq!(plan.pixels(&scene), 300 * 200);
        assert_eq!(plan.table(None), [3, 2]);
        assert_eq!([pleasing(12, 300, 300), pleasing(12, 320, 230), pleasing(1, 9, 9)], [4, 4, 1]);
    }

    #[test]
    fn a_volume_without_a_head_is_shown_whole() {
        let grid = Grid::new([40, 20, 10], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
        let air = vec![-1000; grid.len()];
        let empty = vec![0; grid.len()];
        let scene = scene(grid, &air, &[&empty]);
        let plan = Plan::new(&Serial, &scene);
        assert_eq!(plan.slices, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!((plan.frame.width, plan.frame.height), (320, 206)); // 56 x 36 mm
        assert_eq!(plan.draw(&Serial, &scene).width % (320 + GAP), 320);
    }
}
