//! Heads whose cavity is known, changed as patients and scanners change them, and how near a mask comes.

use crate::stage::{Affine, Bench, DType, Grid, i16s, table, voxels};
use ichor_host::Value;
use ichor_image::random::Random;
use ichor_image::{Serial, distance_to};
use ichor_spec::{Kind, Unit};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A CT and the mask of its cavity.
#[derive(Clone)]
pub struct Head {
    /// Of both.
    pub grid: Grid,
    /// HU.
    pub ct: Vec<i16>,
    /// 1 inside.
    pub cavity: Vec<u8>,
    /// 1 in the haematoma.
    pub blood: Vec<u8>,
}

/// Thin slices, 0.9 x 0.9 x 1 mm.
pub fn thin() -> Json {
    json!({ "shape": [232, 256, 180], "spacing": [0.9, 0.9, 1.0] })
}

/// Thick slices, 0.9 x 0.9 x 5 mm.
pub fn thick() -> Json {
    json!({ "shape": [232, 256, 36], "spacing": [0.9, 0.9, 5.0] })
}

impl Head {
    /// A phantom head.
    pub fn phantom(bench: &Bench, params: &Json, more: Json) -> Self {
        let mut params = params.clone();
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = bench.run("phantom-head", params, &[]).unwrap();
        Self {
            grid: made["ct"].grid().unwrap(),
            ct: i16s(&made["ct"]),
            cavity: made["cavity"].bytes().to_vec(),
            blood: made["haematoma"].bytes().to_vec(),
        }
    }

    /// The CT as a value.
    pub fn value(&self, bench: &Bench) -> Arc<Value> {
        let bytes: Vec<u8> = self.ct.iter().flat_map(|v| v.to_ne_bytes()).collect();
        bench.value((Kind::Volume, Unit::Hu, DType::I16), &self.grid, &bytes)
    }

    /// The cavity as a value.
    pub fn mask(&self, bench: &Bench) -> Arc<Value> {
        bench.value((Kind::Mask, Unit::Label, DType::U8), &self.grid, &self.cavity)
    }

    fn places(&self) -> impl Iterator<Item = [f64; 3]> + use<> {
        let affine = self.grid.affine;
        voxels(&self.grid).map(move |v| affine.apply(v.map(|n| n as f64)))
    }

    /// The middle of the cavity.
    pub fn middle(&self) -> [f64; 3] {
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for (p, _) in self.places().zip(&self.cavity).filter(|(_, c)| **c != 0) {
            (0..3).for_each(|a| sum[a] += p[a]);
            count += 1.0;
        }
        sum.map(|s| s / count)
    }

    /// Where a ray from the middle of the cavity leaves it.
    pub fn surface(&self, direction: [f64; 3]) -> [f64; 3] {
        let back = self.grid.affine.inverse().unwrap();
        let (middle, length) = (self.middle(), direction.iter().map(|d| d * d).sum::<f64>().sqrt());
        let at = |t: f64| [0, 1, 2].map(|a| middle[a] + t * direction[a] / length);
        let inside = |p: [f64; 3]| {
            let v = back.apply(p).map(|v| v.round());
            (0..3).all(|a| v[a] >= 0.0 && v[a] < self.grid.shape[a] as f64)
                && self.cavity[self.grid.index(v[0] as usize, v[1] as usize, v[2] as usize)] != 0
        };
        at((0..400).rev().map(|n| 0.5 * f64::from(n)).find(|t| inside(at(*t))).unwrap())
    }

    fn change(mut self, mut to: impl FnMut([f64; 3], i16, bool) -> i16) -> Self {
        let places = self.places();
        for ((p, hu), c) in places.zip(&mut self.ct).zip(&self.cavity) {
            *hu = to(p, *hu, *c != 0);
        }
        self
    }

    /// Bone in a disc of this diameter replaced by soft tissue.
    #[must_use]
    pub fn craniotomy(self, direction: [f64; 3], diameter: f64) -> Self {
        let at = self.surface(direction);
        self.change(|p, hu, inside| {
            let near = (0..3).map(|a| (p[a] - at[a]).powi(2)).sum::<f64>() < (0.5 * diameter).powi(2);
            if near && !inside && hu > 100 { 45 } else { hu }
        })
    }

