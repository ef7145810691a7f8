//! The 3 x 3 x 3 convolution, forward and backward, and the 1 x 1 x 1 one at the end.

use crate::kernel::{GRAD, LANES, OUT, Planes, STEP, convolve, correlate};
use crate::map::Map;
use ichor_image::Parallel;
use ichor_image::parallel::{for_each_chunk, map_ranges};

/// Numbers of a part of a plane that the gradient of the weights goes through at once: it stays in the first cache.
const PART: usize = 1024;

/// The valid convolution of `x` with `weight[out][in][27]`.
pub fn forward(par: &dyn Parallel, x: &Map, weight: &[f32], outputs: usize) -> Map {
    run(par, x, &packed(weight, outputs, x.channels, false), outputs)
}

/// The gradient of the input, from that of the output.
pub fn backward_input(par: &dyn Parallel, dy: &Map, weight: &[f32], inputs: usize) -> Map {
    let outputs = dy.channels;
    run(par, &padded(par, dy), &packed(weight, outputs, inputs, true), inputs)
}

/// Weights in blocks of [`OUT`] outputs: `[block][in][tap][OUT]`. `flip` exchanges inputs and outputs and turns the
/// kernel round, which makes the convolution that takes gradients back.
fn packed(weight: &[f32], outputs: usize, inputs: usize, flip: bool) -> Vec<f32> {
    let (to, from) = if flip { (inputs, outputs) } else { (outputs, inputs) };
    let mut out = vec![0.0; to.next_multiple_of(OUT) * from * 27];
    for t in 0..to {
        for f in 0..from {
            for tap in 0..27 {
                let w = if flip {
                    weight[(f * inputs + t) * 27 + 26 - tap]
                } else {
                    weight[(t * inputs + f) * 27 + tap]
                };
                out[((t / OUT * from + f) * 27 + tap) * OUT + t % OUT] = w;
            }
        }
    }
    out
}

fn run(par: &dyn Parallel, x: &Map, packed: &[f32], outputs: usize) -> Map {
    let [w, h, d] = x.shape.map(|n| n - 2);
    let mut out = Map::zeros(outputs, [w, h, d]);
    let (row, plane) = (x.shape[0], w * h);
    // Rows of the output are computed as long as those of the input; what is too much is dropped.
    let n = (h * row).next_multiple_of(STEP);
    out.for_each_slab(par, &|z, slab| {
        let mut flat = vec![0.0; OUT * n];
        let planes =
            Planes { origin: z * x.slab(), channel: x.plane(), z: x.slab(), row, channels: x.channels };
        for (block, weights) in packed.chunks(x.channels * 27 * OUT).enumerate() {
            convolve(x.with_slack(), planes, weights, n, &mut flat);
            let to = slab[block * OUT * plane..].chunks_mut(plane);
            for (from, to) in flat.chunks(n).zip(to) {
                for (from, to) in from.chunks(row).zip(to.chunks_mut(w)) {
                    to.copy_from_slice(&from[..w]);
                }
            }
        }
    });
    out
}

/// The map with two zeros around it on every side.
fn padded(par: &dyn Parallel, x: &Map) -> Map {
    let mut out = Map::zeros(x.channels, x.shape.map(|n| n + 4));
    let ([w, h, d], row, plane) = (x.shape, x.shape[0] + 4, out.plane());
    out.for_each_slab(par, &|z, slab| {
        if (2..d + 2).contains(&z) {
            let from = &x.values()[(z - 2) * x.slab()..];
            for (from, to) in from.chunks(w * h).zip(slab.chunks_mut(plane)) {
                for (from, to) in from.chunks(w).zip(to[2 * row..].chunks_mut(row)) {
                    to[2..2 + w].copy_from_slice(from);
                }
            }
        }
    });
    out
}

/// The gradient of the weights, `[out][in][27]`.
pub fn backward_weight(par: &dyn Parallel, x: &Map, dy: &Map) -> Vec<f32> {
    let [w, h, d] = dy.shape;
    let (row, ci, co) = (x.shape[0], x.channels, dy.channels);
    let n = (h * row).next_multiple_of(LANES);
    let mut out = vec![0.0; co.next_multiple_of(GRAD) * ci * 27];
    for_each_chunk(par, &mut out, GRAD * ci * 27, &|block, out| {
        // [in][kz][ky][kx][GRAD][LANES]
        let mut sums = vec![0.0f32; ci * 27 * GRAD * LANES];
        let mut flat = vec![0.0f32; GRAD * n];
        for z in 0..d {
            let from = dy.values()[z * dy.slab()..][..dy.slab()].chunks(w * h).skip(block * GRAD);
            for (from, to) in from.zip(flat.chunks_mut(n)) {
                // Rows as long as those of the input, with zeros behind.
                for (from, to) in from.chunks(w).zip(to.chunks_mut(row)) {
                    to[..w].copy_from_slice(from);
                }
            }
            for p in (0..n).step_by(PART) {
                let part = PART.min(n - p);
                for (at, sums) in sums.chunks_mut(3 * GRAD * LANES).enumerate() {
                    let (c, kz, ky) = (at / 9, at / 3 % 3, at % 3);
                    let from = (z + kz) * x.slab() + c * x.plane() + ky * row + p;
                    correlate(&x.with_slack()[from..], &flat[p..], n, part, sums);
                }
            }
        }
        for (o, out) in out.chunks_mut(ci * 27).enumerate() {
            for (tap, out) in out.iter_mut().enumerate() {
                // Channel, kz and ky together count threes of kx.
                let at = (tap / 3 * 3 + tap % 3) * GRAD + o;
                *out = sums[at * LANES..][..LANES].iter().map(|&s| f64::from(s)).sum::<f64>() as f32;
            }
        }
    });
    out.truncate(co * ci * 27);
    out
}

