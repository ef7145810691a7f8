//! One pass over the neighbours of every voxel: co-occurrences, runs, neighbourhood differences and dependence
//! counts together, in whole numbers.

use super::levels::Levels;
use super::sizes::Entries;
use std::ops::Range;

/// Neighbours after a voxel in the order of memory: in the slice, then in the next slice.
const FORWARD: [[isize; 3]; 13] = [
    [1, 0, 0],
    [-1, 1, 0],
    [0, 1, 0],
    [1, 1, 0],
    [-1, -1, 1],
    [0, -1, 1],
    [1, -1, 1],
    [-1, 0, 1],
    [0, 0, 1],
    [1, 0, 1],
    [-1, 1, 1],
    [0, 1, 1],
    [1, 1, 1],
];

/// Directions within slices.
pub const IN_PLANE: usize = 4;

/// Voxels further along the array for each of the first `directions` directions.
pub fn steps(shape: [usize; 3], directions: usize) -> Vec<isize> {
    let [nx, ny] = [shape[0] as isize, shape[1] as isize];
    FORWARD[..directions].iter().map(|d| d[0] + nx * (d[1] + ny * d[2])).collect()
}

/// What is counted; adding the parts of a region gives the whole.
pub struct Counts {
    pub ng: usize,
    pub directions: usize,
    /// `[direction][i][j]`.
    pub pairs: Vec<u32>,
    longest: usize,
    /// `[direction][i][length - 1]`.
    runs: Vec<u32>,
    /// Sums of |m level - sum of the neighbours' levels| for voxels with m neighbours: `[i][m]`.
    differences: Vec<u64>,
    /// How many voxels have m neighbours: `[i][m]`.
    neighbours: Vec<u32>,
    /// How many voxels have m neighbours that depend on them: `[i][m]`.
    dependent: Vec<u32>,
    pub voxels: u64,
}

const M: usize = 27;

impl Counts {
    fn new(levels: &Levels, directions: usize) -> Self {
        let ng = levels.ng;
        let longest = levels.shape[0].max(levels.shape[1]).max(levels.shape[2]) - 2;
        Self {
            ng,
            directions,
            pairs: vec![0; directions * ng * ng],
            longest,
            runs: vec![0; directions * ng * longest],
            differences: vec![0; ng * M],
            neighbours: vec![0; ng * M],
            dependent: vec![0; ng * M],
            voxels: 0,
        }
    }

    /// Counts the voxels of planes `planes` (of the array with its border) with all their neighbours, in the
    /// slice or in space.
    /// `alpha` is the largest difference at which a neighbour depends on a voxel.
    pub fn of(levels: &Levels, planes: Range<usize>, directions: usize, alpha: u16) -> Self {
        // The number of directions is known to the compiler, which unrolls the loop over them.
        if directions == IN_PLANE {
            count::<IN_PLANE>(levels, planes, alpha)
        } else {
            count::<13>(levels, planes, alpha)
        }
    }

    pub fn add(mut self, other: &Self) -> Self {
        fn sum<T: Copy + std::ops::AddAssign>(a: &mut [T], b: &[T]) {
            a.iter_mut().zip(b).for_each(|(a, &b)| *a += b);
        }
        sum(&mut self.pairs, &other.pairs);
        sum(&mut self.runs, &other.runs);
        sum(&mut self.differences, &other.differences);
        sum(&mut self.neighbours, &other.neighbours);
        sum(&mut self.dependent, &other.dependent);
        self.voxels += other.voxels;
        self
    }

    /// Pairs of one direction.
    pub fn pairs_of(&self, direction: usize) -> &[u32] {
        &self.pairs[direction * self.ng * self.ng..][..self.ng * self.ng]
    }

    /// Pairs of all directions.
    pub fn pairs_merged(&self) -> Vec<u32> {
        merge(&self.pairs, self.ng * self.ng)
    }

    /// Runs of one direction.
    pub fn runs_of(&self, direction: usize) -> Entries {
        let n = self.ng * self.longest;
        entries(&self.runs[direction * n..][..n], self.longest)
    }

    /// Runs of all directions.
    pub fn runs_merged(&self) -> Entries {
        entries(&merge(&self.runs, self.ng * self.longest), self.longest)
    }

    /// Dependence counts: the voxel itself is one.
    pub fn dependence(&self) -> Entries {
        entries(&self.dependent, M)
    }

    /// Of each level, how many voxels have neighbours, and their sum of differences from the neighbours' mean.
    pub fn tone(&self) -> (Vec<u64>, Vec<f64>) {
        let rows = |i: usize| i * M + 1..(i + 1) * M;
        (0..self.ng)
            .map(|i| {
                let voxels = self.neighbours[rows(i)].iter().map(|&c| u64::from(c)).sum::<u64>();
                let sums = self.differences[rows(i)].iter().enumerate();
                (voxels, sums.map(|(m, &s)| s as f64 / (m + 1) as f64).sum::<f64>())
            })
            .unzip()
    }
}

fn merge(parts: &[u32], n: usize) -> Vec<u32> {
    let mut out = vec![0; n];
    for part in parts.chunks(n) {
        out.iter_mut().zip(part).for_each(|(a, &b)| *a += b);
    }
    out
}

fn entries(matrix: &[u32], columns: usize) -> Entries {
    let cells = matrix.iter().enumerate().filter(|(_, c)| **c > 0);
    cells.map(|(n, &c)| ((n / columns) as u32 + 1, (n % columns) as u32 + 1, u64::from(c))).collect()
}

fn count<const D: usize>(levels: &Levels, planes: Range<usize>, alpha: u16) -> Counts {
    let mut out = Counts::new(levels, D);
    let [nx, ny, _] = levels.shape;
    let (ng, longest, data) = (out.ng, out.longest, &levels.data[..]);
    let step = steps(levels.shape, D);
    for k in planes {
        for j in 1..ny - 1 {
            let row = nx * (j + ny * k);
            for at in row + 1..row + nx - 1 {
                let level = data[at];
                if level == 0 {
                    continue;
                }
                let i = level as usize - 1;
                let (mut m, mut sum, mut dependent) = (0u32, 0u32, 0u32);
                for (d, &step) in step.iter().enumerate() {
                    let ahead = data[at.wrapping_add_signed(step)];
                    let behind = data[at.wrapping_add_signed(-step)];
                    if ahead != 0 {
                        out.pairs[(d * ng + i) * ng + ahead as usize - 1] += 1;
                    }
                    for other in [ahead, behind] {
                        m += u32::from(other != 0);
                        sum += u32::from(other);
                        dependent += u32::from(other != 0 && other.abs_diff(level) <= alpha);
                    }
                    // A run is counted where it begins.
                    if behind != level {
                        let (mut length, mut next) = (1, at);
                        if ahead == level {
                            next = next.wrapping_add_signed(step);
                            while data[next] == level {
                                length += 1;
                                next = next.wrapping_add_signed(step);
                            }
                        }
                        out.runs[(d * ng + i) * longest + length - 1] += 1;
                    }
                }
                out.differences[i * M + m as usize] += u64::from((m * u32::from(level)).abs_diff(sum));
                out.neighbours[i * M + m as usize] += 1;
                out.dependent[i * M + dependent as usize] += 1;
                out.voxels += 1;
            }
        }
    }
    out
}
