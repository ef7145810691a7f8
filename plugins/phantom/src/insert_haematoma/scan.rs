//! The scan in the box around the cavity: its voxels, how deep they lie, and what is tissue in them and what noise.

use super::grain::{median, spread};
use super::seat::Seat;
use crate::vector::{Point, dot, smooth, sub};
use ichor_image::parallel::{for_each_chunk, map_ranges};
use ichor_image::resample::Sample;
use ichor_image::{Affine, Bounds, Grid, Parallel, bounding_box, distance_to, gaussian_in_place};
use ichor_sdk::{Error, Result};

/// Standard deviation of the Gaussian that parts tissue from noise within a slice, mm; at least so many voxels.
const SMOOTHING: f64 = 1.6;
const SMOOTHING_VOXELS: f64 = 2.5;
/// Denser voxels within [`BONY`] mm of the border are bone.
const BONE: f32 = 180.0;
const BONY: f32 = 10.0;
/// Densities of brain after smoothing.
const BRAIN: std::ops::Range<f32> = 16.0..50.0;
/// A steeper smoothed density, HU a mm, is the edge of something.
const STEEP: f32 = 1.2;

/// The box around the cavity.
pub struct Scan {
    /// Where in the volume.
    pub bounds: Bounds,
    pub shape: [usize; 3],
    pub spacing: [f64; 3],
    /// Axis across slices, and the two along them.
    pub through: usize,
    pub along: [usize; 2],
    pub hu: Vec<f32>,
    pub cavity: Vec<u8>,
    /// Distance to the next voxel that is not cavity, mm.
    pub depth: Vec<f32>,
    /// Width (sd, voxels) of the Gaussian that parts tissue from noise.
    pub sigma: [f64; 3],
    /// Mean and variance within it, of what is cavity.
    pub mean: Vec<f32>,
    variance: Vec<f32>,
    /// How the head lies.
    pub seat: Seat,
    /// From the box's voxels to the head, and back.
    pub to_head: Affine,
    from_head: Affine,
}

/// Memory for the box around a large adult's cavity, bytes.
pub fn scan_bytes(grid: &Grid) -> u64 {
    let voxels = (3.6e6 / grid.voxel_volume_mm3()).min(grid.len() as f64) as u64;
    26 * voxels
}

impl Scan {
    pub fn new<T: Sample>(par: &dyn Parallel, ct: &[T], cavity: &[u8], grid: &Grid) -> Result<Self> {
        let bounds = bounding_box(par, cavity, grid.shape)
            .ok_or_else(|| Error::bad_input("the cavity is empty, so there is no place for blood"))?;
        let bounds = bounds.grown([1; 3]).clipped(grid.shape);
        let shape = bounds.shape();
        let mut affine = grid.affine;
        let origin = affine.apply(bounds.begin.map(|v| v as f64));
        affine.0.iter_mut().zip(origin).for_each(|(row, o)| row[3] = o);
        let grid_here = Grid::new(shape, affine)?;
        let spacing = grid.spacing();
        let through = across(grid);
        let along = [[1, 2], [0, 2], [0, 1]][through];
        let cavity = bounds.cut(cavity, grid.shape, 0);
        let mut hu = vec![0.0f32; cavity.len()];
        bounds.rows(grid.shape, |at, from, n| {
            hu[at..][..n].iter_mut().zip(&ct[from..][..n]).for_each(|(o, v)| *o = v.to_f32());
        });
        let outside: Vec<u8> = cavity.iter().map(|v| 1 - v.min(&1)).collect();
        let mut depth = distance_to(par, &outside, shape, spacing);
        drop(outside);
        // A cavity that fills the volume has no border in it.
        depth.iter_mut().for_each(|d| *d = d.min(1e3));
        let seat = Seat::new(par, &cavity, &depth, &grid_here)?;
        let mut sigma = [0.0; 3];
        along.iter().for_each(|&a| sigma[a] = (SMOOTHING / spacing[a]).max(SMOOTHING_VOXELS));
        // Means of what is inside: bone does not blur into brain.
        let blurred = |value: &(dyn Fn(f32) -> f32 + Sync)| {
            let mut out = vec![0.0f32; hu.len()];
            for_each_chunk(par, &mut out, 1 << 16, &|n, part| {
                let first = n << 16;
                for (o, at) in part.iter_mut().zip(first..) {
                    *o = if cavity[at] == 0 { 0.0 } else { value(soft(hu[at])) };
                }
            });
            gaussian_in_place(par, &mut out, shape, sigma);
            out
        };
        let mut mean = blurred(&|v| v);
        let mut variance = blurred(&|v| v * v);
        let weight = blurred(&|_| 1.0);
        let last = mean.iter_mut().zip(&mut variance).zip(&weight);
        last.for_each(|((m, v), w)| {
            let w = 1.0 / w.max(1e-6);
            *m *= w;
            *v = (*v * w - *m * *m).max(0.0);
        });
        let to_head = seat.voxel_to_head(&grid_here);
        let from_head = to_head.inverse()?;
        Ok(Self {
            bounds,
            shape,
            spacing,
            through,
            along,
            hu,
            cavity,
            depth,
            sigma,
            mean,
            variance,
            seat,
            to_head,
            from_head,
        })
    }

