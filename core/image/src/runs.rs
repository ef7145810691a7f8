//! Runs of equal voxels along x, joined to components by union-find.
//!
//! A mask has far fewer runs than voxels, so the part of the work that is serial is small.

use crate::{Parallel, bounds::first_set, parallel::map_ranges};
use std::ops::Range;

/// Voxels `begin..end` of one row.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) begin: u32,
    pub(crate) end: u32,
}

/// An earlier row, `dj` rows and `dk` planes away, whose runs touch those of a row when they overlap it after
/// growing by `reach` voxels.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    pub(crate) dj: isize,
    pub(crate) dk: isize,
    pub(crate) reach: u32,
}

/// The runs of a mask and, for each, the first run of its component.
pub(crate) struct Runs {
    pub(crate) runs: Vec<Run>,
    /// Runs of row r = j + ny * k are `starts[r]..starts[r + 1]`.
    starts: Vec<u32>,
    /// Index of the first run of the same component; equal to its own index for that one.
    pub(crate) roots: Vec<u32>,
}

/// What one slab of planes finds out on its own; all numbers count from its first run.
struct Slab {
    runs: Vec<Run>,
    starts: Vec<u32>,
    roots: Vec<u32>,
}

impl Runs {
    /// The runs of voxels that are not 0 (`of_set`) or 0 (not `of_set`), joined across `links`.
    pub(crate) fn new(
        par: &dyn Parallel,
        mask: &[u8],
        shape: [usize; 3],
        of_set: bool,
        links: &[Link],
    ) -> Self {
        let [nx, ny, nz] = shape;
        assert_eq!(mask.len(), nx * ny * nz, "mask and shape disagree");
        let depth = nz.div_ceil(64).max(1);
        let slabs = map_ranges(par, nz, depth, &|planes| {
            let mut slab = Slab { runs: Vec::new(), starts: vec![0], roots: Vec::new() };
            for r in planes.start * ny..planes.end * ny {
                let row = &mask[r * nx..][..nx];
                if of_set {
                    set_runs(row, &mut slab.runs)
                } else {
                    clear_runs(row, &mut slab.runs)
                }
                slab.starts.push(slab.runs.len() as u32);
            }
            slab.roots = (0..slab.runs.len() as u32).collect();
            for k in 0..planes.len() {
                join_plane(&slab.runs, &slab.starts, &mut slab.roots, (ny, k), links);
            }
            slab
        });

        let mut all = Self { runs: Vec::new(), starts: vec![0], roots: Vec::new() };
        for (n, slab) in slabs.into_iter().enumerate() {
            let offset = all.runs.len() as u32;
            all.runs.extend(slab.runs);
            all.starts.extend(slab.starts[1..].iter().map(|s| s + offset));
            all.roots.extend(slab.roots.iter().map(|r| r + offset));
            if n > 0 {
                // Within the plane all is joined already; only what reaches back into the slab before counts.
                let back: Vec<Link> = links.iter().filter(|l| l.dk < 0).copied().collect();
                join_plane(&all.runs, &all.starts, &mut all.roots, (ny, n * depth), &back);
            }
        }
        // A root is always the smallest index, so one sweep in order flattens every chain.
        for n in 0..all.roots.len() {
            all.roots[n] = all.roots[all.roots[n] as usize];
        }
        all
    }

    /// Indices of the runs of row `r`.
    pub(crate) fn of_row(&self, r: usize) -> Range<usize> {
        self.starts[r] as usize..self.starts[r + 1] as usize
    }
}

fn set_runs(row: &[u8], out: &mut Vec<Run>) {
    let mut at = 0;
    while let Some(gap) = first_set(&row[at..]) {
        let begin = at + gap;
        let length = row[begin..].iter().position(|&v| v == 0).unwrap_or(row.len() - begin);
        at = begin + length;
        out.push(Run { begin: begin as u32, end: at as u32 });
    }
}

fn clear_runs(row: &[u8], out: &mut Vec<Run>) {
    let mut at = 0;
    while at < row.len() {
        let end = first_set(&row[at..]).map_or(row.len(), |n| at + n);
        if end > at {
            out.push(Run { begin: at as u32, end: end as u32 });
        }
        at = end + row[end..].iter().position(|&v| v == 0).unwrap_or(row.len() - end);
    }
}

/// Joins the runs of plane `k` to those of the rows that come before.
fn join_plane(runs: &[Run], starts: &[u32], roots: &mut [u32], (ny, k): (usize, usize), links: &[Link]) {
    for j in 0..ny {
        let row = starts[j + ny * k]..starts[j + ny * k + 1];
        if row.is_empty() {
            continue;
        }
        for link in links {
            let (oj, ok) = (j as isize + link.dj, k as isize + link.dk);
            if oj < 0 || oj >= ny as isize || ok < 0 {
                continue;
            }
            let other = oj as usize + ny * ok as usize;
            let (mut first, end) = (starts[other] as usize, starts[other + 1] as usize);
            for n in row.clone() {
                let run = runs[n as usize];
                while first < end && runs[first].end + link.reach <= run.begin {
                    first += 1;
                }
                let mut m = first;
                while m < end && runs[m].begin < run.end + link.reach {
                    union(roots, n, m as u32);
                    m += 1;
                }
            }
        }
    }
}

fn find(roots: &mut [u32], mut n: u32) -> u32 {
    while roots[n as usize] != n {
        let up = roots[roots[n as usize] as usize];
        roots[n as usize] = up;
        n = up;
    }
    n
}

fn union(roots: &mut [u32], a: u32, b: u32) {
    let (a, b) = (find(roots, a), find(roots, b));
    roots[a.max(b) as usize] = a.min(b);
}
