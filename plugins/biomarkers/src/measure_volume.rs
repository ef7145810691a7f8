//! Size and place of a haematoma.

use crate::abc2::{abc, axial_diameter};
use crate::bounds::{bounding_box, centroid, touches_border};
use crate::diameter::{corners, largest_distance};
use crate::lesion::{Lesion, axial, axial_last, of_clusters};
use crate::plane::Plane;
use ichor_image::{Clusters, Connectivity};
use ichor_sdk::prelude::*;

/// Measures volume, ABC/2, diameters and place of a haematoma.
///
/// Lengths are in mm and positions in RAS+ mm, through the image's affine. Slices are those of the voxel axis
/// that runs most superior-inferior. Lesions are connected by faces, edges or corners. An empty mask has
/// volume 0 and no lesions; what is then undefined is null.
#[derive(Stage)]
#[stage(id = "measure-volume", version = "1.0.0")]
#[input(mask, kind = "mask", doc = "haematoma")]
#[output(table, kind = "table", doc = "measurements: lesion, name, value, unit, definition")]
pub struct MeasureVolume {
    /// Also measures each lesion by itself: `1` is the largest, and so on by decreasing volume.
    #[param(default = false)]
    per_lesion: bool,
}

impl Run for MeasureVolume {
    fn run(&self, run: &Context) -> Result<()> {
        let input = run.input(Self::MASK)?;
        run.emit_table(Self::TABLE, &measure(run, input.mask()?, input.grid(), self.per_lesion))
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let input = run.input(Self::MASK)?;
        let voxels = input.grid().len() as u64;
        // A copy with slices last, and the runs of a noisy mask, one in 100 voxels.
        let copy = if axial(input.grid()) == 2 { 0 } else { voxels };
        Ok(Need { scratch_bytes: copy + voxels / 2, device_bytes: 0 })
    }
}

fn measure(par: &dyn Parallel, mask: &[u8], grid: &Grid, per_lesion: bool) -> Table {
    let (mask, grid) = axial_last(mask, grid);
    let found = Clusters::new(par, &mask, grid.shape, Connectivity::TwentySix);
    let mut table = Table::measurements();
    let (whole, mut each) = of_clusters(&found, per_lesion);
    rows(&mut table, par, "all", &whole, &grid, found.sizes.len());
    each.sort_by_key(|lesion| std::cmp::Reverse(lesion.voxels())); // stable: ties stay in scan order
    for (n, lesion) in each.iter().enumerate() {
        rows(&mut table, par, &(n + 1).to_string(), lesion, &grid, 1);
    }
    table
}

