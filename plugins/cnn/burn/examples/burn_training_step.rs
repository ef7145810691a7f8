//! Seconds of a training step on the CPU: `burn_training_step WIDTH INPUT STEPS`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use burn_flex::Flex;
use ichor_unet::{Architecture, Weights};
use ichor_unet_burn::Unet;
use std::time::Instant;

fn main() {
    let args: Vec<usize> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let [width, size, steps] = args[..] else { panic!("WIDTH INPUT STEPS") };
    let net = Architecture::thin(width);
    let device = Default::default();
    let unet = Unet::<Autodiff<Flex>>::new(&net, &Weights::random(&net, 1), 0.5, &device);
    let image = Tensor::ones([1, 1, size, size, size], &device);
    for _ in 0..steps {
        let start = Instant::now();
        let scores = unet.forward(image.clone());
        let forward = start.elapsed().as_secs_f64();
        let loss = log_softmax(scores, 1).mean();
        let grads = loss.backward();
        println!("forward {forward:.2} s, all {:.2} s", start.elapsed().as_secs_f64());
        drop(grads);
    }
}
