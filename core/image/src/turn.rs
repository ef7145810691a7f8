//! A volume read and written with its axes in another order and direction, without a copy.

use crate::parallel::for_each_chunk;
use crate::{Bounds, Grid, Parallel};

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
        let mut out = Self { shape: turned.shape, origin: 0, strides: [0; 3] };
        for a in 0..3 {
            let column = |grid: &Grid, c: usize| [0, 1, 2].map(|r| grid.affine.0[r][c]);
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

    /// A volume of this shape as it is.
    pub fn upright(shape: [usize; 3]) -> Self {
        Self { shape, origin: 0, strides: [1, shape[0] as isize, (shape[0] * shape[1]) as isize] }
    }

    /// Voxels along the turned axes.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Position of a voxel of the turned volume in the array.
    pub fn at(&self, v: [usize; 3]) -> usize {
        (0..3).fold(self.origin, |at, a| at.wrapping_add_signed(self.strides[a] * v[a] as isize))
    }

    /// Distance in the array between voxels next to each other along a turned axis.
    pub fn stride(&self, axis: usize) -> isize {
        self.strides[axis]
    }

    /// The volume mirrored along the turned axes for which `mirror` is true.
    pub fn mirrored(mut self, mirror: [bool; 3]) -> Self {
        for a in (0..3).filter(|a| mirror[*a]) {
            self.origin = self.origin.wrapping_add_signed(self.strides[a] * (self.shape[a] as isize - 1));
            self.strides[a] = -self.strides[a];
        }
        self
    }

    /// A box of the turned volume through `map`, `outside` where it reaches beyond the volume.
    pub fn cut<T: Copy + Sync>(
        &self,
        par: &dyn Parallel,
        data: &[T],
        bounds: &Bounds,
        outside: f32,
        map: &(dyn Fn(T) -> f32 + Sync),
    ) -> Vec<f32> {
        let shape = bounds.shape();
        let inner = bounds.clipped(self.shape);
        let mut out = vec![outside; shape.iter().product()];
        for_each_chunk(par, &mut out, shape[0] * shape[1], &|n, plane| {
            let k = bounds.begin[2] + n as isize;
            if !(inner.begin[2]..inner.end[2]).contains(&k) || inner.end[0] <= inner.begin[0] {
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

    /// Calls `body(position in the box, position in the array)` for the voxels of a box that lie in the volume.
    pub fn places(&self, bounds: &Bounds, mut body: impl FnMut(usize, usize)) {
        let n = bounds.shape();
        let inner = bounds.clipped(self.shape);
        for k in inner.begin[2]..inner.end[2] {
            for j in inner.begin[1]..inner.end[1] {
                let row = n[0] * ((j - bounds.begin[1]) as usize + n[1] * (k - bounds.begin[2]) as usize);
                for i in inner.begin[0]..inner.end[0] {
                    body(row + (i - bounds.begin[0]) as usize, self.at([i, j, k].map(|v| v as usize)));
                }
            }
        }
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
    use crate::{Affine, Serial};

    fn tilted() -> Grid {
        let (s, c) = 0.3f64.sin_cos();
        let affine =
            Affine([[0.0, 0.0, -1.5, 4.0], [-0.5 * c, 0.7 * s, 0.0, 3.0], [0.5 * s, 0.7 * c, 0.0, 9.0]]);
        Grid::new([4, 3, 5], affine).unwrap()
    }

    #[test]
    fn every_orientation_puts_voxels_where_the_world_says() {
        let grid = tilted();
        let data: Vec<u16> = (0..60).collect();
        for wanted in [['R', 'A', 'S'], ['L', 'P', 'S'], ['S', 'L', 'A'], ['P', 'I', 'R']] {
            let turned = grid.reoriented(wanted).unwrap();
            let turn = Turn::new(&grid, &turned);
            let inverse = grid.affine.inverse().unwrap();
            for v in [[0, 0, 0], [1, 2, 0], [2, 1, 2]] {
                let p = inverse.apply(turned.affine.apply(v.map(|n| n as f64))).map(|x| x.round() as usize);
                assert_eq!(turn.at(v), grid.index(p[0], p[1], p[2]), "{wanted:?} {v:?}");
            }
            let all = Bounds { begin: [-1, 0, 0], end: turned.shape.map(|n| n as isize + 1) };
            let cut = turn.cut(&Serial, &data, &all, -1.0, &|v| f32::from(v));
            let mut seen = vec![-1.0; 60];
            turn.places(&all, |from, at| seen[at] = cut[from]);
            assert!(seen.iter().zip(&data).all(|(s, d)| *s == f32::from(*d)));
            assert_eq!(cut.iter().filter(|v| **v == -1.0).count(), cut.len() - 60);
        }
    }

    #[test]
    fn mirroring_twice_is_nothing() {
        let grid = tilted();
        let turn = Turn::new(&grid, &grid);
        let flipped = turn.mirrored([true, false, true]);
        assert_eq!(flipped.at([0, 1, 0]), turn.at([3, 1, 4]));
        assert_eq!(flipped.mirrored([true, false, true]), turn);
    }

    #[test]
    fn a_box_with_a_voxel_is_told_from_one_without() {
        let grid = tilted();
        let turn = Turn::new(&grid, &grid.reoriented(['S', 'P', 'R']).unwrap());
        let mut mask = [0; 60];
        mask[turn.at([1, 2, 0])] = 1;
        assert!(turn.any(&mask, &Bounds { begin: [1, 2, -3], end: [9, 3, 1] }));
        assert!(!turn.any(&mask, &Bounds { begin: [0, 0, 1], end: [9, 9, 9] }));
        assert!(!turn.any(&mask, &Bounds { begin: [-5, 0, 0], end: [-1, 9, 9] }));
    }
}
