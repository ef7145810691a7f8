//! The module in Burn against the paper and against the engine on the CPU.

#![allow(clippy::unwrap_used, reason = "tests")]

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{FloatDType, Tensor};
use burn_flex::Flex;
use ichor_image::Serial;
use ichor_unet::{Architecture, Engine, Isa, Precision, Weights};
use ichor_unet_burn::{Unet, image, numbers};

/// A network and the shapes of its maps as z, y, x.
fn sizes(net: &Architecture, input: [usize; 3]) -> Vec<[usize; 3]> {
    let device = Default::default();
    let unet = Unet::<Flex>::new(net, &Weights::random(net, 1), 0.5, &device);
    let [x, y, z] = input;
    let mut seen = Vec::new();
    let out = unet
        .forward_seen(Tensor::zeros([1, 1, z, y, x], &device), &mut |[_, _, z, y, x]| seen.push([x, y, z]));
    let [_, classes, z, y, x] = out.dims();
    assert_eq!((classes, [x, y, z]), (2, *seen.last().unwrap()));
    seen
}

#[test]
fn the_receptive_field_is_the_papers() {
    let along = [122, 120, 60, 58, 56, 28, 26, 24, 12, 10, 8, 16, 14, 12, 24, 22, 20, 40, 38, 36];
    assert_eq!(sizes(&Architecture::thin(1), [124; 3]), along.map(|n| [n; 3]));
}

#[test]
fn thick_slices_are_not_pooled_across() {
    let along = [122, 120, 60, 58, 56, 28, 26, 24, 12, 10, 8, 16, 14, 12, 24, 22, 20, 40, 38, 36];
    let across = [38, 36, 36, 34, 32, 32, 30, 28, 28, 26, 24, 24, 22, 20, 20, 18, 16, 16, 14, 12];
    let want: Vec<_> = along.iter().zip(across).map(|(&n, z)| [n, n, z]).collect();
    assert_eq!(sizes(&Architecture::thick(1), [124, 124, 40]), want);
}

#[test]
fn the_network_has_the_papers_parameters() {
    let net = Architecture::thin(32);
    let unet = Unet::<Flex>::new(&net, &Weights::random(&net, 1), 0.5, &Default::default());
    // 27 taps of 604 192 channel pairs, the last layer, and bias, scale and shift of 2336 channels.
    assert_eq!(unet.num_params() - 2 * 2336, 27 * 604_192 + 2 * 64 + 2 + 3 * 2336);
    assert_eq!(net.parameters(), 27 * 604_192 + 2 * 64 + 2 + 3 * 2336);
}

#[test]
fn burn_and_the_engine_agree() {
    let device = Default::default();
    for (net, shape) in [(Architecture::thin(3), [92, 100, 92]), (Architecture::thick(2), [100, 92, 33])] {
        let weights = Weights::random(&net, 3);
        let random = ichor_image::Random::new(5);
        let values: Vec<f32> =
            (0..shape.iter().product::<usize>() as u64).map(|n| random.stream(n).uniform() as f32).collect();
        let engine = Engine::new(&net, &weights, Precision::F32, Isa::best()).unwrap();
        let want = engine.infer(&Serial, &values, shape, &|| false, &|_| {}).unwrap();
        for unet in [
            Unet::<Flex>::new(&net, &weights, 0.5, &device),
            Unet::folded(&net, &weights, FloatDType::F32, &device),
        ] {
            let scores = unet.forward(image(values.clone(), 1, shape, &device));
            let got = numbers(softmax(scores, 1)).unwrap();
            let got = &got[got.len() / 2..];
            assert_eq!(got.len(), want.len());
            let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "{worst}");
        }
    }
}

#[test]
fn weights_come_back_as_they_went() {
    let net = Architecture::thick(2);
    let weights = Weights::random(&net, 3);
    let unet = Unet::<Flex>::new(&net, &weights, 0.5, &Default::default());
    assert_eq!(unet.weights().unwrap(), weights);
}
