//! The noise of a scan, measured, and more of the same.

use super::scan::Scan;
use crate::vector::Point;
use ichor_image::parallel::{for_each_chunk, map_ranges};
use ichor_image::{Bounds, Parallel, random};

/// Strength and spectrum of the noise near a place.
pub struct Grain {
    /// Standard deviation in each slice, HU.
    pub sd: Vec<f32>,
    /// Steps in voxels and weights that make white noise of variance 1 into noise of variance 1: within a slice...
    flat: Vec<([isize; 3], f32)>,
    /// ... and across.
    deep: Vec<([isize; 3], f32)>,
    /// Blur of the scanner within a slice, standard deviation, mm.
    pub blur_mm: f64,
}

/// Noise in a window, HU.
pub struct Field {
    shape: [usize; 3],
    window: Bounds,
    hu: Vec<f32>,
}

/// Correlations reach so far, mm.
const REACH: f64 = 3.0;
/// Blur of usual kernels for brain where there is no noise to tell it, mm.
const USUAL_BLUR: f64 = 0.5;

impl Grain {
    /// The noise of the voxels marked in `clean`.
    pub fn new(par: &dyn Parallel, scan: &Scan, clean: &[u8]) -> Self {
        let slices = scan.shape[scan.through];
        let is_clean = |v: [usize; 3]| clean[scan.index(v)] != 0;
        let sds: Vec<Option<f32>> =
            map_ranges(par, slices, 1, &|range| spread(&scan.residuals(range.start, &is_clean)));
        let usual = median(sds.iter().flatten().copied().collect()).unwrap_or(0.0);
        let sd: Vec<f32> = sds.into_iter().map(|s| s.unwrap_or(usual)).collect();
        let [a, b] = scan.along;
        let reach = [a, b].map(|a| ((REACH / scan.spacing[a]).ceil() as isize).clamp(2, 8));
        if usual <= 0.0 {
            let none = vec![([0; 3], 1.0)];
            return Self { sd, flat: none.clone(), deep: none, blur_mm: USUAL_BLUR };
        }
        let lags: Vec<[isize; 2]> =
            (0..=reach[1]).flat_map(|y| (-reach[0]..=reach[0]).map(move |x| [x, y])).collect();
        let step = |v: [isize; 2]| {
            let mut s = [0; 3];
            (s[a], s[b]) = (v[0], v[1]);
            s
        };
        let mut steps: Vec<[isize; 3]> = lags.iter().map(|&l| step(l)).collect();
        let across = |n: isize| {
            let mut s = [0; 3];
            s[scan.through] = n;
            s
        };
        let deepest = ((REACH / scan.spacing[scan.through]).ceil() as isize).clamp(1, 6);
        steps.extend((1..=deepest).map(across));
        let found = correlations(par, scan, clean, &sd, &steps);
        let flat_found = |x: isize, y: isize| {
            let (x, y) = if y < 0 { (-x, -y) } else { (x, y) };
            lags.iter().position(|&l| l == [x, y]).map_or(0.0, |n| found[n])
        };
        let (flat, gain) = kernel(reach, [scan.sigma[a], scan.sigma[b]], &flat_found);
        let sd = sd.into_iter().map(|s| s * gain).collect();
        let deep_found = |n: isize, _: isize| {
            if n == 0 { 1.0 } else { found[lags.len() + n.unsigned_abs() - 1] }
        };
        let (deep, _) = kernel([deepest, 0], [0.0; 2], &deep_found);
        // The noise of a Gaussian blur of sd s has the correlation exp(-d²/4s²) at distance d; the ramp of filtered
        // back projection makes it narrower by about a fifth.
        let of = |n: usize, axis: usize| {
            let rho = if n == 0 { flat_found(1, 0) } else { flat_found(0, 1) };
            scan.spacing[axis] / (2.0 * (-f64::from(rho).clamp(0.02, 0.95).ln()).sqrt())
        };
        let blur_mm = (1.2 * 0.5 * (of(0, a) + of(1, b))).clamp(0.25, 0.9);
        Self {
            sd,
            flat: flat.into_iter().map(|(l, w)| (step(l), w)).collect(),
            deep: deep.into_iter().map(|(l, w)| (across(l[0]), w)).collect(),
            blur_mm,
        }
    }

    /// Standard deviation in the slice of a point of the head.
    pub fn sd_at(&self, scan: &Scan, p: Point) -> f32 {
        let slice = scan.voxel(p)[scan.through].round().max(0.0) as usize;
        self.sd.get(slice).copied().unwrap_or(0.0)
    }

