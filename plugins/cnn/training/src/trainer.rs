//! The network forward and backward, and the change of its weights.

use crate::conv::{backward_input, backward_weight, forward, head, head_backward};
use crate::map::Map;
use crate::norm::{Moments, Norm};
use crate::scale::{join, join_backward, pool, pool_backward};
use ichor_image::Parallel;
use ichor_image::random::uniform_at;
use ichor_unet::{Architecture, Weights};

/// How the batch normalisation normalises, and how its running mean and variance follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalise {
    /// Share of a patch in the running mean and variance, 0 to 1; more as long as few patches were seen.
    pub share: f64,
    /// Patches seen before.
    pub seen: usize,
    /// By the running mean and variance, as the network will in use, with the gradients of the patch's own: batch
    /// renormalisation (Ioffe, NIPS 2017). Otherwise by the patch's own.
    pub running: bool,
}

/// What is made small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Cross-entropy, weighted voxel by voxel.
    CrossEntropy,
    /// The same plus one minus the soft Dice coefficient of class 1 over the whole patch.
    DiceCrossEntropy,
}

/// How a gradient moves the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimiser {
    /// Stochastic gradient descent with Nesterov momentum.
    Sgd {
        /// Share of the velocity that is kept, 0 to 1.
        momentum: f64,
    },
    /// Adam (Kingma and Ba, ICLR 2015, algorithm 1), with the decay rates of the paper, 0.9 and 0.999.
    Adam,
}

/// A patch with its truth.
#[derive(Clone, Copy)]
pub struct Patch<'a> {
    /// The image, x fastest, then y, z, channel.
    pub image: &'a [f32],
    /// Voxels of the image.
    pub shape: [usize; 3],
    /// Class of every voxel of the output.
    pub target: &'a [u8],
    /// Weight of every voxel of the output.
    pub weight: &'a [f32],
}

/// Which values of the bottom scale are dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropping {
    /// Share of the values, 0 to 1.
    pub share: f64,
    /// Decides which.
    pub seed: u64,
}

/// A network in training.
pub struct Trainer {
    net: Architecture,
    weights: Weights,
    /// Of each convolution: weight, then gamma and beta, or the bias of the last.
    gradient: Vec<[Vec<f32>; 3]>,
    /// Momentum, or Adam's first moment.
    velocity: Vec<[Vec<f32>; 3]>,
    /// Adam's second moment.
    squares: Vec<[Vec<f32>; 3]>,
    patches: usize,
}

/// A patch, and what is done with it.
#[derive(Clone, Copy)]
pub struct Lesson<'a> {
    /// The patch with its truth.
    pub patch: Patch<'a>,
    /// What is made small.
    pub loss: Loss,
    /// How maps are normalised.
    pub normalise: Normalise,
    /// What is dropped in the bottom scale.
    pub drop: Dropping,
}

/// What a patch teaches: how its loss changes with the weights, and what its maps look like.
pub struct Learned {
    /// The loss.
    pub loss: f64,
    /// The gradient of each convolution: weight, then gamma and beta, or the bias of the last.
    pub gradient: Vec<[Vec<f32>; 3]>,
    /// Of what each convolution but the last made, without its bias.
    pub maps: Vec<Spread>,
}

/// Mean and variance of a map.
pub struct Spread {
    /// One a channel.
    pub mean: Vec<f32>,
    /// One a channel, not corrected for the mean.
    pub variance: Vec<f32>,
    /// Of a channel.
    pub voxels: usize,
}

/// What a layer's backward pass needs of its forward pass.
struct Saved {
    input: Map,
    convolved: Map,
    moments: Moments,
}

impl Drop for Trainer {
    fn drop(&mut self) {
        crate::map::forget();
    }
}

