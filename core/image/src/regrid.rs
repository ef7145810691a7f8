//! Grids made from grids.

use crate::{Affine, Bounds, GeometryError, Grid};

impl Grid {
    /// A grid over the same field of view with voxels of another size in mm; 0 keeps an axis as it is.
    ///
    /// The axes keep their directions, the outer corner of voxel (0, 0, 0) stays where it is, and the spacing is
    /// exactly what is asked for. There are round(extent / spacing) voxels along an axis, at least 1, so the
    /// far end moves by at most half a new voxel.
    ///
    /// # Errors
    /// [`GeometryError`] when the new grid is impossible, for example too large.
    pub fn respaced(&self, spacing: [f64; 3]) -> Result<Self, GeometryError> {
        let old = self.spacing();
        let mut m = self.affine.0;
        let mut shape = self.shape;
        for a in 0..3 {
            if spacing[a] == 0.0 || ((spacing[a] - old[a]) / old[a]).abs() < 1e-6 {
                continue;
            }
            if spacing[a].is_nan() || spacing[a] < 0.0 {
                return Err(GeometryError::Singular);
            }
            let factor = spacing[a] / old[a];
            shape[a] = ((self.shape[a] as f64 / factor).round() as usize).max(1);
            for row in &mut m {
                // The centre of the first voxel lies half a voxel from the corner.
                row[3] += 0.5 * (factor - 1.0) * row[a];
                row[a] *= factor;
            }
        }
        Self::new(shape, Affine(m))
    }

    /// The same voxels with the axes in another order and direction, so that they point as `wanted` says, e.g.
    /// `['R', 'A', 'S']`; directions as in [`Affine::orientation`]. `None` when that is no orientation.
    pub fn reoriented(&self, wanted: [char; 3]) -> Option<Self> {
        let own = self.affine.orientation();
        let world = |letter: char| ["RL", "AP", "SI"].iter().position(|pair| pair.contains(letter));
        let mut out = *self;
        let (mut corner, mut seen) = ([0.0; 3], [false; 3]);
        for a in 0..3 {
            let from = own.iter().position(|l| world(*l) == world(wanted[a])).filter(|b| !seen[*b])?;
            seen[from] = true;
            let turn = if own[from] == wanted[a] { 1.0 } else { -1.0 };
            if turn < 0.0 {
                corner[from] = self.shape[from] as f64 - 1.0;
            }
            out.shape[a] = self.shape[from];
            for (row, old) in out.affine.0.iter_mut().zip(self.affine.0) {
                row[a] = turn * old[from];
            }
        }
        for (row, origin) in out.affine.0.iter_mut().zip(self.affine.apply(corner)) {
            row[3] = origin;
        }
        Some(out)
    }

    /// The grid of a window; the world positions of its voxels are the same. The window may reach beyond.
    pub fn window(&self, bounds: &Bounds) -> Self {
        let origin = self.affine.apply(bounds.begin.map(|v| v as f64));
        let mut affine = self.affine;
        for (row, o) in affine.0.iter_mut().zip(origin) {
            row[3] = o;
        }
        Self { shape: bounds.shape(), affine }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outer_corner_stays() {
        let (s, c) = 0.3f64.sin_cos();
        let affine = Affine([
            [-0.45, 0.0, 0.0, 110.0],
            [0.0, 0.45 * c, -5.0 * s, -90.0],
            [0.0, 0.45 * s, 5.0 * c, 7.0],
        ]);
        let old = Grid::new([512, 500, 33], affine).unwrap();
        let new = old.respaced([1.0, 0.0, 0.7]).unwrap();
        assert_eq!(new.shape, [230, 500, 236]); // 230.4, kept, 235.7
        for (got, want) in new.spacing().iter().zip([1.0, 0.45, 0.7]) {
            assert!((got - want).abs() < 1e-12);
        }
        for (p, q) in old.affine.apply([-0.5; 3]).iter().zip(new.affine.apply([-0.5; 3])) {
            assert!((p - q).abs() < 1e-9);
        }
        assert_eq!(old.affine.orientation(), new.affine.orientation());
    }

    #[test]
    fn a_spacing_that_is_there_already_changes_nothing() {
        let grid = Grid::new([4, 5, 6], Affine::from_spacing([0.4, 0.5, 5.0], [1.0, 2.0, 3.0])).unwrap();
        assert_eq!(grid.respaced([0.4, 0.0, 5.000_000_1]).unwrap(), grid);
    }

    #[test]
    fn axes_take_the_directions_asked_for() {
        let (s, c) = 0.3f64.sin_cos();
        let tilted = Affine([[0.0, 0.0, -2.0, 11.0], [-0.5 * c, -s, 0.0, 12.0], [-0.5 * s, c, 0.0, 13.0]]);
        let grid = Grid::new([5, 6, 7], tilted).unwrap();
        assert_eq!(grid.affine.orientation(), ['P', 'S', 'L']);
        let ras = grid.reoriented(['R', 'A', 'S']).unwrap();
        assert_eq!((ras.shape, ras.affine.orientation()), ([7, 5, 6], ['R', 'A', 'S']));
        // Voxel (i, j, k) of the new grid is (4 - j, k, 6 - i) of the old one.
        for (p, q) in ras.affine.apply([1.0, 2.0, 3.0]).iter().zip(grid.affine.apply([2.0, 3.0, 5.0])) {
            assert!((p - q).abs() < 1e-12);
        }
        assert_eq!(grid.reoriented(['P', 'S', 'L']).unwrap(), grid);
        for wrong in [['R', 'L', 'S'], ['R', 'A', 'A'], ['r', 'A', 'S'], ['X', 'Y', 'Z']] {
            assert_eq!(grid.reoriented(wrong), None);
        }
    }

    #[test]
    fn windows_keep_world_positions() {
        let grid = Grid::new([9, 9, 9], Affine::from_spacing([0.5, 1.0, 2.0], [1.0, 2.0, 3.0])).unwrap();
        let window = grid.window(&Bounds { begin: [2, -1, 3], end: [5, 4, 9] });
        assert_eq!(window.shape, [3, 5, 6]);
        assert_eq!(window.affine.apply([1.0, 1.0, 1.0]), grid.affine.apply([3.0, 0.0, 4.0]));
    }
}
