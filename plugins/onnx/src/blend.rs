//! Answers of overlapping patches blended into a volume that is never whole in memory.

use crate::patches::Patches;
use ichor_image::parallel::for_each_chunk;
use ichor_image::{Bounds, Parallel};
use ichor_sdk::{Error, Result};
use std::collections::VecDeque;

/// Runs `predict(number, box)` on the patches that are `wanted` and hands `finished(k, values)` each slice of the
/// blended volume, all channels one after another, as soon as no patch is left that reaches it. Slices that no patch
/// reached are left out, and so are parts of a slice: they are 0.
///
/// Holds no more slices than a patch has.
///
/// # Errors
/// Those of `predict` and `finished`.
pub fn blend(
    par: &dyn Parallel,
    patches: &Patches,
    wanted: &[bool],
    predict: &mut dyn FnMut(usize, &Bounds) -> Result<Vec<f32>>,
    finished: &mut dyn FnMut(usize, &[f32]) -> Result<()>,
) -> Result<()> {
    let depth = patches.size[2];
    let layer = patches.axes[0].starts.len() * patches.axes[1].starts.len();
    let starts = &patches.axes[2].starts;
    let mut open: VecDeque<Vec<f32>> = VecDeque::new();
    for (z, &start) in starts.iter().enumerate() {
        open.resize_with(depth, Vec::new);
        for n in (z * layer..(z + 1) * layer).filter(|n| wanted[*n]) {
            let found = predict(n, &patches.bounds(patches.place(n)))?;
            add(par, patches, patches.place(n), &found, open.make_contiguous())?;
        }
        let end = starts.get(z + 1).copied().unwrap_or(start + depth as isize);
        for k in start..end {
            let slice = open.pop_front().unwrap_or_default();
            if !slice.is_empty() {
                finished(k as usize, &slice)?;
            }
        }
    }
    Ok(())
}

/// Adds a patch, weighted, to the slices that it reaches.
fn add(
    par: &dyn Parallel,
    patches: &Patches,
    place: [usize; 3],
    found: &[f32],
    open: &mut [Vec<f32>],
) -> Result<()> {
    let [nx, ny, nz] = patches.shape;
    let [px, py, pz] = patches.size;
    let channels = found.len() / (px * py * pz);
    let (bounds, inner) = (patches.bounds(place), patches.bounds(place).clipped(patches.shape));
    let weights = [0, 1, 2].map(|a| patches.axes[a].weights[place[a]].as_slice());
    let skip = (inner.begin[0] - bounds.begin[0]) as usize;
    let (x, width) = (inner.begin[0] as usize, inner.shape()[0]);
    let reached = |n: &usize| (0..nz as isize).contains(&(bounds.begin[2] + *n as isize));
    for (n, slice) in open.iter_mut().enumerate().filter(|(n, slice)| slice.is_empty() && reached(n)) {
        slice.try_reserve_exact(channels * nx * ny).map_err(|_| {
            Error::out_of_memory(format!("no memory for {channels} channels of slice {n} of a patch"))
        })?;
        slice.resize(channels * nx * ny, 0.0);
    }
    for_each_chunk(par, open, 1, &|n, cell| {
        let Some(slice) = cell.first_mut().filter(|_| reached(&n)) else { return };
        for (c, channel) in slice.chunks_exact_mut(nx * ny).enumerate() {
            for j in inner.begin[1] as usize..inner.end[1] as usize {
                let row = (j as isize - bounds.begin[1]) as usize;
                let weight = weights[2][n] * weights[1][row];
                let from = &found[px * (row + py * (n + pz * c)) + skip..][..width];
                let to = &mut channel[nx * j + x..][..width];
                for ((to, from), w) in to.iter_mut().zip(from).zip(&weights[0][skip..]) {
                    *to += weight * w * from;
                }
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patches::Blending;
    use ichor_image::Serial;
    use ichor_image::parallel::Threads;

    /// Two channels of a volume, the second the first one's negative.
    fn value(at: usize, channel: usize) -> f32 {
        (1.0 - 2.0 * channel as f32) * ((at * 37) % 101) as f32
    }

    fn run(par: &dyn Parallel, patches: &Patches, wanted: &[bool]) -> Vec<Option<Vec<f32>>> {
        let [nx, ny, nz] = patches.shape;
        let mut out = vec![None; nz];
        let mut predict = |_: usize, b: &Bounds| {
            let mut found = Vec::new();
            for c in 0..2 {
                for k in b.begin[2]..b.end[2] {
                    for j in b.begin[1]..b.end[1] {
                        // Beyond the volume the answer is rubbish that must not come through.
                        let inside = |i: isize| {
                            [(i, nx), (j, ny), (k, nz)].iter().all(|(v, n)| (0..*n as isize).contains(v))
                        };
                        let at = |i: isize| (i + nx as isize * (j + ny as isize * k)) as usize;
                        let row = b.begin[0]..b.end[0];
                        found.extend(row.map(|i| if inside(i) { value(at(i), c) } else { 1e9 }));
                    }
                }
            }
            Ok(found)
        };
        let mut finished = |k: usize, slice: &[f32]| {
            assert!(out[k].replace(slice.to_vec()).is_none());
            Ok(())
        };
        blend(par, patches, wanted, &mut predict, &mut finished).unwrap();
        out
    }

    #[test]
    fn patches_that_agree_are_the_volume_itself() {
        for blending in [Blending::Gaussian, Blending::Constant] {
            for overlap in [0.0, 0.5, 0.7] {
                let patches = Patches::new([21, 5, 30], [8, 9, 7], overlap, blending);
                let found = run(&Serial, &patches, &vec![true; patches.len()]);
                for (k, slice) in found.iter().enumerate() {
                    let slice = slice.as_ref().unwrap();
                    for (n, v) in slice.iter().enumerate() {
                        let want = value(n % 105 + 105 * k, n / 105);
                        assert!((v - want).abs() < 1e-4, "{v} for {want}");
                    }
                }
                let two = run(&Threads(2), &patches, &vec![true; patches.len()]);
                assert!(two == found, "threads change no bit");
            }
        }
    }

    #[test]
    fn what_no_patch_reaches_is_left_out_and_the_rest_does_not_change() {
        let patches = Patches::new([21, 5, 30], [8, 9, 7], 0.5, Blending::Gaussian);
        let all = run(&Serial, &patches, &vec![true; patches.len()]);
        // Voxel (10, 2, 15): the patches over it alone.
        let at = [10, 2, 15];
        let wanted: Vec<bool> = (0..patches.len())
            .map(|n| {
                let b = patches.bounds(patches.place(n));
                (0..3).all(|a| (b.begin[a]..b.end[a]).contains(&at[a]))
            })
            .collect();
        let some = run(&Serial, &patches, &wanted);
        assert!(wanted.iter().filter(|w| **w).count() < patches.len());
        assert!(some[0].is_none() && some[29].is_none());
        let voxel = |found: &[Option<Vec<f32>>]| found[15].as_ref().unwrap()[10 + 21 * 2];
        assert_eq!(voxel(&some), voxel(&all));
    }
}
