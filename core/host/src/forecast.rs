//! What a stage will make and need, known before any voxel is.

use crate::discover::PluginFile;
use crate::job::{Host, StageError};
use crate::library::Loaded;
use crate::outputs::{check_inputs, check_shape};
use crate::services::Services;
use crate::value::{DType, Described, Shape, Value, kind_from_code};
use ichor_abi::*;
use ichor_spec::{Kind, PortDecl, StageManifest, Unit};
use serde::{Deserialize, Serialize};
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

/// What a run of a stage would make and need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Its outputs as far as they can be known.
    pub outputs: Vec<Option<Described>>,
    /// Most memory of its own that it needs, in bytes, inputs and outputs not counted.
    pub scratch_bytes: u64,
    /// Memory that it needs on a device, in bytes.
    pub device_bytes: u64,
}

/// A stage to forecast.
pub struct Question<'a> {
    /// What it declares.
    pub stage: &'a StageManifest,
    /// Its parameters, complete.
    pub params: &'a serde_json::Value,
    /// Its seed.
    pub seed: u64,
    /// For each declared input, what is known of its connections.
    pub inputs: &'a [Vec<Option<Described>>],
}

impl Host {
    /// Forecasts a stage: by asking it, if its plugin answers and all of its inputs are known; else from its
    /// manifest. Files that its parameters name may be opened; voxels are not read.
    ///
    /// # Errors
    /// What would make the run fail: a file that is missing or broken, inputs that do not fit.
    pub fn forecast(
        &self,
        plugin: &PluginFile,
        question: &Question,
        worker: bool,
    ) -> Result<Forecast, StageError> {
        check_inputs(question.stage, |port| {
            question.inputs.get(port).into_iter().flatten().flatten().filter_map(Described::shape)
        })?;
        let known: Option<Vec<Vec<Arc<Value>>>> = question
            .inputs
            .iter()
            .map(|port| port.iter().map(|d| Some(Arc::new(Value::planned(d.clone()?)))).collect())
            .collect();
        let asked = match &known {
            Some(inputs) if worker => crate::worker::ask(self, plugin, question, inputs),
            Some(inputs) => self.load(plugin).and_then(|loaded| {
                let (id, params) = (&question.stage.id, question.params.to_string());
                let (outputs, threads) = (question.stage.outputs.len(), self.budget().threads() as u32);
                ask(loaded, (id, &params), question.seed, inputs, outputs, threads)
            }),
            None => Err(StageError::new(ICHOR_UNSUPPORTED, "its inputs are not known")),
        };
        let mut forecast = match asked {
            Ok(forecast) => forecast,
            Err(error) if error.status == ICHOR_UNSUPPORTED => Forecast {
                outputs: vec![None; question.stage.outputs.len()],
                scratch_bytes: 0,
                device_bytes: 0,
            },
            Err(error) => return Err(error),
        };
        forecast.outputs.resize(question.stage.outputs.len(), None);
        for n in 0..forecast.outputs.len() {
            if forecast.outputs[n].is_none() {
                forecast.outputs[n] = by_manifest(question, &question.stage.outputs[n], &forecast.outputs);
            }
        }
        if forecast.scratch_bytes == 0 {
            let inputs = question.inputs.iter().flatten().flatten();
            let mut all = inputs.chain(forecast.outputs.iter().flatten());
            let voxels = all.find_map(Described::grid).map_or(0, |g| g.len());
            forecast.scratch_bytes = question.stage.scratch(voxels as u64);
        }
        Ok(forecast)
    }
}

/// Asks a loaded plugin about a stage, given as its name and parameters.
pub(crate) fn ask(
    loaded: &Loaded,
    stage: (&str, &str),
    seed: u64,
    inputs: &[Vec<Arc<Value>>],
    outputs: usize,
    max_threads: u32,
) -> Result<Forecast, StageError> {
    let notes = Notes { inputs, outputs: Mutex::new(vec![None; outputs]), max_threads };
    let plan = crate::call::plan(loaded, stage, seed, inputs, &notes)?;
    let outputs = notes.outputs.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Forecast { outputs, scratch_bytes: plan.scratch_bytes, device_bytes: plan.device_bytes })
}

