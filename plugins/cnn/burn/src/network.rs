//! The 3D U-Net of Patel et al. 2019 as a Burn module, for the devices that Burn serves.

use burn::module::{Module, Param, RunningState};
use burn::nn::conv::Conv3d;
use burn::nn::{BatchNorm, Dropout, DropoutConfig, PaddingConfig3d};
use burn::tensor::activation::leaky_relu;
use burn::tensor::backend::Backend;
use burn::tensor::module::max_pool2d;
use burn::tensor::{FloatDType, Tensor, TensorData};
use ichor_unet::{Architecture, Convolution, Norm, Weights};

/// A convolution with what follows it.
#[derive(Module, Debug)]
struct Layer<B: Backend> {
    conv: Conv3d<B>,
    norm: Option<BatchNorm<B>>,
}

/// The network. All convolutions are valid, so that the output is smaller than the input. Axes of tensors: batch,
/// channel, z, y, x.
#[derive(Module, Debug)]
pub struct Unet<B: Backend> {
    /// In the order of [`Architecture::layers`]; two a scale, then the one to the classes.
    layers: Vec<Layer<B>>,
    /// In the bottom scale, while gradients are tracked.
    dropout: Dropout,
    /// Along z, y and x.
    pool: [usize; 3],
    slope: f64,
}

impl<B: Backend> Unet<B> {
    /// The network with these weights, which [`Weights::check`] has let pass. `dropout` is the share of values
    /// that training drops in the bottom scale.
    pub fn new(net: &Architecture, weights: &Weights, dropout: f64, device: &B::Device) -> Self {
        let norm = |c: &Convolution| c.norm.as_ref().map(|n| batch_norm(n, device));
        Self::build(net, dropout, |index, kernel| {
            let c = &weights.convolutions[index];
            Layer { conv: convolution(&c.weight, &c.bias, kernel, device), norm: norm(c) }
        })
    }

    /// The network for inference alone, with the normalisation folded into the convolutions, whose
    /// arithmetic is that of `float`.
    pub fn folded(net: &Architecture, weights: &Weights, float: FloatDType, device: &B::Device) -> Self {
        Self::build(net, 0.0, |index, kernel| {
            let (weight, bias) = weights.convolutions[index].folded();
            let mut conv = convolution(&weight, &bias, kernel, device);
            conv.weight = conv.weight.map(|w| w.cast(float));
            conv.bias = conv.bias.map(|b| b.map(|b| b.cast(float)));
            Layer { conv, norm: None }
        })
    }

    fn build(net: &Architecture, dropout: f64, layer: impl Fn(usize, usize) -> Layer<B>) -> Self {
        let [x, y, z] = net.pool;
        Self {
            layers: net.layers().iter().enumerate().map(|(n, l)| layer(n, l.kernel)).collect(),
            dropout: DropoutConfig::new(dropout).init(),
            pool: [z, y, x],
            slope: f64::from(net.slope),
        }
    }

    /// Scores of the classes before the softmax.
    pub fn forward(&self, image: Tensor<B, 5>) -> Tensor<B, 5> {
        self.forward_seen(image, &mut |_| {})
    }

    /// As [`Unet::forward`]; `seen` is told the shape of every map that is made.
    pub fn forward_seen(&self, image: Tensor<B, 5>, seen: &mut dyn FnMut([usize; 5])) -> Tensor<B, 5> {
        let depth = (self.layers.len() - 3) / 4;
        let mut x = image;
        let mut skips = Vec::new();
        let run = |x: Tensor<B, 5>, layer: usize, drop: bool, seen: &mut dyn FnMut([usize; 5])| {
            let Layer { conv, norm } = &self.layers[layer];
            let x = conv.forward(x);
            let x = norm.iter().fold(x, |x, norm| norm.forward(x));
            let x = leaky_relu(x, self.slope);
            seen(x.dims());
            if drop { self.dropout.forward(x) } else { x }
        };
        for scale in 0..=depth {
            let bottom = scale == depth;
            x = run(x, 2 * scale, bottom, seen);
            x = run(x, 2 * scale + 1, bottom, seen);
            if !bottom {
                skips.push(x.clone());
                x = pooled(x, self.pool);
                seen(x.dims());
            }
        }
        for (n, skip) in skips.into_iter().rev().enumerate() {
            x = repeated(x, self.pool);
            seen(x.dims());
            let skip = cropped(skip, x.dims());
            x = Tensor::cat(vec![x, skip], 1);
            x = run(x, 2 * (depth + 1 + n), false, seen);
            x = run(x, 2 * (depth + 1 + n) + 1, false, seen);
        }
        self.layers.iter().skip(4 * depth + 2).fold(x, |x, last| last.conv.forward(x))
    }

