//! Models as files: a safetensors file with the weights under PyTorch's names and a [`Card`] in its metadata.

use crate::card::Card;
use half::{bf16, f16};
use ichor_sdk::{Error, Result};
use ichor_unet::{Convolution, Norm, Weights};
use safetensors::{Dtype, SafeTensors, View};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;

/// Key of the card in the file's metadata.
pub const KEY: &str = "ichor";

/// Largest file that is read, bytes: ten times the paper's network in f32.
const LARGEST: u64 = 1 << 30;

/// A network with its weights and what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What the model says about itself.
    pub card: Card,
    /// The numbers, checked to be those of the card's network.
    pub weights: Weights,
}

impl Model {
    /// Reads a model file.
    ///
    /// # Errors
    /// It cannot be read, is damaged or cut off, or its weights are not those of the network on its card.
    pub fn open(path: &str) -> Result<Self> {
        let io = |e: std::io::Error| Error::io(format!("cannot read the model `{path}`: {e}"));
        let mut file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        if size > LARGEST {
            return Err(Error::bad_params(format!(
                "the model `{path}` has {size} bytes, more than {LARGEST}"
            )));
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size as usize).map_err(|e| Error::out_of_memory(e.to_string()))?;
        (&mut file).take(size).read_to_end(&mut bytes).map_err(io)?;
        Self::read(&bytes).map_err(|why| Error::bad_params(format!("the model `{path}` is refused: {why}")))
    }

    /// Reads a model.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let damaged = |e| format!("it is no safetensors file, or damaged or cut off ({e})");
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let card = metadata.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or_else(|| {
            format!("it has no card; metadata key `{KEY}` of the file holds one, see docs/models.md")
        })?;
        let card = Card::read(card)?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let mut seen = 0;
        let mut take = |name: &str, shape: &[usize]| -> Result<Option<Vec<f32>>, String> {
            let Ok(tensor) = file.tensor(name) else { return Ok(None) };
            seen += 1;
            if tensor.shape() != shape {
                return Err(format!("`{name}` has the shape {:?}, not {shape:?}", tensor.shape()));
            }
            numbers(tensor.dtype(), tensor.data()).map(Some).ok_or_else(|| {
                format!("`{name}` is of type {:?}; F32, F16 and BF16 are read", tensor.dtype())
            })
        };
        let mut convolutions = Vec::new();
        for layer in card.architecture().layers() {
            let normed = layer.kernel > 1;
            let mut need = |name: String, shape: &[usize]| {
                take(&name, shape)?.ok_or_else(|| format!("it has no tensor `{name}`"))
            };
            let k = layer.kernel;
            let weight = need(conv(&layer.name, normed, "weight"), &[layer.outputs, layer.inputs, k, k, k])?;
            let each = [layer.outputs];
            let norm = if normed {
                let mut part = |part: &str| need(format!("{}.norm.{part}", layer.name), &each);
                let (gamma, beta) = (part("weight")?, part("bias")?);
                let (mean, variance) = (part("running_mean")?, part("running_var")?);
                Some(Norm { gamma, beta, mean, variance, epsilon: card.network.epsilon })
            } else {
                None
            };
            // Batch normalisation makes the bias before it useless, and many leave it out.
            let bias = take(&conv(&layer.name, normed, "bias"), &each)?;
            let bias = bias.unwrap_or_else(|| vec![0.0; layer.outputs]);
            convolutions.push(Convolution { weight, bias, norm });
        }
        let others = file.names().into_iter().filter(|n| !n.ends_with(".num_batches_tracked")).count();
        if others > seen {
            return Err(format!("{} of its tensors belong to another network", others - seen));
        }
        let weights = Weights { convolutions };
        weights.check(&card.architecture())?;
        Ok(Self { card, weights })
    }

    /// The model as a file, the same bytes for the same model.
    ///
    /// # Errors
    /// The weights are not those of the card's network.
    pub fn write(&self) -> Result<Vec<u8>, String> {
        self.weights.check(&self.card.architecture())?;
        let mut tensors = Vec::new();
        for (layer, c) in self.card.architecture().layers().iter().zip(&self.weights.convolutions) {
            let (normed, k) = (c.norm.is_some(), layer.kernel);
            let shape = vec![layer.outputs, layer.inputs, k, k, k];
            tensors.push((conv(&layer.name, normed, "weight"), Numbers { shape, values: &c.weight }));
            let mut each = |name: String, values| {
                tensors.push((name, Numbers { shape: vec![layer.outputs], values }));
            };
            each(conv(&layer.name, normed, "bias"), &c.bias);
            if let Some(n) = &c.norm {
                each(format!("{}.norm.weight", layer.name), &n.gamma);
                each(format!("{}.norm.bias", layer.name), &n.beta);
                each(format!("{}.norm.running_mean", layer.name), &n.mean);
                each(format!("{}.norm.running_var", layer.name), &n.variance);
            }
        }
        let metadata = HashMap::from([(KEY.to_owned(), self.card.text())]);
        safetensors::serialize(tensors, Some(metadata)).map_err(|e| e.to_string())
    }
}

