//! The GPU against the CPU where there is one, and what is said where there is none.

#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_image::Serial;
use ichor_unet::{Architecture, Engine, Isa, Precision, Weights};
use ichor_unet_burn::cuda::{Gpu, guarded, learn, probe};
use ichor_unet_training::{Dropping, Lesson, Loss, Normalise, Patch, Trainer};

#[test]
fn a_machine_without_a_gpu_says_so_and_one_with_it_computes() {
    if let Err(why) = probe() {
        assert!(why.contains("NVIDIA") || why.contains("GPU"), "{why}");
        return;
    }
    let (net, shape) = (Architecture::thin(2), [92; 3]);
    let weights = Weights::random(&net, 1);
    let input: Vec<f32> = (0..92 * 92 * 92).map(|n| (n % 97) as f32 / 97.0).collect();
    let cpu = Engine::new(&net, &weights, Precision::F32, Isa::best()).unwrap();
    let want = cpu.infer(&Serial, &input, shape, &|| false, &|_| {}).unwrap();
    for (precision, tolerance) in [(Precision::F32, 5e-3), (Precision::Bf16, 0.05)] {
        let got = Gpu::new(&net, &weights, precision).unwrap().infer(input.clone(), shape).unwrap();
        let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(got.len() == want.len() && worst < tolerance, "{worst} in {precision:?}");
    }
    let (target, weight) = (vec![1; 64], vec![1.0; 64]);
    let patch = Patch { image: &input, shape, target: &target, weight: &weight };
    let normalise = Normalise { share: 0.1, seen: 0, running: false };
    let drop = Dropping { share: 0.3, seed: 1 };
    let lesson = Lesson { patch, loss: Loss::DiceCrossEntropy, normalise, drop };
    let trainer = Trainer::new(&net, weights.clone()).unwrap();
    let want = trainer.differentiate(&Serial, lesson).unwrap();
    let got = learn(&net, &weights, lesson).unwrap();
    assert!((got.loss - want.loss).abs() < 1e-2, "{} for {}", got.loss, want.loss);
}

#[test]
fn a_panic_becomes_a_sentence() {
    let error = guarded::<()>(|| panic!("no device {}", 3)).unwrap_err();
    assert_eq!(error, "the GPU does not answer: no device 3");
}
