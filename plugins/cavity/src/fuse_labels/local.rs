//! Weights of raters by how well their images agree with the target around a place.

use ichor_image::{
    Bounds, Grid, Interpolation, Parallel, Serial, average_blocks, parallel::for_each_chunk, resample,
};
use ichor_sdk::{Context, Input, Result, Voxels};

/// Blocks over which images are averaged before they are compared, mm.
pub const SPACING: f64 = 4.0;
/// Blocks to either side that are compared.
const REACH: usize = 2;
/// Window of HU in which images are compared: soft tissue in full, bone less.
const WINDOW: [f32; 2] = [-100.0, 900.0];

/// The weights, on blocks.
pub struct Weights {
    of: Vec<Vec<f32>>,
    grid: Grid,
    /// Mean weight of each rater when the weights at a place add up to 1.
    pub mean: Vec<f64>,
}

/// Compares every image with the target.
///
/// # Errors
/// The run is cancelled.
pub fn weights(
    run: &Context,
    target: &Input,
    images: &[Input],
    grid: &Grid,
    sharpness: f64,
) -> Result<Weights> {
    let (target, blocks) = average(run, target, grid);
    let mut of = Vec::with_capacity(images.len());
    for (n, image) in images.iter().enumerate() {
        run.check_cancelled()?;
        run.progress(0.3 + 0.4 * n as f64 / images.len() as f64, "comparing images");
        let (image, _) = average(run, image, grid);
        let mut weight = lncc(&target, &image, blocks.shape);
        weight.iter_mut().for_each(|w| *w = ((*w - 1.0) / sharpness as f32).exp().max(1e-30));
        of.push(weight);
    }
    let mut mean = vec![0f64; of.len()];
    for n in 0..blocks.len() {
        let sum: f64 = of.iter().map(|w| f64::from(w[n])).sum();
        mean.iter_mut().zip(&of).for_each(|(m, w)| *m += f64::from(w[n]) / sum / blocks.len() as f64);
    }
    Ok(Weights { of, grid: blocks, mean })
}

fn average(run: &Context, image: &Input, grid: &Grid) -> (Vec<f32>, Grid) {
    let whole = Bounds { begin: [0; 3], end: grid.shape.map(|n| n as isize) };
    let (mut values, blocks) = match image.voxels() {
        Voxels::I16(v) => average_blocks(run, v, grid, &whole, SPACING),
        Voxels::U16(v) => average_blocks(run, v, grid, &whole, SPACING),
        _ => average_blocks(run, &image.to_f32(run), grid, &whole, SPACING),
    };
    values.iter_mut().for_each(|v| *v = v.clamp(WINDOW[0], WINDOW[1]));
    (values, blocks)
}

/// Normalised cross-correlation over the box around each voxel, -1 to 1; 1 where both are flat, 0 where one is.
pub fn lncc(a: &[f32], b: &[f32], shape: [usize; 3]) -> Vec<f32> {
    // Sums of a, b, aa, bb, ab over the box; relative to the middle of the window, so that squares stay small.
    let middle = 0.5 * (WINDOW[0] + WINDOW[1]);
    let product = |f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
        a.iter().zip(b).map(|(&x, &y)| f(f64::from(x - middle), f64::from(y - middle))).collect()
    };
    let ones = box_sum(vec![1.0; a.len()], shape);
    let [sa, sb, saa, sbb, sab] = [
        product(&|x, _| x),
        product(&|_, y| y),
        product(&|x, _| x * x),
        product(&|_, y| y * y),
        product(&|x, y| x * y),
    ]
    .map(|v| box_sum(v, shape));
    (0..a.len())
        .map(|n| {
            let count = ones[n];
            let va = saa[n] - sa[n] * sa[n] / count;
            let vb = sbb[n] - sb[n] * sb[n] / count;
            let both = sab[n] - sa[n] * sb[n] / count;
            // Less than 1 HU² a voxel is flat.
            match (va > count, vb > count) {
                (true, true) => (both / (va * vb).sqrt()).clamp(-1.0, 1.0) as f32,
                (false, false) => 1.0,
                _ => 0.0,
            }
        })
        .collect()
}

/// Sums over the box around each voxel, clipped at the border.
fn box_sum(mut data: Vec<f64>, shape: [usize; 3]) -> Vec<f64> {
    let mut stride = 1;
    for n in shape {
        let mut line = vec![0.0; n];
        for first in (0..data.len()).filter(|f| f / stride % n == 0) {
            line.iter_mut().enumerate().for_each(|(m, l)| *l = data[first + m * stride]);
            for m in 0..n {
                let range = m.saturating_sub(REACH)..(m + REACH + 1).min(n);
                data[first + m * stride] = line[range].iter().sum();
            }
        }
        stride *= n;
    }
    data
}

