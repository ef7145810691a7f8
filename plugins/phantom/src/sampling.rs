//! From the continuous head to the voxels of a slice: averages over each voxel's extent.

use crate::head::{AIR, BLOOD, CAVITY, Head, Sample};
use ichor_image::{Affine, Grid};

/// Neighbours whose densities differ by more, one of them bone, are an edge that is sampled finer.
const EDGE_HU: f32 = 200.0;

/// How voxels are sampled: a coarse lattice everywhere, a fine one at edges.
pub struct Sampling {
    to_head: Affine,
    size: f32,
    shape: [usize; 2],
    /// Coarse cells a voxel along i, j and through the slice.
    coarse: [usize; 3],
    /// Fine cells a coarse cell.
    fine: [usize; 3],
    /// Slice thickness over slice spacing.
    thick: f64,
}

/// A slice before the scanner.
pub struct Slice {
    /// Mean density, HU.
    pub hu: Vec<f32>,
    /// Share of each voxel in the cavity and in the haematoma.
    pub cavity: Vec<f32>,
    pub blood: Vec<f32>,
    /// Weight, sum and sum of squares of the density over all blood samples.
    pub blood_sums: [f64; 3],
}

/// Cells of at most so many mm in a length.
fn cells(length: f64, most: f64) -> usize {
    ((length / most - 1e-9).ceil() as usize).max(1)
}

/// Coarse cells a voxel along i, j and through the slice.
fn coarse(grid: &Grid, thickness: f64) -> [usize; 3] {
    let spacing = grid.spacing();
    [cells(spacing[0], 1.5).min(2), cells(spacing[1], 1.5).min(2), cells(thickness, 1.0).clamp(2, 8)]
}

/// Memory while a slice is made, in bytes: its cells, and what comes of them.
pub fn slice_bytes(grid: &Grid, thickness: f64) -> u64 {
    let voxels = grid.shape[0] as u64 * grid.shape[1] as u64;
    let cells: usize = coarse(grid, thickness).iter().product();
    let cell = size_of::<Sample>() + size_of::<bool>();
    voxels * (cells * cell + 4 * size_of::<f32>()) as u64
}

impl Sampling {
    /// Through the slice, layers of 1 mm (from 2 to 8 of them), half as thick at edges; in plane, one sample a
    /// voxel of up to 1.5 mm and 2 x 2 in larger ones, at edges down to 0.35 mm or 4 x 4 a voxel.
    pub fn new(head: &Head, grid: &Grid, to_head: Affine, thickness: f64) -> Self {
        let spacing = grid.spacing();
        let coarse = coarse(grid, thickness);
        let at_edge = |axis: usize| cells(spacing[axis], 0.35).min(4).div_ceil(coarse[axis]);
        let fine = [at_edge(0), at_edge(1), cells(thickness / coarse[2] as f64, 0.5).min(2)];
        let shape = [grid.shape[0], grid.shape[1]];
        Self { to_head, size: head.size(), shape, coarse, fine, thick: thickness / spacing[2] }
    }

    /// Slice `k`.
    pub fn slice(&self, head: &Head, k: usize) -> Slice {
        let [cx, cy, cz] = self.coarse;
        let (nx, ny) = (self.shape[0] * cx, self.shape[1] * cy);
        let air = Sample { hu: AIR, parts: 0 };
        let mut layers = vec![air; nx * ny * cz];
        for (layer, cells) in layers.chunks_exact_mut(nx * ny).enumerate() {
            for (j, row) in cells.chunks_exact_mut(nx).enumerate() {
                self.row(head, k, j, layer, row);
            }
        }
        let edge = edges(&layers, nx, ny);
        let voxels = self.shape[0] * self.shape[1];
        let mut out = Slice {
            hu: vec![0.0; voxels],
            cavity: vec![0.0; voxels],
            blood: vec![0.0; voxels],
            blood_sums: [0.0; 3],
        };
        let weight = 1.0 / (cx * cy * cz) as f32;
        for (row, cells) in layers.chunks_exact(nx).enumerate() {
            let (j, layer) = (row % ny, row / ny);
            let edge = &edge[row * nx..][..nx];
            for (i, &sample) in cells.iter().enumerate() {
                let voxel = i / cx + self.shape[0] * (j / cy);
                if edge[i] {
                    self.refine(head, k, [i, j, layer], weight, voxel, &mut out);
                } else {
                    out.add(voxel, sample, weight);
                }
            }
        }
        out
    }

