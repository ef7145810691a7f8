//! Resampling between grids whose axes are parallel: one axis at a time, plane by plane.

use super::axis::Axis;
use crate::{Parallel, parallel::for_each_chunk};

/// Copies the nearest voxels.
pub(crate) fn nearest<T: Copy + Send + Sync>(
    par: &dyn Parallel,
    data: &[T],
    [nx, ny, _]: [usize; 3],
    [x, y, z]: &[Axis; 3],
    outside: T,
    out: &mut [T],
) {
    let (mx, my) = (x.index.len(), y.index.len());
    for_each_chunk(par, out, mx * my, &|k, plane| {
        if !z.inside.contains(&k) {
            return plane.fill(outside);
        }
        for (j, row) in plane.chunks_mut(mx).enumerate() {
            if !y.inside.contains(&j) {
                row.fill(outside);
                continue;
            }
            let from = &data[nx * (y.index[j] as usize + ny * z.index[k] as usize)..][..nx];
            row[..x.inside.start].fill(outside);
            row[x.inside.end..].fill(outside);
            let inside = x.inside.clone();
            for (o, &i) in row[inside.clone()].iter_mut().zip(&x.index[inside]) {
                *o = from[i as usize];
            }
        }
    });
}

/// Weighted sums: first along z, which reads whole rows, then y, then x.
#[allow(clippy::too_many_arguments)]
pub(crate) fn sum<S: Copy + Sync, D: Copy + Send + Sync>(
    par: &dyn Parallel,
    data: &[S],
    [nx, ny, _]: [usize; 3],
    [x, y, z]: &[Axis; 3],
    outside: D,
    value: impl Fn(S) -> f32 + Sync,
    finish: impl Fn(f32) -> D + Sync,
    out: &mut [D],
) {
    let (mx, my) = (x.inside.len(), y.index.len() / y.taps);
    let row_length = x.index.len() / x.taps;
    let (columns, lines) = (x.used(), y.used());
    let width = columns.len();
    for_each_chunk(par, out, row_length * my, &|k, plane| {
        if !z.inside.contains(&k) || width == 0 || lines.is_empty() {
            return plane.fill(outside);
        }
        let mut slice = vec![0f32; width * lines.len()];
        for (j, line) in slice.chunks_mut(width).enumerate() {
            for (first, (kz, weight)) in z.of(k).enumerate() {
                let from = nx * (lines.start + j + ny * kz) + columns.start;
                let from = &data[from..][..width];
                if first == 0 {
                    line.iter_mut().zip(from).for_each(|(o, &v)| *o = weight * value(v));
                } else {
                    line.iter_mut().zip(from).for_each(|(o, &v)| *o += weight * value(v));
                }
            }
        }
        let mut line = vec![0f32; width];
        let mut sums = vec![0f32; mx];
        for (j, row) in plane.chunks_mut(row_length).enumerate() {
            if !y.inside.contains(&j) {
                row.fill(outside);
                continue;
            }
            for (first, (jy, weight)) in y.of(j).enumerate() {
                let from = &slice[(jy - lines.start) * width..][..width];
                if first == 0 {
                    line.iter_mut().zip(from).for_each(|(o, &v)| *o = weight * v);
                } else {
                    line.iter_mut().zip(from).for_each(|(o, &v)| *o += weight * v);
                }
            }
            match x.taps {
                1 => gather::<1>(&line, x, columns.start, &mut sums),
                2 => gather::<2>(&line, x, columns.start, &mut sums),
                4 => gather::<4>(&line, x, columns.start, &mut sums),
                6 => gather::<6>(&line, x, columns.start, &mut sums),
                _ => gather_any(&line, x, columns.start, &mut sums),
            }
            row[..x.inside.start].fill(outside);
            row[x.inside.end..].fill(outside);
            row[x.inside.clone()].iter_mut().zip(&sums).for_each(|(o, &v)| *o = finish(v));
        }
    });
}

/// Weighted sums along x with a number of taps that the compiler knows.
fn gather<const TAPS: usize>(line: &[f32], x: &Axis, first: usize, sums: &mut [f32]) {
    let skip = x.inside.start * TAPS;
    let index = x.index[skip..].as_chunks::<TAPS>().0;
    let weight = x.weight[skip..].as_chunks::<TAPS>().0;
    for ((o, index), weight) in sums.iter_mut().zip(index).zip(weight) {
        *o = (0..TAPS).map(|t| weight[t] * line[index[t] as usize - first]).sum();
    }
}

fn gather_any(line: &[f32], x: &Axis, first: usize, sums: &mut [f32]) {
    let skip = x.inside.start * x.taps;
    let taps = x.index[skip..].chunks(x.taps).zip(x.weight[skip..].chunks(x.taps));
    for (o, (index, weight)) in sums.iter_mut().zip(taps) {
        *o = index.iter().zip(weight).map(|(&i, w)| w * line[i as usize - first]).sum();
    }
}
