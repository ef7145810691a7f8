//! One axial slice of a window.

use crate::hull::hull;
use crate::mesh::Window;
use crate::plane::Plane;
use ichor_image::{Connectivity, Serial, components, fill_holes_slices};

/// A region of one slice.
#[derive(Clone)]
pub struct Slice {
    pub mask: Vec<u8>,
    pub shape: [usize; 2],
    pub plane: Plane,
}

impl Slice {
    /// Slice k of a window, all of it.
    pub fn of(window: &Window, k: usize, plane: &Plane) -> Self {
        let [nx, ny, _] = window.grid.shape;
        Self { mask: window.mask[k * nx * ny..][..nx * ny].to_vec(), shape: [nx, ny], plane: *plane }
    }

    /// The largest part of it that is connected by sides or corners, holes filled.
    pub fn largest_part(&self) -> Self {
        let shape = [self.shape[0], self.shape[1], 1];
        let mask = ichor_image::largest_component(&Serial, &self.mask, shape, Connectivity::TwentySix);
        Self { mask: fill_holes_slices(&Serial, &mask, shape, 2), ..*self }
    }

    /// The same without what lies beyond its outermost voxels, but for one row on each side, and where that begins;
    /// the whole slice when it has no voxels. Slices of a window have a free row on each side.
    pub fn cropped(&self) -> (Self, [usize; 2]) {
        let bounds = self.voxels().fold(None, |b: Option<[[usize; 2]; 2]>, v| {
            let [l, h] = b.unwrap_or([v, v]);
            Some([[l[0].min(v[0]), l[1].min(v[1])], [h[0].max(v[0]), h[1].max(v[1])]])
        });
        let Some([low, high]) = bounds else { return (self.clone(), [0; 2]) };
        let low = low.map(|v| v.saturating_sub(1));
        let shape: [usize; 2] = std::array::from_fn(|a| (high[a] + 2).min(self.shape[a]) - low[a]);
        let row = |j: usize| &self.mask[low[0] + self.shape[0] * (low[1] + j)..][..shape[0]];
        let mask = (0..shape[1]).flat_map(|j| row(j).iter().copied()).collect();
        (Self { mask, shape, plane: self.plane }, low)
    }

    /// Its parts of at least `mm2`, connected by sides or corners.
    pub fn parts(&self, mm2: f64) -> Vec<Self> {
        let shape = [self.shape[0], self.shape[1], 1];
        let found = components(&Serial, &self.mask, shape, Connectivity::TwentySix);
        let part = |n: usize| found.labels.iter().map(|l| u8::from(*l as usize == n + 1)).collect();
        let enough = |n: &usize| found.sizes[*n] as f64 * self.voxel_mm2() >= mm2;
        (0..found.sizes.len()).filter(enough).map(|n| Self { mask: part(n), ..*self }).collect()
    }

    /// Indices of its voxels.
    pub fn voxels(&self) -> impl Iterator<Item = [usize; 2]> {
        let nx = self.shape[0];
        self.mask.iter().enumerate().filter(|(_, v)| **v != 0).map(move |(n, _)| [n % nx, n / nx])
    }

    /// Positions of voxel centres in the plane, mm.
    pub fn points(&self) -> impl Iterator<Item = [f64; 2]> {
        self.voxels().map(|v| self.plane.apply(v.map(|n| n as f64)))
    }

    /// Area of one voxel.
    pub fn voxel_mm2(&self) -> f64 {
        let (u, v) = (self.plane.apply([1.0, 0.0]), self.plane.apply([0.0, 1.0]));
        (u[0] * v[1] - u[1] * v[0]).abs()
    }

    pub fn area_mm2(&self) -> f64 {
        self.voxels().count() as f64 * self.voxel_mm2()
    }

    /// Vertices of the convex hull of voxel corners, counter-clockwise in the plane, mm.
    pub fn hull(&self) -> Vec<[f64; 2]> {
        let mut corners = Vec::new();
        for row in 0..self.shape[1] {
            let cells = &self.mask[row * self.shape[0]..][..self.shape[0]];
            let (Some(a), Some(b)) =
                (cells.iter().position(|v| *v != 0), cells.iter().rposition(|v| *v != 0))
            else {
                continue;
            };
            let (a, b, j) = (a as i32, b as i32 + 1, row as i32);
            corners.extend([[a, j], [b, j], [a, j + 1], [b, j + 1]]);
        }
        hull(&mut corners).into_iter().map(|p| self.plane.apply(p.map(|v| f64::from(v) - 0.5))).collect()
    }

    /// Area over that of the convex hull of the voxels' corners; 0 without voxels.
    pub fn solidity(&self) -> f64 {
        let hull = self.hull();
        let twice: f64 = (0..hull.len())
            .map(|n| {
                let (a, b) = (hull[n], hull[(n + 1) % hull.len()]);
                a[0] * b[1] - a[1] * b[0]
            })
            .sum();
        if twice.abs() > 0.0 { self.area_mm2() / (twice.abs() / 2.0) } else { 0.0 }
    }
}
