//! From the working grid back to the scan's own voxels, where bone decides.

use ichor_image::parallel::for_each_chunk;
use ichor_image::{Affine, Bounds, Connectivity, Grid, Parallel, fill_holes, largest_component, open};
use ichor_sdk::{Error, Result};

/// What `refine` needs beside the scan.
pub struct Limits<'a> {
    /// Where the cavity may be, on `grid`, 0 or 1.
    pub allowed: &'a [u8],
    /// Working grid.
    pub grid: &'a Grid,
    /// Above it a voxel is bone, HU.
    pub bone_threshold: f32,
    /// Radius of the ball that smooths the outline from inside, mm.
    pub smoothing_mm: f64,
}

/// The scan's voxels that are allowed and no bone, opened, the largest piece, with holes filled (calcification,
/// metal). Returned as a window and where it lies; `check` is asked between steps whether to go on.
///
/// # Errors
/// What `check` returns.
pub fn refine<T: Copy + Sync + Into<f32>>(
    par: &dyn Parallel,
    hu: &[T],
    scan: &Grid,
    limits: &Limits,
    check: &dyn Fn() -> Result<()>,
) -> Result<(Bounds, Vec<u8>)> {
    let window = window(par, scan, limits)?;
    let shape = window.shape();
    let to_work = limits.grid.affine.inverse()?.after(&scan.affine);
    let mut inside = vec![0u8; shape.iter().product()];
    for_each_chunk(par, &mut inside, shape[0] * shape[1], &|k, plane| {
        let z = window.begin[2] as usize + k;
        for (j, row) in plane.chunks_mut(shape[0]).enumerate() {
            let (x, y) = (window.begin[0] as usize, window.begin[1] as usize + j);
            let hu = &hu[scan.index(x, y, z)..][..shape[0]];
            let start = to_work.apply([x as f64, y as f64, z as f64]);
            for (i, (out, &v)) in row.iter_mut().zip(hu).enumerate() {
                if v.into() <= limits.bone_threshold {
                    let at = std::array::from_fn(|a| start[a] + to_work.0[a][0] * i as f64);
                    *out = u8::from(share(limits, at) >= 0.5);
                }
            }
        }
    });
    check()?;
    let inside = open(par, &inside, shape, scan.spacing(), limits.smoothing_mm);
    check()?;
    let inside = largest_component(par, &inside, shape, Connectivity::Six);
    Ok((window, fill_holes(par, &inside, shape)))
}

/// The box of the scan's voxels that holds everything allowed.
fn window(par: &dyn Parallel, scan: &Grid, limits: &Limits) -> Result<Bounds> {
    let allowed = ichor_image::bounding_box(par, limits.allowed, limits.grid.shape)
        .ok_or_else(|| Error::internal("the cavity is nowhere"))?;
    let to_scan: Affine = scan.affine.inverse()?.after(&limits.grid.affine);
    let mut bounds = Bounds { begin: [isize::MAX; 3], end: [isize::MIN; 3] };
    for corner in 0..8 {
        // The voxel beyond, for values between voxels.
        let p = to_scan.apply(std::array::from_fn(|a| match corner >> a & 1 {
            0 => allowed.begin[a] as f64 - 1.0,
            _ => allowed.end[a] as f64,
        }));
        for (a, at) in p.into_iter().enumerate() {
            bounds.begin[a] = bounds.begin[a].min(at.floor() as isize);
            bounds.end[a] = bounds.end[a].max(at.ceil() as isize + 1);
        }
    }
    Ok(bounds.clipped(scan.shape))
}

/// How much of what is around a position of the working grid is allowed, 0 to 1 (trilinear); beyond the grid as
/// at its border.
fn share(limits: &Limits, at: [f64; 3]) -> f32 {
    let shape = limits.grid.shape;
    let mut cell = [0; 3];
    let mut f = [0f32; 3];
    for a in 0..3 {
        let v = at[a].clamp(0.0, (shape[a] - 1) as f64);
        cell[a] = (v as usize).min(shape[a] - 2);
        f[a] = (v - cell[a] as f64) as f32;
    }
    let [dy, dz] = [shape[0], shape[0] * shape[1]];
    let base = cell[0] + dy * cell[1] + dz * cell[2];
    let pair = |n: usize| {
        let (a, b) = (f32::from(limits.allowed[n]), f32::from(limits.allowed[n + 1]));
        a + f[0] * (b - a)
    };
    let low = pair(base) + f[1] * (pair(base + dy) - pair(base));
    let high = pair(base + dz) + f[1] * (pair(base + dz + dy) - pair(base + dz));
    low + f[2] * (high - low)
}
