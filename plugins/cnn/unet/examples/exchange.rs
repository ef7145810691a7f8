//! Runs the network on numbers from somewhere else, to compare with another implementation: `exchange weights=FILE
//! input=FILE output=FILE shape=x,y,z [width=32] [pool=thin|thick] [precision=f32|bf16] [isa=NAME] [threads=2]
//! [repeat=1]`.
//!
//! Files are raw little-endian f32. Weights: for each convolution in the order of `Architecture::layers` its weight
//! and bias and, but for the last, its batch normalisation's scale, shift, mean and variance (epsilon 1e-5). Prints
//! the seconds of each run.
#![allow(clippy::print_stdout)]

use ichor_image::parallel::Threads;
use ichor_unet::{Architecture, Convolution, Engine, Isa, Norm, Precision, Weights};
use std::collections::HashMap;
use std::time::Instant;

fn main() -> Result<(), String> {
    let mut settings = HashMap::new();
    for argument in std::env::args().skip(1) {
        let (key, value) = argument.split_once('=').ok_or(format!("`{argument}` is not key=value"))?;
        settings.insert(key.to_owned(), value.to_owned());
    }
    let get = |key: &str, default: &str| settings.get(key).cloned().unwrap_or(default.to_owned());
    let number = |text: &str| text.parse::<usize>().map_err(|_| format!("`{text}` is not a number"));
    let width = number(&get("width", "32"))?;
    let net =
        if get("pool", "thin") == "thick" { Architecture::thick(width) } else { Architecture::thin(width) };
    let precision = if get("precision", "f32") == "bf16" { Precision::Bf16 } else { Precision::F32 };
    let isa = get("isa", Isa::best().name());
    let isa = Isa::ALL
        .into_iter()
        .find(|i| i.name() == isa)
        .ok_or(format!("there is no instruction set `{isa}`"))?;
    let shape: Vec<usize> = get("shape", "").split(',').map(number).collect::<Result<_, _>>()?;
    let shape = <[usize; 3]>::try_from(shape).map_err(|_| "a shape is x,y,z".to_owned())?;

    let read = |path: &str| -> Result<Vec<f32>, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("cannot read `{path}`: {e}"))?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    };
    let numbers = read(&get("weights", ""))?;
    let mut rest = numbers.as_slice();
    let mut take = |n: usize| -> Result<Vec<f32>, String> {
        let (part, behind) = rest.split_at_checked(n).ok_or("the file of weights is too short")?;
        rest = behind;
        Ok(part.to_vec())
    };
    let mut convolutions = Vec::new();
    for layer in net.layers() {
        let weight = take(layer.inputs * layer.outputs * layer.kernel.pow(3))?;
        let bias = take(layer.outputs)?;
        let norm = if layer.kernel == 3 {
            let mut part = || take(layer.outputs);
            Some(Norm { gamma: part()?, beta: part()?, mean: part()?, variance: part()?, epsilon: 1e-5 })
        } else {
            None
        };
        convolutions.push(Convolution { weight, bias, norm });
    }
    if !rest.is_empty() {
        return Err("the file of weights is too long".to_owned());
    }
    let engine = Engine::new(&net, &Weights { convolutions }, precision, isa)?;
    drop(numbers);
    let input = read(&get("input", ""))?;
    let threads = Threads(number(&get("threads", "2"))?);
    let mut out = Vec::new();
    for _ in 0..number(&get("repeat", "1"))? {
        let start = Instant::now();
        out = engine.infer(&threads, &input, shape, &|| false, &|_| ()).map_err(|e| e.to_string())?;
        println!("{}", start.elapsed().as_secs_f64());
    }
    let bytes: Vec<u8> = out.iter().flat_map(|v| v.to_le_bytes()).collect();
    let path = get("output", "");
    std::fs::write(&path, bytes).map_err(|e| format!("cannot write `{path}`: {e}"))
}
