//! Winograd's minimal filtering F(2, 3) along every axis: 2 x 2 x 2 outputs from 64 products a channel instead of
//! 216 (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4, one axis more).
//!
//! Along an axis, outputs y0, y1 of inputs d0..d3 and taps g0..g2 are
//! m0 = (d0 - d2) g0, m1 = (d1 + d2) (g0 + g1 + g2) / 2, m2 = (d2 - d1) (g0 - g1 + g2) / 2, m3 = (d1 - d3) g2,
//! y0 = m0 + m1 + m2, y1 = m1 - m2 - m3.
//!
//! Where the input is up-scaled by repetition and a tile starts at an odd voxel, d = (a, b, b, c): m2 is zero, and
//! three products of the coarse values remain, m0 = (a - b) g0, m1 = b (g0 + g1 + g2), m3 = (b - c) g2: 27 a tile
//! along three axes, where the dense convolution does 216. They have the output step of the other input channels,
//! so both add up before it.
//!
//! Which of the two formulas gives a voxel depends on its coordinate's parity, so that tiles of the volume have to
//! be placed at even voxels of every scale.

use super::convolve::{Job, MAX_GROUP, View};
use super::{Kernel, gemm::Rows};
use crate::pack::Method;

/// Difference of two planes, sum of two planes, or one plane.
const SUB: u8 = 0;
const ADD: u8 = 1;
const ONE: u8 = 2;
/// The two planes of a z element of a tile and what to do with them; the same where z is up-scaled.
const PLANES: [(usize, usize, u8); 4] = [(0, 2, SUB), (1, 2, ADD), (2, 1, SUB), (1, 3, SUB)];
const UP_PLANES: [(usize, usize, u8); 4] = [(0, 1, SUB), (1, 1, ONE), (1, 1, ONE), (1, 2, SUB)];

/// Computes the tiles from `first` on, one group.
///
/// # Safety
/// The instruction set of `K`, a job whose views lead to what their shapes say, `scratch` as long as the layer's
/// scratch, and no other call at once with the same tiles or scratch.
#[inline(always)]
pub(crate) unsafe fn group<K: Kernel>(job: &Job, first: usize, scratch: *mut u32) {
    let layer = job.layer;
    let Method::Winograd { weights, at } = &layer.method else { return };
    let (rows, columns) = (layer.group, 16 * K::COLS);
    let mut tiles = [[0usize; 3]; MAX_GROUP];
    let count = job.tiles_from(first, &mut tiles[..rows]);
    let up_z = layer.up_axes[2];
    let reads = |view: &Option<View>, coarse| match view {
        Some(view) => Reads::all(job, view, &tiles[..rows], coarse),
        None => [Reads::default(); MAX_GROUP],
    };
    let (plain_reads, up_reads) = (reads(&job.plain, [false; 3]), reads(&job.up, layer.up_axes));
    // Blocks of sixteen words along the input channels.
    let (plain, up) = (layer.plain / (16 * K::PAIR), layer.up / (16 * K::PAIR));
    // SAFETY: offsets stay within the scratch that the layer asked for, and within the maps (coordinates are
    // clamped); the weights were packed for these loops.
    unsafe {
        let sums = scratch.add(layer.scratch.sums).cast::<f32>();
        let outs = scratch.add(layer.scratch.outs).cast::<f32>();
        let weights = weights.pointer().cast::<u32>();
        for zeta in 0..4 {
            let with_up = up > 0 && !(up_z && zeta == 2);
            // Where each of the 16 elements starts in the scratch.
            let mut element = [0usize; 17];
            for xi in 0..16 {
                let blocks = plain + if with_up && has_up(layer.up_axes, xi) { up } else { 0 };
                element[xi + 1] = element[xi] + blocks * rows * 16;
            }
            let target = |first| Target { scratch, element: &element, first, rows };
            if let Some(view) = &job.plain {
                let (a, b, how) = PLANES[zeta];
                match how {
                    ADD => plain_tiles::<K, ADD>(view, &plain_reads[..rows], a, b, target(0)),
                    _ => plain_tiles::<K, SUB>(view, &plain_reads[..rows], a, b, target(0)),
                }
            }
            if let (Some(view), true) = (&job.up, with_up) {
                let (a, b, how) = if up_z { UP_PLANES[zeta] } else { PLANES[zeta] };
                match how {
                    ADD => up_tiles::<K, ADD>(view, &up_reads[..rows], a, b, target(plain)),
                    SUB => up_tiles::<K, SUB>(view, &up_reads[..rows], a, b, target(plain)),
                    _ => up_tiles::<K, ONE>(view, &up_reads[..rows], a, b, target(plain)),
                }
            }
            for chunk in (0..layer.outputs).step_by(layer.chunk) {
                let width = layer.chunk.min(layer.outputs - chunk);
                for xi in 0..16 {
                    let blocks = (element[xi + 1] - element[xi]) / (rows * 16);
                    let panel = blocks * 16 * columns;
                    let of = weights.add(at[zeta * 16 + xi] + chunk / columns * panel);
                    for column in (0..width).step_by(columns) {
                        for row in (0..rows).step_by(K::ROWS) {
                            let data = scratch.add(element[xi] + row * 16).cast_const();
                            let a = Rows { data, blocks, stride: rows * 16 };
                            let out = sums.add((xi * rows + row) * layer.chunk + column);
                            K::block(&a, of.add(column / columns * panel), out, layer.chunk, false);
                        }
                    }
                }
                for r in 0..count {
                    for column in (0..width).step_by(16) {
                        let from = sums.add(r * layer.chunk + column);
                        let to = outs.add(r * 8 * layer.outputs + chunk + column);
                        output::<K>(zeta, from, rows * layer.chunk, to, layer.outputs);
                    }
                }
            }
        }
        super::finish::tiles::<K>(job, &tiles[..count], outs);
    }
}

