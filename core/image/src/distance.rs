//! Exact Euclidean distance transform with anisotropic voxels.

use crate::{Parallel, parallel::for_each_chunk, stack::for_each_stack};

/// Columns that are worked on together, so that every row that is read is read by whole cache lines.
const BLOCK: usize = 16;

/// Distance in mm from each voxel centre to the nearest centre of a voxel of `mask` that is not 0; infinity
/// everywhere if there is none. `spacing` is in mm.
///
/// Exact up to f32 rounding of the squared distance. One sweep along x, then the lower envelope of parabolas
/// along y and z, with the removal test of Maurer, Qi and Raghavan (IEEE TPAMI 25:265, 2003), which needs no
/// division. Memory: the result alone.
pub fn distance_to(par: &dyn Parallel, mask: &[u8], shape: [usize; 3], spacing: [f64; 3]) -> Vec<f32> {
    let [nx, ny, _] = shape;
    assert_eq!(mask.len(), shape.iter().product::<usize>(), "mask and shape disagree");
    let mut out = vec![0f32; mask.len()];
    if out.is_empty() {
        return out;
    }
    for_each_chunk(par, &mut out, nx * ny, &|k, plane| {
        let mask = &mask[k * nx * ny..][..plane.len()];
        for (row, mask) in plane.chunks_mut(nx).zip(mask.chunks(nx)) {
            along_x(mask, row, spacing[0]);
        }
    });
    for_each_stack(par, &mut out, shape, 1, &|_, rows| across(rows, spacing[1]));
    for_each_stack(par, &mut out, shape, 2, &|_, rows| {
        across(rows, spacing[2]);
        rows.iter_mut().for_each(|row| row.iter_mut().for_each(|v| *v = v.sqrt()));
    });
    out
}

/// Squared distances within a row.
fn along_x(mask: &[u8], row: &mut [f32], spacing: f64) {
    let square = |n: usize| ((n as f64 * spacing) * (n as f64 * spacing)) as f32;
    let mut last: Option<usize> = None;
    for (x, &v) in mask.iter().enumerate() {
        if v == 0 {
            continue;
        }
        // Between two set voxels the nearer one counts.
        let begin = last.map_or(0, |l| l + 1);
        for (n, cell) in row[begin..x].iter_mut().enumerate() {
            let right = x - begin - n;
            *cell = square(if last.is_some() { right.min(n + 1) } else { right });
        }
        row[x] = 0.0;
        last = Some(x);
    }
    match last {
        Some(last) => row[last + 1..].iter_mut().enumerate().for_each(|(n, cell)| *cell = square(n + 1)),
        None => row.fill(f32::INFINITY),
    }
}

/// Lets squared distances spread across a stack of rows.
fn across(rows: &mut [&mut [f32]], spacing: f64) {
    let n = rows.len();
    let nx = rows.first().map_or(0, |row| row.len());
    if n < 2 {
        return;
    }
    let mut columns = vec![0f32; BLOCK * n];
    let mut stack = vec![(0.0, 0.0); n];
    for begin in (0..nx).step_by(BLOCK) {
        let width = BLOCK.min(nx - begin);
        for (m, row) in rows.iter().enumerate() {
            for (c, &v) in row[begin..begin + width].iter().enumerate() {
                columns[c * n + m] = v;
            }
        }
        for column in columns.chunks_mut(n).take(width) {
            envelope(column, spacing, &mut stack);
        }
        for (m, row) in rows.iter_mut().enumerate() {
            for (c, v) in row[begin..begin + width].iter_mut().enumerate() {
                *v = columns[c * n + m];
            }
        }
    }
}

/// Replaces f(i) by the minimum over j of f(j) + (spacing (i - j))². `stack` has room for all parabolas, each
/// the place of its vertex in mm and its height.
fn envelope(f: &mut [f32], spacing: f64, stack: &mut [(f64, f64)]) {
    let mut count = 0;
    for (i, &height) in f.iter().enumerate() {
        if height == f32::INFINITY {
            continue;
        }
        let new = (i as f64 * spacing, f64::from(height));
        while count > 1 && hidden(stack[count - 2], stack[count - 1], new) {
            count -= 1;
        }
        stack[count] = new;
        count += 1;
    }
    if count == 0 {
        return;
    }
    let stack = &stack[..count];
    let value = |(place, height): (f64, f64), x: f64| height + (x - place) * (x - place);
    let mut lowest = 0;
    for (i, out) in f.iter_mut().enumerate() {
        let x = i as f64 * spacing;
        let mut best = value(stack[lowest], x);
        while let Some(&next) = stack.get(lowest + 1) {
            let other = value(next, x);
            if other > best {
                break;
            }
            best = other;
            lowest += 1;
        }
        *out = best as f32;
    }
}

/// Whether parabola `v` is nowhere below both `u`, on its left, and `w`, on its right.
fn hidden(u: (f64, f64), v: (f64, f64), w: (f64, f64)) -> bool {
    let (a, b) = (v.0 - u.0, w.0 - v.0);
    let c = a + b;
    c * v.1 - b * u.1 - a * w.1 - a * b * c > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::Threads;
    use crate::testing::{assert_near, noise};
    use crate::{Serial, random::at};

    fn brute(mask: &[u8], shape: [usize; 3], spacing: [f64; 3]) -> Vec<f32> {
        let place = |n: usize| [n % shape[0], n / shape[0] % shape[1], n / shape[0] / shape[1]];
        let set: Vec<[usize; 3]> = (0..mask.len()).filter(|n| mask[*n] != 0).map(place).collect();
        let square = |p: [usize; 3], q: [usize; 3]| -> f64 {
            (0..3).map(|a| (p[a].abs_diff(q[a]) as f64 * spacing[a]).powi(2)).sum()
        };
        let near = |p| set.iter().map(|q| square(p, *q)).fold(f64::INFINITY, f64::min);
        (0..mask.len()).map(|n| near(place(n)).sqrt() as f32).collect()
    }

    #[test]
    fn distances_are_those_of_a_search() {
        for n in 0..60u64 {
            let shape = [1 + at(1, n) % 24, 1 + at(2, n) % 24, 1 + at(3, n) % 24].map(|v| v as usize);
            let spacing = [4, 5, 6].map(|s| 0.2 + (at(s, n) % 50) as f64 / 10.0);
            let mut mask = noise(shape.iter().product(), n, [0, 1, 1, 5, 50, 97][n as usize % 6]);
            if n % 6 == 1 {
                mask.fill(0);
                let one = at(9, n) as usize % mask.len();
                mask[one] = 3;
            }
            let want = brute(&mask, shape, spacing);
            let got = distance_to(&Serial, &mask, shape, spacing);
            assert_near(&got, &want, 2e-5);
            assert_eq!(distance_to(&Threads(3), &mask, shape, spacing), got);
        }
    }

    #[test]
    fn nothing_is_infinitely_far_away() {
        assert!(distance_to(&Serial, &[0; 60], [3, 4, 5], [1.0; 3]).iter().all(|d| *d == f32::INFINITY));
    }
}
