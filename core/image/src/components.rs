//! Connected components of a mask.

use crate::runs::{Link, Runs};
use crate::{Parallel, parallel::for_each_chunk};

/// Which voxels count as neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connectivity {
    /// Those that share a face.
    Six,
    /// Those that share a face or an edge.
    Eighteen,
    /// Those that share a face, an edge or a corner.
    TwentySix,
}

/// The components of a mask, numbered from 1 in the order of their first voxels, x fastest.
pub struct Components {
    /// The number of each voxel's component, 0 in the background.
    pub labels: Vec<u32>,
    /// Voxels of component `l` at `l - 1`.
    pub sizes: Vec<usize>,
}

impl Connectivity {
    /// The half of the neighbourhood that comes before a row.
    fn links(self) -> Vec<Link> {
        let (face, edge) = match self {
            Self::Six => (0, None),
            Self::Eighteen => (1, Some(0)),
            Self::TwentySix => (1, Some(1)),
        };
        let mut links = vec![Link { dj: -1, dk: 0, reach: face }, Link { dj: 0, dk: -1, reach: face }];
        for dj in [-1, 1] {
            links.extend(edge.map(|reach| Link { dj, dk: -1, reach }));
        }
        links
    }
}

/// Finds the components of the voxels of `mask` that are not 0.
///
/// Runs along x are joined by union-find, slab by slab in parallel; the result does not depend on the slabs.
pub fn components(
    par: &dyn Parallel,
    mask: &[u8],
    shape: [usize; 3],
    connectivity: Connectivity,
) -> Components {
    let Clusters { runs, numbers, sizes, .. } = Clusters::new(par, mask, shape, connectivity);
    let mut labels = vec![0u32; mask.len()];
    paint(par, &mut labels, shape, &runs, &|n| numbers[n]);
    Components { labels, sizes }
}

/// The components of a mask without a label for every voxel: as runs along x, which take far less memory.
pub struct Clusters {
    shape: [usize; 3],
    runs: Runs,
    /// The number of each run's component.
    numbers: Vec<u32>,
    /// Voxels of component `l` at `l - 1`.
    pub sizes: Vec<usize>,
}

/// The component with most voxels, as a mask; the one that comes first, when several have as many. Empty for
/// an empty mask.
pub fn largest_component(
    par: &dyn Parallel,
    mask: &[u8],
    shape: [usize; 3],
    connectivity: Connectivity,
) -> Vec<u8> {
    let Clusters { runs, numbers, sizes, .. } = Clusters::new(par, mask, shape, connectivity);
    let largest =
        sizes.iter().max().map_or(0, |max| sizes.iter().take_while(|s| *s < max).count() as u32 + 1);
    let mut out = vec![0u8; mask.len()];
    paint(par, &mut out, shape, &runs, &|n| u8::from(numbers[n] == largest));
    out
}

impl Clusters {
    /// Finds the same components as [`components`], with the same numbers.
    pub fn new(par: &dyn Parallel, mask: &[u8], shape: [usize; 3], connectivity: Connectivity) -> Self {
        let runs = Runs::new(par, mask, shape, true, &connectivity.links());
        let mut numbers = vec![0u32; runs.runs.len()];
        let mut sizes: Vec<usize> = Vec::new();
        for (n, run) in runs.runs.iter().enumerate() {
            let root = runs.roots[n] as usize;
            if root == n {
                sizes.push(0);
                numbers[n] = sizes.len() as u32;
            } else {
                numbers[n] = numbers[root];
            }
            sizes[numbers[n] as usize - 1] += (run.end - run.begin) as usize;
        }
        Self { shape, runs, numbers, sizes }
    }

    /// The runs in the order of memory: the number of the component, the first voxel, the voxels along x.
    pub fn runs(&self) -> impl Iterator<Item = (u32, [usize; 3], usize)> {
        let [_, ny, nz] = self.shape;
        (0..ny * nz).flat_map(move |row| {
            self.runs.of_row(row).map(move |n| {
                let run = self.runs.runs[n];
                let begin = [run.begin as usize, row % ny, row / ny];
                (self.numbers[n], begin, (run.end - run.begin) as usize)
            })
        })
    }

    /// Fills a volume of the mask's shape with `value` of each voxel's component, and with 0 in the background.
    pub fn paint<T: Copy + Default + Send>(
        &self,
        par: &dyn Parallel,
        out: &mut [T],
        value: &(dyn Fn(u32) -> T + Sync),
    ) {
        for_each_chunk(par, out, (self.shape[0] * self.shape[1]).max(1), &|_, part| part.fill(T::default()));
        paint(par, out, self.shape, &self.runs, &|n| value(self.numbers[n]));
    }
}