fn rows(table: &mut Table, par: &dyn Parallel, name: &str, lesion: &Lesion, grid: &Grid, lesions: usize) {
    let plane = Plane::of(grid);
    let corners = corners(lesion, grid);
    let abc = abc(par, lesion, &plane);
    let (centroid, bounds) = (centroid(lesion, grid), bounding_box(&corners));
    let volume = lesion.voxels() as f64 * grid.voxel_volume_mm3() / 1000.0;
    let border = (lesion.voxels() > 0).then(|| touches_border(lesion, grid.shape));

    let mut add = |quantity: &str, value: Cell, unit: &str, definition: &str| {
        table.measure(name, quantity, value, unit, definition);
    };
    add("volume", volume.into(), "mL", "number of voxels times the volume of a voxel");
    add("lesion_count", lesions.into(), "1", "lesions whose voxels touch by a face, an edge or a corner");
    add("abc2", abc.map(|x| x.volume_ml()).into(), "mL", "A x B x C / 2 (Kothari 1996)");
    add(
        "abc2_unweighted",
        abc.map(|x| x.unweighted_ml()).into(),
        "mL",
        "A x B x C / 2, every slice counted in full in C",
    );
    add(
        "abc2_a",
        abc.map(|x| x.a).into(),
        "mm",
        "A: largest distance between voxel corners in the axial slice with the largest area",
    );
    add(
        "abc2_b",
        abc.map(|x| x.b).into(),
        "mm",
        "B: largest extent at right angles to A in the slice of A, between outer edges of voxels",
    );
    add(
        "abc2_c",
        abc.map(|x| x.c).into(),
        "mm",
        "C: sum over slices of the distance between slices, times 1 where the slice's area is at least 75 % \
         of the largest, 0.5 where at least 25 %, else 0",
    );
    add(
        "max_diameter",
        largest_distance(par, &corners).map(|d| d.0).into(),
        "mm",
        "largest distance between two voxel corners in 3D (Feret diameter)",
    );
    add(
        "axial_diameter",
        axial_diameter(par, lesion, &plane).into(),
        "mm",
        "largest distance between two voxel corners in one axial slice, over all slices",
    );
    add("slices", lesion.slices().count().into(), "1", "axial slices with at least one voxel");
    for (axis, letter) in ["r", "a", "s"].into_iter().enumerate() {
        let toward = ["right", "front", "top"][axis];
        let definition = format!("mean position of the voxel centres, toward the {toward}");
        add(&format!("centroid_{letter}"), centroid.map(|c| c[axis]).into(), "mm", &definition);
    }
    for (axis, letter) in ["r", "a", "s"].into_iter().enumerate() {
        let toward = ["right", "front", "top"][axis];
        for (side, word) in ["lowest", "highest"].into_iter().enumerate() {
            let quantity = format!("box_{}_{letter}", ["min", "max"][side]);
            let definition = format!("{word} coordinate of a voxel corner, toward the {toward}");
            add(&quantity, bounds.map(|b| b[side][axis]).into(), "mm", &definition);
        }
    }
    add("touches_border", border.into(), "", "whether a voxel is at the border of the image: it may be cut");
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Serial;

    fn value(table: &Table, lesion: &str, name: &str) -> Cell {
        let row = table.rows.iter().find(|r| r[0] == Cell::from(lesion) && r[1] == Cell::from(name));
        row.unwrap_or_else(|| panic!("no {name} of {lesion}"))[2].clone()
    }

    fn number(table: &Table, lesion: &str, name: &str) -> f64 {
        match value(table, lesion, name) {
            Cell::Num(x) => x,
            Cell::Int(n) => n as f64,
            other => panic!("{name} of {lesion} is {other:?}"),
        }
    }

    /// Voxels whose centres satisfy `inside` in RAS+ mm.
    fn draw(grid: &Grid, inside: impl Fn([f64; 3]) -> bool) -> Vec<u8> {
        let [nx, ny, _] = grid.shape;
        (0..grid.len())
            .map(|n| {
                let v = [n % nx, n / nx % ny, n / nx / ny].map(|x| x as f64);
                u8::from(inside(grid.affine.apply(v)))
            })
            .collect()
    }

    /// Axes L, P, S with the slices' plane tilted by 18.5 degrees, as gantry tilt shears a scan.
    fn tilted() -> Grid {
        let (s, c) = 18.5f64.to_radians().sin_cos();
        let affine =
            Affine([[-0.5, 0.0, 0.0, 30.0], [0.0, -0.5 * c, 0.0, 30.0], [0.0, -0.5 * s, 2.0, -20.0]]);
        Grid::new([120, 120, 30], affine).unwrap()
    }

    #[test]
    fn sphere_on_a_sheared_grid_has_its_volume_diameter_and_place() {
        let (grid, at) = (tilted(), [2.0, 1.0, -1.5]);
        let mask = draw(&grid, |p| (0..3).map(|c| (p[c] - at[c]).powi(2)).sum::<f64>() <= 15f64.powi(2));
        let t = measure(&Serial, &mask, &grid, true);
        let volume = 4.0 / 3.0 * std::f64::consts::PI * 15f64.powi(3) / 1000.0;
        assert!((number(&t, "all", "volume") / volume - 1.0).abs() < 0.005);
        // Corners reach past the sphere by at most half of the voxel's longest diagonal, 2.27 mm, at each end.
        let diameter = number(&t, "all", "max_diameter");
        assert!((30.0..30.0 + 2.27).contains(&diameter), "{diameter}");
        let axial = number(&t, "all", "axial_diameter");
        assert!((29.5..30.8).contains(&axial) && axial <= diameter, "{axial}");
        for (name, expected) in [("centroid_r", at[0]), ("centroid_a", at[1]), ("centroid_s", at[2])] {
            assert!((number(&t, "all", name) - expected).abs() < 0.05, "{name}");
        }
        // 30 mm at right angles to slices that are 2 cos 18.5° mm apart: about 15.8 slices.
        assert!((15.0..=17.0).contains(&number(&t, "all", "slices")));
        assert_eq!(value(&t, "all", "touches_border"), Cell::Bool(false));
    }

    #[test]
    fn box_of_whole_voxels_is_measured_exactly() {
        let grid = Grid::new([20, 20, 10], Affine::from_spacing([0.5, 0.5, 5.0], [-5.0, -5.0, 0.0])).unwrap();
        // 12 x 8 voxels in 3 slices: 6 x 4 x 15 mm.
        let (low, high) = ([-3.25, -2.25, 7.5], [2.75, 1.75, 22.5]);
        let mask = draw(&grid, |p| (0..3).all(|c| (low[c]..high[c]).contains(&p[c])));
        let t = measure(&Serial, &mask, &grid, false);
        let expect = [
            ("volume", 6.0 * 4.0 * 15.0 / 1000.0),
            ("lesion_count", 1.0),
            ("max_diameter", (36f64 + 16.0 + 225.0).sqrt()),
            ("axial_diameter", 52f64.sqrt()),
            ("abc2_a", 52f64.sqrt()),
            ("abc2_c", 15.0),
            ("slices", 3.0),
            ("centroid_r", -0.25),
            ("centroid_a", -0.25),
            ("centroid_s", 15.0),
            ("box_min_r", low[0]),
            ("box_min_a", low[1]),
            ("box_min_s", low[2]),
            ("box_max_r", high[0]),
            ("box_max_a", high[1]),
            ("box_max_s", high[2]),
        ];
        for (name, expected) in expect {
            let found = number(&t, "all", name);
            assert!((found - expected).abs() < 1e-9, "{name}: {found} for {expected}");
        }
    }

    #[test]
    fn slices_are_axial_whatever_the_order_of_the_axes() {
        // The same box stored with axes S, R, A.
        let affine = Affine([[0.0, 0.5, 0.0, -5.0], [0.0, 0.0, 0.5, -5.0], [5.0, 0.0, 0.0, 0.0]]);
        let grid = Grid::new([10, 20, 20], affine).unwrap();
        let (low, high) = ([-3.25, -2.25, 7.5], [2.75, 1.75, 22.5]);
        let mask = draw(&grid, |p| (0..3).all(|c| (low[c]..high[c]).contains(&p[c])));
        let t = measure(&Serial, &mask, &grid, false);
        for (name, expected) in [("slices", 3.0), ("abc2_c", 15.0), ("axial_diameter", 52f64.sqrt())] {
            assert!((number(&t, "all", name) - expected).abs() < 1e-9, "{name}");
        }
    }

    #[test]
    fn lesions_are_numbered_by_decreasing_volume() {
        let grid = Grid::new([30, 10, 10], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
        let mut mask = vec![0; grid.len()];
        for (i, n) in [(2, 2), (10, 4), (20, 3)] {
            (0..n).for_each(|d| mask[grid.index(i + d, 5, 5)] = 1);
        }
        mask[grid.index(23, 6, 6)] = 1; // joins the third by a corner
        let t = measure(&Serial, &mask, &grid, true);
        assert_eq!(number(&t, "all", "lesion_count"), 3.0);
        assert_eq!(number(&t, "all", "volume"), 0.010);
        // Four voxels each: the first in memory comes first.
        for (lesion, volume, r) in [("1", 0.004, 11.5), ("2", 0.004, 21.5), ("3", 0.002, 2.5)] {
            assert_eq!(number(&t, lesion, "volume"), volume);
            assert!((number(&t, lesion, "centroid_r") - r).abs() < 1e-9);
        }
    }

    #[test]
    fn empty_mask_has_no_volume_and_undefined_shape() {
        let grid = tilted();
        let t = measure(&Serial, &vec![0; grid.len()], &grid, true);
        assert_eq!(number(&t, "all", "volume"), 0.0);
        assert_eq!(number(&t, "all", "lesion_count"), 0.0);
        assert_eq!(number(&t, "all", "slices"), 0.0);
        for name in ["abc2", "abc2_a", "max_diameter", "axial_diameter", "centroid_s", "box_max_r"] {
            assert_eq!(value(&t, "all", name), Cell::Null, "{name}");
        }
        assert!(t.rows.iter().all(|r| r[0] == Cell::from("all")));
    }

    #[test]
    fn every_measurement_is_defined_in_words() {
        let grid = tilted();
        let t = measure(&Serial, &vec![1; grid.len()], &grid, false);
        assert!(t.rows.iter().all(|r| matches!(&r[4], Cell::Text(d) if d.len() > 15)));
        assert_eq!(value(&t, "all", "touches_border"), Cell::Bool(true));
    }
}