    pub fn index(&self, v: [usize; 3]) -> usize {
        v[0] + self.shape[0] * (v[1] + self.shape[1] * v[2])
    }

    /// A point of the head in voxels of the box.
    pub fn voxel(&self, p: Point) -> [f64; 3] {
        self.from_head.apply(p.map(f64::from))
    }

    /// The middle of a voxel in the head.
    pub fn head(&self, v: [usize; 3]) -> Point {
        self.to_head.apply(v.map(|v| v as f64)).map(|v| v as f32)
    }

    /// By how many voxels each voxel coordinate changes at most in a mm.
    pub fn gradients(&self) -> [f64; 3] {
        self.from_head.0.map(|r| (r[0] * r[0] + r[1] * r[1] + r[2] * r[2]).sqrt())
    }

    /// Position in the arrays of the voxel nearest to a point of the head.
    fn nearest(&self, p: Point) -> Option<usize> {
        let v = self.voxel(p).map(f64::round);
        let inside = (0..3).all(|a| v[a] >= 0.0 && v[a] < self.shape[a] as f64);
        inside.then(|| self.index(v.map(|v| v as usize)))
    }

    /// How far it is from a point of the head to the cavity's border or to bone, mm; 0 in bone and outside.
    pub fn room(&self, p: Point) -> f32 {
        let Some(at) = self.nearest(p) else { return 0.0 };
        let is_bone = self.hu[at] > BONE && self.depth[at] < BONY;
        if is_bone { 0.0 } else { self.depth[at] }
    }

    /// Whether a voxel can hold blood.
    pub fn can_bleed(&self, at: usize) -> bool {
        self.cavity[at] != 0 && !(self.hu[at] > BONE && self.depth[at] < BONY)
    }

    /// Share of fluid in a ball.
    pub fn csf(&self, centre: Point, radius: f32) -> f32 {
        let (mut fluid, mut all) = (0u32, 0u32);
        let steps = 5i32;
        for n in 0..(2 * steps + 1).pow(3) {
            let w = 2 * steps + 1;
            let d = [n % w, n / w % w, n / (w * w)].map(|v| (v - steps) as f32 / steps as f32);
            if d.iter().map(|v| v * v).sum::<f32>() > 1.0 {
                continue;
            }
            let p = std::array::from_fn(|a| centre[a] + radius * d[a]);
            if let Some(at) = self.nearest(p) {
                all += 1;
                fluid += u32::from(self.cavity[at] == 0 || self.mean[at] < BRAIN.start);
            }
        }
        fluid as f32 / all.max(1) as f32
    }