    /// Voxel coordinate of the middle of part `sub` of `fine` of coarse cell `cell`.
    fn place(&self, axis: usize, cell: usize, sub: usize, fine: usize) -> f64 {
        let cells = self.coarse[axis] as f64;
        (cell as f64 + (sub as f64 + 0.5) / fine as f64) / cells - 0.5
    }

    fn through(&self, k: usize, layer: usize, sub: usize, fine: usize) -> f64 {
        k as f64 + self.thick * self.place(2, layer, sub, fine)
    }

    fn row(&self, head: &Head, k: usize, j: usize, layer: usize, row: &mut [Sample]) {
        let at = |i: f64| self.to_head.apply([i, self.place(1, j, 0, 1), self.through(k, layer, 0, 1)]);
        let (first, second) = (at(self.place(0, 0, 0, 1)), at(self.place(0, 1, 0, 1)));
        let step: [f64; 3] = std::array::from_fn(|n| second[n] - first[n]);
        // The part of the row that meets the head's box.
        let s = f64::from(self.size) * 1.1;
        let low = [-94.0 * s, -112.0 * s, -400.0];
        let high = [94.0 * s, 112.0 * s, 95.0 * s];
        let (mut begin, mut end) = (0.0f64, row.len() as f64);
        for n in 0..3 {
            if step[n].abs() < 1e-9 {
                if first[n] < low[n] || first[n] > high[n] {
                    return;
                }
                continue;
            }
            let (a, b) = ((low[n] - first[n]) / step[n], (high[n] - first[n]) / step[n]);
            begin = begin.max(a.min(b));
            end = end.min(a.max(b) + 1.0);
        }
        if begin >= end {
            return;
        }
        for i in begin as usize..(end as usize).min(row.len()) {
            let p = std::array::from_fn(|n| (first[n] + step[n] * i as f64) as f32);
            row[i] = head.at(p);
        }
    }

    fn refine(&self, head: &Head, k: usize, cell: [usize; 3], weight: f32, voxel: usize, out: &mut Slice) {
        let [fx, fy, fz] = self.fine;
        let weight = weight / (fx * fy * fz) as f32;
        for c in 0..fz {
            for b in 0..fy {
                for a in 0..fx {
                    let v = [
                        self.place(0, cell[0], a, fx),
                        self.place(1, cell[1], b, fy),
                        self.through(k, cell[2], c, fz),
                    ];
                    out.add(voxel, head.at(self.to_head.apply(v).map(|x| x as f32)), weight);
                }
            }
        }
    }
}

impl Slice {
    fn add(&mut self, voxel: usize, sample: Sample, weight: f32) {
        self.hu[voxel] += weight * sample.hu;
        if sample.parts & CAVITY != 0 {
            self.cavity[voxel] += weight;
        }
        if sample.parts & BLOOD != 0 {
            self.blood[voxel] += weight;
            let (w, hu) = (f64::from(weight), f64::from(sample.hu));
            self.blood_sums[0] += w;
            self.blood_sums[1] += w * hu;
            self.blood_sums[2] += w * hu * hu;
        }
    }
}

/// Cells that differ from a neighbour in their own layer or the next ones.
fn edges(cells: &[Sample], nx: usize, ny: usize) -> Vec<bool> {
    let mut edge = vec![false; cells.len()];
    let differ = |a: Sample, b: Sample| {
        a.parts != b.parts || ((a.hu - b.hu).abs() > EDGE_HU && a.hu.max(b.hu) > EDGE_HU)
    };
    for row in 0..cells.len() / nx {
        let steps = [
            (1, nx - 1),                                                 // the next in the row
            (nx, if row % ny + 1 < ny { nx } else { 0 }),                // the next row
            (nx * ny, if row + ny < cells.len() / nx { nx } else { 0 }), // the next layer
        ];
        for (step, count) in steps {
            for index in row * nx..row * nx + count {
                if differ(cells[index], cells[index + step]) {
                    edge[index] = true;
                    edge[index + step] = true;
                }
            }
        }
    }
    edge
}
