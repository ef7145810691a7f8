//! What an ONNX file says about itself, read without ONNX Runtime: a few fields of its Protocol Buffers
//! (`onnx.proto3` of the ONNX project). Nothing here runs, allocates or recurses by what the file says.

use ichor_sdk::{Error, Result};
use std::fs::File;
use std::io::Read;

/// Largest file, bytes: Protocol Buffers end there.
const LARGEST: u64 = (1 << 31) - 1;

/// `TensorProto.DataType.FLOAT`.
pub const FLOAT: u64 = 1;

/// An input or output of a network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its type of number, a `TensorProto.DataType`.
    pub element: u64,
    /// Its dimensions, `None` where the file leaves one open; nothing when it says none at all.
    pub shape: Vec<Option<usize>>,
}

/// The inputs and outputs of a network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Form {
    /// What has to be given; weights are not.
    pub inputs: Vec<Tensor>,
    /// What comes out.
    pub outputs: Vec<Tensor>,
}

/// Reads a model file and its form.
///
/// # Errors
/// It cannot be read, is no ONNX file, is damaged, or has its weights in another file.
pub fn open(path: &str) -> Result<(Vec<u8>, Form)> {
    let io = |e: std::io::Error| Error::io(format!("cannot read the model `{path}`: {e}"));
    let mut file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let refused = |why: String| Error::bad_input(format!("the model `{path}` is refused: {why}"));
    if size > LARGEST {
        return Err(refused(format!("it has {size} bytes, and an ONNX file at most {LARGEST}")));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size as usize).map_err(|e| Error::out_of_memory(e.to_string()))?;
    (&mut file).take(size).read_to_end(&mut bytes).map_err(io)?;
    let form = read(&bytes).map_err(refused)?;
    Ok((bytes, form))
}

/// Reads the form of a model.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn read(bytes: &[u8]) -> Result<Form, String> {
    if bytes.starts_with(b"PK") {
        return Err("it is a zip archive, as PyTorch writes; export the network as ONNX".into());
    }
    let none = || "it is no ONNX file, or damaged or cut off".to_owned();
    let (mut version, mut graph) = (None, None);
    for field in Fields(bytes) {
        match field.ok_or_else(none)? {
            (1, Value::Number(n)) => version = Some(n),
            (7, Value::Bytes(b)) if graph.is_none() => graph = Some(b),
            (7, _) => return Err(none()),
            _ => {}
        }
    }
    let (Some(_), Some(graph)) = (version, graph) else { return Err(none()) };
    let (mut form, mut weights) = (Form::default(), Vec::new());
    for field in Fields(graph) {
        match field.ok_or_else(none)? {
            (5, Value::Bytes(b)) => weights.push(weight(b).ok_or_else(none)??),
            (11, Value::Bytes(b)) => form.inputs.push(tensor(b).ok_or_else(none)?),
            (12, Value::Bytes(b)) => form.outputs.push(tensor(b).ok_or_else(none)?),
            _ => {}
        }
    }
    // Old files name the weights among the inputs.
    weights.sort_unstable();
    form.inputs.retain(|t| weights.binary_search(&t.name.as_bytes()).is_err());
    Ok(form)
}

/// The name of a `TensorProto` whose numbers are in the file.
fn weight(bytes: &[u8]) -> Option<Result<&[u8], String>> {
    let (mut name, mut outside) = (&[][..], false);
    for field in Fields(bytes) {
        match field? {
            (8, Value::Bytes(b)) => name = b,
            (14, Value::Number(n)) => outside = n != 0,
            _ => {}
        }
    }
    let text = String::from_utf8_lossy(name);
    Some(if outside {
        Err(format!(
            "its weight `{text}` lies in another file; write the model as one file (`external_data=False` of \
             torch.onnx.export, or onnx.save)"
        ))
    } else {
        Ok(name)
    })
}

/// A `ValueInfoProto`.
fn tensor(bytes: &[u8]) -> Option<Tensor> {
    let mut out = Tensor::default();
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(b)) => out.name = String::from_utf8(b.to_vec()).ok()?,
            // TypeProto, and its tensor_type
            (2, Value::Bytes(b)) => {
                for field in Fields(b) {
                    if let (1, Value::Bytes(b)) = field? {
                        typed(b, &mut out)?;
                    }
                }
            }
            _ => {}
        }
    }
    Some(out)
}

