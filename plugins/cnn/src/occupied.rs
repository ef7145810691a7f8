//! Where a volume has to be segmented, in blocks.

use ichor_image::Parallel;
use ichor_image::Turn;
use ichor_image::parallel::for_each_chunk;

/// Which blocks of a volume hold a voxel of a mask.
pub struct Occupied {
    /// Voxels of a block along each axis.
    pub block: [usize; 3],
    /// Blocks along each axis; the last may reach beyond the volume.
    pub shape: [usize; 3],
    set: Vec<bool>,
}

impl Occupied {
    /// Every block of a volume of this shape.
    pub fn all(shape: [usize; 3], block: [usize; 3]) -> Self {
        let shape = std::array::from_fn(|a| shape[a].div_ceil(block[a]));
        Self { block, shape, set: vec![true; shape.iter().product()] }
    }

    /// The blocks with a voxel of `mask`, which is turned to get the volume.
    pub fn of(par: &dyn Parallel, mask: &[u8], turn: &Turn, block: [usize; 3]) -> Self {
        let n = turn.shape();
        let mut out = Self::all(n, block);
        let [bx, by, _] = out.shape;
        for_each_chunk(par, &mut out.set, bx * by, &|bk, plane| {
            plane.fill(false);
            for k in bk * block[2]..((bk + 1) * block[2]).min(n[2]) {
                for j in 0..n[1] {
                    let row = &mut plane[bx * (j / block[1])..][..bx];
                    let mut at = turn.at([0, j, k]);
                    for (i, set) in (0..n[0]).map(|i| (i, i / block[0])) {
                        row[set] |= mask[at] != 0;
                        if i + 1 < n[0] {
                            at = at.wrapping_add_signed(turn.stride(0));
                        }
                    }
                }
            }
        });
        out
    }

    /// The smallest box of blocks that holds all that are set in the box from `begin` to before `end`; begin and
    /// end along each axis, in blocks.
    pub fn bounds(&self, begin: [usize; 3], end: [usize; 3]) -> Option<[[usize; 2]; 3]> {
        let mut found: Option<[[usize; 2]; 3]> = None;
        let end: [usize; 3] = std::array::from_fn(|a| end[a].min(self.shape[a]));
        for k in begin[2]..end[2] {
            for j in begin[1]..end[1] {
                let row = &self.set[self.shape[0] * (j + self.shape[1] * k)..];
                for i in (begin[0]..end[0]).filter(|i| row[*i]) {
                    let v = [i, j, k];
                    let f = found.get_or_insert(v.map(|n| [n, n + 1]));
                    for a in 0..3 {
                        f[a] = [f[a][0].min(v[a]), f[a][1].max(v[a] + 1)];
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Affine, Grid, Serial};

    #[test]
    fn blocks_of_a_turned_mask() {
        let grid = Grid::new([5, 9, 4], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
        let turn = Turn::new(&grid, &grid.reoriented(['P', 'L', 'S']).unwrap());
        let mut mask = vec![0; grid.len()];
        mask[grid.index(4, 8, 1)] = 1; // in the turned volume: i = 8 - 8 = 0, j = 4 - 4 = 0, k = 1
        mask[grid.index(0, 1, 3)] = 9; // i = 7, j = 4, k = 3
        let set = Occupied::of(&Serial, &mask, &turn, [2, 2, 2]);
        assert_eq!(set.shape, [5, 3, 2]);
        assert_eq!(set.bounds([0; 3], [9; 3]), Some([[0, 4], [0, 3], [0, 2]]));
        assert_eq!(set.bounds([1, 0, 0], [9; 3]), Some([[3, 4], [2, 3], [1, 2]]));
        assert_eq!(set.bounds([0; 3], [1; 3]), Some([[0, 1]; 3]));
        assert_eq!(set.bounds([1, 1, 0], [3, 3, 2]), None);
    }
}
