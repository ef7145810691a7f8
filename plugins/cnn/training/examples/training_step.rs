//! Seconds of a training step on the CPU: `training_step WIDTH thin|thick X,Y,Z STEPS THREADS`, the input in voxels.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use ichor_image::parallel::Threads;
use ichor_unet::{Architecture, Weights};
use ichor_unet_training::{Dropping, Lesson, Loss, Normalise, Optimiser, Patch, Trainer};
use std::time::Instant;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [width, pool, input, steps, threads] = &args[..] else {
        panic!("WIDTH thin|thick X,Y,Z STEPS THREADS")
    };
    let width = width.parse().unwrap();
    let net = if pool == "thick" { Architecture::thick(width) } else { Architecture::thin(width) };
    let sizes: Vec<usize> = input.split(',').map(|n| n.parse().unwrap()).collect();
    let shape: [usize; 3] = sizes.try_into().unwrap();
    let mut trainer = Trainer::new(&net, Weights::random(&net, 1)).unwrap();
    let image = vec![0.5; shape.iter().product()];
    let n = net.output_shape(shape).unwrap().iter().product();
    let (target, weight) = (vec![1; n], vec![1.0; n]);
    for seed in 0..steps.parse().unwrap() {
        let start = Instant::now();
        let patch = Patch { image: &image, shape, target: &target, weight: &weight };
        let normalise = Normalise { share: 0.01, seen: seed, running: false };
        let threads = Threads(threads.parse().unwrap());
        let drop = Dropping { share: 0.5, seed: seed as u64 };
        let loss =
            trainer.learn(&threads, Lesson { patch, loss: Loss::CrossEntropy, normalise, drop }).unwrap();
        trainer.step(1e-3, Optimiser::Sgd { momentum: 0.9 }, seed + 1);
        println!("{:.3} s, loss {loss:.3}", start.elapsed().as_secs_f64());
    }
}
