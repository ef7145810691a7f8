//! From the working grid back to the scan's voxels.

use super::pull::linear;
use super::work::Work;
use ichor_image::{Grid, Parallel, parallel::for_each_chunk};
use ichor_sdk::Result;

/// phi grows by at most this much a mm, with room for what the scheme does to it.
const STEEPEST: f64 = 1.5;

/// Writes 1 where phi, interpolated linearly at the voxel's centre, is below 0, and 0 elsewhere.
///
/// Since phi is a distance near the front, a value far from 0 decides several voxels of a row at once.
///
/// # Errors
/// The grid is impossible.
pub fn write(par: &dyn Parallel, phi: &[f32], work: &Work, scan: &Grid, mask: &mut [u8]) -> Result<()> {
    let to_work = work.grid.affine.inverse()?.after(&scan.affine);
    let step: [f64; 3] = std::array::from_fn(|a| to_work.0[a][0]);
    let spacing = scan.spacing()[0];
    let [nx, ny, _] = scan.shape;
    let bounds = work.bounds;
    let x = bounds.begin[0] as usize..bounds.end[0] as usize;
    for_each_chunk(par, mask, nx * ny, &|k, plane| {
        plane.fill(0);
        if !(bounds.begin[2]..bounds.end[2]).contains(&(k as isize)) {
            return;
        }
        for j in bounds.begin[1] as usize..bounds.end[1] as usize {
            let start = to_work.apply([0.0, j as f64, k as f64]);
            let row = &mut plane[nx * j..][..nx];
            let mut i = x.start;
            while i < x.end {
                let at: [f64; 3] = std::array::from_fn(|a| start[a] + step[a] * i as f64);
                let value = linear(phi, work.grid.shape, at.map(|v| v as f32));
                let sure = (f64::from(value.abs()) / (STEEPEST * spacing)) as usize;
                let end = (i + sure.max(1)).min(x.end);
                if value < 0.0 {
                    row[i..end].fill(1);
                }
                i = end;
            }
        }
    });
    Ok(())
}