    /// Noise of this grain in a window of the scan. A voxel's noise depends on the seed and its place alone.
    pub fn field(&self, par: &dyn Parallel, scan: &Scan, window: &Bounds, seed: u64) -> Field {
        let reach = |taps: &[([isize; 3], f32)]| -> [usize; 3] {
            std::array::from_fn(|a| taps.iter().map(|t| t.0[a].unsigned_abs()).max().unwrap_or(0))
        };
        let middle = window.grown(reach(&self.flat));
        let outer = middle.grown(reach(&self.deep));
        let shape = outer.shape();
        let mut white = vec![0.0f32; shape.iter().product()];
        if self.sd.iter().any(|&s| s > 0.0) {
            for_each_chunk(par, &mut white, shape[0] * shape[1], &|k, plane| {
                for (n, v) in plane.iter_mut().enumerate() {
                    let v3 = [n % shape[0], n / shape[0], k];
                    // Place in the volume, moved so that it is positive.
                    let at: [u64; 3] =
                        std::array::from_fn(|a| (v3[a] as isize + outer.begin[a] + 4096) as u64);
                    *v = random::normal_at(seed, at[0] | at[1] << 20 | at[2] << 40) as f32;
                }
            });
        }
        let deep = convolved(par, &white, &outer, &middle, &self.deep);
        drop(white);
        let mut hu = convolved(par, &deep, &middle, window, &self.flat);
        let shape = window.shape();
        for_each_chunk(par, &mut hu, shape[0] * shape[1], &|k, plane| {
            for (n, v) in plane.iter_mut().enumerate() {
                let at = [n % shape[0], n / shape[0], k][scan.through] as isize + window.begin[scan.through];
                *v *= usize::try_from(at).ok().and_then(|s| self.sd.get(s)).copied().unwrap_or(0.0);
            }
        });
        Field { shape, window: *window, hu }
    }
}

impl Field {
    /// The noise at a voxel of the scan's box, 0 outside the window.
    pub fn at(&self, v: [usize; 3]) -> f32 {
        let w: [isize; 3] = std::array::from_fn(|a| v[a] as isize - self.window.begin[a]);
        if (0..3).any(|a| w[a] < 0 || w[a] >= self.shape[a] as isize) {
            return 0.0;
        }
        let w = w.map(|v| v as usize);
        self.hu[w[0] + self.shape[0] * (w[1] + self.shape[1] * w[2])]
    }
}

/// Correlation of the noise, as shares of its variance, between clean voxels that lie a step apart.
fn correlations(par: &dyn Parallel, scan: &Scan, clean: &[u8], sd: &[f32], steps: &[[isize; 3]]) -> Vec<f32> {
    let [nx, ny, nz] = scan.shape;
    // Every so many planes are enough.
    let stride = (clean.iter().filter(|v| **v != 0).count() / 400_000 + 1).min(nz);
    let value = |at: usize, v: [usize; 3]| {
        let s = sd[v[scan.through]];
        let r = if s > 0.0 { (scan.hu[at] - scan.mean[at]) / s } else { 0.0 };
        r.clamp(-4.0, 4.0)
    };
    let parts = map_ranges(par, nz.div_ceil(stride), 1, &|range| {
        let mut sums = vec![[0.0f64; 2]; steps.len() + 1];
        for k in range.map(|n| n * stride) {
            for at in k * nx * ny..(k + 1) * nx * ny {
                if clean[at] == 0 {
                    continue;
                }
                let v = [at % nx, at / nx % ny, k];
                let here = value(at, v);
                sums[steps.len()][0] += f64::from(here * here);
                sums[steps.len()][1] += 1.0;
                for (sum, step) in sums.iter_mut().zip(steps) {
                    let w: [isize; 3] = std::array::from_fn(|a| v[a] as isize + step[a]);
                    if (0..3).any(|a| w[a] < 0 || w[a] >= scan.shape[a] as isize) {
                        continue;
                    }
                    let w = w.map(|v| v as usize);
                    let there = scan.index(w);
                    if clean[there] != 0 {
                        sum[0] += f64::from(here * value(there, w));
                        sum[1] += 1.0;
                    }
                }
            }
        }
        sums
    });
    let mut total = vec![[0.0f64; 2]; steps.len() + 1];
    for part in parts {
        total.iter_mut().zip(part).for_each(|(t, p)| {
            t[0] += p[0];
            t[1] += p[1];
        });
    }
    let mean = |s: [f64; 2]| if s[1] > 0.0 { s[0] / s[1] } else { 0.0 };
    let variance = mean(total[steps.len()]).max(1e-9);
    total[..steps.len()].iter().map(|&s| (mean(s) / variance) as f32).collect()
}

