//! The distances between two masks.

use crate::convention::Convention;
use crate::directed::{Directed, directed, points};
use crate::metric::Metric;
use crate::nearest::Nearest;
use crate::quantile::quantile_after_zeros;
use crate::surface::{Points, Surface};
use crate::surfels::between_surfels;
use crate::window::Window;
use ichor_image::Parallel;

/// Distances in mm between two masks, and the part of their surfaces that agrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distances {
    /// Hausdorff distance.
    pub hd: f64,
    /// Its 95th percentile.
    pub hd95: f64,
    /// Modified Hausdorff distance (Dubuisson and Jain 1994): the larger of the two mean directed distances.
    pub mhd: f64,
    /// Contour mean distance: the mean of the two mean directed distances.
    pub cmd: f64,
    /// Average symmetric surface distance: the mean over the points of both surfaces.
    pub assd: f64,
    /// Surface Dice: the part of both surfaces within the tolerance of the other.
    pub surface_dice: f64,
}

impl Distances {
    /// Of two empty masks: they agree.
    pub const AGREE: Self = Self { hd: 0.0, hd95: 0.0, mhd: 0.0, cmd: 0.0, assd: 0.0, surface_dice: 1.0 };
}

/// The distances between the masks of a window, of which neither is empty. `axial` is the axis across axial slices.
pub fn distances(
    par: &dyn Parallel,
    window: &Window,
    metric: Metric,
    axial: usize,
    convention: Convention,
    tolerance: f64,
) -> Distances {
    if convention == Convention::SurfaceDistance {
        return between_surfels(par, window, metric, tolerance);
    }
    let kind = match convention {
        Convention::Axial4 => Points::Contour(axial),
        _ => Points::Border,
    };
    let sets = |kind| [window.mask, window.reference].map(|view| Surface::new(view, kind));
    let [mask, reference] = sets(kind);
    let found = points(par, [&mask, &reference], metric);
    let both = |[a, b]: [Surface; 2], [in_a, in_b]: &[Nearest; 2]| {
        [directed(par, &a, &b, in_b), directed(par, &b, &a, in_a)]
    };
    let of_surfaces = || both([mask, reference], &found);
    let of_voxels = || {
        let [mask, reference] = sets(Points::Voxels);
        // Seen from outside, the nearest voxel of a mask is at its border, because a step along an axis toward the
        // point would otherwise lead to a nearer one. That needs axes at right angles.
        match metric.orthogonal {
            true => both([mask, reference], &found),
            false => both([mask, reference], &points(par, [&mask, &reference], metric)),
        }
    };
    match convention {
        Convention::Voxels => {
            let mut all = of_voxels();
            let mean = summary(&all, tolerance);
            Distances { hd95: directed_95(&mut all), ..mean }
        }
        Convention::Paper => {
            let mut all = of_voxels();
            let mean = summary(&all, tolerance);
            let on_surface = summary(&of_surfaces(), tolerance);
            Distances { hd: mean.hd, mhd: mean.mhd, hd95: directed_95(&mut all), ..on_surface }
        }
        _ => {
            let mut all = of_surfaces();
            let mean = summary(&all, tolerance);
            let hd95 = match convention {
                Convention::MedPy => pooled_95(all),
                _ => directed_95(&mut all),
            };
            Distances { hd95, ..mean }
        }
    }
}

/// All but the percentile.
fn summary(all: &[Directed; 2], tolerance: f64) -> Distances {
    let [a, b] = all;
    let n = (a.len() + b.len()) as f64;
    Distances {
        hd: a.max().max(b.max()),
        hd95: f64::NAN,
        mhd: a.mean().max(b.mean()),
        cmd: (a.mean() + b.mean()) / 2.0,
        assd: (a.sum() + b.sum()) / n,
        surface_dice: (a.within(tolerance) + b.within(tolerance)) as f64 / n,
    }
}

fn directed_95([a, b]: &mut [Directed; 2]) -> f64 {
    a.quantile(0.95).max(b.quantile(0.95))
}

fn pooled_95([mut a, b]: [Directed; 2]) -> f64 {
    a.far.extend(b.far);
    quantile_after_zeros(a.zeros + b.zeros, &mut a.far, 0.95)
}