/// What the manifest says of an output: `like` and `grid` name where the rest comes from.
fn by_manifest(question: &Question, decl: &PortDecl, made: &[Option<Described>]) -> Option<Described> {
    let stage = question.stage;
    let input = |name: &str| {
        let port = stage.inputs.iter().position(|p| p.name == name)?;
        question.inputs.get(port)?.first()?.as_ref()
    };
    let param = |name: &Option<String>| question.params.get(name.as_ref()?)?.as_str();
    let like = decl.like.as_deref().and_then(input);
    let kind = param(&decl.kind_param).and_then(Kind::from_name);
    let kind = kind.or_else(|| like.map(Described::kind)).or_else(|| decl.kind.first().copied())?;
    if !kind.is_voxels() {
        return Some(Described::of_bytes(kind));
    }
    let unit = param(&decl.unit_param).and_then(Unit::from_name).or_else(|| like.map(Described::unit));
    let unit = unit.or_else(|| decl.unit.first().copied()).unwrap_or(match kind {
        Kind::Volume => Unit::None,
        Kind::Probs => Unit::Probability,
        _ => Unit::Label,
    });
    let source = decl.grid.as_deref().and_then(|name| {
        input(name).or_else(|| made[stage.outputs.iter().position(|p| p.name == name)?].as_ref())
    })?;
    let affine = source.shape()?.affine?;
    let dims = source.shape()?.dims.clone();
    let dims = dims[dims.len().saturating_sub(3)..].to_vec();
    let dtype = match kind {
        Kind::Mask => DType::U8,
        Kind::Labels => DType::U32, // the largest it may be
        Kind::Probs => DType::F32,
        _ => like.and_then(Described::dtype).unwrap_or(DType::F32),
    };
    Some(Described::of_shape(Shape { kind, unit, dtype, dims, affine: Some(affine) }))
}

/// Services that note what a stage says it will make.
struct Notes<'a> {
    inputs: &'a [Vec<Arc<Value>>],
    outputs: Mutex<Vec<Option<Described>>>,
    /// Threads that a run would have; the plan itself has one.
    max_threads: u32,
}

impl Notes<'_> {
    fn note(&self, port: u32, described: Described) -> ichor_status {
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        match outputs.get_mut(port as usize) {
            Some(slot @ None) => {
                *slot = Some(described);
                ICHOR_OK
            }
            _ => ICHOR_BAD_PARAMS,
        }
    }
}

impl Services for Notes<'_> {
    fn new_tensor(&self, port: u32, shape: Shape) -> Result<Value, ichor_status> {
        check_shape(&shape).map_err(|_| ICHOR_BAD_PARAMS)?;
        let described = Described::of_shape(shape);
        match self.note(port, described.clone()) {
            ICHOR_OK => Ok(Value::planned(described)),
            status => Err(status),
        }
    }

    fn forward(&self, out: u32, input: u32) -> ichor_status {
        match self.inputs.get(input as usize).and_then(|p| p.first()) {
            Some(value) => self.note(out, value.described()),
            None => ICHOR_BAD_PARAMS,
        }
    }

    fn emit_bytes(&self, port: u32, kind: ichor_kind, _: &[u8]) -> ichor_status {
        kind_from_code(kind).map_or(ICHOR_BAD_PARAMS, |kind| self.note(port, Described::of_bytes(kind)))
    }

    fn write_blob(&self, port: u32, _: u64, _: &[u8]) -> ichor_status {
        let blob = Described::of_bytes(Kind::Blob);
        let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let is_begun = outputs.get(port as usize).is_some_and(|slot| slot.as_ref() == Some(&blob));
        drop(outputs);
        if is_begun { ICHOR_OK } else { self.note(port, blob) }
    }

    fn read_blob(&self, _: u32, _: u64, _: &mut [u8]) -> ichor_status {
        ICHOR_UNSUPPORTED
    }

    fn set_meta(&self, _: u32, _: &str) -> ichor_status {
        ICHOR_OK
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn progress(&self, _: f64, _: &str) {}

    fn log(&self, _: i32, _: &str) {}

    fn max_threads(&self) -> u32 {
        self.max_threads
    }

    fn parallel_for(&self, n: u64, _: u64, body: ichor_body, user: *mut c_void) {
        // SAFETY: the plugin keeps `user` alive for the call.
        unsafe { body(user, 0, n) };
    }
}