    /// Cracks of 1.5 mm through the vault: three planes through the middle of the cavity.
    #[must_use]
    pub fn fractures(self) -> Self {
        let m = self.middle();
        self.change(|p, hu, inside| {
            let q: [f64; 3] = std::array::from_fn(|a| p[a] - m[a]);
            let planes = [q[1] - 0.4 * q[2] - 20.0, q[0] + 0.3 * q[1] - 15.0, q[1] + 0.6 * q[0] + 30.0];
            if !inside && hu > 100 && q[2] > -10.0 && planes.iter().any(|d| d.abs() < 0.75) { 45 } else { hu }
        })
    }

    /// Blood of 68 HU from the inner table inward, about so many mL.
    #[must_use]
    pub fn bleed(mut self, direction: [f64; 3], ml: f64) -> Self {
        let at = self.surface(direction);
        let mut far: Vec<(f64, usize)> = (self.places().zip(&self.cavity).enumerate())
            .filter(|(_, (_, c))| **c != 0)
            .map(|(n, (p, _))| ((0..3).map(|a| (p[a] - at[a]).powi(2)).sum(), n))
            .collect();
        far.sort_by(|a, b| a.0.total_cmp(&b.0));
        let count = (1000.0 * ml / self.grid.voxel_volume_mm3()) as usize;
        for (_, n) in &far[..count] {
            (self.ct[*n], self.blood[*n]) = (68 + self.ct[*n] / 8, 1);
        }
        self
    }

    /// Air in front under the vault.
    #[must_use]
    pub fn air(self, mm: f64) -> Self {
        let at = self.surface([0.1, 1.0, 0.5]);
        self.change(|p, hu, inside| {
            let near = (0..3).map(|a| (p[a] - at[a]).powi(2)).sum::<f64>() < mm * mm;
            if near && inside { -950 } else { hu }
        })
    }

    /// Noise of this standard deviation more.
    #[must_use]
    pub fn noise(self, hu: f64) -> Self {
        let mut random = Random::new(11);
        self.change(|_, v, _| (f64::from(v) + hu * random.normal()).round() as i16)
    }

    /// A clip of metal, 5 mm, inside the skull, with streaks in its slices.
    #[must_use]
    pub fn metal(self) -> Self {
        let m = self.middle();
        let at = [m[0] + 25.0, m[1] + 10.0, m[2] - 15.0];
        self.change(|p, hu, _| {
            let [x, y, z] = [0, 1, 2].map(|a| p[a] - at[a]);
            let r = x.hypot(y);
            if z.abs() > 3.0 || hu < -500 {
                return hu;
            }
            if r < 2.5 {
                return 3000;
            }
            let streak = 600.0 * (9.0 * y.atan2(x)).cos().signum() * (9.0 * y.atan2(x)).cos().powi(4);
            (f64::from(hu) + streak * 10.0 / (10.0 + r)).clamp(-1000.0, 3000.0) as i16
        })
    }

    /// Nothing but air in the skull.
    #[must_use]
    pub fn emptied(self) -> Self {
        self.change(|_, hu, inside| if inside { -1000 } else { hu })
    }

    /// Without the highest and the lowest parts of the cavity, mm of each.
    #[must_use]
    pub fn cut(self, above: f64, below: f64) -> Self {
        let plane = self.grid.shape[0] * self.grid.shape[1];
        let has = |k: &usize| self.cavity[k * plane..][..plane].contains(&1);
        let (low, high) =
            ((0..self.grid.shape[2]).find(has).unwrap(), (0..self.grid.shape[2]).rfind(has).unwrap());
        let dz = self.grid.spacing()[2];
        let begin = if below > 0.0 { low + (below / dz).round() as usize } else { 0 };
        let end = if above > 0.0 { high + 1 - (above / dz).round() as usize } else { self.grid.shape[2] };
        let mut affine = self.grid.affine;
        affine.0.iter_mut().for_each(|row| row[3] += row[2] * begin as f64);
        let [nx, ny, _] = self.grid.shape;
        Self {
            grid: Grid::new([nx, ny, end - begin], affine).unwrap(),
            ct: self.ct[begin * plane..end * plane].to_vec(),
            cavity: self.cavity[begin * plane..end * plane].to_vec(),
            blood: self.blood[begin * plane..end * plane].to_vec(),
        }
    }

    /// Slices that are missing, filled linearly between their neighbours, as a loader does.
    #[must_use]
    pub fn missing(mut self, slices: &[usize]) -> Self {
        let plane = self.grid.shape[0] * self.grid.shape[1];
        for &k in slices {
            let below = (0..k).rev().find(|n| !slices.contains(n)).unwrap();
            let above = (k + 1..).find(|n| !slices.contains(n)).unwrap();
            let f = (k - below) as f32 / (above - below) as f32;
            for n in 0..plane {
                let (a, b) = (self.ct[below * plane + n], self.ct[above * plane + n]);
                self.ct[k * plane + n] = ((1.0 - f) * f32::from(a) + f * f32::from(b)).round() as i16;
            }
        }
        self
    }