impl Trainer {
    /// Starts from weights, with normalisation in every layer but the last.
    ///
    /// # Errors
    /// The weights are not those of the network, or lack normalisation.
    pub fn new(net: &Architecture, weights: Weights) -> Result<Self, String> {
        weights.check(net)?;
        let n = weights.convolutions.len();
        if weights.convolutions[..n - 1].iter().any(|c| c.norm.is_none()) {
            return Err("the network has no batch normalisation to train with".into());
        }
        let zeros: Vec<[Vec<f32>; 3]> = weights
            .convolutions
            .iter()
            .map(|c| {
                let norm = if c.norm.is_some() { c.bias.len() } else { 0 };
                [vec![0.0; c.weight.len()], vec![0.0; c.bias.len()], vec![0.0; norm]]
            })
            .collect();
        let (gradient, velocity) = (zeros.clone(), zeros.clone());
        Ok(Self { net: *net, weights, gradient, velocity, squares: zeros, patches: 0 })
    }

    /// The weights as they are now.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The optimiser's memory: velocities in the order of the convolutions, then squares.
    pub fn memory(&self) -> impl Iterator<Item = &[f32]> {
        self.velocity.iter().chain(&self.squares).flatten().map(Vec::as_slice)
    }

    /// Goes on with what [`Trainer::memory`] gave.
    ///
    /// # Errors
    /// It is of another network.
    pub fn set_memory(&mut self, values: &[Vec<f32>]) -> Result<(), String> {
        let slots = self.velocity.iter_mut().chain(&mut self.squares).flatten();
        let mut given = values.iter();
        for slot in slots {
            let value = given.next().filter(|v| v.len() == slot.len());
            slot.clone_from(value.ok_or("the optimiser's state is of another network")?);
        }
        Ok(())
    }

    fn layer(&self, par: &dyn Parallel, n: usize, input: Map, normalise: Normalise) -> (Map, Saved) {
        let c = &self.weights.convolutions[n];
        let convolved = forward(par, &input, &c.weight, c.bias.len());
        let mut moments = Moments::of(par, &convolved);
        if let Some(norm) = c.norm.as_ref().filter(|_| normalise.running) {
            // The running mean is that behind the bias.
            let mean = norm.mean.iter().zip(&c.bias).map(|(m, b)| m - b);
            moments.renormalise(mean, &norm.variance);
        }
        let out =
            self.norm(n).map_or_else(|| convolved.clone(), |norm| norm.forward(par, &convolved, &moments));
        (out, Saved { input, convolved, moments })
    }

