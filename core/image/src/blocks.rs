//! Volumes made smaller by averaging blocks of voxels: noise falls and thin structures do not alias away.

use crate::{Bounds, Grid, Parallel, parallel::for_each_chunk};

/// Averages blocks of whole voxels of the part `bounds` of a CT or a mask, so that none of the new ones is much
/// longer than `spacing_mm`; axes that are coarser stay. Returns the values and their grid.
///
/// Values are limited to -1024..3071 first (padding and metal would weigh too much), and what is not a number
/// counts as -1024. `bounds` lies within the volume and is not empty.
pub fn average_blocks<T: Copy + Sync + Into<f32>>(
    par: &dyn Parallel,
    data: &[T],
    grid: &Grid,
    bounds: &Bounds,
    spacing_mm: f64,
) -> (Vec<f32>, Grid) {
    assert_eq!(data.len(), grid.len(), "array and grid disagree");
    assert_eq!(*bounds, bounds.clipped(grid.shape), "the part reaches beyond the volume");
    let (block, to) = block_grid(grid, bounds, spacing_mm);
    let (size, shape) = (bounds.shape(), to.shape);
    let begin = bounds.begin.map(|v| v as usize);
    let mut out = vec![0f32; shape.iter().product()];
    for_each_chunk(par, &mut out, shape[0] * shape[1], &|k, plane| {
        let slices = k * block[2]..((k + 1) * block[2]).min(size[2]);
        let mut sums = vec![0f32; size[0]];
        for (j, row) in plane.chunks_mut(shape[0]).enumerate() {
            let lines = j * block[1]..((j + 1) * block[1]).min(size[1]);
            // Across x first: whole rows are added at once.
            sums.fill(0.0);
            for z in slices.clone() {
                for y in lines.clone() {
                    let from = &data[grid.index(begin[0], begin[1] + y, begin[2] + z)..][..size[0]];
                    sums.iter_mut().zip(from).for_each(|(s, &v)| *s += limited(v.into()));
                }
            }
            let rows = lines.len() * slices.len();
            for (out, part) in row.iter_mut().zip(sums.chunks(block[0])) {
                *out = part.iter().sum::<f32>() / (part.len() * rows) as f32;
            }
        }
    });
    (out, to)
}

/// Voxels of a block along each axis, and the grid that [`average_blocks`] makes.
pub fn block_grid(grid: &Grid, bounds: &Bounds, spacing_mm: f64) -> ([usize; 3], Grid) {
    let block: [usize; 3] = grid.spacing().map(|s| ((spacing_mm / s + 0.25) as usize).max(1));
    let size = bounds.shape();
    let mut affine = grid.window(bounds).affine;
    for row in &mut affine.0 {
        for a in 0..3 {
            row[3] += row[a] * (block[a] as f64 - 1.0) / 2.0;
            row[a] *= block[a] as f64;
        }
    }
    (block, Grid { shape: std::array::from_fn(|a| size[a].div_ceil(block[a])), affine })
}

/// HU between air and the top of the usual scale; what is not a number is air.
fn limited(hu: f32) -> f32 {
    if hu > -1024.0 { hu.min(3071.0) } else { -1024.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Affine, Serial};

    fn all(grid: &Grid) -> Bounds {
        Bounds { begin: [0; 3], end: grid.shape.map(|n| n as isize) }
    }

    #[test]
    fn blocks_are_averaged_at_their_centres() {
        let grid = Grid::new([5, 4, 2], Affine::from_spacing([1.0, 1.0, 5.0], [10.0, 20.0, 30.0])).unwrap();
        // A ramp along i, so that a block's mean is the ramp at its centre.
        let data: Vec<i16> = (0..40).map(|n| (n % 5) * 100).collect();
        let (out, to) = average_blocks(&Serial, &data, &grid, &all(&grid), 2.0);
        assert_eq!(to.shape, [3, 2, 2]);
        assert_eq!(to.affine.apply([1.0, 0.0, 1.0]), [12.5, 20.5, 35.0]);
        assert_eq!(out[..3], [50.0, 250.0, 400.0]); // the last block has one voxel
        let part = Bounds { begin: [1, 2, 1], end: [5, 4, 2] };
        let (out, to) = average_blocks(&Serial, &data, &grid, &part, 2.0);
        assert_eq!((to.shape, to.affine.apply([0.0; 3])), ([2, 1, 1], [11.5, 22.5, 35.0]));
        assert_eq!(out, [150.0, 350.0]);
    }

    #[test]
    fn padding_metal_and_nan_are_limited() {
        let grid = Grid::new([4, 1, 1], Affine::from_spacing([4.0; 3], [0.0; 3])).unwrap();
        let values = [-3024f32, 30000.0, f32::NAN, 35.0];
        let (out, _) = average_blocks(&Serial, &values, &grid, &all(&grid), 2.0);
        assert_eq!(out, [-1024.0, 3071.0, -1024.0, 35.0]);
    }
}
