//! Batch normalisation over a patch, with the leaky ReLU behind it.

use crate::map::Map;
use ichor_image::Parallel;
use ichor_image::parallel::map_ranges;

/// Mean and variance (not corrected for the mean) of every channel.
pub struct Moments {
    /// Means.
    pub mean: Vec<f32>,
    /// Variances.
    pub variance: Vec<f32>,
    /// Whether they are given, not those of the map: then the map does not move them.
    pub given: bool,
}

/// Sums of `N` numbers of each voxel, per channel: in f32 along rows, in f64 over rows and planes.
fn sums<const N: usize>(
    par: &dyn Parallel,
    x: &Map,
    row: &(dyn Fn(usize, std::ops::Range<usize>) -> [f64; N] + Sync),
) -> Vec<[f64; N]> {
    let plane = x.plane();
    let parts = map_ranges(par, x.shape[2], 1, &|range| {
        let z = range.start;
        let of = |c: usize| {
            let begin = z * x.slab() + c * plane;
            let rows = (0..x.shape[1]).map(|y| begin + y * x.shape[0]);
            rows.map(|at| row(c, at..at + x.shape[0])).fold([0.0; N], plus)
        };
        (0..x.channels).map(of).collect::<Vec<_>>()
    });
    parts.into_iter().fold(vec![[0.0; N]; x.channels], |all, part| {
        all.into_iter().zip(part).map(|(a, b)| plus(a, b)).collect()
    })
}

fn plus<const N: usize>(a: [f64; N], b: [f64; N]) -> [f64; N] {
    std::array::from_fn(|n| a[n] + b[n])
}

/// Sum of f32 in eight lanes, which vectorise.
fn add(values: impl Iterator<Item = f32>) -> f64 {
    let mut lanes = [0.0f32; 16];
    for (n, v) in values.enumerate() {
        lanes[n % 16] += v;
    }
    lanes.iter().map(|&v| f64::from(v)).sum()
}

impl Moments {
    /// Of a map.
    pub fn of(par: &dyn Parallel, x: &Map) -> Self {
        let n = (x.plane() * x.shape[2]) as f64;
        let data = x.values();
        let mean: Vec<f64> =
            sums(par, x, &|_, at| [add(data[at].iter().copied())]).iter().map(|s| s[0] / n).collect();
        let mean: Vec<f32> = mean.into_iter().map(|m| m as f32).collect();
        let squares = sums(par, x, &|c, at| [add(data[at].iter().map(|v| (v - mean[c]) * (v - mean[c])))]);
        let variance = squares.iter().map(|s| (s[0] / n) as f32).collect();
        Self { mean, variance, given: false }
    }

    /// Scale and shift that normalise a channel and then apply `gamma` and `beta`.
    pub fn affine(&self, c: usize, gamma: f32, beta: f32, epsilon: f32) -> (f32, f32) {
        let scale = gamma * self.inverse(c, epsilon);
        (scale, beta - scale * self.mean[c])
    }

    fn inverse(&self, c: usize, epsilon: f32) -> f32 {
        1.0 / (self.variance[c] + epsilon).sqrt()
    }
}

/// A layer's numbers behind its convolution.
#[derive(Clone, Copy)]
pub struct Norm<'a> {
    /// Scale, one a channel.
    pub gamma: &'a [f32],
    /// Shift, one a channel.
    pub beta: &'a [f32],
    /// Added to variances.
    pub epsilon: f32,
    /// Slope of the leaky ReLU.
    pub slope: f32,
}

impl Norm<'_> {
    /// Normalised, scaled, and through the leaky ReLU.
    pub fn forward(&self, par: &dyn Parallel, x: &Map, moments: &Moments) -> Map {
        let mut out = Map::zeros(x.channels, x.shape);
        let plane = x.plane();
        out.for_each_slab(par, &|z, slab| {
            let from = x.values()[z * x.slab()..].chunks(plane);
            for (c, (to, from)) in slab.chunks_mut(plane).zip(from).enumerate() {
                let (scale, shift) = moments.affine(c, self.gamma[c], self.beta[c], self.epsilon);
                for (t, f) in to.iter_mut().zip(from) {
                    let v = scale * f + shift;
                    *t = if v > 0.0 { v } else { self.slope * v };
                }
            }
        });
        out
    }

    /// Turns the gradient of the output into that of the convolution's; gives the gradients of gamma and beta.
    pub fn backward(
        &self,
        par: &dyn Parallel,
        x: &Map,
        moments: &Moments,
        dy: &mut Map,
    ) -> (Vec<f32>, Vec<f32>) {
        let n = (x.plane() * x.shape[2]) as f64;
        let plane = x.plane();
        dy.for_each_slab(par, &|z, slab| {
            let from = x.values()[z * x.slab()..].chunks(plane);
            for (c, (d, from)) in slab.chunks_mut(plane).zip(from).enumerate() {
                let (scale, shift) = moments.affine(c, self.gamma[c], self.beta[c], self.epsilon);
                for (d, f) in d.iter_mut().zip(from) {
                    *d = if scale * f + shift > 0.0 { *d } else { self.slope * *d };
                }
            }
        });
        let (values, grads) = (x.values(), dy.values());
        let both = sums(par, x, &|c, at| {
            let (v, d) = (&values[at.clone()], &grads[at]);
            let mean = moments.mean[c];
            [add(d.iter().copied()), add(d.iter().zip(v).map(|(d, v)| d * (v - mean)))]
        });
        let gamma: Vec<f32> = both
            .iter()
            .enumerate()
            .map(|(c, s)| (s[1] * f64::from(moments.inverse(c, self.epsilon))) as f32)
            .collect();
        let beta: Vec<f32> = both.iter().map(|s| s[0] as f32).collect();
        // Through the mean and the variance the map's values act on each other.
        let n = if moments.given { f64::INFINITY } else { n };
        dy.for_each_slab(par, &|z, slab| {
            let from = values[z * x.slab()..].chunks(plane);
            for (c, (d, from)) in slab.chunks_mut(plane).zip(from).enumerate() {
                let inverse = moments.inverse(c, self.epsilon);
                let (scale, mean) = (self.gamma[c] * inverse, moments.mean[c]);
                let (a, b) = ((both[c][0] / n) as f32, (f64::from(gamma[c]) / n) as f32 * inverse);
                for (d, v) in d.iter_mut().zip(from) {
                    *d = scale * (*d - a - (v - mean) * b);
                }
            }
        });
        (gamma, beta)
    }
}
