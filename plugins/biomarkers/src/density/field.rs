//! One lesion cut out of its scan, smoothed, with its inside.

use super::scan::Scan;
use crate::lesion::Lesion;
use crate::plane::Plane;
use ichor_image::{distance_to, fill_holes_slices, gaussian};
use ichor_sdk::prelude::*;

/// Smoothing before anything is looked for, mm: along i and j, and along k of thin slices.
pub const SIGMA_MM: f64 = 0.8;
/// Slices farther apart than this are looked at one by one, mm: the next slice tells nothing of this one's edge.
pub const SLICE_THICK_MM: f64 = 2.0;
/// The inside begins this far from the edge, mm; nearer, blood and brain share voxels.
const CORE_MM: f64 = 2.0;
/// Brain is sampled at these distances from the lesion, mm: beyond most oedema.
const BRAIN_MM: [f32; 2] = [8.0, 12.0];
/// HU that may be brain.
const BRAIN_HU: [f32; 2] = [15.0, 50.0];
/// HU are clipped to these before smoothing, so that bone and air do not bleed into the lesion.
const CLIP_HU: [f32; 2] = [-100.0, 150.0];

/// A window around a lesion; arrays are x fastest.
pub struct Field {
    /// The window's grid, axial slices along k.
    pub grid: Grid,
    /// Lengths of a voxel, mm; along k the distance between slices.
    pub spacing: [f64; 3],
    /// Volume of a voxel, mL.
    pub voxel_ml: f64,
    /// HU as they are.
    pub hu: Vec<f32>,
    /// HU after smoothing.
    pub smooth: Vec<f32>,
    /// Distance to the nearest voxel outside the lesion, holes in axial slices filled, mm.
    pub edge: Vec<f32>,
    /// 1 at least 2 mm from the edge and with lesion in the slices above and below.
    pub core: Vec<u8>,
    /// HU of brain.
    pub brain: Option<f64>,
    /// The lesion with holes in axial slices filled, mL.
    pub filled_ml: f64,
    /// The first voxel of the window in the scan's grid; may be outside.
    begin: [isize; 3],
}

impl Field {
    /// # Errors
    /// An HU that is not finite.
    pub fn of(par: &dyn Parallel, scan: &Scan, lesion: &Lesion, brain_hu: Option<f64>) -> Result<Self> {
        let plane = Plane::of(&scan.grid);
        let [u, v] = plane.pitch();
        let spacing = [u, v, plane.slice_spacing];
        let (begin, shape) = window(lesion, spacing);
        let index = |i: isize, j: isize, k: isize| {
            let [i, j, k] = [i - begin[0], j - begin[1], k - begin[2]].map(|x| x as usize);
            i + shape[0] * (j + shape[1] * k)
        };
        let n = shape.iter().product();
        let mut mask = vec![0u8; n];
        for run in &lesion.runs {
            let first = index(run.begin as isize, run.j as isize, run.k as isize);
            mask[first..first + run.len()].fill(1);
        }
        let filled = fill_holes_slices(par, &mask, shape, 2);
        drop(mask);

        let (mut hu, mut blood) = (vec![0f32; n], vec![0u8; n]);
        let mut broken = false;
        for (row, (hu, blood)) in hu.chunks_mut(shape[0]).zip(blood.chunks_mut(shape[0])).enumerate() {
            // Beyond the image the nearest voxel goes on.
            let clamp = |v: isize, a: usize| v.clamp(0, scan.grid.shape[a] as isize - 1) as usize;
            let j = clamp(begin[1] + (row % shape[1]) as isize, 1);
            let k = clamp(begin[2] + (row / shape[1]) as isize, 2);
            for (x, (hu, blood)) in hu.iter_mut().zip(blood).enumerate() {
                let i = clamp(begin[0] + x as isize, 0);
                *hu = scan.hu(scan.place([i, j, k]));
                broken |= !hu.is_finite();
                *blood = scan.mask[scan.grid.index(i, j, k)];
            }
        }
        if broken {
            return Err(Error::bad_input(
                "the CT has values in or near the haematoma that are not numbers (NaN or infinite); repair the image",
            ));
        }

        let along_k = if spacing[2] < SLICE_THICK_MM { SIGMA_MM / spacing[2] } else { 0.0 };
        let clipped: Vec<f32> = hu.iter().map(|v| v.clamp(CLIP_HU[0], CLIP_HU[1])).collect();
        let smooth = gaussian(par, &clipped, shape, [SIGMA_MM / u, SIGMA_MM / v, along_k]);
        drop(clipped);
        let brain = brain_hu.or_else(|| brain(par, &filled, &blood, &smooth, shape, spacing));
        drop(blood);

        let outside: Vec<u8> = filled.iter().map(|&m| 1 - m).collect();
        let edge = distance_to(par, &outside, shape, spacing);
        let slice = shape[0] * shape[1];
        let core = (0..n)
            .map(|x| {
                // The window is wider than the lesion on all sides.
                u8::from(
                    filled[x] != 0
                        && f64::from(edge[x]) >= CORE_MM
                        && filled[x - slice] != 0
                        && filled[x + slice] != 0,
                )
            })
            .collect();
        let voxel_ml = scan.grid.voxel_volume_mm3() / 1000.0;
        let filled_ml = filled.iter().filter(|m| **m != 0).count() as f64 * voxel_ml;
        let mut affine = scan.grid.affine;
        let origin = affine.apply(begin.map(|v| v as f64));
        (0..3).for_each(|r| affine.0[r][3] = origin[r]);
        let grid = Grid { shape, affine };
        Ok(Self { grid, spacing, voxel_ml, hu, smooth, edge, core, brain, filled_ml, begin })
    }

