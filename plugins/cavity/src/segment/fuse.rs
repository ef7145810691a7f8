//! One distance and one agreement of several atlases.

use super::coarse::Coarse;
use super::locate::Located;
use super::similar::Beside;
use super::{Atlases, Options};
use crate::atlas::{FAR_MM, STEP_MM, unpacked};
use crate::fuse_labels::local::lncc;
use crate::fuse_labels::patterns::Patterns;
use crate::fuse_labels::staple::staple;
use crate::levelset::evolve::start;
use ichor_image::parallel::{for_each_chunk, map_ranges};
use ichor_image::{Grid, Parallel};
use ichor_sdk::{Param, Result};

/// How atlases are made one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
pub enum Rule {
    /// The mean of their signed distances.
    Mean,
    /// The median of their signed distances: a voxel is inside where most atlases have it.
    Majority,
    /// The mean weighted by how alike scan and atlas are round each place.
    LocalWeighted,
    /// STAPLE's estimate of the truth.
    Staple,
}

/// Width over which an atlas's edge fades in the agreement, mm.
const FADE_MM: f32 = 2.0;
/// Fall of the local correlation at which a weight falls to 1/e.
const SHARPNESS: f32 = 0.15;
/// Most iterations of STAPLE.
const ITERATIONS: u32 = 1000;

/// What atlases say.
pub struct Fused {
    /// Signed distance to the surface, mm, negative inside.
    pub distance: Vec<f32>,
    /// Share of the atlases, or STAPLE's probability.
    pub agreement: Vec<f32>,
    /// The atlases that were used.
    pub chosen: Vec<usize>,
}

impl Fused {
    /// Nothing is said.
    pub fn none(voxels: usize) -> Self {
        Self { distance: vec![FAR_MM; voxels], agreement: vec![0.0; voxels], chosen: Vec::new() }
    }
}

/// Voxels on which atlases do not agree, over those inside.
pub fn uncertain(agreement: &[f32]) -> f64 {
    let doubt = agreement.iter().filter(|a| (0.1..=0.9).contains(*a)).count();
    doubt as f64 / agreement.iter().filter(|a| **a >= 0.5).count() as f64
}

/// Fuses the most alike atlases on the grid of the scan.
///
/// # Errors
/// STAPLE has nothing to estimate.
pub fn fuse(
    par: &dyn Parallel,
    atlases: &Atlases,
    coarse: &Coarse,
    at: &Located,
    options: &Options,
) -> Result<Fused> {
    let beside = Beside::new(par, atlases, coarse, at);
    let mut chosen = beside.order(par, atlases);
    chosen.truncate(options.atlases.max(1));
    let weights = match options.rule {
        Rule::LocalWeighted => local_weights(par, atlases, &beside, &chosen),
        _ => Vec::new(),
    };
    let all: Vec<&[i8]> = chosen.iter().map(|&n| &atlases.set.atlases[n].distance[..]).collect();
    let (grid, set) = (&coarse.grid, atlases.set);
    let mut out = Fused { chosen, ..Fused::none(grid.len()) };
    let [nx, ny, _] = grid.shape;
    let Ok(to_voxel) = set.grid.affine.inverse() else { return Ok(out) };
    let Ok(to_weight) = set.image_grid.affine.inverse() else { return Ok(out) };
    // Distances in mm of the scan, not of the atlases.
    let scale = STEP_MM * at.linear.determinant().abs().cbrt() as f32;
    let staple_masks = options.rule == Rule::Staple;
    let mut masks = vec![vec![0u8; if staple_masks { grid.len() } else { 0 }]; all.len()];
    let planes = map_ranges(par, grid.shape[2], 1, &|range| {
        let k = range.start;
        let mut plane = Plane::default();
        let mut own = vec![0f32; all.len()];
        for n in 0..nx * ny {
            let world = grid.affine.apply([(n % nx) as f64, (n / nx) as f64, k as f64]);
            let place = at.transform.apply(world);
            let Some(cell) = Cell::at(to_voxel.apply(place), &set.grid) else {
                plane.distance.push(FAR_MM);
                plane.agreement.push(0.0);
                continue;
            };
            own.iter_mut().zip(&all).for_each(|(o, d)| *o = scale * cell.of(|n| f32::from(d[n])));
            let weight = match Cell::at(to_weight.apply(place), &set.image_grid) {
                Some(cell) if !weights.is_empty() => Some(cell),
                _ => None,
            };
            let (mut sum, mut share, mut total) = (0f32, 0f32, 0f32);
            for (m, &d) in own.iter().enumerate() {
                let w = weight.as_ref().map_or(1.0, |cell| cell.of(|n| weights[m][n]));
                sum += w * d;
                share += w * (0.5 - d / FADE_MM).clamp(0.0, 1.0);
                total += w;
            }
            plane.agreement.push((share / total).clamp(0.0, 1.0));
            plane.distance.push(match options.rule {
                Rule::Majority => median(&mut own),
                _ => sum / total,
            });
            if staple_masks {
                plane
                    .bits
                    .push((n, own.iter().enumerate().fold(0u64, |b, (m, d)| b | u64::from(*d < 0.0) << m)));
            }
        }
        plane
    });
    for (k, plane) in planes.into_iter().enumerate() {
        out.distance[k * nx * ny..][..nx * ny].copy_from_slice(&plane.distance);
        out.agreement[k * nx * ny..][..nx * ny].copy_from_slice(&plane.agreement);
        for (n, bits) in plane.bits {
            masks.iter_mut().enumerate().for_each(|(m, mask)| mask[k * nx * ny + n] = (bits >> m & 1) as u8);
        }
    }
    if staple_masks && all.len() > 1 {
        let masks: Vec<&[u8]> = masks.iter().map(|m| &m[..]).collect();
        let patterns = Patterns::new(par, &masks);
        let found = staple(&patterns, ITERATIONS)?;
        patterns.paint(par, &masks, &mut out.agreement, &|p| found.probability(p) as f32);
        out.distance.iter_mut().zip(&out.agreement).for_each(|(d, a)| *d = 0.5 - a);
        start(par, &mut out.distance, grid.shape, grid.spacing());
    }
    Ok(out)
}

