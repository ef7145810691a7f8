//! Coefficients of cubic B-splines: the prefilter that makes them interpolate.
//!
//! Unser, "Splines: a perfect fit for signal and image processing", IEEE Signal Processing Magazine 16(6):22,
//! 1999, eqs. 13 to 15 and box 2, with mirrored borders (the sequence continues ... 2 1 | 0 1 2 ...).

use crate::{Parallel, parallel::for_each_chunk, stack::for_each_stack};

/// Pole of the cubic B-spline: √3 - 2.
const POLE: f32 = -0.267_949_2;
/// Terms after which a power of the pole is below f32 rounding.
const HORIZON: usize = 24;
/// Columns that are filtered together.
const BLOCK: usize = 64;

/// Weights of coefficients -1, 0, 1, 2 at a place `f` in [0, 1) past coefficient 0.
pub(crate) fn weights(f: f64) -> [f64; 4] {
    let g = 1.0 - f;
    let inner = |t: f64| (4.0 - 3.0 * t * t * (2.0 - t)) / 6.0;
    [g * g * g / 6.0, inner(f), inner(g), f * f * f / 6.0]
}

/// Position of sample `i` of a sequence of `n` that is mirrored at its borders.
pub fn mirror(i: isize, n: usize) -> usize {
    let last = n as isize - 1;
    if (0..=last).contains(&i) {
        return i as usize;
    }
    if last == 0 {
        return 0;
    }
    let i = i.rem_euclid(2 * last);
    (if i > last { 2 * last - i } else { i }) as usize
}

/// Turns samples into coefficients along the axes that are asked for.
pub fn prefilter(par: &dyn Parallel, data: &mut [f32], shape: [usize; 3], axes: [bool; 3]) {
    let [nx, ny, _] = shape;
    if axes[0] && nx > 1 {
        for_each_chunk(par, data, nx * ny, &|_, plane| {
            let mut turned = vec![0f32; nx * BLOCK];
            for rows in plane.chunks_mut(nx * BLOCK) {
                let width = rows.len() / nx;
                for (c, row) in rows.chunks(nx).enumerate() {
                    for (x, &v) in row.iter().enumerate() {
                        turned[x * width + c] = v;
                    }
                }
                filter(&mut turned[..nx * width], width);
                for (c, row) in rows.chunks_mut(nx).enumerate() {
                    for (x, v) in row.iter_mut().enumerate() {
                        *v = turned[x * width + c];
                    }
                }
            }
        });
    }
    for axis in [1, 2] {
        if axes[axis] && shape[axis] > 1 {
            for_each_stack(par, data, shape, axis, &|_, rows| across(rows));
        }
    }
}

fn across(rows: &mut [&mut [f32]]) {
    let nx = rows.first().map_or(0, |row| row.len());
    let mut block = vec![0f32; rows.len() * BLOCK];
    for begin in (0..nx).step_by(BLOCK) {
        let width = BLOCK.min(nx - begin);
        let block = &mut block[..rows.len() * width];
        for (to, row) in block.chunks_mut(width).zip(rows.iter()) {
            to.copy_from_slice(&row[begin..begin + width]);
        }
        filter(block, width);
        for (from, row) in block.chunks(width).zip(rows.iter_mut()) {
            row[begin..begin + width].copy_from_slice(from);
        }
    }
}

/// Filters sequences that lie side by side: sample m of all of them is row m, `width` long. At least 2 rows.
fn filter(data: &mut [f32], width: usize) {
    let n = data.len() / width;
    let mut first = vec![0f32; width];
    let far = POLE.powi(n as i32 - 1);
    let mut add = |weight: f32, row: usize| {
        for (f, v) in first.iter_mut().zip(&data[row * width..][..width]) {
            *f += weight * v;
        }
    };
    add(1.0, 0);
    add(far, n - 1);
    let mut power = POLE;
    for m in 1..(n - 1).min(HORIZON) {
        add(power, m);
        if far != 0.0 {
            add(power * far, n - 1 - m);
        }
        power *= POLE;
    }
    // The gain of both sweeps, (1 - z)(1 - 1/z) = 6, goes in here once.
    let gain = 6.0 / (1.0 - far * far);
    for (v, f) in data[..width].iter_mut().zip(&first) {
        *v = gain * f;
    }
    for m in 1..n {
        let (before, row) = data.split_at_mut(m * width);
        for (v, b) in row[..width].iter_mut().zip(&before[(m - 1) * width..]) {
            *v = 6.0 * *v + POLE * b;
        }
    }
    let (before, last) = data.split_at_mut((n - 1) * width);
    let end = POLE / (POLE * POLE - 1.0);
    for (v, b) in last.iter_mut().zip(&before[(n - 2) * width..]) {
        *v = end * (*v + POLE * b);
    }
    for m in (0..n - 1).rev() {
        let (row, after) = data[m * width..].split_at_mut(width);
        for (v, a) in row.iter_mut().zip(&after[..width]) {
            *v = POLE * (a - *v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Serial;

    #[test]
    fn splines_go_through_their_samples() {
        // At a sample the spline is (c[i-1] + 4 c[i] + c[i+1]) / 6.
        for shape in [[1, 1, 1], [2, 1, 3], [5, 70, 2], [90, 3, 41]] {
            let n: usize = shape.iter().product();
            let data: Vec<f32> = (0..n).map(|i| ((i * 7919) % 101) as f32).collect();
            for axis in 0..3 {
                let mut axes = [false; 3];
                axes[axis] = true;
                let mut c = data.clone();
                prefilter(&Serial, &mut c, shape, axes);
                let stride: usize = shape[..axis].iter().product();
                for i in 0..n {
                    let at = i / stride % shape[axis];
                    let get = |m: isize| c[i - at * stride + mirror(at as isize + m, shape[axis]) * stride];
                    let v = if shape[axis] == 1 { c[i] } else { (get(-1) + 4.0 * get(0) + get(1)) / 6.0 };
                    assert!(
                        (v - data[i]).abs() < 1e-4,
                        "{shape:?} axis {axis} voxel {i}: {v} for {}",
                        data[i]
                    );
                }
            }
        }
    }

    #[test]
    fn weights_are_a_partition_of_one() {
        for f in [0.0, 0.25, 0.5, 0.9] {
            assert!((weights(f).iter().sum::<f64>() - 1.0).abs() < 1e-15);
        }
        assert_eq!(weights(0.0), [1.0 / 6.0, 4.0 / 6.0, 1.0 / 6.0, 0.0]);
    }

    #[test]
    fn mirrors_repeat() {
        let seen: Vec<usize> = (-4..7).map(|i| mirror(i, 3)).collect();
        assert_eq!(seen, [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]);
        assert_eq!(mirror(-5, 1), 0);
    }
}
