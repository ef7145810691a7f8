//! Where there is something to see.

use crate::values::{Value, with_voxels};
use ichor_image::{Connectivity, largest_component};
use ichor_sdk::Voxels;
use ichor_sdk::prelude::*;
use std::ops::Range;

/// Ranges of voxels along i, j and k.
pub type Extent = [Range<usize>; 3];

/// The smallest extent that holds both.
pub fn union(a: Option<Extent>, b: Option<Extent>) -> Option<Extent> {
    match (a, b) {
        (Some(a), Some(b)) => {
            Some(std::array::from_fn(|n| a[n].start.min(b[n].start)..a[n].end.max(b[n].end)))
        }
        (a, b) => a.or(b),
    }
}

/// What a mask covers.
pub struct Covered {
    /// `None` for an empty mask.
    pub extent: Option<Extent>,
    /// Voxels in every slice across the axis that was asked for.
    pub area: Vec<usize>,
}

/// Measures where a mask or label map is not 0, or where it is `only`.
pub fn covered(
    par: &dyn Parallel,
    voxels: Voxels,
    only: Option<u32>,
    shape: [usize; 3],
    axis: usize,
) -> Covered {
    with_voxels!(voxels, all => match only {
        None => measure(par, all, shape, axis, |label| label != 0),
        Some(only) => measure(par, all, shape, axis, |label| label == only),
    })
}

fn measure<T: Value>(
    par: &dyn Parallel,
    all: &[T],
    shape: [usize; 3],
    axis: usize,
    is: impl Fn(u32) -> bool + Sync,
) -> Covered {
    let [nx, ny, nz] = shape;
    let parts = map_ranges(par, nz, 1, &|ks| {
        let mut part = Covered { extent: None, area: vec![0; shape[axis]] };
        for k in ks {
            for j in 0..ny {
                let row = all.get((k * ny + j) * nx..).and_then(|rest| rest.get(..nx)).unwrap_or_default();
                // Most rows are empty: this test runs on whole registers.
                if !row.iter().fold(false, |any, v| any | is(v.label())) {
                    continue;
                }
                let inside = |v: &T| is(v.label());
                let first = row.iter().position(inside).unwrap_or(0);
                let last = row.iter().rposition(inside).unwrap_or(0);
                part.extent = union(part.extent, Some([first..last + 1, j..j + 1, k..k + 1]));
                match axis {
                    0 => row.iter().zip(&mut part.area).for_each(|(v, n)| *n += usize::from(inside(v))),
                    _ => part.area[[0, j, k][axis]] += row.iter().filter(|v| inside(v)).count(),
                }
            }
        }
        part
    });
    parts.into_iter().fold(Covered { extent: None, area: vec![0; shape[axis]] }, |mut sum, part| {
        sum.extent = union(sum.extent, part.extent);
        sum.area.iter_mut().zip(part.area).for_each(|(a, b)| *a += b);
        sum
    })
}

/// The largest connected thing of a volume, on a coarse grid: the head without its rest and the table.
pub struct Head {
    full: [usize; 3],
    cell: [usize; 3],
    shape: [usize; 3],
    cells: Vec<u8>,
}

const CELL_MM: f64 = 4.0;
/// Voxels looked at along each axis of a cell.
const LOOKS: usize = 3;

impl Head {
    /// Finds it: cells of about 4 mm, at least half of whose voxels are above a value.
    pub fn find(par: &dyn Parallel, voxels: Voxels, grid: &Grid, above: f64) -> Self {
        with_voxels!(voxels, all => Self::find_in(par, all, grid, above as f32))
    }

