//! What a patch teaches, computed by Burn on the devices that it serves: as [`ichor_unet_training::Trainer`] does on the CPU.

use crate::network::{cropped, numbers, parameter, pooled, repeated};
use burn::tensor::activation::{leaky_relu, log_softmax};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::module::conv3d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData};
use ichor_unet::{Architecture, Convolution, Weights};
use ichor_unet_training::{Dropping, Learned, Lesson, Loss, Normalise, Patch, Spread};

/// What of a convolution is learned.
struct Leaf<B: Backend> {
    weight: Tensor<B, 5>,
    /// Gamma and beta, or the bias of the last.
    others: Vec<Tensor<B, 1>>,
}

/// A network in training on a device.
struct Pass<'a, B: AutodiffBackend> {
    net: &'a Architecture,
    weights: &'a Weights,
    leaves: Vec<Leaf<B>>,
    normalise: Normalise,
    device: &'a B::Device,
    /// Mean and variance of what each convolution made, and its voxels.
    maps: Vec<(Tensor<B, 5>, Tensor<B, 5>, usize)>,
}

/// The gradient of a patch's loss, where the weights are now; [`Weights::check`] has let them pass.
///
/// # Errors
/// The patch does not fit the network, or the device cannot be read.
pub fn differentiate<B: AutodiffBackend>(
    net: &Architecture,
    weights: &Weights,
    lesson: Lesson,
    device: &B::Device,
) -> Result<Learned, String> {
    let Lesson { patch, loss, normalise, drop } = lesson;
    patch.check(net)?;
    let layers = net.layers();
    let leaves =
        weights.convolutions.iter().zip(&layers).map(|(c, l)| leaf::<B>(c, l.kernel, device)).collect();
    let mut pass = Pass { net, weights, leaves, normalise, device, maps: Vec::new() };
    let scores = pass.forward(crate::image(patch.image.to_vec(), net.inputs, patch.shape, device), drop);
    let loss = of(loss, scores, patch, device);
    let gradients = loss.backward();
    let gradient = pass.leaves.iter().map(|leaf| {
        let none = "the device made no gradient";
        let mut all = [numbers(leaf.weight.grad(&gradients).ok_or(none)?)?, Vec::new(), Vec::new()];
        for (out, other) in all[1..].iter_mut().zip(&leaf.others) {
            *out = numbers(other.grad(&gradients).ok_or(none)?)?;
        }
        Ok(all)
    });
    let gradient = gradient.collect::<Result<_, String>>()?;
    let maps = pass.maps.into_iter().map(|(mean, variance, voxels)| {
        Ok(Spread { mean: numbers(mean.inner())?, variance: numbers(variance.inner())?, voxels })
    });
    let loss = f64::from(numbers(loss.inner())?.first().copied().unwrap_or(f32::NAN));
    Ok(Learned { loss, gradient, maps: maps.collect::<Result<_, String>>()? })
}

fn leaf<B: AutodiffBackend>(c: &Convolution, kernel: usize, device: &B::Device) -> Leaf<B> {
    let outputs = c.bias.len();
    let shape = [outputs, c.weight.len() / (outputs * kernel.pow(3)).max(1), kernel, kernel, kernel];
    let others: Vec<&[f32]> = match &c.norm {
        Some(norm) => vec![&norm.gamma, &norm.beta],
        None => vec![&c.bias],
    };
    Leaf {
        weight: parameter(&c.weight, shape, device).require_grad(),
        others: others.into_iter().map(|v| parameter(v, [v.len()], device).require_grad()).collect(),
    }
}

/// The mean of every channel.
fn mean<B: Backend>(x: Tensor<B, 5>) -> Tensor<B, 5> {
    let [_, channels, z, y, w] = x.dims();
    x.reshape([channels, z * y * w]).mean_dim(1).reshape([1, channels, 1, 1, 1])
}