/// A `TypeProto.Tensor`.
fn typed(bytes: &[u8], out: &mut Tensor) -> Option<()> {
    for field in Fields(bytes) {
        match field? {
            (1, Value::Number(n)) => out.element = n,
            (2, Value::Bytes(shape)) => {
                for dim in Fields(shape) {
                    let (1, Value::Bytes(dim)) = dim? else { continue };
                    let mut size = None;
                    for part in Fields(dim) {
                        if let (1, Value::Number(n)) = part? {
                            // Some exporters write 0 or -1 for what they leave open.
                            size = i64::try_from(n).ok().filter(|n| *n > 0).map(|n| n as usize);
                        }
                    }
                    out.shape.push(size);
                }
            }
            _ => {}
        }
    }
    Some(())
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of a message; a `None` inside says that it is damaged, and ends it.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut out = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            out |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(out);
            }
        }
        None
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.skip(8).map(|_| Value::Fixed)?,
            2 => {
                let n = self.varint()?;
                Value::Bytes(self.skip(usize::try_from(n).ok()?)?)
            }
            5 => self.skip(4).map(|_| Value::Fixed)?,
            _ => return None,
        };
        (key >> 3 > 0).then_some((key >> 3, value))
    }

    fn skip(&mut self, n: usize) -> Option<&'a [u8]> {
        let (out, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(out)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &[u8] = include_bytes!("../tests/small.onnx");
    const FIXED: &[u8] = include_bytes!("../tests/fixed.onnx");

    fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
        assert!(content.len() < 128);
        [&[(field << 3 | 2) as u8, content.len() as u8], content].concat()
    }

    #[test]
    fn inputs_and_outputs_of_exported_networks() {
        let form = read(FIXED).unwrap();
        let shape = |n: usize| [1, n, 8, 12, 16].map(Some).to_vec();
        let tensor = |name: &str, shape| vec![Tensor { name: name.into(), element: FLOAT, shape }];
        assert_eq!(form.inputs, tensor("image", shape(1)));
        assert_eq!(form.outputs, tensor("logits", shape(3)));
        let open = |n| vec![Some(1), Some(n), None, None, None];
        let form = read(SMALL).unwrap();
        assert_eq!(form.inputs, tensor("image", open(1)));
        assert_eq!(form.outputs, tensor("logits", open(3)));
    }

    #[test]
    fn damaged_files_are_refused_wherever_they_are_cut() {
        let whole = read(FIXED).unwrap();
        for n in 0..FIXED.len() {
            // What follows the graph is the version of the operators, which ONNX Runtime misses.
            assert!(read(&FIXED[..n]).map_or_else(|e| e.contains("no ONNX file"), |form| form == whole));
            let mut other = FIXED.to_vec();
            other[n] ^= 0xff;
            let _ = read(&other);
        }
        assert!(read(b"PK\x03\x04rest").unwrap_err().contains("zip archive"));
        assert!(read(b"\x89HDF\r\n\x1a\n").unwrap_err().contains("no ONNX file"));
        let endless = bytes(7, &[0x2a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        assert!(read(&[&[8, 8], &endless[..]].concat()).is_err());
    }

    #[test]
    fn weights_elsewhere_are_refused_and_weights_are_no_inputs() {
        let named = |extra: &[u8]| [&bytes(8, b"w")[..], extra].concat();
        let file = |graph: &[u8]| [&[8, 8], &bytes(7, graph)[..]].concat();
        let error = read(&file(&bytes(5, &named(&[14 << 3, 1])))).unwrap_err();
        assert!(error.starts_with("its weight `w` lies in another file"), "{error}");
        let graph = [bytes(11, &bytes(1, b"w")), bytes(11, &bytes(1, b"x")), bytes(5, &named(&[]))].concat();
        let form = read(&file(&graph)).unwrap();
        assert_eq!(form.inputs, [Tensor { name: "x".into(), ..Tensor::default() }]);
    }
}
