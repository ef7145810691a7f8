//! What a new voxel averages over.

use super::axis::Blur;
use crate::Affine;

/// The sensitivity of a new voxel along its axes, as a scanner has one along its slices. Without it, what is finer
/// than the new voxels shows up as false structure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Profile {
    /// The place of its centre alone.
    Point,
    /// Along axes that become coarser, a Gaussian.
    ///
    /// A voxel that averages over its width w is taken for a Gaussian of full width at half maximum w; smoothing
    /// by the difference of two such widths makes old voxels see what new ones would: with f the new spacing
    /// over the old one, sigma = sqrt(f² - 1) / (2 sqrt(2 ln 2)) old voxels (Cardoso et al., "Scale factor
    /// point spread function matching: beyond aliasing in image resampling", MICCAI 2015). Along axes that are
    /// not coarsened sigma is 0.
    Gaussian,
    /// A slab of this thickness in mm along each new axis, centred on the voxel: the mean of the old voxels by the
    /// lengths with which they lie in it, as thick slices are made of thin ones. 0 stands for the new spacing on
    /// axes that become coarser, and for no slab on others. Along a slab nothing is interpolated.
    ///
    /// What of a slab lies outside the field of view does not count. Between grids that are rotated or sheared
    /// against each other, the slab is sampled at least twice an old voxel along the new axis.
    Slab([f64; 3]),
}

/// Less is rounding of the affine.
const COARSER: f64 = 1.001;

impl Profile {
    /// Along new axis `b`, whose voxels lie `factor` old ones and `spacing` mm apart.
    pub(crate) fn along(self, b: usize, factor: f64, spacing: f64) -> Blur {
        match self {
            Self::Gaussian if factor > COARSER => Blur::Gaussian(width_to_sigma(factor)),
            Self::Slab(mm) if mm[b] > 0.0 => Blur::Slab(mm[b] / spacing * factor),
            Self::Slab(_) if factor > COARSER => Blur::Slab(factor),
            _ => Blur::None,
        }
    }

    /// Standard deviations along the old axes, in old voxels, for a map that is not along them.
    pub(crate) fn sigma(self, map: &Affine) -> [f64; 3] {
        map.0.map(|r| match (self, (r[0] * r[0] + r[1] * r[1] + r[2] * r[2]).sqrt()) {
            (Self::Gaussian, factor) if factor > COARSER => width_to_sigma(factor),
            _ => 0.0,
        })
    }

    /// The points of a new voxel whose mean is its value, from its centre, in old voxels.
    pub(crate) fn points(self, map: &Affine, spacing: [f64; 3]) -> Vec<[f64; 3]> {
        let mut points = vec![[0.0; 3]];
        for b in 0..3 {
            let step = map.0.map(|row| row[b]);
            let factor = step.iter().map(|s| s * s).sum::<f64>().sqrt();
            let Blur::Slab(width) = self.along(b, factor, spacing[b]) else { continue };
            let count = (2.0 * width).ceil().clamp(1.0, 1e4);
            // The middles of `count` equal parts, in new voxels.
            let place = |n: f64| ((n + 0.5) / count - 0.5) * width / factor;
            let offsets: Vec<f64> = (0..count as usize).map(|n| place(n as f64)).collect();
            let at = |p: &[f64; 3], t: f64| std::array::from_fn(|a| p[a] + t * step[a]);
            points = points.iter().flat_map(|p| offsets.iter().map(move |&t| at(p, t))).collect();
        }
        points
    }

    /// How far from a new voxel's centre old voxels count, in old voxels along each old axis.
    pub(crate) fn reach(self, map: &Affine, spacing: [f64; 3]) -> [usize; 3] {
        let length = |b: usize| map.0.iter().map(|row| row[b] * row[b]).sum::<f64>().sqrt();
        map.0.map(|row| {
            let far: f64 = match self {
                Self::Point => 0.0,
                // 4 sigma with sigma below half the factor.
                Self::Gaussian => {
                    let factor = (row[0] * row[0] + row[1] * row[1] + row[2] * row[2]).sqrt();
                    if factor > 1.0 { 2.0 * factor + 1.0 } else { 0.0 }
                }
                Self::Slab(_) => (0..3)
                    .map(|b| match self.along(b, length(b), spacing[b]) {
                        Blur::Slab(width) => 0.5 * width * row[b].abs() / length(b),
                        _ => 0.0,
                    })
                    .sum(),
            };
            far.ceil() as usize
        })
    }
}

/// Of the smoothing before an axis is coarsened by `factor`.
fn width_to_sigma(factor: f64) -> f64 {
    // 2 sqrt(2 ln 2): full width at half maximum over sigma.
    const WIDTH: f64 = 2.354_820_045_030_949_3;
    (factor * factor - 1.0).sqrt() / WIDTH
}
