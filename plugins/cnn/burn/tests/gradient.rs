//! What a patch teaches, computed by Burn and by the training on the CPU.

#![allow(clippy::unwrap_used, reason = "tests")]

use burn::backend::Autodiff;
use burn_flex::Flex;
use ichor_image::{Random, Serial};
use ichor_unet::{Architecture, Weights};
use ichor_unet_burn::differentiate;
use ichor_unet_training::{Dropping, Lesson, Loss, Normalise, Patch, Trainer};

#[test]
fn burn_and_the_cpu_learn_the_same() {
    let mut random = Random::new(3);
    for (net, output) in [
        (Architecture { depth: 1, ..Architecture::thick(3) }, [6, 8, 5]),
        (Architecture { depth: 2, ..Architecture::thin(2) }, [4, 8, 4]),
    ] {
        let shape = net.input_for(output).unwrap();
        let image: Vec<f32> = (0..shape.iter().product()).map(|_| random.uniform() as f32).collect();
        let n: usize = output.iter().product();
        let target: Vec<u8> = (0..n).map(|_| u8::from(random.uniform() < 0.3)).collect();
        let weight: Vec<f32> = (0..n).map(|_| f32::from(u8::from(random.uniform() < 0.6))).collect();
        let patch = Patch { image: &image, shape, target: &target, weight: &weight };
        let weights = Weights::random(&net, 4);
        let trainer = Trainer::new(&net, weights.clone()).unwrap();
        for (loss, running) in
            [(Loss::CrossEntropy, false), (Loss::DiceCrossEntropy, false), (Loss::DiceCrossEntropy, true)]
        {
            let normalise = Normalise { share: 0.1, seen: 20, running };
            let drop = Dropping { share: 0.3, seed: 7 };
            let lesson = Lesson { patch, loss, normalise, drop };
            let want = trainer.differentiate(&Serial, lesson).unwrap();
            let device = Default::default();
            let got = differentiate::<Autodiff<Flex>>(&net, &weights, lesson, &device).unwrap();
            assert!((got.loss - want.loss).abs() < 1e-4, "{} for {}", got.loss, want.loss);
            let far = |a: &[f32], b: &[f32]| {
                let size = b.iter().map(|v| v * v).sum::<f32>().sqrt();
                let apart = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
                assert_eq!(a.len(), b.len());
                apart / size.max(1e-4)
            };
            for (got, want) in got.gradient.iter().zip(&want.gradient) {
                let worst = got.iter().zip(want).map(|(g, w)| far(g, w)).fold(0.0, f32::max);
                assert!(worst < 2e-3, "{worst}");
            }
            assert_eq!((got.gradient.len(), got.maps.len()), (want.gradient.len(), want.maps.len()));
            for (got, want) in got.maps.iter().zip(&want.maps) {
                assert_eq!(got.voxels, want.voxels);
                assert!(far(&got.mean, &want.mean) < 1e-4 && far(&got.variance, &want.variance) < 1e-4);
            }
        }
    }
}