/// Name of a convolution's tensor: that of a layer stands beside its normalisation, the last one alone.
fn conv(layer: &str, normed: bool, part: &str) -> String {
    if normed { format!("{layer}.conv.{part}") } else { format!("{layer}.{part}") }
}

fn numbers(dtype: Dtype, data: &[u8]) -> Option<Vec<f32>> {
    let pairs = || data.as_chunks::<2>().0.iter();
    Some(match dtype {
        Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => pairs().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        _ => return None,
    })
}

/// A tensor of f32 to be written.
pub struct Numbers<'a> {
    shape: Vec<usize>,
    values: &'a [f32],
}

impl<'a> Numbers<'a> {
    /// A list of numbers.
    pub fn flat(values: &'a [f32]) -> Self {
        Self { shape: vec![values.len()], values }
    }
}

impl View for Numbers<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::card::tests::small;

    /// A small model with random weights.
    pub fn random(width: usize, pool: [usize; 3]) -> Model {
        let card = small(width, pool);
        let weights = Weights::random(&card.architecture(), 7);
        Model { card, weights }
    }

    #[test]
    fn a_model_comes_back_as_it_went() {
        let model = random(2, [2, 2, 1]);
        let bytes = model.write().unwrap();
        assert_eq!(bytes, model.clone().write().unwrap());
        assert_eq!(Model::read(&bytes).unwrap(), model);
    }

    #[test]
    fn damaged_files_are_refused_wherever_they_are_cut() {
        let bytes = random(1, [2; 3]).write().unwrap();
        for n in [0, 7, 8, 100, 5000, bytes.len() - 1] {
            let error = Model::read(&bytes[..n]).unwrap_err();
            assert!(error.contains("damaged or cut off") || error.contains("no card"), "{n}: {error}");
        }
        let mut huge = bytes.clone();
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(Model::read(&huge).is_err());
        let mut nan = bytes.clone();
        let at = nan.len() - 4;
        nan[at..].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(Model::read(&nan).unwrap_err().contains("not a finite number"));
    }

    #[test]
    fn weights_of_another_network_are_refused_with_the_name_of_what_differs() {
        let mut model = random(2, [2; 3]);
        let bytes = model.write().unwrap();
        let text = model.card.text();
        model.card.network.width = 4;
        let change = |to: &str| {
            let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let quoted = |t: &str| t.replace('"', "\\\"");
            let head = String::from_utf8(bytes[8..8 + header].to_vec()).unwrap();
            let head = head.replace(&quoted(&text), &quoted(to));
            let mut out = (head.len() as u64).to_le_bytes().to_vec();
            out.extend(head.as_bytes());
            out.extend(&bytes[8 + header..]);
            out
        };
        let error = Model::read(&change(&model.card.text())).unwrap_err();
        assert_eq!(error, "`down0.0.conv.weight` has the shape [2, 1, 3, 3, 3], not [4, 1, 3, 3, 3]");
        model.card.network.width = 2;
        model.card.network.depth = 2;
        let error = Model::read(&change(&model.card.text())).unwrap_err();
        assert!(error.starts_with("`bottom.0.conv.weight` has the shape"), "{error}");
        assert!(Model::read(&change("{}")).unwrap_err().contains("does not say which form"));
    }

    #[test]
    fn half_precision_is_read() {
        assert_eq!(numbers(Dtype::BF16, &[0x80, 0x3f, 0x00, 0xc0]), Some(vec![1.0, -2.0]));
        assert_eq!(numbers(Dtype::F16, &[0x00, 0x3c, 0x00, 0xc0]), Some(vec![1.0, -2.0]));
        assert_eq!(numbers(Dtype::I8, &[1]), None);
    }
}
