//! The voxels of a lesion as runs along i, with axial slices along k.

use ichor_image::{Affine, Grid};
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

/// The lesions 1, 2, ... of a label map (0 is background), in that order. A mask is a label map of one lesion.
pub fn lesions<T: Copy + PartialEq + Into<u32>>(labels: &[T], shape: [usize; 3]) -> Vec<Lesion> {
    let mut out: Vec<Lesion> = Vec::new();
    for (row, line) in labels.chunks_exact(shape[0].max(1)).enumerate() {
        let (j, k) = ((row % shape[1]) as u32, (row / shape[1]) as u32);
        let mut begin = 0;
        for part in line.chunk_by(|a, b| a == b) {
            let end = begin + part.len();
            let label: u32 = part[0].into();
            if label > 0 {
                let n = label as usize;
                if out.len() < n {
                    out.resize_with(n, Lesion::default);
                }
                out[n - 1].runs.push(Run { begin: begin as u32, end: end as u32, j, k });
            }
            begin = end;
        }
    }
    out
}

/// The same image with the axis that runs most superior-inferior last, so that slices of k are axial.
pub fn axial_last<'a>(mask: &'a [u8], grid: &Grid) -> (Cow<'a, [u8]>, Grid) {
    let axial = grid.affine.orientation().iter().position(|c| matches!(c, 'S' | 'I')).unwrap_or(2);
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

    #[test]
    fn runs_are_split_by_label_and_row() {
        let labels = [0u8, 1, 1, 2, 0, 0, 1, 0];
        let found = lesions(&labels, [4, 2, 1]);
        assert_eq!(
            found[0].runs,
            [Run { begin: 1, end: 3, j: 0, k: 0 }, Run { begin: 2, end: 3, j: 1, k: 0 }]
        );
        assert_eq!(found[1].runs, [Run { begin: 3, end: 4, j: 0, k: 0 }]);
        assert_eq!(found[0].voxels(), 3);
        assert!(lesions(&[0u8; 8], [4, 2, 1]).is_empty());
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
