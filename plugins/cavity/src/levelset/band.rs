//! The voxels near the front, as runs along x.

use ichor_image::Parallel;
use ichor_image::parallel::{for_each_chunk, map_ranges};
use std::ops::Range;

/// Voxels of a piece of work.
const GROUP: usize = 4096;

/// Consecutive voxels of one row.
#[derive(Clone, Copy)]
pub struct Run {
    /// The first voxel.
    pub at: usize,
    /// How many.
    pub len: usize,
    /// Row and plane.
    pub row: [usize; 2],
}

/// A flat list of runs, cut into groups of about equal size that do not depend on threads.
pub struct Band {
    runs: Vec<Run>,
    groups: Vec<Range<usize>>,
    /// Voxels in all runs.
    pub len: usize,
}

impl Band {
    /// The voxels with |phi| < `width`, and `layers` layers of neighbours by face around them. The first and last
    /// voxel of a row never belong, so that each voxel has neighbours along x.
    pub fn new(par: &dyn Parallel, phi: &[f32], shape: [usize; 3], width: f32, layers: usize) -> Self {
        let [nx, ny, nz] = shape;
        let mut near: Vec<u8> = vec![0; phi.len()];
        for_each_chunk(par, &mut near, nx * ny, &|k, plane| {
            plane.iter_mut().zip(&phi[k * nx * ny..]).for_each(|(n, p)| *n = u8::from(p.abs() < width));
        });
        for _ in 0..layers {
            near = grown(par, &near, shape);
        }
        let parts = map_ranges(par, nz, 1, &|planes| {
            let mut runs = Vec::new();
            for r in planes.start * ny..planes.end * ny {
                let row = &near[r * nx..][..nx];
                let mut x = 1;
                while x + 1 < nx {
                    let Some(gap) = row[x..nx - 1].iter().position(|&v| v != 0) else { break };
                    let begin = x + gap;
                    let len = row[begin..nx - 1].iter().position(|&v| v == 0).unwrap_or(nx - 1 - begin);
                    runs.push(Run { at: r * nx + begin, len, row: [r % ny, r / ny] });
                    x = begin + len;
                }
            }
            runs
        });
        let runs: Vec<Run> = parts.into_iter().flatten().collect();
        let (mut groups, mut begin, mut count) = (Vec::new(), 0, 0);
        for (n, run) in runs.iter().enumerate() {
            count += run.len;
            if count >= GROUP || n + 1 == runs.len() {
                groups.push(begin..n + 1);
                (begin, count) = (n + 1, 0);
            }
        }
        let len = runs.iter().map(|r| r.len).sum();
        Self { runs, groups, len }
    }

    /// New values for all voxels of the band: `body` fills a slice for each run.
    pub fn map(&self, par: &dyn Parallel, body: &(dyn Fn(&Run, &mut [f32]) + Sync)) -> Vec<Vec<f32>> {
        map_ranges(par, self.groups.len(), 1, &|group| {
            let runs = &self.runs[self.groups[group.start].clone()];
            let mut out = vec![0f32; runs.iter().map(|r| r.len).sum()];
            let mut at = 0;
            for run in runs {
                body(run, &mut out[at..][..run.len]);
                at += run.len;
            }
            out
        })
    }

    /// Puts values made by [`Band::map`] into the volume; `body` gets an old value's place and the new one.
    pub fn put(&self, values: &[Vec<f32>], data: &mut [f32], mut body: impl FnMut(&mut f32, f32)) {
        for (group, values) in self.groups.iter().zip(values) {
            let mut at = 0;
            for run in &self.runs[group.clone()] {
                let old = &mut data[run.at..][..run.len];
                old.iter_mut().zip(&values[at..][..run.len]).for_each(|(old, &new)| body(old, new));
                at += run.len;
            }
        }
    }

    /// Calls `body` with each voxel of the band and its value made by [`Band::map`].
    pub fn each(&self, values: &[Vec<f32>], mut body: impl FnMut(usize, f32)) {
        for (group, values) in self.groups.iter().zip(values) {
            let voxels = self.runs[group.clone()].iter().flat_map(|run| run.at..run.at + run.len);
            voxels.zip(values).for_each(|(at, &value)| body(at, value));
        }
    }
}

/// The mask with its neighbours by face.
fn grown(par: &dyn Parallel, mask: &[u8], [nx, ny, nz]: [usize; 3]) -> Vec<u8> {
    let mut out = mask.to_vec();
    for_each_chunk(par, &mut out, nx * ny, &|k, plane| {
        for (j, row) in plane.chunks_mut(nx).enumerate() {
            let mut add = |j: usize, k: usize| {
                let from = &mask[nx * (j + ny * k)..][..nx];
                row.iter_mut().zip(from).for_each(|(r, f)| *r |= f);
            };
            add(j.saturating_sub(1), k);
            add((j + 1).min(ny - 1), k);
            add(j, k.saturating_sub(1));
            add(j, (k + 1).min(nz - 1));
            let from = &mask[nx * (j + ny * k)..][..nx];
            row[1..].iter_mut().zip(from).for_each(|(r, f)| *r |= f);
            row.iter_mut().zip(&from[1..]).for_each(|(r, f)| *r |= f);
        }
    });
    out
}

/// The 9 rows around a run, one voxel longer to both sides: entry `3 * dz + dy`, each 0 to 2. Beyond the first and
/// last row and plane the edge is repeated.
pub fn around<'a>(data: &'a [f32], shape: [usize; 3], run: &Run) -> [&'a [f32]; 9] {
    row_starts(shape, run).map(|begin| &data[begin..][..run.len + 2])
}

/// Where those rows begin.
pub fn row_starts([nx, ny, nz]: [usize; 3], run: &Run) -> [usize; 9] {
    let [j, k] = run.row;
    let clamp = |v: usize, d: usize, n: usize| (v + d).saturating_sub(1).min(n - 1);
    let first = run.at - nx * (j + ny * k) - 1;
    std::array::from_fn(|n| first + nx * (clamp(j, n % 3, ny) + ny * clamp(k, n / 3, nz)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Serial;

    #[test]
    fn band_holds_what_is_near_and_its_neighbours() {
        let shape = [9, 5, 4];
        let mut phi = vec![9.0; 180];
        phi[4 + 9 * (2 + 5 * 2)] = -0.5;
        assert_eq!(Band::new(&Serial, &phi, shape, 1.0, 0).len, 1);
        assert_eq!(Band::new(&Serial, &phi, shape, 1.0, 1).len, 7);
        let band = Band::new(&Serial, &phi, shape, 1.0, 2);
        assert_eq!(band.len, 25 - 1); // the one two planes above is outside
        let seen =
            band.map(&Serial, &|run, out| out.copy_from_slice(&around(&phi, shape, run)[4][1..=run.len]));
        let mut copy = vec![0.0; 180];
        band.put(&seen, &mut copy, |old, new| *old = new);
        assert_eq!(copy.iter().filter(|&&v| v != 0.0).count(), 24);
        assert_eq!(copy[4 + 9 * (2 + 5 * 2)], -0.5);
    }

    #[test]
    fn rows_beyond_the_border_repeat_the_edge() {
        let shape = [4, 2, 1];
        let data: Vec<f32> = (0..8).map(|n| n as f32).collect();
        let rows = around(&data, shape, &Run { at: 1, len: 2, row: [0, 0] });
        assert_eq!(rows[0], [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(rows[8], [4.0, 5.0, 6.0, 7.0]);
        assert_eq!((rows[3], rows[4], rows[5]), (rows[0], rows[1], rows[2]));
    }
}
