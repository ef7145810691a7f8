//! The first convolution, whose few input channels would leave a vector of channels nearly empty: rows of voxels
//! along x straight from the input's planes, in f32 in either precision.

use super::{Kernel, convolve::View};

/// A run over the rows (x) of some planes of the output.
pub(crate) struct Job {
    pub input: *const f32,
    pub inputs: usize,
    pub shape: [usize; 3],
    /// A block of 16 `COLS` columns after another; in it the taps in the order channel, z, y, x.
    pub weights: *const f32,
    pub bias: *const f32,
    pub slope: f32,
    pub out: View,
    pub first_z: usize,
}

/// Row `row` of the job, counted y fastest.
///
/// # Safety
/// The instruction set of `K`, and a job whose pointers lead to what its shapes say; no two calls at once for one
/// row.
#[inline(always)]
pub(crate) unsafe fn row<K: Kernel, const R: usize, const C: usize>(job: &Job, row: usize) {
    let [nx, ny, _] = job.out.shape;
    let (y, z) = (row % ny, row / ny + job.first_z);
    // SAFETY: x + R <= nx in the first loop and x < nx in the second.
    unsafe {
        if nx < R {
            for x in 0..nx {
                voxels::<K, 1, C>(job, [x, y, z]);
            }
            return;
        }
        for x in (0..nx).step_by(R) {
            // The last block overlaps the one before it and computes a few voxels again, to the same bits.
            voxels::<K, R, C>(job, [x.min(nx - R), y, z]);
        }
    }
}

/// R voxels along x.
///
/// # Safety
/// As for [`row`]; the voxels lie in the output.
#[inline(always)]
unsafe fn voxels<K: Kernel, const R: usize, const C: usize>(job: &Job, [x, y, z]: [usize; 3]) {
    let [nx, ny, nz] = job.shape;
    // SAFETY: an output voxel's 3 x 3 x 3 taps lie in the input, which is two voxels longer along each axis.
    unsafe {
        let mut weights = job.weights;
        for column in (0..job.out.channels).step_by(16 * C) {
            let mut sums = [[K::splat(0.0); C]; R];
            for c in 0..C {
                let bias = K::load(job.bias.add(column + 16 * c));
                for of in &mut sums {
                    of[c] = bias;
                }
            }
            for tap in 0..9 * job.inputs {
                let (plane, line) = (tap / 9 * nz + z + tap / 3 % 3, y + tap % 3);
                let voxel = job.input.add((plane * ny + line) * nx + x);
                for i in 0..3 {
                    for c in 0..C {
                        let column = K::load(weights.add(16 * c));
                        for r in 0..R {
                            sums[r][c] = K::fma(K::splat(*voxel.add(i + r)), column, sums[r][c]);
                        }
                    }
                    weights = weights.add(16 * C);
                }
            }
            let slope = K::splat(job.slope);
            for r in 0..R {
                let to = job.out.items::<K>().add(job.out.voxel([x + r, y, z]) + column);
                for c in 0..C {
                    K::write(to.add(16 * c), K::max(sums[r][c], K::mul(sums[r][c], slope)));
                }
            }
        }
    }
}