/// Scores of the classes: `weight[out][in]` and `bias[out]` at every voxel.
pub fn head(par: &dyn Parallel, x: &Map, weight: &[f32], bias: &[f32]) -> Map {
    let mut out = Map::zeros(bias.len(), x.shape);
    let plane = x.plane();
    out.for_each_slab(par, &|z, slab| {
        for (o, to) in slab.chunks_mut(plane).enumerate() {
            to.fill(bias[o]);
            let from = x.values()[z * x.slab()..][..x.slab()].chunks(plane);
            for (from, &w) in from.zip(&weight[o * x.channels..]) {
                to.iter_mut().zip(from).for_each(|(t, &f)| *t += w * f);
            }
        }
    });
    out
}

/// Gradients of the head's weight, bias and input.
pub fn head_backward(par: &dyn Parallel, x: &Map, dy: &Map, weight: &[f32]) -> (Vec<f32>, Vec<f32>, Map) {
    let (plane, ci, co) = (x.plane(), x.channels, dy.channels);
    let parts = map_ranges(par, x.shape[2], 1, &|range| {
        let mut sums = vec![0.0f64; co * (ci + 1)];
        for z in range {
            let planes = |m: &'_ Map, c: usize| z * m.slab() + c * plane;
            for o in 0..co {
                let d = &dy.values()[planes(dy, o)..][..plane];
                for c in 0..ci {
                    let v = &x.values()[planes(x, c)..][..plane];
                    sums[o * ci + c] += f64::from(d.iter().zip(v).map(|(d, v)| d * v).sum::<f32>());
                }
                sums[co * ci + o] += f64::from(d.iter().sum::<f32>());
            }
        }
        sums
    });
    let mut sums = vec![0.0; co * (ci + 1)];
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(s, p)| *s += p);
    }
    let sums: Vec<f32> = sums.into_iter().map(|s| s as f32).collect();
    let mut dx = Map::zeros(ci, x.shape);
    dx.for_each_slab(par, &|z, slab| {
        for (c, to) in slab.chunks_mut(plane).enumerate() {
            let from = dy.values()[z * dy.slab()..][..dy.slab()].chunks(plane);
            for (o, from) in from.enumerate() {
                let w = weight[o * ci + c];
                to.iter_mut().zip(from).for_each(|(t, &f)| *t += w * f);
            }
        }
    });
    (sums[..co * ci].to_vec(), sums[co * ci..].to_vec(), dx)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Random;
    use ichor_image::parallel::Threads;

    fn random(channels: usize, shape: [usize; 3], seed: u64) -> Map {
        let mut random = Random::new(seed);
        let n = channels * shape.iter().product::<usize>();
        let values: Vec<f32> = (0..n).map(|_| random.normal() as f32).collect();
        Map::from_volumes(&values, channels, shape)
    }

    fn at(m: &Map, c: usize, v: [usize; 3]) -> f64 {
        f64::from(m.values()[v[2] * m.slab() + c * m.plane() + v[1] * m.shape[0] + v[0]])
    }

    #[test]
    fn the_convolution_and_its_gradients_are_their_definitions() {
        let (ci, co, shape) = (3, 9, [13, 6, 5]);
        let x = random(ci, shape, 1);
        let w: Vec<f32> = random(ci * co, [27, 1, 1], 2).values().to_vec();
        let y = forward(&Threads(2), &x, &w, co);
        let dy = random(co, y.shape, 3);
        let dx = backward_input(&Threads(2), &dy, &w, ci);
        let dw = backward_weight(&Threads(2), &x, &dy);
        let (mut want_dx, mut want_dw) = (vec![0.0; dx.count()], vec![0.0; dw.len()]);
        for k in 0..y.shape[2] {
            for j in 0..y.shape[1] {
                for i in 0..y.shape[0] {
                    for o in 0..co {
                        let mut sum = 0.0;
                        for n in 0..ci * 27 {
                            let (c, v) = (n / 27, [i + n % 3, j + n / 3 % 3, k + n / 9 % 3]);
                            let weight = o * ci * 27 + n;
                            sum += f64::from(w[weight]) * at(&x, c, v);
                            let d = at(&dy, o, [i, j, k]);
                            want_dw[weight] += d * at(&x, c, v);
                            want_dx[v[2] * x.slab() + c * x.plane() + v[1] * x.shape[0] + v[0]] +=
                                d * f64::from(w[weight]);
                        }
                        assert!((at(&y, o, [i, j, k]) - sum).abs() < 1e-4);
                    }
                }
            }
        }
        let close =
            |got: &[f32], want: &[f64]| got.iter().zip(want).all(|(g, w)| (f64::from(*g) - w).abs() < 1e-3);
        assert!(close(dx.values(), &want_dx) && close(&dw, &want_dw));
        assert_eq!((dx.shape, dw.len()), (shape, co * ci * 27));
    }
}
