//! The grid on which the front moves: voxels of about 1 mm with axes at right angles.

use ichor_image::{
    Affine, Bounds, Grid, Interpolation, Parallel, average_blocks, block_grid, resample, upright,
};
use ichor_sdk::Result;

/// Voxels of the working grid, mm.
const SPACING: f64 = 1.0;
/// Thicker slices are interpolated to voxels of this length, mm.
const THICK: f64 = 2.0;
/// Cosine of the angle between axes below which they stand at right angles.
const SQUARE: f64 = 1e-3;

/// A part of a scan, averaged to about 1 mm.
pub struct Work {
    /// The part, in the scan's voxels.
    pub bounds: Bounds,
    /// The working grid.
    pub grid: Grid,
    /// Size of the scan's voxels along the axes of the working grid, mm.
    pub slab: [f64; 3],
}

impl Work {
    /// The working grid over a part of the scan: 1 mm, 2 mm across slices thicker than that. Where the scan's axes
    /// are at right angles it keeps their directions; a tilted gantry's stands upright.
    ///
    /// # Errors
    /// The part has no grid.
    pub fn new(scan: &Grid, bounds: Bounds) -> Result<Self> {
        let (_, averaged) = block_grid(scan, &bounds, SPACING);
        let spacing = averaged.spacing();
        let fine = |s: f64| if s > 1.25 * THICK { THICK } else { 0.0 };
        let (grid, slab) = if is_square(&averaged.affine) {
            (averaged.respaced(spacing.map(fine))?, scan.spacing())
        } else {
            let across = scan.affine.orientation().iter().position(|c| matches!(c, 'S' | 'I')).unwrap_or(2);
            let z = if spacing[across] > 1.25 * THICK { THICK } else { SPACING };
            let grid = upright(&scan.window(&bounds), [SPACING, SPACING, z]);
            // Slices of a tilted gantry are closer to each other than they step along the table.
            let plane: f64 = (0..3).filter(|a| *a != across).map(|a| scan.spacing()[a]).product();
            (grid, [SPACING, SPACING, scan.voxel_volume_mm3() / plane])
        };
        Ok(Self { bounds, grid, slab })
    }

    /// The part of a volume of the scan on the working grid; `outside` where the scan does not reach.
    pub fn bring<T: Copy + Sync + Into<f32>>(
        &self,
        par: &dyn Parallel,
        data: &[T],
        scan: &Grid,
        outside: f32,
    ) -> Vec<f32> {
        let (values, from) = average_blocks(par, data, scan, &self.bounds, SPACING);
        if from.same_as(&self.grid) {
            return values;
        }
        resample(par, &values, &from, &self.grid, Interpolation::Linear, outside)
    }
}

fn is_square(affine: &Affine) -> bool {
    let spacing = affine.spacing();
    let cosine =
        |a: usize, b: usize| affine.0.iter().map(|r| r[a] * r[b]).sum::<f64>() / (spacing[a] * spacing[b]);
    [(0, 1), (0, 2), (1, 2)].iter().all(|&(a, b)| cosine(a, b).abs() < SQUARE)
}

/// The part of the scan that holds a box of voxels of another grid and `margin` mm more.
///
/// # Errors
/// The scan's grid is impossible.
pub fn part_of(scan: &Grid, of: &Grid, bounds: &Bounds, margin: f64) -> Result<Bounds> {
    let to_scan: Affine = scan.affine.inverse()?.after(&of.affine);
    let mut part = Bounds { begin: [isize::MAX; 3], end: [isize::MIN; 3] };
    for corner in 0..8 {
        let p = to_scan.apply(std::array::from_fn(|a| match corner >> a & 1 {
            0 => bounds.begin[a] as f64 - 0.5,
            _ => bounds.end[a] as f64 - 0.5,
        }));
        for (a, at) in p.into_iter().enumerate() {
            part.begin[a] = part.begin[a].min(at.floor() as isize);
            part.end[a] = part.end[a].max(at.ceil() as isize + 1);
        }
    }
    Ok(part.grown(scan.spacing().map(|s| (margin / s).ceil() as usize)).clipped(scan.shape))
}
