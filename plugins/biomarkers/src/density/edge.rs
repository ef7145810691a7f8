//! How sharp the border between a patch and the clot is.

use super::field::{Field, SIGMA_MM};
use ichor_image::{Parallel, distance_to};

/// Half of the distance over which the border is looked at, mm, and the width of a step.
const REACH_MM: f64 = 5.0;
const STEP_MM: f64 = 0.5;

/// Distance in which HU rise from 10 to 90 % of `delta` across the border of a patch, mm: from the steepest step of
/// the mean HU at each distance from the border, as if it were an edge blurred by a Gaussian, less the detector's own
/// smoothing. `None` without border against the clot.
pub fn edge_width(par: &dyn Parallel, field: &Field, dark: &[u8], patch: &[u32], delta: f64) -> Option<f64> {
    let shape = field.grid.shape;
    let mut own = vec![0u8; dark.len()];
    patch.iter().for_each(|n| own[*n as usize] = 1);
    let clot: Vec<u8> = field.core.iter().zip(dark).map(|(c, d)| c & (1 - d)).collect();
    let (to_patch, to_clot) =
        (distance_to(par, &own, shape, field.spacing), distance_to(par, &clot, shape, field.spacing));
    // The border runs half a voxel before the first centre on the other side.
    let half = field.spacing[0].min(field.spacing[1]) / 2.0;
    let bins = (2.0 * REACH_MM / STEP_MM) as usize;
    let mut sums = vec![(0.0, 0.0, 0usize); bins];
    let mut add = |n: usize, s: f64| {
        let bin = (s + REACH_MM) / STEP_MM;
        if bin >= 0.0 && (bin as usize) < bins {
            let to = &mut sums[bin as usize];
            *to = (to.0 + f64::from(field.smooth[n]), to.1 + s, to.2 + 1);
        }
    };
    for n in field.core_voxels() {
        if own[n] != 0 {
            add(n, half - f64::from(to_clot[n]));
        } else if clot[n] != 0 {
            add(n, f64::from(to_patch[n]) - half);
        }
    }
    let profile: Vec<(f64, f64)> =
        sums.iter().filter(|(.., n)| *n >= 10).map(|&(hu, s, n)| (s / n as f64, hu / n as f64)).collect();
    // Over three means, so that one row of voxels does not make an edge.
    let steepest = profile.windows(3).map(|w| (w[2].1 - w[0].1) / (w[2].0 - w[0].0)).fold(0.0, f64::max);
    if steepest <= 0.0 {
        return None;
    }
    // A Gaussian edge: the steepest slope is delta / (sigma √2π), and 10 to 90 % take 2.563 sigma.
    let sigma = delta / (steepest * std::f64::consts::TAU.sqrt());
    Some(2.563 * (sigma * sigma - SIGMA_MM * SIGMA_MM).max(0.0).sqrt())
}
