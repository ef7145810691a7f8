//! The convolution as it is defined: the taps of a voxel gathered into a row, times the weights. Where the input is
//! up-scaled by repetition, taps that fall on one coarse voxel are one tap with the sum of their weights, so that
//! each of a tile's 2 x 2 x 2 outputs has weights of its own with two taps an axis.

use super::convolve::{Job, MAX_GROUP, View};
use super::{Kernel, gemm::Rows};
use crate::pack::Method;

/// Computes the tiles from `first` on, one group.
///
/// # Safety
/// As for [`super::winograd::group`].
#[inline(always)]
pub(crate) unsafe fn group<K: Kernel>(job: &Job, first: usize, scratch: *mut u32) {
    let layer = job.layer;
    let Method::Direct { weights, chunks } = &layer.method else { return };
    let (rows, columns) = (layer.group, 16 * K::COLS);
    let mut tiles = [[0usize; 3]; MAX_GROUP];
    let count = job.tiles_from(first, &mut tiles[..rows]);
    // SAFETY: offsets stay within the scratch that the layer asked for, and within the maps (coordinates are
    // clamped); the weights were packed for these loops.
    unsafe {
        let outs = scratch.add(layer.scratch.outs).cast::<f32>();
        let weights = weights.pointer().cast::<u32>().cast_const();
        let mut more = false;
        for chunk in chunks {
            let Some(view) = (if chunk.up { &job.up } else { &job.plain }) else { continue };
            let blocks = chunk.pieces.len();
            let panel = blocks * 16 * columns;
            for corner in 0..8 {
                for (r, &tile) in tiles[..rows].iter().enumerate() {
                    let source = view.items::<K>().cast_const();
                    let [x, y, z] = taps(job, view, tile, corner, chunk.up);
                    for (block, piece) in chunk.pieces.iter().enumerate() {
                        let [dx, dy, dz] = piece.tap;
                        let from = source.add(x[dx] + y[dy] + z[dz] + piece.channel);
                        K::gather(from, scratch.add((block * rows + r) * 16));
                    }
                }
                for column in (0..layer.outputs).step_by(columns) {
                    let of = weights.add(chunk.at[corner] + column / columns * panel);
                    for row in (0..rows).step_by(K::ROWS) {
                        let data = scratch.add(row * 16).cast_const();
                        let a = Rows { data, blocks, stride: rows * 16 };
                        let out = outs.add((row * 8 + corner) * layer.outputs + column);
                        K::block(&a, of, out, 8 * layer.outputs, more);
                    }
                }
            }
            more = true;
        }
        super::finish::tiles::<K>(job, &tiles[..count], outs);
    }
}

/// Items from the start of the map to the taps of a corner of a tile, along each axis, kept within the map.
#[inline(always)]
fn taps(job: &Job, view: &View, tile: [usize; 3], corner: usize, up: bool) -> [[usize; 3]; 3] {
    let first = job.first_voxel(tile);
    let mut offsets = [[0; 3]; 3];
    let mut stride = view.channels;
    for axis in 0..3 {
        let start = if up && job.layer.up_axes[axis] { tile[axis] as isize - 1 } else { first[axis] };
        let start = start + (corner >> axis & 1) as isize;
        for (i, offset) in offsets[axis].iter_mut().enumerate() {
            let at = (start + i as isize).clamp(0, view.shape[axis] as isize - 1) as usize;
            *offset = stride * if axis == 2 { at % view.planes } else { at };
        }
        stride *= view.shape[axis];
    }
    offsets
}
