//! A volume read with its axes in another order and direction, without a copy.

use ichor_image::parallel::for_each_chunk;
use ichor_image::{Bounds, Grid, Parallel};

/// Where the voxels of a turned volume lie in the array of the volume that is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    shape: [usize; 3],
    origin: usize,
    strides: [isize; 3],
}

impl Turn {
    /// From the volume's own grid to what [`Grid::reoriented`] made of it.
    pub fn new(own: &Grid, turned: &Grid) -> Self {
        let strides = [1, own.shape[0], own.shape[0] * own.shape[1]].map(|n| n as isize);
        let column = |grid: &Grid, c: usize| [0, 1, 2].map(|r| grid.affine.0[r][c]);
        let mut out = Self { shape: turned.shape, origin: 0, strides: [0; 3] };
        for a in 0..3 {
            let axis = column(turned, a);
            for (b, stride) in strides.into_iter().enumerate() {
                let from = column(own, b);
                if from == axis {
                    out.strides[a] = stride;
                } else if from.map(|v| -v) == axis {
                    out.strides[a] = -stride;
                    out.origin += stride as usize * (own.shape[b] - 1);
                }
            }
        }
        out
    }

    /// Voxels along the turned axes.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Position of a voxel of the turned volume in the array.
    pub fn at(&self, v: [usize; 3]) -> usize {
        (0..3).fold(self.origin, |at, a| at.wrapping_add_signed(self.strides[a] * v[a] as isize))
    }

    /// A box of the turned volume through `map`; 0 where it reaches beyond the volume.
    pub fn cut<T: Copy + Sync>(
        &self,
        par: &dyn Parallel,
        data: &[T],
        bounds: &Bounds,
        map: &(dyn Fn(T) -> f32 + Sync),
    ) -> Vec<f32> {
        let shape = bounds.shape();
        let inner = bounds.clipped(self.shape);
        let mut out = vec![0.0; shape.iter().product()];
        for_each_chunk(par, &mut out, shape[0] * shape[1], &|n, plane| {
            let k = bounds.begin[2] + n as isize;
            if !(inner.begin[2]..inner.end[2]).contains(&k) {
                return;
            }
            for j in inner.begin[1]..inner.end[1] {
                let row = &mut plane[shape[0] * (j - bounds.begin[1]) as usize..][..shape[0]];
                let row = &mut row[(inner.begin[0] - bounds.begin[0]) as usize..][..inner.shape()[0]];
                let first = self.at([inner.begin[0], j, k].map(|v| v as usize));
                for (i, cell) in row.iter_mut().enumerate() {
                    *cell = map(data[first.wrapping_add_signed(self.strides[0] * i as isize)]);
                }
            }
        });
        out
    }

    /// Whether a box of the turned volume holds a voxel that is not 0.
    pub fn any(&self, mask: &[u8], bounds: &Bounds) -> bool {
        let inner = bounds.clipped(self.shape);
        let width = inner.shape()[0] as isize;
        (inner.begin[2]..inner.end[2]).any(|k| {
            (inner.begin[1]..inner.end[1]).any(|j| {
                let first = self.at([inner.begin[0], j, k].map(|v| v as usize));
                (0..width).any(|i| mask[first.wrapping_add_signed(self.strides[0] * i)] != 0)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Affine, Serial};

    #[test]
    fn every_orientation_puts_voxels_where_the_world_says() {
        let (s, c) = 0.3f64.sin_cos();
        let affine =
            Affine([[0.0, 0.0, -1.5, 4.0], [-0.5 * c, 0.7 * s, 0.0, 3.0], [0.5 * s, 0.7 * c, 0.0, 9.0]]);
        let grid = Grid::new([4, 3, 5], affine).unwrap();
        let back = grid.affine.inverse().unwrap();
        let data: Vec<u16> = (1..61).collect();
        for wanted in [['R', 'A', 'S'], ['L', 'P', 'S'], ['S', 'L', 'A'], ['P', 'I', 'R']] {
            let turned = grid.reoriented(wanted).unwrap();
            let turn = Turn::new(&grid, &turned);
            let all = Bounds { begin: [-1, 0, 0], end: turned.shape.map(|n| n as isize + 1) };
            let cut = turn.cut(&Serial, &data, &all, &|v| f32::from(v));
            let size = all.shape();
            for k in 0..turned.shape[2] {
                for j in 0..turned.shape[1] {
                    for i in 0..turned.shape[0] {
                        let p = back.apply(turned.affine.apply([i, j, k].map(|n| n as f64)));
                        let [x, y, z] = p.map(|x| x.round() as usize);
                        assert_eq!(turn.at([i, j, k]), grid.index(x, y, z), "{wanted:?}");
                        let value = cut[i + 1 + size[0] * (j + size[1] * k)];
                        assert_eq!(value, f32::from(data[grid.index(x, y, z)]));
                    }
                }
            }
            assert_eq!(cut.iter().filter(|v| **v == 0.0).count(), cut.len() - 60);
            let mut mask = [0; 60];
            mask[turn.at([1, 2, 0])] = 1;
            assert!(turn.any(&mask, &Bounds { begin: [1, 2, -3], end: [9, 3, 1] }));
            assert!(!turn.any(&mask, &Bounds { begin: [0, 0, 1], end: [9, 9, 9] }));
            assert!(!turn.any(&mask, &Bounds { begin: [-5, 0, 0], end: [-1, 9, 9] }));
        }
    }
}
