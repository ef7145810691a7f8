//! Which atlases are most like a scan.

use super::Atlases;
use super::coarse::Coarse;
use super::locate::Located;
use crate::atlas::unpacked;
use crate::register::ncc::Values;
use crate::transform::{Part, Transform};
use crate::warp;
use ichor_image::{Interpolation, Parallel, parallel::map_ranges, resample};

/// Voxels this far from the mean cavity's surface are compared, mm: the skull and what lies on both sides of it.
const BAND_MM: f32 = 12.0;

/// The scan where the atlases are.
pub struct Beside {
    /// Windowed, on the atlases' image grid; NaN outside the scan.
    pub scan: Vec<f32>,
    /// Mean distance to the cavity's surface there, mm.
    pub distance: Vec<f32>,
}

impl Beside {
    /// Brings a scan to the atlases by the affine map.
    pub fn new(par: &dyn Parallel, atlases: &Atlases, coarse: &Coarse, at: &Located) -> Self {
        let to = &atlases.set.image_grid;
        let level = coarse.level();
        let mut scan = vec![0f32; to.len()];
        let map = Transform::new([Part::Linear(at.linear)]);
        let from = (&level.data[..], &level.grid);
        warp::values(par, from, &map, Interpolation::Linear, f32::NAN, (&mut scan, to));
        let distance = (&atlases.distance, &atlases.set.grid);
        let distance = resample(par, distance.0, distance.1, to, Interpolation::Linear, 1e3);
        Self { scan, distance }
    }

    /// Correlation with an atlas's image round the surface of the cavity, -1 to 1.
    pub fn ncc(&self, image: &[u8]) -> f64 {
        let mut sums = Values::default();
        for ((&scan, &image), &d) in self.scan.iter().zip(image).zip(&self.distance) {
            let image = unpacked(image);
            if d.abs() < BAND_MM && !scan.is_nan() && !image.is_nan() {
                sums.add(scan, image);
            }
        }
        sums.ncc()
    }

    /// The atlases from the most to the least alike.
    pub fn order(&self, par: &dyn Parallel, atlases: &Atlases) -> Vec<usize> {
        let all = &atlases.set.atlases;
        let ncc = map_ranges(par, all.len(), 1, &|range| self.ncc(&all[range.start].image));
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by(|&a, &b| ncc[b].total_cmp(&ncc[a]));
        order
    }
}
