//! How the voxels of one grid lie on another.

use crate::{Affine, Grid};

/// Takes voxel coordinates of the new grid to those of the old one.
pub(crate) enum Map {
    /// Axis b of the new grid runs along axis `order[b]` of the old one, where its voxel t lies at
    /// `scale[b] * t + shift[b]`.
    Aligned { order: [usize; 3], scale: [f64; 3], shift: [f64; 3] },
    /// Anything else.
    General(Affine),
}

impl Map {
    /// `None` if `from` has voxels without volume, which [`Grid::new`] refuses.
    pub(crate) fn new(from: &Grid, to: &Grid) -> Option<Self> {
        let map = from.affine.inverse().ok()?.after(&to.affine);
        let end = to.shape.map(|n| n as f64 - 1.0);
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            // What the entries that should be 0 add up to across the grid, in voxels. A thousandth is far below
            // what can be seen, and above the rounding of affines that are stored as f32.
            let stray = |b: usize| -> f64 {
                (0..3).filter(|c| *c != b).map(|c| (map.0[order[b]][c] * end[c]).abs()).sum()
            };
            if (0..3).all(|b| map.0[order[b]][b] != 0.0 && stray(b) < 1e-3) {
                return Some(Self::Aligned {
                    order,
                    scale: [0, 1, 2].map(|b| map.0[order[b]][b]),
                    shift: order.map(|a| map.0[a][3]),
                });
            }
        }
        Some(Self::General(map))
    }
}