impl Weights {
    /// The weighted share of raters at every voxel, weights interpolated linearly between blocks.
    pub fn vote(&self, par: &dyn Parallel, masks: &[&[u8]], grid: &Grid, out: &mut [f32]) {
        let [nx, ny, _] = grid.shape;
        let plane = nx * ny;
        for_each_chunk(par, out, plane, &|k, out| {
            let at = k * plane;
            let first = &masks[0][at..][..plane];
            // Where all agree no weight matters.
            let mut differ: Option<[usize; 4]> = None;
            for (n, out) in out.iter_mut().enumerate() {
                *out = f32::from(first[n]);
                if masks[1..].iter().any(|m| m[at + n] != first[n]) {
                    let (i, j) = (n % nx, n / nx);
                    let [a, b, c, d] = differ.unwrap_or([i, j, i, j]);
                    differ = Some([a.min(i), b.min(j), c.max(i), d.max(j)]);
                }
            }
            let Some([a, b, c, d]) = differ else { return };
            let part = Bounds {
                begin: [a, b, k].map(|v| v as isize),
                end: [c + 1, d + 1, k + 1].map(|v| v as isize),
            };
            let window = grid.window(&part);
            let mut sums = vec![[0f32; 2]; window.len()];
            for (mask, weight) in masks.iter().zip(&self.of) {
                // What lies beyond the last block's centre by more than half a block is in no block.
                let weight = resample(&Serial, weight, &self.grid, &window, Interpolation::Linear, 1.0);
                part.rows(grid.shape, |to, from, n| {
                    for ((s, &m), &w) in sums[to..][..n].iter_mut().zip(&mask[from..][..n]).zip(&weight[to..])
                    {
                        s[0] += w * f32::from(m);
                        s[1] += w;
                    }
                });
            }
            part.rows(grid.shape, |from, to, n| {
                let out = &mut out[to - at..][..n];
                out.iter_mut().zip(&sums[from..]).for_each(|(o, s)| *o = (s[0] / s[1]).clamp(0.0, 1.0));
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Affine;
    use ichor_image::random::at;

    #[test]
    fn correlation_is_that_of_the_box() {
        let shape = [7, 6, 5];
        let value = |seed: u64, n: usize| (at(seed, n as u64) % 200) as f32;
        let a: Vec<f32> = (0..210).map(|n| value(1, n)).collect();
        let b: Vec<f32> = (0..210).map(|n| 0.5 * value(1, n) + value(2, n)).collect();
        let found = lncc(&a, &b, shape);
        for [i, j, k] in [[0usize, 0, 0], [3, 3, 2], [6, 2, 4]] {
            let mut pairs = Vec::new();
            for n in 0..210usize {
                let p = [n % 7, n / 7 % 6, n / 42];
                if p[0].abs_diff(i) <= 2 && p[1].abs_diff(j) <= 2 && p[2].abs_diff(k) <= 2 {
                    pairs.push((f64::from(a[n]), f64::from(b[n])));
                }
            }
            let mean = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>() / pairs.len() as f64;
            let (ma, mb) = (mean(&|p| p.0), mean(&|p| p.1));
            let both = mean(&|p| (p.0 - ma) * (p.1 - mb));
            let want = both / (mean(&|p| (p.0 - ma).powi(2)) * mean(&|p| (p.1 - mb).powi(2))).sqrt();
            let got = f64::from(found[i + 7 * (j + 6 * k)]);
            assert!((got - want).abs() < 1e-5, "{got} for {want}");
        }
        assert!(lncc(&a, &a, shape).iter().all(|&v| v > 0.999));
        assert_eq!(lncc(&[40.0; 210], &[90.0; 210], shape), [1.0; 210]);
        assert_eq!(lncc(&[40.0; 210], &b, shape), [0.0; 210]);
    }

    #[test]
    fn rater_with_the_better_image_wins_on_its_side() {
        let grid = Grid::new([16, 4, 3], Affine::from_spacing([2.0; 3], [0.0; 3])).unwrap();
        let blocks = Grid::new([8, 2, 2], Affine::from_spacing([4.0, 4.0, 4.0], [1.0; 3])).unwrap();
        let left: Vec<f32> = (0..32).map(|n| if n % 8 < 4 { 1.0 } else { 0.05 }).collect();
        let right: Vec<f32> = left.iter().map(|w| 1.05 - w).collect();
        let weights = Weights { of: vec![left, right], grid: blocks, mean: vec![0.5; 2] };
        let (all, none) = (vec![1u8; 192], vec![0u8; 192]);
        let mut out = vec![9.0; 192];
        weights.vote(&Serial, &[&all, &none], &grid, &mut out);
        assert!(out[0] > 0.9 && out[15] < 0.1, "{} {}", out[0], out[15]);
        weights.vote(&Serial, &[&all, &all], &grid, &mut out);
        assert_eq!(out, [1.0; 192]);
    }
}
