//! The product at the heart of every convolution: rows of voxels times columns of output channels.

use super::Kernel;

/// `blocks` blocks of [`Kernel::ROWS`] rows of sixteen words; consecutive blocks are `stride` words apart.
pub(crate) struct Rows {
    pub data: *const u32,
    pub blocks: usize,
    pub stride: usize,
}

/// R x 16 C sums, kept in registers: over all words k in order, row[r][k] * b[k][column]. `out` has a row every
/// `stride` numbers. With `more` the sums go on from those in `out`, which gives the same bits as one long sum.
///
/// # Safety
/// The instruction set of `K`; `a.blocks` blocks of R rows behind `a.data`, 16 * 16 C words for each behind `b`,
/// and R rows of 16 C numbers behind `out`.
#[inline(always)]
pub(crate) unsafe fn block<K: Kernel, const R: usize, const C: usize>(
    a: &Rows,
    b: *const u32,
    out: *mut f32,
    stride: usize,
    more: bool,
) {
    // SAFETY: see above.
    unsafe {
        let mut sums = [[K::splat(0.0); C]; R];
        if more {
            for r in 0..R {
                for c in 0..C {
                    sums[r][c] = K::load(out.add(r * stride + 16 * c));
                }
            }
        }
        let mut b = b;
        for block in 0..a.blocks {
            let mut row = a.data.add(block * a.stride);
            for _ in 0..16 {
                let mut columns = [K::words(b); C];
                for c in 1..C {
                    columns[c] = K::words(b.add(16 * c));
                }
                for r in 0..R {
                    let word = K::repeat(row.add(16 * r));
                    for c in 0..C {
                        sums[r][c] = K::mac(word, columns[c], sums[r][c]);
                    }
                }
                row = row.add(1);
                b = b.add(16 * C);
            }
        }
        for r in 0..R {
            for c in 0..C {
                K::store(out.add(r * stride + 16 * c), sums[r][c]);
            }
        }
    }
}