    fn find_in<T: Value>(par: &dyn Parallel, all: &[T], grid: &Grid, above: f32) -> Self {
        let full = grid.shape;
        let cell = grid.spacing().map(|s| ((CELL_MM / s).round() as usize).max(1));
        let shape: [usize; 3] = std::array::from_fn(|a| full[a].div_ceil(cell[a]));
        let mut cells = vec![0; shape.iter().product()];
        for_each_chunk(par, &mut cells, shape[0] * shape[1], &|z, slab| {
            let looks = |a: usize, n: usize| {
                let end = ((n + 1) * cell[a]).min(full[a]);
                (n * cell[a]..end).step_by((cell[a] / LOOKS).max(1))
            };
            for (at, out) in slab.iter_mut().enumerate() {
                let (mut seen, mut bright) = (0, 0);
                for k in looks(2, z) {
                    for j in looks(1, at / shape[0]) {
                        for i in looks(0, at % shape[0]) {
                            seen += 1;
                            bright +=
                                usize::from(all.get(grid.index(i, j, k)).is_some_and(|v| v.grey() > above));
                        }
                    }
                }
                *out = u8::from(2 * bright >= seen);
            }
        });
        let cells = largest_component(par, &cells, shape, Connectivity::Six);
        Self { full, cell, shape, cells }
    }

    /// Its extent within the slices `among` across `axis`.
    pub fn extent(&self, axis: usize, among: Range<usize>) -> Option<Extent> {
        let mut found: Option<Extent> = None;
        for (at, _) in self.cells.iter().enumerate().filter(|&(_, &v)| v != 0) {
            let [x, y, _] = self.shape;
            let place = [at % x, at / x % y, at / x / y];
            let cell: Extent = std::array::from_fn(|a| {
                place[a] * self.cell[a]..((place[a] + 1) * self.cell[a]).min(self.full[a])
            });
            if cell[axis].start < among.end && among.start < cell[axis].end {
                found = union(found, Some(cell));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(shape: [usize; 3], extents: &[Extent]) -> Vec<u8> {
        let mut out = vec![0; shape.iter().product()];
        for [i, j, k] in extents {
            for k in k.clone() {
                for j in j.clone() {
                    for i in i.clone() {
                        out[i + shape[0] * (j + shape[1] * k)] = 1;
                    }
                }
            }
        }
        out
    }

    #[test]
    fn a_mask_is_measured_along_every_axis() {
        let shape = [5, 6, 7];
        let mask = filled(shape, &[[1..3, 2..3, 4..7], [2..4, 5..6, 4..5]]);
        let par: &dyn Parallel = &ichor_image::Serial;
        let areas: [&[usize]; 3] = [&[0, 3, 4, 1, 0], &[0, 0, 6, 0, 0, 2], &[0, 0, 0, 0, 4, 2, 2]];
        for (axis, area) in areas.into_iter().enumerate() {
            let found = covered(par, Voxels::U8(&mask), None, shape, axis);
            assert_eq!(found.extent, Some([1..4, 2..6, 4..7]));
            assert_eq!(found.area, area);
        }
        assert_eq!(covered(par, Voxels::U16(&[0; 8]), None, [2, 2, 2], 0).extent, None);
        let one = covered(par, Voxels::U16(&[3, 0, 0, 2, 2, 0, 0, 0]), Some(2), [2, 2, 2], 2);
        assert_eq!((one.extent, one.area), (Some([0..2, 0..2, 0..2]), vec![1, 1]));
    }

    #[test]
    fn the_head_is_found_and_the_table_is_not() {
        // 1 x 1 x 2 mm: a head of 40 x 48 x 40 mm, and 8 mm below it a table as wide as the picture.
        let shape = [80, 80, 40];
        let mask = filled(shape, &[[20..60, 8..56, 10..30], [0..80, 64..70, 0..40]]);
        let hu: Vec<i16> = mask.iter().map(|&m| if m == 1 { 30 } else { -1000 }).collect();
        let grid = Grid::new(shape, Affine::from_spacing([1.0, 1.0, 2.0], [0.0; 3])).unwrap();
        let head = Head::find(&ichor_image::Serial, Voxels::I16(&hu), &grid, 0.0);
        assert_eq!(head.extent(2, 0..40), Some([20..60, 8..56, 10..30]));
        assert_eq!(head.extent(2, 12..13), Some([20..60, 8..56, 12..14]));
        assert_eq!(head.extent(2, 0..10), None);
    }
}