impl<B: AutodiffBackend> Pass<'_, B> {
    fn forward(&mut self, image: Tensor<B, 5>, drop: Dropping) -> Tensor<B, 5> {
        let [x, y, z] = self.net.pool;
        let (pool, depth) = ([z, y, x], self.net.depth);
        let mut x = image;
        let mut skips = Vec::new();
        for scale in 0..=depth {
            for n in 0..2 {
                x = self.layer(2 * scale + n, x);
                if scale == depth && drop.share > 0.0 {
                    x = x.clone() * factors(x.dims(), n, drop, self.device);
                }
            }
            if scale < depth {
                skips.push(x.clone());
                x = pooled(x, pool);
            }
        }
        for (n, skip) in skips.into_iter().rev().enumerate() {
            x = repeated(x, pool);
            let skip = cropped(skip, x.dims());
            x = Tensor::cat(vec![x, skip], 1);
            for k in 0..2 {
                x = self.layer(2 * (depth + 1 + n) + k, x);
            }
        }
        let Some(last) = self.leaves.last() else { return x };
        conv3d(x, last.weight.clone(), last.others.first().cloned(), plain())
    }

    /// Convolution, batch normalisation, leaky ReLU.
    fn layer(&mut self, n: usize, x: Tensor<B, 5>) -> Tensor<B, 5> {
        let (leaf, c) = (&self.leaves[n], &self.weights.convolutions[n]);
        let x = conv3d(x, leaf.weight.clone(), None, plain());
        let [_, channels, z, y, w] = x.dims();
        let (Some(norm), [gamma, beta]) = (&c.norm, &leaf.others[..]) else { return x };
        let each = |v: &[f32]| parameter::<B, 1>(v, [channels], self.device).reshape([1, channels, 1, 1, 1]);
        let own_mean = mean(x.clone());
        let apart = x - own_mean.clone();
        let variance = mean(apart.clone().square());
        self.maps.push((own_mean.clone().detach(), variance.clone().detach(), z * y * w));
        let deviation = (variance + norm.epsilon).sqrt();
        let mut x = apart / deviation.clone();
        if self.normalise.running {
            // Batch renormalisation: what leads from the map's own moments to the running ones counts as constant. The running
            // mean is that behind the bias.
            let running: Vec<f32> = norm.mean.iter().zip(&c.bias).map(|(m, b)| m - b).collect();
            let known = (each(&norm.variance) + norm.epsilon).sqrt();
            let shift = (own_mean.detach() - each(&running)) / known.clone();
            x = x * (deviation.detach() / known) + shift;
        }
        let channel = |v: &Tensor<B, 1>| v.clone().reshape([1, channels, 1, 1, 1]);
        leaky_relu(x * channel(gamma) + channel(beta), f64::from(self.net.slope))
    }
}

fn plain() -> ConvOptions<3> {
    ConvOptions::new([1; 3], [0; 3], [1; 3], 1)
}

/// What the values of a map are multiplied by, so that some are dropped: the same as on the CPU.
fn factors<B: Backend>(shape: [usize; 5], n: usize, drop: Dropping, device: &B::Device) -> Tensor<B, 5> {
    let [_, channels, depth, height, width] = shape;
    let plane = height * width;
    let of = |at: usize| {
        let (c, z, p) = (at / plane / depth, at / plane % depth, at % plane);
        drop.factor(n, (z * channels + c) * plane + p)
    };
    Tensor::from_data(TensorData::new((0..channels * depth * plane).map(of).collect(), shape), device)
}

/// The loss, one number.
fn of<B: Backend>(loss: Loss, scores: Tensor<B, 5>, patch: Patch, device: &B::Device) -> Tensor<B, 1> {
    let [_, classes, z, y, x] = scores.dims();
    let voxels = z * y * x;
    let logs = log_softmax(scores.reshape([classes, voxels]), 0);
    let total = patch.weight.iter().map(|&w| f64::from(w)).sum::<f64>().max(1e-6);
    let mut right = vec![0.0f32; classes * voxels];
    for (n, (&t, &w)) in patch.target.iter().zip(patch.weight).enumerate() {
        right[usize::from(t).min(classes - 1) * voxels + n] = (f64::from(w) / total) as f32;
    }
    let sum = -(logs.clone() * parameter(&right, [classes, voxels], device)).sum();
    if loss == Loss::CrossEntropy {
        return sum;
    }
    let truth: Vec<f32> = patch.target.iter().map(|&t| f32::from(u8::from(t == 1))).collect();
    let marked = truth.iter().map(|&t| f64::from(t)).sum::<f64>();
    let p = logs.slice([1..2, 0..voxels]).exp();
    let both = (p.clone() * parameter(&truth, [1, voxels], device)).sum();
    sum + 1.0 - (both * 2.0 + 1.0) / (p.sum() + marked + 1.0)
}