#[derive(Default)]
struct Plane {
    distance: Vec<f32>,
    agreement: Vec<f32>,
    /// For STAPLE: voxel, and which atlases have it.
    bits: Vec<(usize, u64)>,
}

fn median(values: &mut [f32]) -> f32 {
    values.sort_by(f32::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { 0.5 * (values[half - 1] + values[half]) }
}

/// Eight voxels round a place, and the place among them.
struct Cell {
    base: usize,
    stride: [usize; 2],
    f: [f32; 3],
}

impl Cell {
    fn at(p: [f64; 3], grid: &Grid) -> Option<Self> {
        let n = grid.shape;
        // Also false for NaN.
        if !(0..3).all(|a| p[a] >= 0.0 && p[a] < n[a] as f64 - 1.0) {
            return None;
        }
        let first = p.map(|v| v as usize);
        let stride = [n[0], n[0] * n[1]];
        let base = first[0] + stride[0] * first[1] + stride[1] * first[2];
        Some(Self { base, stride, f: [0, 1, 2].map(|a| (p[a] - first[a] as f64) as f32) })
    }

    #[inline]
    fn of(&self, value: impl Fn(usize) -> f32) -> f32 {
        let [x, y, z] = self.f;
        let mix = |a: f32, b: f32, f: f32| a + f * (b - a);
        let row = |n: usize| mix(value(n), value(n + 1), x);
        let plane = |n: usize| mix(row(n), row(n + self.stride[0]), y);
        mix(plane(self.base), plane(self.base + self.stride[1]), z)
    }
}

/// exp(-(1 - LNCC) / sharpness) of each chosen atlas, on the image grid.
fn local_weights(par: &dyn Parallel, atlases: &Atlases, beside: &Beside, chosen: &[usize]) -> Vec<Vec<f32>> {
    let set = atlases.set;
    let hu = |v: f32| if v.is_nan() { -100.0 } else { v - 100.0 };
    let scan: Vec<f32> = beside.scan.iter().map(|&v| hu(v)).collect();
    let mut out: Vec<Vec<f32>> = vec![Vec::new(); chosen.len()];
    for_each_chunk(par, &mut out, 1, &|n, part| {
        for weights in part {
            // What the scan does not show says nothing about the atlas.
            let image = set.atlases[chosen[n]].image.iter().zip(&beside.scan);
            let image: Vec<f32> =
                image.map(|(&v, s)| if s.is_nan() { -100.0 } else { hu(unpacked(v)) }).collect();
            *weights = lncc(&scan, &image, set.image_grid.shape);
            weights.iter_mut().for_each(|w| *w = ((*w - 1.0) / SHARPNESS).exp().max(1e-6));
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Affine;

    #[test]
    fn a_cell_is_linear_and_ends_with_the_grid() {
        let grid = Grid::new([4, 5, 6], Affine::from_spacing([2.0; 3], [0.0; 3])).unwrap();
        let value = |n: usize| (n % 4) as f32 + 10.0 * (n / 4 % 5) as f32 - 3.0 * (n / 20) as f32;
        for p in [[0.0, 0.0, 0.0], [2.25, 3.5, 4.75], [1.0, 0.5, 2.125]] {
            let want = p[0] + 10.0 * p[1] - 3.0 * p[2];
            let got = Cell::at(p, &grid).unwrap().of(value);
            assert!((f64::from(got) - want).abs() < 1e-4, "{got} for {want}");
        }
        for p in [[-0.01, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 4.1, 0.0], [0.0, 0.0, f64::NAN]] {
            assert!(Cell::at(p, &grid).is_none(), "{p:?}");
        }
    }

    #[test]
    fn the_median_is_what_most_have() {
        assert_eq!(median(&mut [3.0, -1.0, 8.0]), 3.0);
        assert_eq!(median(&mut [3.0, -1.0]), 1.0);
        assert!((uncertain(&[0.0, 0.5, 1.0, 1.0, 0.95, 0.05, 0.2]) - 0.5).abs() < 1e-12);
    }
}
