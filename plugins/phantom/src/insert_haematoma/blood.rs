//! How much blood each voxel holds, and how dense it is.

use super::scan::Scan;
use crate::haematoma::Haematoma;
use crate::texture::Texture;
use crate::vector::{Point, add, scale};
use ichor_image::parallel::for_each_chunk;
use ichor_image::{Bounds, Parallel, gaussian_in_place};

/// Blood in the window around the haematoma.
pub struct Blood {
    /// The window, in voxels of the scan's box.
    pub window: Bounds,
    shape: [usize; 3],
    /// Share of each voxel that is blood.
    share: Vec<f32>,
    /// The same as the scanner sees it, and its density times it.
    seen: Vec<f32>,
    dense: Vec<f32>,
    /// Weight, sum and sum of squares of the density of all blood.
    pub sums: [f64; 3],
}

/// Longest part of a voxel that is one sample, mm.
const CELL: f64 = 0.6;
/// How far patches and satellites are stirred, and over what length, mm.
const STIR: f32 = 1.2;
const STIR_SIZE: f32 = 4.5;

impl Blood {
    /// Averages over voxels; `thickness` mm are averaged across slices, and `blur` (sd, mm) blurs within them.
    pub fn new(
        par: &dyn Parallel,
        scan: &Scan,
        haematoma: &Haematoma,
        texture: &Texture,
        [thickness, blur]: [f64; 2],
    ) -> Self {
        let reach = f64::from(haematoma.reach() + 3.0 * STIR);
        let margin: [f64; 3] =
            std::array::from_fn(|a| if a == scan.through { thickness } else { 4.0 * blur + scan.spacing[a] });
        let middle = scan.voxel(haematoma.centre);
        // A ball of radius r reaches r times the length of the gradient of a voxel coordinate.
        let rows = scan.gradients();
        let window = Bounds {
            begin: std::array::from_fn(|a| (middle[a] - (reach + margin[a]) * rows[a]).floor() as isize),
            end: std::array::from_fn(|a| (middle[a] + (reach + margin[a]) * rows[a]).ceil() as isize + 1),
        }
        .clipped(scan.shape);
        let shape = window.shape();
        let begin = window.begin.map(|v| v as usize);
        let length: [f64; 3] =
            std::array::from_fn(|a| if a == scan.through { thickness } else { scan.spacing[a] });
        let parts = length.map(|l| ((l / CELL).ceil() as usize).clamp(2, 10));
        let offset =
            |a: usize, n: usize| ((n as f64 + 0.5) / parts[a] as f64 - 0.5) * length[a] / scan.spacing[a];
        let offsets: Vec<Point> = (0..parts.iter().product())
            .map(|n| {
                let part = [n % parts[0], n / parts[0] % parts[1], n / (parts[0] * parts[1])];
                let v: [f64; 3] = std::array::from_fn(|a| offset(a, part[a]));
                std::array::from_fn(|r| (0..3).map(|c| scan.to_head.0[r][c] * v[c]).sum::<f64>() as f32)
            })
            .collect();
        // Patches and satellites of the model are round; those of patients are not. A level stays level.
        let by = if haematoma.lesion.fluid_level > 0.0 { 0.0 } else { STIR };
        let stir = |p: Point| {
            let field = |n: u8| texture.at(add(p, scale([71.0, -53.0, 37.0], f32::from(n))), STIR_SIZE);
            add(p, scale([field(1), field(2), field(3)], by))
        };
        let plane = shape[0] * shape[1];
        let mut cells = vec![[0.0f32; 2]; plane * shape[2]];
        let mut sums = vec![[0.0f64; 3]; shape[2]];
        let mut planes: Vec<_> = cells.chunks_mut(plane.max(1)).zip(sums.iter_mut()).collect();
        for_each_chunk(par, &mut planes, 1, &|k, parts| {
            for (cells, sums) in parts {
                for (n, cell) in cells.iter_mut().enumerate() {
                    let v = [begin[0] + n % shape[0], begin[1] + n / shape[0], begin[2] + k];
                    if !scan.can_bleed(scan.index(v)) {
                        continue;
                    }
                    let p = scan.head(v);
                    for o in &offsets {
                        let p = add(p, *o);
                        if let Some(hu) = haematoma.blood(p, stir(p), texture) {
                            cell[0] += 1.0;
                            cell[1] += hu;
                            sums[0] += 1.0;
                            sums[1] += f64::from(hu);
                            sums[2] += f64::from(hu) * f64::from(hu);
                        }
                    }
                    *cell = cell.map(|c| c / offsets.len() as f32);
                }
            }
        });
        let share: Vec<f32> = cells.iter().map(|c| c[0]).collect();
        let mut dense: Vec<f32> = cells.iter().map(|c| c[1]).collect();
        drop(cells);
        let mut sigma = [0.0; 3];
        scan.along.iter().for_each(|&a| sigma[a] = blur / scan.spacing[a]);
        let mut seen = share.clone();
        gaussian_in_place(par, &mut seen, shape, sigma);
        gaussian_in_place(par, &mut dense, shape, sigma);
        let total = sums.iter().fold([0.0; 3], |a, s| std::array::from_fn(|n| a[n] + s[n]));
        Self { window, shape, share, seen, dense, sums: total }
    }

    fn index(&self, v: [usize; 3]) -> Option<usize> {
        let w: [isize; 3] = std::array::from_fn(|a| v[a] as isize - self.window.begin[a]);
        if (0..3).any(|a| w[a] < 0 || w[a] >= self.shape[a] as isize) {
            return None;
        }
        let w = w.map(|v| v as usize);
        Some(w[0] + self.shape[0] * (w[1] + self.shape[1] * w[2]))
    }

    /// Share of blood at a voxel of the scan's box as the scanner sees it, and its density.
    pub fn at(&self, v: [usize; 3]) -> (f32, f32) {
        match self.index(v) {
            Some(at) if self.seen[at] > 1e-3 => (self.seen[at].min(1.0), self.dense[at] / self.seen[at]),
            _ => (0.0, 0.0),
        }
    }

    /// The `count` voxels of the scan's box with the most blood, none with less than a fifth.
    pub fn most(&self, count: usize) -> Vec<[usize; 3]> {
        let mut order: Vec<usize> = (0..self.share.len()).filter(|&n| self.share[n] >= 0.2).collect();
        order.sort_by(|&a, &b| {
            self.share[b].total_cmp(&self.share[a]).then(self.seen[b].total_cmp(&self.seen[a]))
        });
        order.truncate(count);
        let [nx, ny, _] = self.shape;
        let begin = self.window.begin.map(|v| v as usize);
        order
            .into_iter()
            .map(|n| [begin[0] + n % nx, begin[1] + n / nx % ny, begin[2] + n / (nx * ny)])
            .collect()
    }
}