/// Whether an element of the plane has a product of the up-scaled channels.
pub(crate) fn has_up(axes: [bool; 3], xi: usize) -> bool {
    !(axes[0] && xi % 4 == 2 || axes[1] && xi / 4 == 2)
}

/// Where a tile reads: items from the start of the map to four coordinates along an axis (three where the source is
/// coarse), kept within the map.
#[derive(Clone, Copy, Default)]
struct Reads {
    x: [usize; 4],
    y: [usize; 4],
    z: [usize; 4],
    /// The tile is the neighbour along x of the one before it, and shares columns with it.
    next: bool,
}

impl Reads {
    #[inline(always)]
    fn of(job: &Job, view: &View, tile: [usize; 3], coarse: [bool; 3], before: Option<[usize; 3]>) -> Reads {
        let fine = job.first_voxel(tile);
        let at = |axis: usize, stride: usize| -> [usize; 4] {
            let first = if coarse[axis] { tile[axis] as isize - 1 } else { fine[axis] };
            std::array::from_fn(|i| {
                let at = (first + i as isize).clamp(0, view.shape[axis] as isize - 1) as usize;
                stride * if axis == 2 { at % view.planes } else { at }
            })
        };
        let line = view.shape[0] * view.channels;
        Reads {
            x: at(0, view.channels),
            y: at(1, line),
            z: at(2, view.shape[1] * line),
            next: before.is_some_and(|b| b[0] + 1 == tile[0] && b[1] == tile[1] && b[2] == tile[2]),
        }
    }

    #[inline(always)]
    fn all(job: &Job, view: &View, tiles: &[[usize; 3]], coarse: [bool; 3]) -> [Reads; MAX_GROUP] {
        let mut reads = [Reads::default(); MAX_GROUP];
        let mut before = None;
        for (read, &tile) in reads.iter_mut().zip(tiles) {
            *read = Reads::of(job, view, tile, coarse, before);
            before = Some(tile);
        }
        reads
    }
}

/// Where the transformed rows of a source go: the elements of the plane in the scratch, and the first block.
#[derive(Clone, Copy)]
struct Target<'a> {
    scratch: *mut u32,
    element: &'a [usize; 17],
    first: usize,
    rows: usize,
}

/// Transforms the tiles of a plain source. `a` and `b` choose the planes of the z element, `HOW` what to do with them.
///
/// # Safety
/// As for [`group`].
#[inline(always)]
unsafe fn plain_tiles<K: Kernel, const HOW: u8>(
    view: &View,
    reads: &[Reads],
    a: usize,
    b: usize,
    to: Target,
) {
    // SAFETY: passed on to the caller.
    unsafe {
        for (block, c) in (0..view.channels).step_by(16 * K::PAIR).enumerate() {
            let source = view.items::<K>().cast_const().add(c);
            let mut columns = [[K::zeros(); 4]; 4];
            for (r, read) in reads.iter().enumerate() {
                let (near, far) = (source.add(read.z[a]), source.add(read.z[b]));
                if read.next {
                    columns[0] = columns[2];
                    columns[1] = columns[3];
                } else {
                    columns[0] = plain_column::<K, HOW>(near, far, read, 0);
                    columns[1] = plain_column::<K, HOW>(near, far, read, 1);
                }
                columns[2] = plain_column::<K, HOW>(near, far, read, 2);
                columns[3] = plain_column::<K, HOW>(near, far, read, 3);
                let to_row = to.scratch.add(((to.first + block) * to.rows + r) * 16);
                for j in 0..4 {
                    let line = four::<K>([columns[0][j], columns[1][j], columns[2][j], columns[3][j]]);
                    for i in 0..4 {
                        K::block_write(to_row.add(to.element[4 * j + i]), line[i]);
                    }
                }
            }
        }
    }
}

/// One column of four elements along y. Functions and not closures: those would not be compiled for the instruction
/// set.
///
/// # Safety
/// As for [`group`].
#[inline(always)]
unsafe fn plain_column<K: Kernel, const HOW: u8>(
    near: *const K::Item,
    far: *const K::Item,
    read: &Reads,
    i: usize,
) -> [K::B; 4] {
    // SAFETY: passed on to the caller.
    unsafe {
        let mut d = [K::zeros(); 4];
        for (d, y) in d.iter_mut().zip(read.y) {
            *d = combined::<K, HOW>(near, far, y + read.x[i]);
        }
        four::<K>(d)
    }
}

