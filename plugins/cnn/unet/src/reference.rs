//! The network written down as plainly as possible, in f64: slow, for tests.

use crate::{Architecture, Weights};

/// A map of `channels` planes, x fastest.
struct Map {
    channels: usize,
    shape: [usize; 3],
    data: Vec<f64>,
}

impl Map {
    fn at(&self, c: usize, [x, y, z]: [usize; 3]) -> f64 {
        self.data[((c * self.shape[2] + z) * self.shape[1] + y) * self.shape[0] + x]
    }

    fn make(channels: usize, shape: [usize; 3], value: impl Fn(usize, [usize; 3]) -> f64) -> Map {
        let mut data = Vec::new();
        for c in 0..channels {
            for z in 0..shape[2] {
                for y in 0..shape[1] {
                    data.extend((0..shape[0]).map(|x| value(c, [x, y, z])));
                }
            }
        }
        Map { channels, shape, data }
    }
}

fn convolve(map: &Map, weight: &[f32], bias: &[f32], kernel: usize) -> Map {
    let shape = map.shape.map(|n| n + 1 - kernel);
    Map::make(bias.len(), shape, |o, [x, y, z]| {
        let mut sum = f64::from(bias[o]);
        for c in 0..map.channels {
            let of = &weight[(o * map.channels + c) * kernel.pow(3)..];
            for (k, &weight) in of[..kernel.pow(3)].iter().enumerate() {
                let at = [x + k % kernel, y + k / kernel % kernel, z + k / kernel / kernel];
                sum += f64::from(weight) * map.at(c, at);
            }
        }
        sum
    })
}

/// Probabilities of classes 1 and up for an `input` of shape `shape`.
pub(crate) fn infer(net: &Architecture, weights: &Weights, input: &[f32], shape: [usize; 3]) -> Vec<f32> {
    let folded: Vec<_> = weights.convolutions.iter().map(|c| c.folded()).collect();
    let mut layers = folded.iter();
    let mut step = |map: &Map| {
        let (weight, bias) = layers.next().expect("a layer");
        let mut out = convolve(map, weight, bias, 3);
        for v in &mut out.data {
            *v = if *v < 0.0 { *v * f64::from(net.slope) } else { *v };
        }
        out
    };
    let p = net.pool;
    let mut map = Map { channels: net.inputs, shape, data: input.iter().map(|&v| f64::from(v)).collect() };
    let mut skips = Vec::new();
    for s in 0..=net.depth {
        map = step(&map);
        map = step(&map);
        if s < net.depth {
            let pooled = Map::make(map.channels, [0, 1, 2].map(|a| map.shape[a] / p[a]), |c, [x, y, z]| {
                let mut max = f64::NEG_INFINITY;
                for k in 0..p[0] * p[1] * p[2] {
                    let (i, j, l) = (k % p[0], k / p[0] % p[1], k / p[0] / p[1]);
                    max = max.max(map.at(c, [x * p[0] + i, y * p[1] + j, z * p[2] + l]));
                }
                max
            });
            skips.push(std::mem::replace(&mut map, pooled));
        }
    }
    while let Some(skip) = skips.pop() {
        let shape = [0, 1, 2].map(|a| map.shape[a] * p[a]);
        let crop = [0, 1, 2].map(|a| (skip.shape[a] - shape[a]) / 2);
        let joined = Map::make(map.channels + skip.channels, shape, |c, [x, y, z]| {
            if c < map.channels {
                map.at(c, [x / p[0], y / p[1], z / p[2]])
            } else {
                skip.at(c - map.channels, [x + crop[0], y + crop[1], z + crop[2]])
            }
        });
        map = step(&joined);
        map = step(&map);
    }
    let (weight, bias) = folded.last().expect("a layer");
    let logits = convolve(&map, weight, bias, 1);
    let softmax = Map::make(net.outputs - 1, logits.shape, |c, at| {
        let sum: f64 = (0..net.outputs).map(|k| (logits.at(k, at) - logits.at(c + 1, at)).exp()).sum();
        1.0 / sum
    });
    softmax.data.iter().map(|&v| v as f32).collect()
}
