//! Seconds of a training step on the CPU: `training_step WIDTH INPUT STEPS THREADS`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use ichor_image::parallel::Threads;
use ichor_unet::{Architecture, Weights};
use ichor_unet_training::{Loss, Normalise, Optimiser, Patch, Trainer};
use std::time::Instant;

fn main() {
    let args: Vec<usize> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let [width, size, steps, threads] = args[..] else { panic!("WIDTH INPUT STEPS THREADS") };
    let net = Architecture::thin(width);
    let mut trainer = Trainer::new(&net, Weights::random(&net, 1)).unwrap();
    let image = vec![0.5; size * size * size];
    let n = net.output_shape([size; 3]).unwrap().iter().product();
    let (target, weight) = (vec![1; n], vec![1.0; n]);
    for seed in 0..steps {
        let start = Instant::now();
        let patch = Patch { image: &image, shape: [size; 3], target: &target, weight: &weight };
        let normalise = Normalise { share: 0.01, seen: seed, running: false };
        let loss =
            trainer.learn(&Threads(threads), patch, Loss::CrossEntropy, normalise, 0.5, seed as u64).unwrap();
        trainer.step(1e-3, Optimiser::Sgd { momentum: 0.9 }, seed + 1);
        println!("{:.2} s, loss {loss:.3}", start.elapsed().as_secs_f64());
    }
}
