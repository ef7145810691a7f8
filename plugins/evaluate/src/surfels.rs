//! Distances between surface elements, weighted by their area, as surface-distance (Nikolov et al. 2018) takes them.
//!
//! A surface element stands between eight voxels that are neither all set nor all clear, at the corner that they
//! share; its area is that of the triangles which marching cubes would draw there.

use crate::directed::{for_each_point, points};
use crate::distances::Distances;
use crate::metric::Metric;
use crate::surface::{Points, Surface};
use crate::surfel_table::NORMALS;
use crate::window::Window;
use ichor_image::Parallel;

/// The distances between the surface elements of both masks, of which neither is empty.
pub fn between_surfels(par: &dyn Parallel, window: &Window, metric: Metric, tolerance: f64) -> Distances {
    let surfaces = [window.mask, window.reference].map(|view| Surface::new(view, Points::Corners));
    let [mask, reference] = &surfaces;
    let [in_mask, in_reference] = points(par, [mask, reference], metric);
    let area = areas(&metric);
    let visit = |part: &mut Vec<(f64, f64)>, code: u8, distance: Option<f64>| {
        part.push((distance.unwrap_or(0.0), area[usize::from(code)]));
    };
    let [a, b] = [(mask, reference, &in_reference), (reference, mask, &in_mask)]
        .map(|(from, to, found)| Weighted::new(for_each_point(par, from, to, found, &visit).concat()));
    let whole = a.area + b.area;
    Distances {
        hd: a.max().max(b.max()),
        hd95: a.quantile(0.95).max(b.quantile(0.95)),
        mhd: (a.sum / a.area).max(b.sum / b.area),
        cmd: (a.sum / a.area + b.sum / b.area) / 2.0,
        assd: (a.sum + b.sum) / whole,
        surface_dice: (a.within(tolerance) + b.within(tolerance)) / whole,
    }
}

/// Distances and areas, by distance and then by area.
struct Weighted {
    sorted: Vec<(f64, f64)>,
    area: f64,
    /// Of distance times area.
    sum: f64,
}

impl Weighted {
    fn new(mut sorted: Vec<(f64, f64)>) -> Self {
        sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let area = sorted.iter().map(|(_, area)| area).sum();
        let sum = sorted.iter().map(|(distance, area)| distance * area).sum();
        Self { sorted, area, sum }
    }

    fn max(&self) -> f64 {
        self.sorted.last().map_or(0.0, |(distance, _)| *distance)
    }

    /// The first distance at which the part `p` of the area is reached.
    fn quantile(&self, p: f64) -> f64 {
        let mut sum = 0.0;
        let reached = self.sorted.iter().find(|(_, area)| {
            sum += area;
            sum / self.area >= p
        });
        reached.map_or(self.max(), |(distance, _)| *distance)
    }

    /// Area within `tolerance` mm, and as much more as the rounding of an affine makes.
    fn within(&self, tolerance: f64) -> f64 {
        let limit = tolerance * (1.0 + 1e-6);
        self.sorted.iter().take_while(|(distance, _)| *distance <= limit).map(|(_, area)| area).sum()
    }
}

/// The area in mm² of a surface element of each code.
fn areas(metric: &Metric) -> [f64; 256] {
    let axes = [[1, 0, 0], [0, 1, 0], [0, 0, 1]].map(|axis| metric.place(axis));
    let cross = |a: [f64; 3], b: [f64; 3]| {
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    };
    let faces = [cross(axes[1], axes[2]), cross(axes[2], axes[0]), cross(axes[0], axes[1])];
    NORMALS.map(|triangles| {
        let area = |n: &[i8; 3]| {
            let sum = |c: usize| (0..3).map(|a| f64::from(n[a]) / 8.0 * faces[a][c]).sum::<f64>();
            (sum(0).powi(2) + sum(1).powi(2) + sum(2).powi(2)).sqrt()
        };
        triangles.iter().map(area).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Affine, Grid};

    #[test]
    fn a_plane_has_the_area_of_its_voxels_faces() {
        let metric = Metric::of(&Grid::new([9; 3], Affine::from_spacing([0.5, 0.5, 5.0], [0.0; 3])).unwrap());
        let area = areas(&metric);
        // Set on one side of a plane across x, y and z.
        for (code, want) in
            [(0b1111_0000, 2.5), (0b1100_1100, 2.5), (0b1010_1010, 0.25), (0, 0.0), (255, 0.0)]
        {
            assert!((area[code] - want).abs() < 1e-12, "{code:08b}: {}", area[code]);
        }
    }
}
