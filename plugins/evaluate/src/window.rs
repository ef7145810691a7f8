//! The part of two masks that matters: the box around what is set in either. Nothing is copied.

use ichor_image::bounds::{Bounds, bounding_box};
use ichor_image::{Clusters, Connectivity, Grid, Parallel};

/// A box of a mask's voxels, each 0 or 1.
#[derive(Clone, Copy)]
pub struct View<'a> {
    voxels: &'a [u8],
    /// Voxels of the image along each axis.
    image: [usize; 3],
    begin: [usize; 3],
    /// Voxels of the box along each axis.
    pub shape: [usize; 3],
}

/// Two masks in one box, outside of which there is only background; so is what lies outside the image.
#[derive(Clone, Copy)]
pub struct Window<'a> {
    /// The mask that is evaluated.
    pub mask: View<'a>,
    /// What it should be.
    pub reference: View<'a>,
}

impl<'a> Window<'a> {
    /// `None` when both masks are empty.
    pub fn new(par: &dyn Parallel, mask: &'a [u8], reference: &'a [u8], grid: &Grid) -> Option<Self> {
        let boxes = [mask, reference].map(|m| bounding_box(par, m, grid.shape));
        let around = boxes.into_iter().flatten().reduce(|a, b| Bounds {
            begin: std::array::from_fn(|n| a.begin[n].min(b.begin[n])),
            end: std::array::from_fn(|n| a.end[n].max(b.end[n])),
        })?;
        let view = |voxels| View {
            voxels,
            image: grid.shape,
            begin: around.begin.map(|v| v as usize),
            shape: around.shape(),
        };
        Some(Self { mask: view(mask), reference: view(reference) })
    }
}

impl<'a> View<'a> {
    /// The voxels (.., j, k) of the box.
    pub fn row(&self, j: usize, k: usize) -> &'a [u8] {
        let ([nx, ny, _], [x, y, z]) = (self.image, self.begin);
        &self.voxels[x + nx * (y + j + ny * (z + k))..][..self.shape[0]]
    }

    /// The voxels (.., j, k) of the box, `None` outside, where there is only background.
    pub fn row_or_none(&self, j: isize, k: isize) -> Option<&'a [u8]> {
        let inside = |v: isize, n: usize| usize::try_from(v).ok().filter(|v| *v < n);
        Some(self.row(inside(j, self.shape[1])?, inside(k, self.shape[2])?))
    }

    /// What hangs together by faces, edges or corners.
    pub fn clusters(&self, par: &dyn Parallel) -> Clusters {
        // Of the planes of the box: these lie together in memory.
        let [nx, ny, _] = self.image;
        let planes = &self.voxels[nx * ny * self.begin[2]..][..nx * ny * self.shape[2]];
        Clusters::new(par, planes, [nx, ny, self.shape[2]], Connectivity::TwentySix)
    }
}
