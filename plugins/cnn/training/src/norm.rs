//! Batch normalisation over a patch, with the leaky ReLU behind it.

use crate::map::Map;
use ichor_image::Parallel;
use ichor_image::parallel::map_ranges;

/// What every channel is normalised by.
pub struct Moments {
    /// Means that are subtracted.
    pub mean: Vec<f32>,
    /// Variances that are divided by.
    pub variance: Vec<f32>,
    /// The map's own means, along which no gradient goes back.
    pub own_mean: Vec<f32>,
    /// The map's own variances (not corrected for the mean), likewise.
    pub own_variance: Vec<f32>,
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
        let variance: Vec<f32> = squares.iter().map(|s| (s[0] / n) as f32).collect();
        Self { own_mean: mean.clone(), own_variance: variance.clone(), mean, variance }
    }

    /// Normalises by the running mean and variance instead, while gradients go back as through the map's own: batch
    /// renormalisation (Ioffe, NIPS 2017, algorithm 1) without its limits, which would make another network of a patch
    /// that differs from the mean than the one in use.
    pub fn renormalise(&mut self, mean: impl Iterator<Item = f32>, variance: &[f32]) {
        self.mean = mean.collect();
        self.variance = variance.to_vec();
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
        dy.for_each_slab(par, &|z, slab| {
            let from = values[z * x.slab()..].chunks(plane);
            for (c, (d, from)) in slab.chunks_mut(plane).zip(from).enumerate() {
                let (scale, mean) = (self.gamma[c] * moments.inverse(c, self.epsilon), moments.own_mean[c]);
                let apart = f64::from(moments.mean[c] - mean);
                let a = (both[c][0] / n) as f32;
                let along = (both[c][1] + apart * both[c][0]) / n;
                let b = (along / f64::from(moments.own_variance[c] + self.epsilon)) as f32;
                for (d, v) in d.iter_mut().zip(from) {
                    *d = scale * (*d - a - (v - mean) * b);
                }
            }
        });
        (gamma, beta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Random, Serial};

    /// With what renormalisation takes as constant held, the gradient is the slope.
    #[test]
    fn gradients_of_renormalised_maps_are_slopes() {
        let (shape, epsilon) = ([7, 5, 4], 1e-5f32);
        let mut random = Random::new(2);
        let mut draw =
            |scale: f64| -> Vec<f32> { (0..2 * 140).map(|_| (scale * random.normal()) as f32).collect() };
        let (x, along, weights) = (draw(2.0), draw(1.0), draw(1.0));
        let map = |by: f32| {
            let values: Vec<f32> = x.iter().zip(&along).map(|(x, a)| x + by * a).collect();
            Map::from_volumes(&values, 2, shape)
        };
        let (gamma, beta) = ([1.3, 0.7], [0.2, -0.1]);
        let norm = Norm { gamma: &gamma, beta: &beta, epsilon, slope: 0.01 };
        let moments = || {
            let mut m = Moments::of(&Serial, &map(0.0));
            m.renormalise([0.4, -2.0].into_iter(), &[5.0, 0.7]);
            m
        };
        let held = moments();
        let loss = |by: f32| {
            let (map, mut m) = (map(by), moments());
            let own = Moments::of(&Serial, &map);
            for c in 0..2 {
                let was = (held.own_variance[c] + epsilon).sqrt();
                let ratio = was / (held.variance[c] + epsilon).sqrt();
                let shift = (held.own_mean[c] - held.mean[c]) / was * ratio;
                let deviation = (own.variance[c] + epsilon).sqrt() / ratio;
                m.mean[c] = own.mean[c] - shift * deviation;
                m.variance[c] = deviation * deviation - epsilon;
            }
            let y = norm.forward(&Serial, &map, &m);
            let w = Map::from_volumes(&weights, 2, shape);
            y.values().iter().zip(w.values()).map(|(y, w)| f64::from(y * w)).sum::<f64>()
        };
        let mut dy = Map::from_volumes(&weights, 2, shape);
        norm.backward(&Serial, &map(0.0), &held, &mut dy);
        let direction = Map::from_volumes(&along, 2, shape);
        let want: f64 = dy.values().iter().zip(direction.values()).map(|(d, a)| f64::from(d * a)).sum();
        let h = 1e-3f32;
        let slope = (loss(h) - loss(-h)) / (2.0 * f64::from(h));
        assert!((slope - want).abs() < 0.01 * want.abs().max(1.0), "{want} promised, {slope} found");
    }
}
