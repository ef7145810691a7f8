//! The voxels of a lesion as runs along i, with axial slices along k.

use ichor_image::{Affine, Clusters, Grid};
use std::borrow::Cow;

/// Consecutive voxels `begin..end` along i at (j, k).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    pub begin: u32,
    pub end: u32,
    pub j: u32,
    pub k: u32,
}

impl Run {
    pub fn len(&self) -> usize {
        (self.end - self.begin) as usize
    }
}

/// A lesion's runs, k slowest, then j: the order in which they lie in memory.
#[derive(Clone, Debug, Default)]
pub struct Lesion {
    pub runs: Vec<Run>,
}

impl Lesion {
    /// Number of voxels.
    pub fn voxels(&self) -> usize {
        self.runs.iter().map(Run::len).sum()
    }

    /// The runs of each slice that the lesion reaches, lowest k first.
    pub fn slices(&self) -> impl Iterator<Item = &[Run]> {
        self.runs.chunk_by(|a, b| a.k == b.k)
    }
}

/// All clusters as one lesion, and with `each` the clusters 1, 2, ... as lesions of their own.
pub fn of_clusters(clusters: &Clusters, each: bool) -> (Lesion, Vec<Lesion>) {
    let mut whole = Lesion::default();
    let mut parts = vec![Lesion::default(); if each { clusters.sizes.len() } else { 0 }];
    for (number, [i, j, k], length) in clusters.runs() {
        let run = Run { begin: i as u32, end: (i + length) as u32, j: j as u32, k: k as u32 };
        whole.runs.push(run);
        if let Some(part) = parts.get_mut(number as usize - 1) {
            part.runs.push(run);
        }
    }
    (whole, parts)
}

/// A mask as one lesion.
#[cfg(test)]
pub fn whole(mask: &[u8], shape: [usize; 3]) -> Lesion {
    let clusters = Clusters::new(&ichor_image::Serial, mask, shape, ichor_image::Connectivity::TwentySix);
    of_clusters(&clusters, false).0
}

/// The axis that runs most superior-inferior.
pub fn axial(grid: &Grid) -> usize {
    grid.affine.orientation().iter().position(|c| matches!(c, 'S' | 'I')).unwrap_or(2)
}

/// The same image with the axis that runs most superior-inferior last, so that slices of k are axial.
pub fn axial_last<'a, T: Copy>(mask: &'a [T], grid: &Grid) -> (Cow<'a, [T]>, Grid) {
    let axial = axial(grid);
    if axial == 2 {
        return (Cow::Borrowed(mask), *grid);
    }
    let order = [(axial + 1) % 3, (axial + 2) % 3, axial];
    let shape = order.map(|a| grid.shape[a]);
    let strides = [1, grid.shape[0], grid.shape[0] * grid.shape[1]];
    let [si, sj, sk] = order.map(|a| strides[a]);
    let mut out = Vec::with_capacity(mask.len());
    for k in 0..shape[2] {
        for j in 0..shape[1] {
            out.extend((0..shape[0]).map(|i| mask[i * si + j * sj + k * sk]));
        }
    }
    let affine = Affine(grid.affine.0.map(|r| [r[order[0]], r[order[1]], r[order[2]], r[3]]));
    (Cow::Owned(out), Grid { shape, affine })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Connectivity, Serial};

    #[test]
    fn runs_are_split_by_cluster_and_row() {
        // Two rows of six voxels: a cluster in both, one at the end of the first.
        let mask = [1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0];
        let clusters = Clusters::new(&Serial, &mask, [6, 2, 1], Connectivity::TwentySix);
        let (whole, each) = of_clusters(&clusters, true);
        let run = |begin, end, j| Run { begin, end, j, k: 0 };
        assert_eq!(whole.runs, [run(0, 2, 0), run(4, 5, 0), run(1, 2, 1)]);
        assert_eq!(each[0].runs, [run(0, 2, 0), run(1, 2, 1)]);
        assert_eq!(each[1].runs, [run(4, 5, 0)]);
        assert_eq!((whole.voxels(), each.len()), (4, 2));
        let none = Clusters::new(&Serial, &[0; 12], [6, 2, 1], Connectivity::TwentySix);
        assert!(of_clusters(&none, true).1.is_empty());
    }

    #[test]
    fn axial_last_keeps_every_voxel_at_its_place_in_the_world() {
        // Axes S, R, A: slices are along i.
        let affine = Affine([[0.0, 2.0, 0.0, -5.0], [0.0, 0.0, 3.0, 1.0], [4.0, 0.0, 0.0, 7.0]]);
        let grid = Grid::new([2, 3, 4], affine).unwrap();
        let mut mask = vec![0; 24];
        mask[grid.index(1, 2, 3)] = 1;
        let (turned, to) = axial_last(&mask, &grid);
        assert_eq!(to.shape, [3, 4, 2]);
        assert_eq!(turned[to.index(2, 3, 1)], 1);
        assert_eq!(to.affine.apply([2.0, 3.0, 1.0]), affine.apply([1.0, 2.0, 3.0]));
    }
}
