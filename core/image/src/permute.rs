//! Volumes with their axes in another order.

use crate::{Parallel, parallel::for_each_chunk};

/// The volume whose axis a is axis `order[a]` of `data`.
pub(crate) fn permuted<T: Copy + Default + Send + Sync>(
    par: &dyn Parallel,
    data: &[T],
    shape: [usize; 3],
    order: [usize; 3],
) -> Vec<T> {
    assert_eq!(data.len(), shape.iter().product::<usize>(), "array and shape disagree");
    let strides = [1, shape[0], shape[0] * shape[1]];
    let [sx, sy, sz] = order.map(|a| strides[a]);
    let [nx, ny, _] = order.map(|a| shape[a]);
    let mut out = vec![T::default(); data.len()];
    // Blocks of columns keep the cache lines of a strided source alive from one row to the next.
    const BLOCK: usize = 64;
    for_each_chunk(par, &mut out, (nx * ny).max(1), &|k, plane| {
        for begin in (0..nx).step_by(BLOCK) {
            let end = (begin + BLOCK).min(nx);
            for j in 0..ny {
                let from = j * sy + k * sz;
                for (i, cell) in plane[j * nx..][begin..end].iter_mut().enumerate() {
                    *cell = data[from + (begin + i) * sx];
                }
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Serial;

    #[test]
    fn axes_change_places() {
        let shape = [2, 3, 4];
        let data: Vec<u16> = (0..24).collect();
        let out = permuted(&Serial, &data, shape, [2, 0, 1]);
        // Axis 0 of the result is z, axis 1 is x, axis 2 is y.
        for (z, x, y) in [(3, 1, 2), (0, 1, 0), (2, 0, 1)] {
            assert_eq!(out[z + 4 * (x + 2 * y)] as usize, x + 2 * (y + 3 * z));
        }
    }
}
