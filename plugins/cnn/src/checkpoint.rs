//! A training that can go on after it was stopped.

use crate::model::Numbers;
use ichor_unet::Weights;
use ichor_unet_training::Trainer;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// Key of the state in the file's metadata.
const KEY: &str = "ichor-training";

/// Where a training stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Everything that decides the result: another training does not go on from here.
    pub settings: String,
    /// Patches seen.
    pub patches: usize,
    /// What was measured so far.
    pub history: Vec<Measured>,
    /// Row of `history` with the weights that are kept.
    pub best: usize,
}

/// A row of the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Patches seen.
    pub patches: usize,
    /// Mean loss of the patches since the row before.
    pub loss: f64,
    /// Mean Dice coefficient of the cases that are held out.
    pub dice: Option<f64>,
}

/// Writes a file in one move, so that a kill leaves the old one or the new one.
///
/// # Errors
/// The file cannot be written.
pub fn save(
    path: &str,
    state: &State,
    trainer: &Trainer,
    best: &Weights,
    mean: &Weights,
) -> Result<(), String> {
    let mut tensors = Vec::new();
    for (name, weights) in [("now", trainer.weights()), ("best", best), ("mean", mean)] {
        tensors.extend(
            weights.numbers().into_iter().enumerate().map(|(n, v)| (format!("{name}.{n}"), Numbers::flat(v))),
        );
    }
    tensors.extend(trainer.memory().enumerate().map(|(n, v)| (format!("memory.{n}"), Numbers::flat(v))));
    let text = serde_json::to_string(state).map_err(|e| e.to_string())?;
    let bytes = safetensors::serialize(tensors, Some(HashMap::from([(KEY.to_owned(), text)])));
    let bytes = bytes.map_err(|e| e.to_string())?;
    let part = format!("{path}.part");
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|e| format!("cannot write the checkpoint `{path}`: {e}"))
}

/// Goes on from a file, if there is one: sets the trainer's and the best weights, and tells where they stand.
///
/// # Errors
/// The file cannot be read, is damaged, or is of another training.
pub fn load(path: &str, settings: &str, start: &Weights) -> Result<Option<(State, Trained)>, String> {
    if !Path::new(path).exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read the checkpoint `{path}`: {e}"))?;
    let damaged = |e: String| format!("the checkpoint `{path}` is damaged ({e}); delete it to start again");
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
    let text =
        metadata.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or_else(|| damaged("no state".into()))?;
    let state: State = serde_json::from_str(text).map_err(|e| damaged(e.to_string()))?;
    if state.settings != settings {
        return Err(format!(
            "the checkpoint `{path}` is of a training with other parameters or cases; delete it or name another file"
        ));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    let list = |name: String, n: Option<usize>| {
        let tensor = file.tensor(&name).map_err(|e| damaged(e.to_string()))?;
        let values: Vec<f32> =
            tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let fits = tensor.dtype() == Dtype::F32 && n.is_none_or(|n| n == values.len());
        if fits { Ok(values) } else { Err(damaged(format!("`{name}` is of another network"))) }
    };
    let weights = |name: &str| {
        let mut out = start.clone();
        for (n, slot) in out.numbers_mut().into_iter().enumerate() {
            *slot = list(format!("{name}.{n}"), Some(slot.len()))?;
        }
        Ok::<_, String>(out)
    };
    let memory = (0..6 * start.convolutions.len()).map(|n| list(format!("memory.{n}"), None));
    let memory = memory.collect::<Result<_, _>>()?;
    Ok(Some((
        state,
        Trained { now: weights("now")?, best: weights("best")?, mean: weights("mean")?, memory },
    )))
}

/// The numbers of a checkpoint.
pub struct Trained {
    /// The weights to go on with.
    pub now: Weights,
    /// The best so far.
    pub best: Weights,
    /// The running mean of the weights.
    pub mean: Weights,
    /// The optimiser's memory.
    pub memory: Vec<Vec<f32>>,
}
