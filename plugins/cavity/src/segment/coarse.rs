//! A scan on voxels of 2 mm that stand upright: the grid on which everything but the level set is done.

use crate::register::pyramid::Level;
use crate::register::window::window;
use ichor_image::{Bounds, Grid, Interpolation, Parallel, average_blocks, block_grid, resample, upright};

/// Voxels, mm.
pub const SPACING: f64 = 2.0;

/// The scan.
pub struct Coarse {
    /// HU.
    pub hu: Vec<f32>,
    /// About 2 mm; x to the right, y to the front, z to the top across the slices.
    pub grid: Grid,
    /// Longest edge of the scan's voxels, mm.
    pub thickest: f64,
}

fn whole(scan: &Grid) -> Bounds {
    Bounds { begin: [0; 3], end: scan.shape.map(|n| n as isize) }
}

/// The grid of [`Coarse`] for a scan.
pub fn grid_of(scan: &Grid) -> Grid {
    upright(&block_grid(scan, &whole(scan), SPACING).1, [SPACING; 3])
}

impl Coarse {
    /// Averages a CT in HU.
    pub fn new<T: Copy + Sync + Into<f32>>(par: &dyn Parallel, hu: &[T], scan: &Grid) -> Self {
        let (values, from) = average_blocks(par, hu, scan, &whole(scan), SPACING);
        let grid = upright(&from, [SPACING; 3]);
        let hu = resample(par, &values, &from, &grid, Interpolation::Linear, -1024.0);
        Self { hu, grid, thickest: scan.spacing().into_iter().fold(0.0, f64::max) }
    }

    /// Windowed, to be registered.
    pub fn level(&self) -> Level {
        Level { grid: self.grid, data: self.hu.iter().map(|&v| window(v)).collect() }
    }
}

/// The share of each voxel of `grid` that a mask on `scan` has.
pub fn share(par: &dyn Parallel, mask: &[u8], scan: &Grid, grid: &Grid) -> Vec<f32> {
    let (share, from) = average_blocks(par, mask, scan, &whole(scan), SPACING);
    resample(par, &share, &from, grid, Interpolation::Linear, 0.0)
}