/// One column of three elements of a coarse source.
///
/// # Safety
/// As for [`group`].
#[inline(always)]
unsafe fn up_column<K: Kernel, const HOW: u8>(
    near: *const K::Item,
    far: *const K::Item,
    read: &Reads,
    i: usize,
) -> [K::B; 3] {
    // SAFETY: passed on to the caller.
    unsafe {
        let p = combined::<K, HOW>(near, far, read.y[0] + read.x[i]);
        let q = combined::<K, HOW>(near, far, read.y[1] + read.x[i]);
        let s = combined::<K, HOW>(near, far, read.y[2] + read.x[i]);
        [K::block_sub(p, q), q, K::block_sub(q, s)]
    }
}

/// A block of a voxel of the two planes, combined.
///
/// # Safety
/// As for [`group`].
#[inline(always)]
unsafe fn combined<K: Kernel, const HOW: u8>(near: *const K::Item, far: *const K::Item, at: usize) -> K::B {
    // SAFETY: passed on to the caller.
    unsafe {
        let near = K::block_read(near.add(at));
        match HOW {
            ADD => K::block_add(near, K::block_read(far.add(at))),
            SUB => K::block_sub(near, K::block_read(far.add(at))),
            _ => near,
        }
    }
}

/// The input step along one axis.
///
/// # Safety
/// The instruction set of `K`.
#[inline(always)]
unsafe fn four<K: Kernel>(d: [K::B; 4]) -> [K::B; 4] {
    // SAFETY: passed on to the caller.
    unsafe {
        [
            K::block_sub(d[0], d[2]),
            K::block_add(d[1], d[2]),
            K::block_sub(d[2], d[1]),
            K::block_sub(d[1], d[3]),
        ]
    }
}

/// Transforms the tiles of a coarse source, which is up-scaled along x and y.
///
/// # Safety
/// As for [`group`].
#[inline(always)]
unsafe fn up_tiles<K: Kernel, const HOW: u8>(view: &View, reads: &[Reads], a: usize, b: usize, to: Target) {
    // SAFETY: passed on to the caller.
    unsafe {
        for (block, c) in (0..view.channels).step_by(16 * K::PAIR).enumerate() {
            let source = view.items::<K>().cast_const().add(c);
            let mut columns = [[K::zeros(); 3]; 3];
            for (r, read) in reads.iter().enumerate() {
                let (near, far) = (source.add(read.z[a]), source.add(read.z[b]));
                if read.next {
                    columns[0] = columns[1];
                    columns[1] = columns[2];
                } else {
                    columns[0] = up_column::<K, HOW>(near, far, read, 0);
                    columns[1] = up_column::<K, HOW>(near, far, read, 1);
                }
                columns[2] = up_column::<K, HOW>(near, far, read, 2);
                let to_row = to.scratch.add(((to.first + block) * to.rows + r) * 16);
                for (j, ey) in [0, 1, 3].into_iter().enumerate() {
                    let (p, q, s) = (columns[0][j], columns[1][j], columns[2][j]);
                    let line = [K::block_sub(p, q), q, K::block_sub(q, s)];
                    for (i, ex) in [0, 1, 3].into_iter().enumerate() {
                        K::block_write(to_row.add(to.element[4 * ey + ex]), line[i]);
                    }
                }
            }
        }
    }
}

/// The output step of one z element: 4 x 4 sums, `step` numbers apart, to the tile's 2 x 2 x 2 outputs, `stride`
/// numbers apart.
///
/// # Safety
/// As for [`group`].
#[inline(always)]
unsafe fn output<K: Kernel>(zeta: usize, from: *const f32, step: usize, to: *mut f32, stride: usize) {
    // SAFETY: passed on to the caller.
    unsafe {
        let mut t = [[K::splat(0.0); 2]; 4];
        for j in 0..4 {
            let line = from.add(4 * j * step);
            let (m0, m1) = (K::load(line), K::load(line.add(step)));
            let (m2, m3) = (K::load(line.add(2 * step)), K::load(line.add(3 * step)));
            t[j] = [K::add(K::add(m0, m1), m2), K::sub(K::sub(m1, m2), m3)];
        }
        for i in 0..2 {
            let v = [K::add(K::add(t[0][i], t[1][i]), t[2][i]), K::sub(K::sub(t[1][i], t[2][i]), t[3][i])];
            for j in 0..2 {
                let near = to.add((2 * j + i) * stride);
                let far = to.add((4 + 2 * j + i) * stride);
                match zeta {
                    0 => K::store(near, v[j]),
                    1 => {
                        K::store(near, K::add(K::load(near), v[j]));
                        K::store(far, v[j]);
                    }
                    2 => {
                        K::store(near, K::add(K::load(near), v[j]));
                        K::store(far, K::sub(K::load(far), v[j]));
                    }
                    _ => K::store(far, K::sub(K::load(far), v[j])),
                }
            }
        }
    }
}