    /// As a gantry tilted by so many degrees gives it: slices sheared along y, voxels of this spacing.
    #[must_use]
    pub fn tilted(self, degrees: f64, spacing: [f64; 3]) -> Self {
        let (s, c) = degrees.to_radians().sin_cos();
        let extent: [f64; 3] =
            std::array::from_fn(|a| (self.grid.shape[a] - 1) as f64 * self.grid.spacing()[a]);
        let room = s.abs() * extent[1];
        let extent = [extent[0], extent[1] * 1.05 / c, extent[2] + room];
        let shape = std::array::from_fn(|a| (extent[a] / spacing[a]) as usize + 1);
        let half: [f64; 3] = std::array::from_fn(|a| 0.5 * (shape[a] - 1) as f64 * spacing[a]);
        let affine = Affine([
            [-spacing[0], 0.0, 0.0, half[0]],
            [0.0, -spacing[1] * c, 0.0, half[1] * c],
            [0.0, -spacing[1] * s, spacing[2], half[1] * s - half[2]],
        ]);
        let grid = Grid::new(shape, affine).unwrap();
        let still = crate::register::Map::All(Vec::new());
        let as_i16 = |mask: &[u8]| mask.iter().map(|&v| 1000 * i16::from(v)).collect::<Vec<i16>>();
        let mask = |mask: &[u8]| -> Vec<u8> {
            let moved = crate::register::moved(&as_i16(mask), &self.grid, &still, &grid);
            moved.iter().map(|&v| u8::from(v >= 500)).collect()
        };
        Self {
            ct: crate::register::moved(&self.ct, &self.grid, &still, &grid),
            cavity: mask(&self.cavity),
            blood: mask(&self.blood),
            grid,
        }
    }
}

/// Dice coefficient.
pub fn dice(a: &[u8], b: &[u8]) -> f64 {
    let (mut both, mut sum) = (0u64, 0u64);
    for (&x, &y) in a.iter().zip(b) {
        both += u64::from(x & y);
        sum += u64::from(x) + u64::from(y);
    }
    2.0 * both as f64 / (sum as f64).max(1.0)
}

/// Voxels of the mask that have a neighbour by face outside it.
fn surface(mask: &[u8], [nx, ny, nz]: [usize; 3]) -> Vec<u8> {
    let at = |n: usize, stride: usize, place: usize, length: usize| {
        place == 0 || place + 1 == length || mask[n - stride] == 0 || mask[n + stride] == 0
    };
    (0..mask.len())
        .map(|n| {
            let edge = mask[n] != 0
                && (at(n, 1, n % nx, nx) || at(n, nx, n / nx % ny, ny) || at(n, nx * ny, n / nx / ny, nz));
            u8::from(edge)
        })
        .collect()
}

/// 95th percentile of the distances from either surface to the other, mm; infinite where one is empty.
pub fn hd95(a: &[u8], b: &[u8], grid: &Grid) -> f64 {
    let (a, b) = (surface(a, grid.shape), surface(b, grid.shape));
    let mut all = Vec::new();
    for (from, to) in [(&a, &b), (&b, &a)] {
        let distance = distance_to(&Serial, to, grid.shape, grid.spacing());
        all.extend(from.iter().zip(&distance).filter(|(f, _)| **f != 0).map(|(_, d)| *d));
    }
    all.sort_by(f32::total_cmp);
    all.get(all.len().saturating_sub(1) * 95 / 100).map_or(f64::INFINITY, |d| f64::from(*d))
}

/// Verdict and reason of each check of a quality table by its name; the last is `overall`.
pub fn verdicts(value: &Value) -> BTreeMap<String, [String; 2]> {
    let text = |v: &Json| v.as_str().unwrap_or_default().to_owned();
    table(value)["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (text(&r[0]), [text(&r[4]), text(&r[5])]))
        .collect()
}

/// The numbers of a quality table by name.
pub fn numbers(value: &Value) -> BTreeMap<String, f64> {
    let rows = table(value)["rows"].as_array().unwrap().clone();
    rows.iter().filter_map(|r| Some((r[0].as_str()?.to_owned(), r[1].as_f64()?))).collect()
}