    /// Voxels of brain away from edges: what differs from the mean is noise.
    pub fn is_clean(&self, v: [usize; 3]) -> bool {
        let at = self.index(v);
        if self.cavity[at] == 0 || self.depth[at] < 5.0 || !BRAIN.contains(&self.mean[at]) {
            return false;
        }
        let slope = |a: usize| {
            let stride = [1, self.shape[0], self.shape[0] * self.shape[1]][a];
            let step = ((0.8 / self.spacing[a]).round() as usize).max(1);
            if v[a] < step || v[a] + step >= self.shape[a] {
                return f32::INFINITY;
            }
            (self.mean[at + step * stride] - self.mean[at - step * stride])
                / (2.0 * step as f32 * self.spacing[a] as f32)
        };
        let [a, b] = self.along.map(slope);
        a * a + b * b < STEEP * STEEP
    }

    /// Clean voxels within some 25 mm of a ball of the head; of the whole brain if these are few.
    pub fn clean_near(&self, par: &dyn Parallel, centre: Point, reach: f32) -> Vec<u8> {
        let mark = |most: f32| {
            let mut out = vec![0u8; self.hu.len()];
            let [nx, ny, _] = self.shape;
            for_each_chunk(par, &mut out, nx * ny, &|k, plane| {
                for (n, o) in plane.iter_mut().enumerate() {
                    let v = [n % nx, n / nx, k];
                    let d = sub(self.head(v), centre);
                    *o = u8::from(dot(d, d) < most * most && self.is_clean(v));
                }
            });
            out
        };
        let near = mark(reach + 25.0);
        if near.iter().filter(|v| **v != 0).count() > 2000 { near } else { mark(1e4) }
    }

    /// The scan without its noise: what a mean explains and what stands out of the noise (Lee, IEEE Trans. Pattern
    /// Anal. Mach. Intell. 2:165, 1980, eq. 6: mean + (variance - noise) / variance times the deviation).
    pub fn denoised(&mut self, par: &dyn Parallel) -> Denoised {
        let slices = self.noise_of_slices(par);
        let mut out = std::mem::take(&mut self.variance);
        let [nx, ny, _] = self.shape;
        for_each_chunk(par, &mut out, nx * ny, &|k, plane| {
            for (n, v) in plane.iter_mut().enumerate() {
                let at = n + nx * ny * k;
                let slice = [n % nx, n / nx, k][self.through];
                // Above the noise by more than chance.
                let noise = 1.3 * slices[slice] * slices[slice];
                let share = if *v > noise { (*v - noise) / *v } else { 0.0 };
                let share = if noise == 0.0 { 1.0 } else { share };
                let soft = soft(self.hu[at]);
                *v = self.hu[at] - soft + self.mean[at] + share * (soft - self.mean[at]);
            }
        });
        Denoised { hu: out }
    }

    /// Standard deviation of the noise in each slice, HU.
    fn noise_of_slices(&self, par: &dyn Parallel) -> Vec<f32> {
        let n = self.shape[self.through];
        let is_clean = |v| self.is_clean(v);
        let slices = map_ranges(par, n, 1, &|range| spread(&self.residuals(range.start, &is_clean)));
        let usual = median(slices.iter().flatten().copied().collect()).unwrap_or(0.0);
        slices.into_iter().map(|s| s.unwrap_or(usual)).collect()
    }

    /// What differs from the mean in the chosen voxels of a slice.
    pub fn residuals(&self, slice: usize, chosen: &dyn Fn([usize; 3]) -> bool) -> Vec<f32> {
        let [a, b] = self.along;
        let mut out = Vec::new();
        for y in 0..self.shape[b] {
            for x in 0..self.shape[a] {
                let mut v = [0; 3];
                (v[self.through], v[a], v[b]) = (slice, x, y);
                if chosen(v) {
                    let at = self.index(v);
                    out.push(self.hu[at] - self.mean[at]);
                }
            }
        }
        out
    }
}

/// The scan without noise.
pub struct Denoised {
    pub hu: Vec<f32>,
}

/// Densities of white and grey matter.
pub struct Matter {
    white: f32,
    grey: f32,
}