    fn norm(&self, n: usize) -> Option<Norm<'_>> {
        let norm = self.weights.convolutions[n].norm.as_ref()?;
        Some(Norm { gamma: &norm.gamma, beta: &norm.beta, epsilon: norm.epsilon, slope: self.net.slope })
    }

    /// Adds the gradient of a patch's loss, and moves the running mean and variance. Gives the loss.
    ///
    /// # Errors
    /// The patch does not fit the network.
    pub fn learn(&mut self, par: &dyn Parallel, lesson: Lesson) -> Result<f64, String> {
        let learned = self.differentiate(par, lesson)?;
        self.take(&learned, lesson.normalise);
        Ok(learned.loss)
    }

    /// Adds what a patch taught to the gradient, and moves the running mean and variance as `normalise` says.
    pub fn take(&mut self, learned: &Learned, normalise: Normalise) {
        self.patches += 1;
        for (sum, part) in self.gradient.iter_mut().zip(&learned.gradient) {
            for (sum, part) in sum.iter_mut().zip(part) {
                sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
            }
        }
        let share = normalise.share.max(1.0 / (normalise.seen + 1) as f64) as f32;
        for (c, map) in self.weights.convolutions.iter_mut().zip(&learned.maps) {
            let Some(norm) = &mut c.norm else { continue };
            let voxels = map.voxels as f32;
            for (k, bias) in c.bias.iter().enumerate() {
                let variance = map.variance[k] * voxels / (voxels - 1.0).max(1.0);
                norm.mean[k] += share * (map.mean[k] + bias - norm.mean[k]);
                norm.variance[k] += share * (variance - norm.variance[k]);
            }
        }
    }

    /// The gradient of a patch's loss.
    ///
    /// # Errors
    /// The patch does not fit the network.
    pub fn differentiate(&self, par: &dyn Parallel, lesson: Lesson) -> Result<Learned, String> {
        let Lesson { patch, loss, normalise, drop } = lesson;
        let (depth, by) = (self.net.depth, self.net.pool);
        patch.check(&self.net)?;
        let mut learned = Learned { loss: 0.0, gradient: Vec::new(), maps: Vec::new() };
        let mut x = Map::from_volumes(patch.image, self.net.inputs, patch.shape);
        let mut saved = Vec::new();
        let mut skips = Vec::new();
        for scale in 0..=depth {
            for n in 0..2 {
                let (mut y, s) = self.layer(par, 2 * scale + n, x, normalise);
                saved.push(s);
                if scale == depth {
                    drop.apply(&mut y, n);
                }
                x = y;
            }
            if scale < depth {
                let (small, places) = pool(par, &x, by);
                skips.push((x, places));
                x = small;
            }
        }
        let mut below = Vec::new();
        for (n, (skip, _)) in skips.iter().rev().enumerate() {
            below.push((x.channels, x.shape));
            x = join(par, &x, skip, by);
            for k in 0..2 {
                let (y, s) = self.layer(par, 2 * (depth + 1 + n) + k, x, normalise);
                saved.push(s);
                x = y;
            }
        }
        let last = saved.len();
        let c = &self.weights.convolutions[last];
        let scores = head(par, &x, &c.weight, &c.bias);
        let (value, mut dy) = loss.of(&scores, patch.target, patch.weight);
        learned.loss = value;
        std::mem::drop(scores);

        let (w, b, dx) = head_backward(par, &x, &dy, &c.weight);
        // From the last convolution to the first.
        learned.gradient.push([w, b, Vec::new()]);
        std::mem::drop(x);
        dy = dx;
        let mut sides: Vec<Map> = Vec::new();
        for (scale, (skip, _)) in skips.iter().enumerate() {
            for _ in 0..2 {
                dy = self.back(par, &mut saved, dy, true, &mut learned);
            }
            let [down, side] = join_backward(par, &dy, below[depth - 1 - scale], skip.shape, by);
            sides.push(side);
            dy = down;
        }
        for scale in (0..=depth).rev() {
            for n in (0..2).rev() {
                if scale == depth {
                    drop.apply(&mut dy, n);
                }
                dy = self.back(par, &mut saved, dy, scale + n > 0, &mut learned);
            }
            if scale > 0 {
                let mut side = sides.pop().unwrap_or_else(|| Map::zeros(0, [0; 3]));
                let (_, places) = &skips[scale - 1];
                pool_backward(par, &dy, places, by, &mut side);
                skips.truncate(scale - 1);
                dy = side;
            }
        }
        learned.gradient.reverse();
        learned.maps.reverse();
        Ok(learned)
    }

    /// The last saved layer backward: the gradient of its input, if it is `needed`.
    fn back(
        &self,
        par: &dyn Parallel,
        saved: &mut Vec<Saved>,
        mut dy: Map,
        needed: bool,
        learned: &mut Learned,
    ) -> Map {
        let Some(s) = saved.pop() else { return dy };
        let n = saved.len();
        let (gamma, beta) = match self.norm(n) {
            Some(norm) => norm.backward(par, &s.convolved, &s.moments, &mut dy),
            None => (Vec::new(), Vec::new()),
        };
        let voxels = s.convolved.plane() * s.convolved.shape[2];
        drop(s.convolved);
        learned.gradient.push([backward_weight(par, &s.input, &dy), gamma, beta]);
        learned.maps.push(Spread { mean: s.moments.own_mean, variance: s.moments.own_variance, voxels });
        let weight = &self.weights.convolutions[n].weight;
        if needed { backward_input(par, &dy, weight, s.input.channels) } else { dy }
    }

    /// Moves the weights by the mean gradient of the patches since the last step, which is then forgotten. `number` counts
    /// the steps, from 1: Adam's first ones are scaled by it.
    pub fn step(&mut self, rate: f64, optimiser: Optimiser, number: usize) {
        let (rate, share) = (rate as f32, 1.0 / self.patches.max(1) as f32);
        let begun = |decay: f64| (1.0 - decay.powf(number.max(1) as f64)) as f32;
        let (first, second) = (begun(0.9), begun(0.999));
        let memory = self.velocity.iter_mut().zip(&mut self.squares);
        for ((c, g), (v, q)) in self.weights.convolutions.iter_mut().zip(&mut self.gradient).zip(memory) {
            let mut go = |values: &mut [f32], n: usize| {
                let memory = v[n].iter_mut().zip(&mut q[n]);
                for ((w, g), (v, q)) in values.iter_mut().zip(&mut g[n]).zip(memory) {
                    let gradient = *g * share;
                    match optimiser {
                        Optimiser::Sgd { momentum } => {
                            let momentum = momentum as f32;
                            *v = momentum * *v + gradient;
                            *w -= rate * (gradient + momentum * *v);
                        }
                        Optimiser::Adam => {
                            *v += 0.1 * (gradient - *v);
                            *q += 0.001 * (gradient * gradient - *q);
                            *w -= rate * (*v / first) / ((*q / second).sqrt() + 1e-8);
                        }
                    }
                    *g = 0.0;
                }
            };
            go(&mut c.weight, 0);
            match &mut c.norm {
                Some(norm) => {
                    go(&mut norm.gamma, 1);
                    go(&mut norm.beta, 2);
                }
                None => go(&mut c.bias, 1),
            }
        }
        self.patches = 0;
    }

    /// The mean gradient so far, in the order of the convolutions.
    pub fn gradient(&self) -> Vec<Vec<f32>> {
        let share = 1.0 / self.patches.max(1) as f32;
        self.gradient.iter().flatten().map(|g| g.iter().map(|v| v * share).collect()).collect()
    }
}

