//! The engine against the plain reference, and against itself on other threads and tiles.

use crate::{Architecture, Engine, Isa, Precision, Weights, reference};
use ichor_image::parallel::{Parallel, Serial, Threads};
use ichor_image::random;

fn image(shape: [usize; 3], channels: usize) -> Vec<f32> {
    let n = channels * shape.iter().product::<usize>();
    (0..n).map(|i| random::uniform_at(9, i as u64) as f32).collect()
}

fn engine(net: &Architecture, precision: Precision, isa: Isa) -> Engine {
    Engine::new(net, &Weights::random(net, 3), precision, isa).unwrap()
}

fn infer(engine: &Engine, par: &dyn Parallel, input: &[f32], shape: [usize; 3]) -> Vec<f32> {
    engine.infer(par, input, shape, &|| false, &|_| ()).unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

/// Small networks of every kind: thin, thick, several classes and channels.
fn networks() -> Vec<(Architecture, [usize; 3])> {
    let thin = Architecture { depth: 2, ..Architecture::thin(3) };
    let thick = Architecture { depth: 2, ..Architecture::thick(5) };
    let many = Architecture { depth: 1, inputs: 2, outputs: 4, ..Architecture::thin(17) };
    vec![(thin, [12, 4, 4]), (thick, [12, 12, 3]), (many, [20, 8, 4])]
}

fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.available())
}

#[test]
fn equals_the_reference() {
    for (net, output) in networks() {
        let shape = net.input_for(output).unwrap();
        let input = image(shape, net.inputs);
        let expected = reference::infer(&net, &Weights::random(&net, 3), &input, shape);
        // How far apart probabilities lie, which is what an error has to be compared with.
        let spread = largest_difference(&expected, &vec![expected[0]; expected.len()]);
        assert!(spread > 0.02);
        for (precision, tolerance) in [(Precision::F32, 2e-5 * spread), (Precision::Bf16, 0.08 * spread)] {
            for isa in available() {
                for winograd in [false, true] {
                    let weights = Weights::random(&net, 3);
                    let engine = Engine::build(&net, &weights, precision, isa, winograd).unwrap();
                    let off = largest_difference(&infer(&engine, &Serial, &input, shape), &expected);
                    assert!(off < tolerance, "{net:?} with {isa:?} in {precision:?} is off by {off}");
                }
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    for precision in [Precision::F32, Precision::Bf16] {
        let net = Architecture { depth: 2, ..Architecture::thin(8) };
        let shape = net.input_for([36, 28, 12]).unwrap();
        let input = image(shape, 1);
        let engine = engine(&net, precision, Isa::best());
        let one = infer(&engine, &Serial, &input, shape);
        assert!(one == infer(&engine, &Threads(3), &input, shape));
    }
}

#[test]
fn bits_do_not_depend_on_tiles() {
    let cut = |data: &[f32], shape: [usize; 3], at: [usize; 3], size: [usize; 3]| {
        let mut part = Vec::new();
        for z in at[2]..at[2] + size[2] {
            for y in at[1]..at[1] + size[1] {
                let row = (z * shape[1] + y) * shape[0] + at[0];
                part.extend_from_slice(&data[row..row + size[0]]);
            }
        }
        part
    };
    for (pool, large, tiles) in [
        (
            [2, 2, 2],
            [20, 12, 12],
            [([0, 0, 0], [12, 4, 4]), ([4, 4, 8], [12, 4, 4]), ([8, 8, 4], [12, 4, 4])],
        ),
        ([2, 2, 1], [20, 12, 7], [([0, 0, 2], [12, 4, 5]), ([4, 4, 4], [12, 4, 1]), ([8, 8, 0], [12, 4, 7])]),
    ] {
        let net = Architecture { depth: 2, pool, ..Architecture::thin(6) };
        let shape = net.input_for(large).unwrap();
        let input = image(shape, 1);
        for precision in [Precision::F32, Precision::Bf16] {
            for isa in available() {
                let engine = engine(&net, precision, isa);
                let whole = infer(&engine, &Threads(2), &input, shape);
                for (at, size) in tiles {
                    assert!((0..3).all(|a| at[a] % net.alignment()[a] == 0));
                    let tile = net.input_for(size).unwrap();
                    let got = infer(&engine, &Serial, &cut(&input, shape, at, tile), tile);
                    assert!(got == cut(&whole, large, at, size), "{pool:?} {isa:?} {precision:?} at {at:?}");
                }
            }
        }
    }
}

#[test]
fn stops_and_reports() {
    let net = Architecture { depth: 1, ..Architecture::thin(4) };
    let shape = net.input_for([8; 3]).unwrap();
    let engine = engine(&net, Precision::F32, Isa::Portable);
    let input = image(shape, 1);
    assert_eq!(engine.infer(&Serial, &input, shape, &|| true, &|_| ()), Err(crate::Stop::Cancelled));
    let heard = std::cell::RefCell::new(Vec::new());
    engine.infer(&Serial, &input, shape, &|| false, &|p| heard.borrow_mut().push(p)).unwrap();
    let heard = heard.into_inner();
    assert!(heard.is_sorted() && (heard[heard.len() - 1] - 1.0).abs() < 1e-9, "{heard:?}");
    assert!(engine.infer(&Serial, &input[1..], shape, &|| false, &|_| ()).is_err());
    let stop = engine.infer(&Serial, &input, [7; 3], &|| false, &|_| ());
    assert!(matches!(stop, Err(crate::Stop::Refused(_))));
}

#[test]
fn weights_approach_others_number_by_number() {
    let net = Architecture { depth: 1, ..Architecture::thin(2) };
    let (mut near, far) = (Weights::random(&net, 1), Weights::random(&net, 2));
    let before = near.clone();
    near.approach(&far, 0.25);
    for ((near, before), far) in near.numbers().iter().zip(before.numbers()).zip(far.numbers()) {
        for ((n, b), f) in near.iter().zip(before).zip(far) {
            assert!((n - (0.75 * b + 0.25 * f)).abs() < 1e-6);
        }
    }
    near.approach(&far, 1.0);
    // Six lists a convolution, two for the last.
    assert_eq!(near.numbers().len(), 6 * (near.convolutions.len() - 1) + 2);
    assert!(near.numbers().iter().zip(far.numbers()).all(|(n, f)| n.len() == f.len()));
}