/// The symmetric kernel, its squares summing to 1, whose white noise has the correlations `found` up to `reach`: the inverse
/// Fourier transform of the square root of the spectrum. What was measured is what a Gaussian of `sigma` voxels left; the
/// spectrum is given back what it took, at most three quarters of the power, and the second value is by how much
/// the standard deviation grows.
fn kernel(
    reach: [isize; 2],
    sigma: [f64; 2],
    found: &dyn Fn(isize, isize) -> f32,
) -> (Vec<([isize; 2], f32)>, f32) {
    let size = reach.map(|r| 2 * (2 * r + 1));
    // The outer half is faded out: there is little but chance in it.
    let fade = |n: isize, r: isize| {
        let t = n.abs() as f64 / (r + 1) as f64;
        if t <= 0.5 { 1.0 } else { 0.5 + 0.5 * (std::f64::consts::TAU * (t - 0.5)).cos() }
    };
    let cells = |r: [isize; 2]| (-r[1]..=r[1]).flat_map(move |y| (-r[0]..=r[0]).map(move |x| [x, y]));
    let faded: Vec<([isize; 2], f64)> = cells(reach)
        .map(|[x, y]| ([x, y], f64::from(found(x, y)) * fade(x, reach[0]) * fade(y, reach[1])))
        .collect();
    let angle = |k: [isize; 2], d: [isize; 2]| {
        std::f64::consts::TAU * (0..2).map(|a| (k[a] * d[a]) as f64 / size[a] as f64).sum::<f64>()
    };
    let (mut before, mut after) = (0.0, 0.0);
    let amplitude: Vec<([isize; 2], f64)> = (0..size[1])
        .flat_map(|y| (0..size[0]).map(move |x| [x, y]))
        .map(|k| {
            let power: f64 = faded.iter().map(|(d, c)| c * angle(k, *d).cos()).sum::<f64>().max(0.0);
            let frequency = |a: usize| k[a].min(size[a] - k[a]) as f64 / size[a] as f64;
            let width = (0..2).map(|a| (sigma[a] * frequency(a)).powi(2)).sum::<f64>();
            let took =
                if sigma == [0.0; 2] { 0.0 } else { (-2.0 * std::f64::consts::PI.powi(2) * width).exp() };
            let whole = power / (1.0 - took).powi(2).max(0.25);
            before += power;
            after += whole;
            (k, whole.sqrt())
        })
        .collect();
    let mut taps: Vec<([isize; 2], f64)> = cells(reach)
        .map(|d| (d, amplitude.iter().map(|(k, s)| s * angle(*k, d).cos()).sum::<f64>()))
        .collect();
    let squares: f64 = taps.iter().map(|t| t.1 * t.1).sum();
    taps.iter_mut().for_each(|t| t.1 /= squares.sqrt().max(1e-12));
    let gain = if before > 0.0 { (after / before).sqrt() } else { 1.0 };
    (taps.into_iter().map(|(d, w)| (d, w as f32)).collect(), gain as f32)
}

/// `from` on window `outer`, convolved, on window `inner`, which lies in it with room for the kernel.
fn convolved(
    par: &dyn Parallel,
    from: &[f32],
    outer: &Bounds,
    inner: &Bounds,
    taps: &[([isize; 3], f32)],
) -> Vec<f32> {
    let (big, small) = (outer.shape(), inner.shape());
    let mut out = vec![0.0f32; small.iter().product()];
    if out.is_empty() {
        return out;
    }
    for_each_chunk(par, &mut out, small[0] * small[1], &|k, plane| {
        for (j, row) in plane.chunks_mut(small[0]).enumerate() {
            for (step, weight) in taps {
                let place =
                    |a: usize, v: usize| (v as isize + inner.begin[a] - outer.begin[a] + step[a]) as usize;
                let start = place(0, 0) + big[0] * (place(1, j) + big[1] * place(2, k));
                for (o, v) in row.iter_mut().zip(&from[start..]) {
                    *o += weight * v;
                }
            }
        }
    });
    out
}

/// Standard deviation of what lies within 3.5 robust deviations of 0; `None` of too few.
pub fn spread(values: &[f32]) -> Option<f32> {
    if values.len() < 200 {
        return None;
    }
    let middle = values.len() / 2;
    let mut sizes: Vec<f32> = values.iter().map(|v| v.abs()).collect();
    let (_, mad, _) = sizes.select_nth_unstable_by(middle, f32::total_cmp);
    let most = 3.5 * 1.4826 * *mad;
    let (mut n, mut sum) = (0.0f64, 0.0f64);
    for v in values.iter().filter(|v| v.abs() <= most) {
        n += 1.0;
        sum += f64::from(v * v);
    }
    Some((sum / n).sqrt() as f32)
}

/// The middle value.
pub fn median(mut values: Vec<f32>) -> Option<f32> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}