    /// The weights as they are now.
    ///
    /// # Errors
    /// The device cannot be read.
    pub fn weights(&self) -> Result<Weights, String> {
        let convolutions = self.layers.iter().map(|layer| {
            let weight = numbers(layer.conv.weight.val())?;
            let bias = match &layer.conv.bias {
                Some(bias) => numbers(bias.val())?,
                None => vec![0.0; layer.conv.weight.dims()[0]],
            };
            let norm = layer.norm.as_ref().map(|n| {
                Ok::<_, String>(Norm {
                    gamma: numbers(n.gamma.val())?,
                    beta: numbers(n.beta.val())?,
                    mean: numbers(n.running_mean.value_sync())?,
                    variance: numbers(n.running_var.value_sync())?,
                    epsilon: n.epsilon as f32,
                })
            });
            Ok(Convolution { weight, bias, norm: norm.transpose()? })
        });
        Ok(Weights { convolutions: convolutions.collect::<Result<_, String>>()? })
    }
}

/// An image of one batch; `shape` and `image` as everywhere, x fastest, channels last of all.
pub fn image<B: Backend>(
    values: Vec<f32>,
    channels: usize,
    shape: [usize; 3],
    device: &B::Device,
) -> Tensor<B, 5> {
    let [x, y, z] = shape;
    Tensor::from_data(TensorData::new(values, [1, channels, z, y, x]), device)
}

/// A tensor's numbers, the last axis fastest.
///
/// # Errors
/// The device cannot be read.
pub fn numbers<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Result<Vec<f32>, String> {
    let data = tensor.try_into_data().map_err(|e| format!("the device gave no result: {e:?}"))?;
    data.convert::<f32>().to_vec().map_err(|e| format!("{e:?}"))
}

pub(crate) fn parameter<B: Backend, const D: usize>(
    values: &[f32],
    shape: [usize; D],
    device: &B::Device,
) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn convolution<B: Backend>(weight: &[f32], bias: &[f32], kernel: usize, device: &B::Device) -> Conv3d<B> {
    let outputs = bias.len();
    let shape = [outputs, weight.len() / (outputs * kernel.pow(3)).max(1), kernel, kernel, kernel];
    Conv3d {
        weight: Param::from_tensor(parameter(weight, shape, device)),
        bias: Some(Param::from_tensor(parameter(bias, [outputs], device))),
        stride: [1; 3],
        kernel_size: [kernel; 3],
        dilation: [1; 3],
        groups: 1,
        padding: PaddingConfig3d::Valid,
    }
}

fn batch_norm<B: Backend>(norm: &Norm, device: &B::Device) -> BatchNorm<B> {
    let each = |values: &[f32]| parameter(values, [values.len()], device);
    BatchNorm {
        gamma: Param::from_tensor(each(&norm.gamma)),
        beta: Param::from_tensor(each(&norm.beta)),
        running_mean: RunningState::new(each(&norm.mean)),
        running_var: RunningState::new(each(&norm.variance)),
        momentum: 0.1,
        epsilon: f64::from(norm.epsilon),
    }
}

/// The largest of every block of `pool` voxels. Burn pools two axes at a time.
pub(crate) fn pooled<B: Backend>(x: Tensor<B, 5>, pool: [usize; 3]) -> Tensor<B, 5> {
    let [n, c, z, y, w] = x.dims();
    let [pz, py, px] = pool;
    let x = max_pool2d(x.reshape([n * c, z, y, w]), [py, px], [py, px], [0; 2], [1; 2], false);
    let (y, w) = (y / py, w / px);
    if pz == 1 {
        return x.reshape([n, c, z, y, w]);
    }
    let x = max_pool2d(x.reshape([n, c, z, y * w]), [pz, 1], [pz, 1], [0; 2], [1; 2], false);
    x.reshape([n, c, z / pz, y, w])
}

/// Every voxel repeated to a block of `pool` voxels.
pub(crate) fn repeated<B: Backend>(x: Tensor<B, 5>, pool: [usize; 3]) -> Tensor<B, 5> {
    let [n, c, z, y, w] = x.dims();
    let [pz, py, px] = pool;
    x.reshape([n * c, z, 1, y, 1, w, 1]).expand([n * c, z, pz, y, py, w, px]).reshape([
        n,
        c,
        z * pz,
        y * py,
        w * px,
    ])
}

/// The middle of a map, as large as `like` says.
pub(crate) fn cropped<B: Backend>(x: Tensor<B, 5>, like: [usize; 5]) -> Tensor<B, 5> {
    let [n, c, ..] = x.dims();
    let from: [usize; 5] = std::array::from_fn(|a| if a < 2 { 0 } else { (x.dims()[a] - like[a]) / 2 });
    let range = |a: usize| from[a]..from[a] + like[a];
    x.slice([0..n, 0..c, range(2), range(3), range(4)])
}
