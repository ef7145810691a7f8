//! Volumes made smaller by averaging blocks of voxels: noise falls and thin bone does not alias away.

use ichor_image::{Affine, Grid, Parallel, parallel::for_each_chunk};

/// Averages blocks of whole voxels so that none of the new ones is much longer than `spacing_mm`; axes that are
/// coarser stay. Values are limited to -1024..3071 HU first (padding and metal would weigh too much), and what
/// is not a number counts as air.
pub fn shrink<T: Copy + Sync + Into<f32>>(
    par: &dyn Parallel,
    data: &[T],
    grid: &Grid,
    spacing_mm: f64,
) -> (Vec<f32>, Grid) {
    let block: [usize; 3] = grid.spacing().map(|s| ((spacing_mm / s + 0.25) as usize).max(1));
    let [nx, ny, nz] = grid.shape;
    let shape: [usize; 3] = std::array::from_fn(|a| grid.shape[a].div_ceil(block[a]));
    let mut out = vec![0f32; shape.iter().product()];
    for_each_chunk(par, &mut out, shape[0] * shape[1], &|k, plane| {
        let slices = k * block[2]..((k + 1) * block[2]).min(nz);
        for (j, row) in plane.chunks_mut(shape[0]).enumerate() {
            let lines = j * block[1]..((j + 1) * block[1]).min(ny);
            for y in slices.clone().flat_map(|z| lines.clone().map(move |y| y + ny * z)) {
                for (sum, part) in row.iter_mut().zip(data[nx * y..][..nx].chunks(block[0])) {
                    *sum += part.iter().map(|&v| limited(v.into())).sum::<f32>();
                }
            }
            for (i, sum) in row.iter_mut().enumerate() {
                let width = block[0].min(nx - i * block[0]);
                *sum /= (width * lines.len() * slices.len()) as f32;
            }
        }
    });
    let mut affine = Affine([[0.0; 4]; 3]);
    for (to, from) in affine.0.iter_mut().zip(&grid.affine.0) {
        to[3] = from[3];
        for a in 0..3 {
            to[a] = from[a] * block[a] as f64;
            to[3] += from[a] * (block[a] as f64 - 1.0) / 2.0;
        }
    }
    (out, Grid { shape, affine })
}

/// HU between air and the top of the usual scale; what is not a number is air.
fn limited(hu: f32) -> f32 {
    if hu > -1024.0 { hu.min(3071.0) } else { -1024.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Serial;

    #[test]
    fn blocks_are_averaged_at_their_centres() {
        let grid = Grid::new([5, 4, 2], Affine::from_spacing([1.0, 1.0, 5.0], [10.0, 20.0, 30.0])).unwrap();
        // A ramp along i, so that a block's mean is the ramp at its centre.
        let data: Vec<i16> = (0..40).map(|n| (n % 5) * 100).collect();
        let (out, to) = shrink(&Serial, &data, &grid, 2.0);
        assert_eq!(to.shape, [3, 2, 2]);
        assert_eq!(to.affine.apply([1.0, 0.0, 1.0]), [12.5, 20.5, 35.0]);
        assert_eq!(out[..3], [50.0, 250.0, 400.0]); // the last block has one voxel
    }

    #[test]
    fn padding_metal_and_nan_are_limited() {
        let grid = Grid::new([4, 1, 1], Affine::from_spacing([4.0; 3], [0.0; 3])).unwrap();
        let (out, _) = shrink(&Serial, &[-3024f32, 30000.0, f32::NAN, 35.0], &grid, 2.0);
        assert_eq!(out, [-1024.0, 3071.0, -1024.0, 35.0]);
    }
}