/// Fills each run of `out`, which is all zero, with its value.
pub(crate) fn paint<T: Copy + Send>(
    par: &dyn Parallel,
    out: &mut [T],
    [nx, ny, _]: [usize; 3],
    runs: &Runs,
    value: &(dyn Fn(usize) -> T + Sync),
) {
    for_each_chunk(par, out, nx * ny, &|k, plane| {
        for (j, row) in plane.chunks_mut(nx).enumerate() {
            for n in runs.of_row(j + ny * k) {
                let run = runs.runs[n];
                row[run.begin as usize..run.end as usize].fill(value(n));
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::Threads;
    use crate::testing::{noise, pattern_below};
    use crate::{Serial, random::at};
    use Connectivity::{Eighteen, Six, TwentySix};

    const SHAPE: [usize; 3] = [23, 19, 17];

    #[test]
    fn counts_and_sizes_are_those_of_scipy() {
        // scipy 1.17.1, ndimage.label with generate_binary_structure(3, 1), (3, 2) and (3, 3).
        for (limit, connectivity, count, largest, ones, first) in [
            (30.0, Six, 643, 993, 417, &[2_usize, 1, 1, 993, 2, 1, 58, 1, 1, 1, 2, 1][..]),
            (30.0, Eighteen, 8, 2248, 3, &[2248, 2, 1, 5, 1, 2, 4, 1]),
            (30.0, TwentySix, 3, 2258, 1, &[2258, 5, 1]),
            (22.0, Six, 766, 272, 542, &[2, 272, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1]),
            (22.0, Eighteen, 35, 1553, 14, &[1553, 1, 20, 1, 1, 1, 5, 5, 2, 1, 2, 4]),
            (22.0, TwentySix, 6, 1657, 2, &[1657, 1, 2, 5, 4, 1]),
        ] {
            let mask = pattern_below(SHAPE, limit);
            let found = components(&Serial, &mask, SHAPE, connectivity);
            assert_eq!(found.sizes.len(), count);
            assert_eq!(found.sizes.iter().max(), Some(&largest));
            assert_eq!(found.sizes.iter().filter(|s| **s == 1).count(), ones);
            assert_eq!(&found.sizes[..first.len()], first);
            let biggest = largest_component(&Serial, &mask, SHAPE, connectivity);
            assert_eq!(biggest.iter().map(|&v| v as usize).sum::<usize>(), largest);
        }
    }

    /// Components by flood fill, numbered by first voxel.
    fn flood(mask: &[u8], shape: [usize; 3], connectivity: Connectivity) -> Vec<u32> {
        let max = [Six, Eighteen, TwentySix].iter().position(|c| *c == connectivity).unwrap() + 1;
        let mut labels = vec![0; mask.len()];
        let mut count = 0;
        for start in 0..mask.len() {
            if mask[start] == 0 || labels[start] != 0 {
                continue;
            }
            count += 1;
            labels[start] = count;
            let mut open = vec![start];
            while let Some(at) = open.pop() {
                let here = [at % shape[0], at / shape[0] % shape[1], at / shape[0] / shape[1]];
                for n in 0..27usize {
                    let d = [n % 3, n / 3 % 3, n / 9];
                    let next: [usize; 3] = std::array::from_fn(|a| (here[a] + d[a]).wrapping_sub(1));
                    if d.iter().filter(|v| **v != 1).count() > max || (0..3).any(|a| next[a] >= shape[a]) {
                        continue;
                    }
                    let to = next[0] + shape[0] * (next[1] + shape[1] * next[2]);
                    if mask[to] != 0 && labels[to] == 0 {
                        labels[to] = count;
                        open.push(to);
                    }
                }
            }
        }
        labels
    }

    #[test]
    fn labels_are_those_of_a_flood_fill_whatever_the_threads() {
        for n in 0..60u64 {
            let shape = [1 + at(1, n) % 40, 1 + at(2, n) % 12, 1 + at(3, n) % 150].map(|v| v as usize);
            let mask = noise(shape.iter().product(), n, 5 + 10 * (n % 7));
            for connectivity in [Six, Eighteen, TwentySix] {
                let want = flood(&mask, shape, connectivity);
                assert_eq!(components(&Serial, &mask, shape, connectivity).labels, want);
                assert_eq!(components(&Threads(3), &mask, shape, connectivity).labels, want);
                let (clusters, mut out) =
                    (Clusters::new(&Threads(3), &mask, shape, connectivity), want.clone());
                clusters.paint(&Threads(3), &mut out, &|label| 2 * label);
                assert!(out.iter().zip(&want).all(|(out, want)| *out == 2 * want));
                let mut out = vec![0; mask.len()];
                for (label, [x, y, z], n) in clusters.runs() {
                    out[x + shape[0] * (y + shape[1] * z)..][..n].fill(label);
                }
                assert_eq!(out, want);
            }
        }
    }

    #[test]
    fn an_empty_mask_has_no_components() {
        let found = components(&Serial, &[0; 24], [2, 3, 4], TwentySix);
        assert!(found.sizes.is_empty() && found.labels.iter().all(|l| *l == 0));
        assert_eq!(largest_component(&Serial, &[0; 24], [2, 3, 4], Six), [0; 24]);
    }
}