    /// The voxels of the core, in the order of memory.
    pub fn core_voxels(&self) -> impl Iterator<Item = usize> + '_ {
        self.core.iter().enumerate().filter(|(_, c)| **c != 0).map(|(n, _)| n)
    }

    /// Indices (i, j, k) in the window.
    pub fn indices(&self, n: usize) -> [usize; 3] {
        let [nx, ny, _] = self.grid.shape;
        [n % nx, n / nx % ny, n / nx / ny]
    }

    /// World position of a voxel's centre, RAS+ mm.
    pub fn world(&self, n: usize) -> [f64; 3] {
        self.grid.affine.apply(self.indices(n).map(|v| v as f64))
    }

    /// Where a voxel of the window lies in the scan's array; it must be in the image, as all of the lesion is.
    pub fn place(&self, scan: &Scan, n: usize) -> usize {
        let v = self.indices(n);
        scan.place(std::array::from_fn(|a| v[a].saturating_add_signed(self.begin[a])))
    }

    /// Neighbours of a voxel that share a face: the step in memory and the face's area in mm², first along i, then
    /// j, then k.
    pub fn faces(&self) -> [(isize, f64); 6] {
        let [x, y, z] = self.spacing;
        let (row, slice) = (self.grid.shape[0] as isize, (self.grid.shape[0] * self.grid.shape[1]) as isize);
        [(-1, y * z), (1, y * z), (-row, x * z), (row, x * z), (-slice, x * y), (slice, x * y)]
    }
}

/// The first voxel and the shape of a window around a lesion that holds the brain sampled around it.
fn window(lesion: &Lesion, spacing: [f64; 3]) -> ([isize; 3], [usize; 3]) {
    let (mut low, mut high) = ([isize::MAX; 3], [isize::MIN; 3]);
    for run in &lesion.runs {
        let (j, k) = (run.j as isize, run.k as isize);
        for (a, (from, to)) in
            [(run.begin as isize, run.end as isize - 1), (j, j), (k, k)].into_iter().enumerate()
        {
            low[a] = low[a].min(from);
            high[a] = high[a].max(to);
        }
    }
    let pad = spacing.map(|s| (f64::from(BRAIN_MM[1]) / s).ceil() as isize + 1);
    let begin = std::array::from_fn(|a| low[a] - pad[a]);
    (begin, std::array::from_fn(|a| (high[a] + pad[a] + 1 - begin[a]).max(0) as usize))
}

/// Median HU of brain around a lesion; `None` with less than 0.5 mL of it.
fn brain(
    par: &dyn Parallel,
    filled: &[u8],
    blood: &[u8],
    smooth: &[f32],
    shape: [usize; 3],
    spacing: [f64; 3],
) -> Option<f64> {
    let away = distance_to(par, filled, shape, spacing);
    let mut values: Vec<f32> = (0..filled.len())
        .filter(|&n| blood[n] == 0 && (BRAIN_MM[0]..=BRAIN_MM[1]).contains(&away[n]))
        .map(|n| smooth[n])
        .filter(|v| (BRAIN_HU[0]..=BRAIN_HU[1]).contains(v))
        .collect();
    let enough = values.len() as f64 * spacing.iter().product::<f64>() >= 500.0;
    enough.then(|| super::patches::median(&mut values)).flatten()
}
