//! The numbers of a network, as PyTorch holds them.

use crate::Architecture;

/// Batch normalisation with fixed statistics: `gamma * (x - mean) / sqrt(variance + epsilon) + beta`.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// Scale, one per output channel.
    pub gamma: Vec<f32>,
    /// Shift, one per output channel.
    pub beta: Vec<f32>,
    /// Running mean, one per output channel.
    pub mean: Vec<f32>,
    /// Running variance, one per output channel.
    pub variance: Vec<f32>,
    /// Added to the variance; 1e-5 in PyTorch.
    pub epsilon: f32,
}

/// A convolution (a cross-correlation, as everywhere in deep learning) and the normalisation behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// `weight[out][in][kz][ky][kx]`, kx fastest.
    pub weight: Vec<f32>,
    /// One per output channel.
    pub bias: Vec<f32>,
    /// Batch normalisation after the convolution, if any.
    pub norm: Option<Norm>,
}

/// Every convolution in the order of [`Architecture::layers`].
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// One per layer.
    pub convolutions: Vec<Convolution>,
}

impl Weights {
    /// Whether the weights are those of `architecture`, and finite; an error says which layer's are not.
    pub fn check(&self, architecture: &Architecture) -> Result<(), String> {
        architecture.check()?;
        let layers = architecture.layers();
        if self.convolutions.len() != layers.len() {
            let (have, want) = (self.convolutions.len(), layers.len());
            return Err(format!("the weights are of {have} convolutions, the network has {want}"));
        }
        for (layer, convolution) in layers.iter().zip(&self.convolutions) {
            let check = |what: &str, values: &[f32], n: usize| {
                if values.len() != n {
                    let (name, have) = (&layer.name, values.len());
                    return Err(format!("layer `{name}` has {have} numbers in its {what}, not {n}"));
                }
                if values.iter().any(|v| !v.is_finite()) {
                    return Err(format!("layer `{}` has a {what} that is not a finite number", layer.name));
                }
                Ok(())
            };
            check("weight", &convolution.weight, layer.inputs * layer.outputs * layer.kernel.pow(3))?;
            check("bias", &convolution.bias, layer.outputs)?;
            if let Some(norm) = &convolution.norm {
                check("batch-norm scale", &norm.gamma, layer.outputs)?;
                check("batch-norm shift", &norm.beta, layer.outputs)?;
                check("batch-norm mean", &norm.mean, layer.outputs)?;
                check("batch-norm variance", &norm.variance, layer.outputs)?;
                if norm.variance.iter().any(|v| v + norm.epsilon <= 0.0) {
                    return Err(format!("layer `{}` has a batch-norm variance below zero", layer.name));
                }
            }
        }
        Ok(())
    }

    /// Every list of numbers, in a fixed order: of each convolution weight, bias, gamma, beta, mean and variance.
    pub fn numbers(&self) -> Vec<&Vec<f32>> {
        let mut out = Vec::new();
        for c in &self.convolutions {
            out.extend([&c.weight, &c.bias]);
            out.extend(c.norm.iter().flat_map(|n| [&n.gamma, &n.beta, &n.mean, &n.variance]));
        }
        out
    }

    /// The same, to be changed.
    pub fn numbers_mut(&mut self) -> Vec<&mut Vec<f32>> {
        let mut out = Vec::new();
        for c in &mut self.convolutions {
            out.extend([&mut c.weight, &mut c.bias]);
            out.extend(
                c.norm.iter_mut().flat_map(|n| [&mut n.gamma, &mut n.beta, &mut n.mean, &mut n.variance]),
            );
        }
        out
    }

    /// Moves every number towards that of `other`, weights of the same network, by a share of the way.
    pub fn approach(&mut self, other: &Weights, share: f32) {
        for (own, other) in self.numbers_mut().into_iter().zip(other.numbers()) {
            own.iter_mut().zip(other).for_each(|(own, other)| *own += share * (other - *own));
        }
    }

    /// Random weights that keep the signal's size through the network (He's), with batch normalisation: for tests
    /// and benchmarks. The same for the same `seed` everywhere.
    pub fn random(architecture: &Architecture, seed: u64) -> Weights {
        let random = ichor_image::random::Random::new(seed);
        let convolution = |(index, layer): (usize, crate::Layer)| {
            let mut random = random.stream(index as u64);
            let fan_in = layer.inputs * layer.kernel.pow(3);
            let scale = (2.0 / fan_in as f64).sqrt();
            let weight = (0..layer.outputs * fan_in).map(|_| (scale * random.normal()) as f32).collect();
            let mut around = |centre: f64, half: f64| -> Vec<f32> {
                (0..layer.outputs).map(|_| (centre + half * (2.0 * random.uniform() - 1.0)) as f32).collect()
            };
            let bias = around(0.0, 0.1);
            let norm = (layer.kernel == 3).then(|| Norm {
                gamma: around(1.0, 0.2),
                beta: around(0.0, 0.1),
                mean: around(0.0, 0.1),
                variance: around(1.0, 0.2),
                epsilon: 1e-5,
            });
            Convolution { weight, bias, norm }
        };
        Weights { convolutions: architecture.layers().into_iter().enumerate().map(convolution).collect() }
    }
}

impl Convolution {
    /// Weight and bias with the batch normalisation folded in.
    pub fn folded(&self) -> (Vec<f32>, Vec<f32>) {
        let (mut weight, mut bias) = (self.weight.clone(), self.bias.clone());
        if let Some(norm) = &self.norm {
            let fan_in = weight.len() / bias.len().max(1);
            for (o, bias) in bias.iter_mut().enumerate() {
                let scale =
                    f64::from(norm.gamma[o]) / (f64::from(norm.variance[o]) + f64::from(norm.epsilon)).sqrt();
                for w in &mut weight[o * fan_in..(o + 1) * fan_in] {
                    *w = (f64::from(*w) * scale) as f32;
                }
                *bias =
                    ((f64::from(*bias) - f64::from(norm.mean[o])) * scale + f64::from(norm.beta[o])) as f32;
            }
        }
        (weight, bias)
    }
}