impl Dropping {
    /// What value `at` of the map behind convolution `n` of the bottom scale is multiplied by: none, or more to make up for
    /// those dropped. Values are counted x fastest, then y, then the channel, then z.
    pub fn factor(&self, n: usize, at: usize) -> f32 {
        if self.share <= 0.0 {
            return 1.0;
        }
        let keep = (1.0 / (1.0 - self.share)) as f32;
        if uniform_at(self.seed.wrapping_add(n as u64), at as u64) < self.share { 0.0 } else { keep }
    }

    fn apply(&self, x: &mut Map, n: usize) {
        if self.share > 0.0 {
            x.values_mut().iter_mut().enumerate().for_each(|(at, v)| *v *= self.factor(n, at));
        }
    }
}

impl Patch<'_> {
    /// # Errors
    /// The patch does not fit the network.
    pub fn check(&self, net: &Architecture) -> Result<(), String> {
        let voxels: usize = net.output_shape(self.shape)?.iter().product();
        if self.target.len() == voxels && self.weight.len() == voxels {
            return Ok(());
        }
        let (targets, weights) = (self.target.len(), self.weight.len());
        Err(format!("the patch has {targets} targets and {weights} weights, not {voxels}"))
    }
}

impl Loss {
    /// The loss and its gradient with respect to the scores.
    fn of(self, scores: &Map, target: &[u8], weight: &[f32]) -> (f64, Map) {
        let (plane, classes) = (scores.plane(), scores.channels);
        let total: f64 = weight.iter().map(|&w| f64::from(w)).sum::<f64>().max(1e-6);
        let mut grad = Map::zeros(classes, scores.shape);
        let slab = scores.slab();
        let (mut sum, mut both, mut either) = (0.0f64, 0.0f64, 0.0f64);
        let mut p = vec![0.0f64; classes];
        let places = |n: usize, c: usize| n / plane * slab + c * plane + n % plane;
        for (n, (&t, &w)) in target.iter().zip(weight).enumerate() {
            let score = |c: usize| f64::from(scores.values()[places(n, c)]);
            let top = (0..classes).map(score).fold(f64::NEG_INFINITY, f64::max);
            let whole: f64 = (0..classes).map(|c| (score(c) - top).exp()).sum();
            let t = usize::from(t).min(classes - 1);
            sum += f64::from(w) * (whole.ln() + top - score(t));
            for (c, p) in p.iter_mut().enumerate() {
                *p = (score(c) - top).exp() / whole;
                let right = if c == t { 1.0 } else { 0.0 };
                grad.values_mut()[places(n, c)] = (f64::from(w) / total * (*p - right)) as f32;
            }
            let truth = f64::from(u8::from(t == 1));
            both += p[1] * truth;
            either += p[1] + truth;
        }
        let mut loss = sum / total;
        if self == Self::DiceCrossEntropy {
            let (over, low) = (2.0 * both + 1.0, either + 1.0);
            loss += 1.0 - over / low;
            for (n, &t) in target.iter().enumerate() {
                let score = |c: usize| f64::from(scores.values()[places(n, c)]);
                let top = (0..classes).map(score).fold(f64::NEG_INFINITY, f64::max);
                let whole: f64 = (0..classes).map(|c| (score(c) - top).exp()).sum();
                let p = |c: usize| (score(c) - top).exp() / whole;
                let slope = -(2.0 * f64::from(u8::from(t == 1)) * low - over) / (low * low);
                for c in 0..classes {
                    let right = if c == 1 { 1.0 } else { 0.0 };
                    grad.values_mut()[places(n, c)] += (slope * p(1) * (right - p(c))) as f32;
                }
            }
        }
        (loss, grad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::parallel::Threads;
    use ichor_image::{Random, Serial};
    use ichor_unet::{Engine, Isa, Precision};

    fn net() -> Architecture {
        Architecture { depth: 1, width: 3, ..Architecture::thick(3) }
    }

    fn patch(net: &Architecture, output: [usize; 3]) -> (Vec<f32>, [usize; 3], Vec<u8>, Vec<f32>) {
        let shape = net.input_for(output).unwrap();
        let mut random = Random::new(9);
        let image: Vec<f32> = (0..shape.iter().product()).map(|_| random.uniform() as f32).collect();
        let n: usize = output.iter().product();
        let target: Vec<u8> = (0..n).map(|_| u8::from(random.uniform() < 0.4)).collect();
        let weight = (0..n).map(|_| f32::from(u8::from(random.uniform() < 0.7))).collect();
        (image, shape, target, weight)
    }

    const DROP: Dropping = Dropping { share: 0.3, seed: 5 };
    const PATCH: Normalise = Normalise { share: 0.1, seen: 100, running: false };

    /// The loss where the weights are moved by `by` along a direction, and the slope that the gradient promises.
    fn probe(loss: Loss, by: f32) -> (f64, f64) {
        let net = net();
        let (image, shape, target, weight) = patch(&net, [6, 8, 5]);
        let patch = Patch { image: &image, shape, target: &target, weight: &weight };
        let mut trainer = Trainer::new(&net, Weights::random(&net, 4)).unwrap();
        let mut slope = 0.0;
        if by == 0.0 {
            trainer.learn(&Serial, Lesson { patch, loss, normalise: PATCH, drop: DROP }).unwrap();
            let mut random = Random::new(1);
            for g in trainer.gradient().iter().flatten() {
                slope += random.normal() * f64::from(*g);
            }
            return (0.0, slope);
        }
        let mut random = Random::new(1);
        for c in &mut trainer.weights.convolutions {
            let mut go = |v: &mut Vec<f32>| v.iter_mut().for_each(|v| *v += by * random.normal() as f32);
            go(&mut c.weight);
            match &mut c.norm {
                Some(n) => {
                    go(&mut n.gamma);
                    go(&mut n.beta);
                }
                None => go(&mut c.bias),
            }
        }
        (trainer.learn(&Serial, Lesson { patch, loss, normalise: PATCH, drop: DROP }).unwrap(), slope)
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        use Loss::{CrossEntropy, DiceCrossEntropy};
        for loss in [CrossEntropy, DiceCrossEntropy] {
            let h = 1e-4; // small, because the leaky ReLU and the pooling have kinks
            let slope = (probe(loss, h).0 - probe(loss, -h).0) / (2.0 * f64::from(h));
            let want = probe(loss, 0.0).1;
            assert!(
                (slope - want).abs() < 0.02 * want.abs().max(0.1),
                "{loss:?}: {want} promised, {slope} found"
            );
        }
    }

    /// The first steps of torch.optim.Adam (PyTorch 2.9.1, lr 0.1) from 1.0 with the gradients 0.5, -0.25 and 0.125.
    #[test]
    fn adam_steps_as_pytorchs() {
        let net = net();
        let mut trainer = Trainer::new(&net, Weights::random(&net, 4)).unwrap();
        trainer.weights.convolutions[0].weight[0] = 1.0;
        let mut seen = Vec::new();
        for (n, gradient) in [0.5, -0.25, 0.125].into_iter().enumerate() {
            trainer.gradient[0][0][0] = gradient;
            trainer.step(0.1, Optimiser::Adam, n + 1);
            seen.push(trainer.weights.convolutions[0].weight[0]);
        }
        let want = [0.9, 0.873_366_4, 0.839_323_5];
        assert!(seen.iter().zip(want).all(|(s, w)| (s - w).abs() < 1e-6), "{seen:?}");
    }

    #[test]
    fn threads_change_no_bit() {
        let net = Architecture { depth: 2, ..Architecture::thin(2) };
        let (image, shape, target, weight) = patch(&net, [4, 8, 4]);
        let train = |par: &dyn Parallel| {
            let mut trainer = Trainer::new(&net, Weights::random(&net, 4)).unwrap();
            for n in 0..3 {
                let patch = Patch { image: &image, shape, target: &target, weight: &weight };
                trainer
                    .learn(
                        par,
                        Lesson {
                            patch,
                            loss: Loss::CrossEntropy,
                            normalise: PATCH,
                            drop: Dropping { share: 0.5, seed: n },
                        },
                    )
                    .unwrap();
                trainer.step(0.01, Optimiser::Sgd { momentum: 0.9 }, 1);
            }
            trainer.weights().clone()
        };
        assert_eq!(train(&Serial), train(&Threads(3)));
    }

    #[test]
    fn what_is_learned_is_what_the_engine_predicts() {
        // Bright voxels are class 1: easy, and learned in a few steps.
        let net = Architecture { depth: 1, ..Architecture::thin(4) };
        let (image, shape, mut target, _) = patch(&net, [12, 12, 12]);
        let margin = net.margin();
        for (n, t) in target.iter_mut().enumerate() {
            let v = [n % 12 + margin[0], n / 12 % 12 + margin[1], n / 144 + margin[2]];
            *t = u8::from(image[v[0] + shape[0] * (v[1] + shape[1] * v[2])] > 0.6);
        }
        let weight = vec![1.0; target.len()];
        let patch = Patch { image: &image, shape, target: &target, weight: &weight };
        let mut trainer = Trainer::new(&net, Weights::random(&net, 4)).unwrap();
        let mut losses = Vec::new();
        for n in 0..60 {
            // The last steps as the network will be used.
            let normalise = Normalise { running: n >= 40, ..PATCH };
            losses.push(
                trainer
                    .learn(
                        &Serial,
                        Lesson {
                            patch,
                            loss: Loss::CrossEntropy,
                            normalise,
                            drop: Dropping { share: 0.0, seed: n },
                        },
                    )
                    .unwrap(),
            );
            trainer.step(0.05, Optimiser::Sgd { momentum: 0.9 }, 1);
        }
        assert!(losses[59] < 0.3 * losses[0], "{losses:?}");
        let engine = Engine::new(&net, trainer.weights(), Precision::F32, Isa::best()).unwrap();
        let p = engine.infer(&Serial, &image, shape, &|| false, &|_| {}).unwrap();
        let right = p.iter().zip(&target).filter(|(p, t)| u8::from(**p >= 0.5) == **t).count();
        assert!(right * 10 > target.len() * 9, "{right} of {}", target.len());
    }
}
