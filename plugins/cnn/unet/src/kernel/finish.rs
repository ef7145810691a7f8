//! What happens to the sums of a tile: bias, leaky ReLU, and on to wherever the network needs the values.

use super::Kernel;
use super::convolve::Job;

/// Finishes the tiles whose sums are in `outs`: a tile's 2 x 2 x 2 voxels (x fastest), each with all channels.
///
/// # Safety
/// As for [`super::winograd::group`].
#[inline(always)]
pub(crate) unsafe fn tiles<K: Kernel>(job: &Job, tiles: &[[usize; 3]], outs: *mut f32) {
    let layer = job.layer;
    // SAFETY: voxels outside the output are left out; the others lie in the maps behind the views.
    unsafe {
        let slope = K::splat(layer.slope);
        for (r, &tile) in tiles.iter().enumerate() {
            let first = job.first_voxel(tile);
            let mut at = [[0usize; 3]; 8];
            let mut inside = [false; 8];
            for corner in 0..8 {
                let voxel = [0, 1, 2].map(|a| first[a] + (corner >> a & 1) as isize);
                inside[corner] = (0..3).all(|a| voxel[a] >= 0 && voxel[a] < job.shape[a] as isize);
                at[corner] = voxel.map(|v| v.max(0) as usize);
            }
            let sums = outs.add(r * 8 * layer.outputs);
            for c in (0..layer.outputs).step_by(16) {
                let bias = K::load(layer.bias.as_ptr().add(c));
                let mut v = [bias; 8];
                for corner in 0..8 {
                    let sum = K::add(K::load(sums.add(corner * layer.outputs + c)), bias);
                    v[corner] = K::max(sum, K::mul(sum, slope));
                }
                if let Some(out) = &job.out {
                    for corner in 0..8 {
                        if inside[corner] {
                            K::write(out.items::<K>().add(out.voxel(at[corner]) + c), v[corner]);
                        }
                    }
                }
                if let Some((skip, crop)) = &job.skip {
                    for corner in 0..8 {
                        let to = [0, 1, 2].map(|a| at[corner][a].wrapping_sub(crop[a]));
                        if inside[corner] && (0..3).all(|a| to[a] < skip.shape[a]) {
                            K::write(skip.items::<K>().add(skip.voxel(to) + c), v[corner]);
                        }
                    }
                }
                if let Some(pooled) = &job.pooled {
                    let near = K::max(K::max(v[0], v[1]), K::max(v[2], v[3]));
                    let far = K::max(K::max(v[4], v[5]), K::max(v[6], v[7]));
                    let to = pooled.items::<K>().add(c);
                    if job.pool_z {
                        K::write(to.add(pooled.voxel(tile)), K::max(near, far));
                    } else {
                        K::write(to.add(pooled.voxel([tile[0], tile[1], 2 * tile[2]])), near);
                        if inside[4] {
                            K::write(to.add(pooled.voxel([tile[0], tile[1], 2 * tile[2] + 1])), far);
                        }
                    }
                }
                if job.classes.is_some() {
                    for corner in 0..8 {
                        K::store(sums.add(corner * layer.outputs + c), v[corner]);
                    }
                }
            }
            if job.classes.is_some() {
                for corner in (0..8).filter(|&corner| inside[corner]) {
                    classify::<K>(job, sums.add(corner * layer.outputs), at[corner]);
                }
            }
        }
    }
}

/// The last convolution, 1 x 1 x 1, and the softmax of one voxel.
///
/// # Safety
/// As for [`tiles`]; the voxel lies in the output.
#[inline(always)]
unsafe fn classify<K: Kernel>(job: &Job, values: *const f32, [x, y, z]: [usize; 3]) {
    let Some(classes) = &job.classes else { return };
    let channels = job.layer.outputs;
    let n = classes.bias.len().min(16);
    let mut logits = [0f32; 16];
    // SAFETY: passed on to the caller.
    unsafe {
        for class in 0..n {
            let mut sum = K::splat(0.0);
            for c in (0..channels).step_by(16) {
                let weight = K::load(classes.weights.as_ptr().add(class * channels + c));
                sum = K::fma(K::load(values.add(c)), weight, sum);
            }
            let mut lanes = [0f32; 16];
            K::store(lanes.as_mut_ptr(), sum);
            for half in [8, 4, 2, 1] {
                for i in 0..half {
                    lanes[i] += lanes[i + half];
                }
            }
            logits[class] = lanes[0] + classes.bias[class];
        }
        let [nx, ny, nz] = job.shape;
        let voxel = (z * ny + y) * nx + x;
        for class in 1..n {
            let sum: f32 = logits[..n].iter().map(|&other| (other - logits[class]).exp()).sum();
            *classes.out.add((class - 1) * nx * ny * nz + voxel) = 1.0 / sum;
        }
    }
}