impl Denoised {
    /// The value at a place between voxels, by cubic convolution (Keys, IEEE Trans. Acoust. Speech Signal Process. 29:1153, 1981). What is not
    /// cavity does not count; a place outside takes that of `here`.
    pub fn at(&self, scan: &Scan, v: [f64; 3], here: usize) -> f32 {
        let near = v.map(|v| v.round());
        if (0..3).any(|a| near[a] < 0.0 || near[a] >= scan.shape[a] as f64) {
            return self.hu[here];
        }
        let middle = scan.index(near.map(|v| v as usize));
        if scan.cavity[middle] == 0 {
            return self.hu[here];
        }
        let instead = self.hu[middle];
        let floor = v.map(f64::floor);
        let w: [[f32; 4]; 3] = std::array::from_fn(|a| keys((v[a] - floor[a]) as f32));
        let first = floor.map(|f| f as isize - 1);
        let mut sum = 0.0;
        for (c, wz) in w[2].iter().enumerate() {
            for (b, wy) in w[1].iter().enumerate() {
                let (y, z) = (first[1] + b as isize, first[2] + c as isize);
                let row_in = y >= 0 && z >= 0 && (y as usize) < scan.shape[1] && (z as usize) < scan.shape[2];
                let mut row = 0.0;
                for (a, wx) in w[0].iter().enumerate() {
                    let x = first[0] + a as isize;
                    let value = if row_in && x >= 0 && (x as usize) < scan.shape[0] {
                        let at = scan.index([x as usize, y as usize, z as usize]);
                        if scan.cavity[at] != 0 { self.hu[at] } else { instead }
                    } else {
                        instead
                    };
                    row += wx * value;
                }
                sum += wz * wy * row;
            }
        }
        sum
    }

    /// Densities of white and grey matter: quartiles of brain.
    pub fn matter(&self, scan: &Scan) -> Matter {
        let mut brain: Vec<f32> = (0..scan.hu.len())
            .step_by(7)
            .filter(|&n| scan.cavity[n] != 0 && scan.depth[n] > 5.0 && (20.0..46.0).contains(&scan.mean[n]))
            .map(|n| scan.mean[n])
            .collect();
        brain.sort_by(f32::total_cmp);
        let at = |share: f32| brain.get((share * brain.len() as f32) as usize).copied();
        match (at(0.25), at(0.85)) {
            (Some(white), Some(grey)) if grey > white + 1.0 => Matter { white, grey },
            _ => Matter { white: 26.0, grey: 36.0 },
        }
    }
}

impl Matter {
    /// By how much oedema of density `hu` changes tissue of density `tissue`: white matter most, cortex less, fluid
    /// not at all.
    pub fn soak(&self, tissue: f32, hu: f32) -> f32 {
        let white = ((self.grey - tissue) / (self.grey - self.white)).clamp(0.0, 1.0);
        let is_tissue = smooth((80.0 - tissue) / 30.0);
        (hu.min(tissue) - tissue) * (0.4 + 0.6 * white) * is_tissue
    }
}

/// Densities that count in means: bone and air do not outweigh tissue.
fn soft(hu: f32) -> f32 {
    hu.clamp(-20.0, 100.0)
}

/// The voxel axis across slices: the longest by far, else the one from bottom to top.
fn across(grid: &Grid) -> usize {
    let spacing = grid.spacing();
    let longest = (0..3).max_by(|&a, &b| spacing[a].total_cmp(&spacing[b])).unwrap_or(2);
    if (0..3).all(|a| a == longest || spacing[longest] > 1.2 * spacing[a]) {
        return longest;
    }
    grid.affine.orientation().iter().position(|c| matches!(c, 'S' | 'I')).unwrap_or(2)
}

/// Weights of samples -1, 0, 1, 2 at `f` past sample 0.
fn keys(f: f32) -> [f32; 4] {
    let (f2, f3) = (f * f, f * f * f);
    [
        0.5 * (-f3 + 2.0 * f2 - f),
        0.5 * (3.0 * f3 - 5.0 * f2 + 2.0),
        0.5 * (-3.0 * f3 + 4.0 * f2 + f),
        0.5 * (f3 - f2),
    ]
}
