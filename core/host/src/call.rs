//! Calls a stage: create, run, destroy.

use crate::job::StageError;
use crate::library::Loaded;
use crate::services::{Services, State};
use crate::value::Value;
use ichor_abi::*;
use std::sync::Arc;

/// An instance of a stage; destroyed when dropped.
struct Instance<'a> {
    plugin: &'a Loaded,
    stage: *mut ichor_stage,
}

impl<'a> Instance<'a> {
    fn new(plugin: &'a Loaded, id: &str, params: &str) -> Result<Self, StageError> {
        let mut stage = std::ptr::null_mut();
        // SAFETY: strings and `stage` are valid for the call.
        StageError::catch(|err| unsafe {
            (plugin.create)(ichor_str::new(id), ichor_str::new(params), &raw mut stage, err)
        })?;
        if stage.is_null() {
            return Err(StageError::new(
                ICHOR_INTERNAL,
                "a bug in the plugin: it made no instance of the stage",
            ));
        }
        Ok(Self { plugin, stage })
    }
}

impl Drop for Instance<'_> {
    fn drop(&mut self) {
        // SAFETY: made by create() and not used afterwards.
        unsafe { (self.plugin.destroy)(self.stage) };
    }
}

/// Runs a stage of a loaded plugin once, in this process.
pub(crate) fn call(
    plugin: &Loaded,
    (id, params): (&str, &str),
    seed: u64,
    inputs: &[Vec<Arc<Value>>],
    services: &dyn Services,
) -> Result<(), StageError> {
    let instance = Instance::new(plugin, id, params)?;
    let state = State::new(services, inputs);
    let table = state.table(seed);
    // SAFETY: `table` and what it points to live until run() has returned; the instance is used by this
    // thread alone.
    StageError::catch(|err| unsafe { (plugin.run)(instance.stage, &raw const table, err) })
}

/// Asks a stage what a run on these inputs, whose bytes are unknown, would make and need.
pub(crate) fn plan(
    plugin: &Loaded,
    (id, params): (&str, &str),
    seed: u64,
    inputs: &[Vec<Arc<Value>>],
    services: &dyn Services,
) -> Result<ichor_plan, StageError> {
    let Some(plan) = plugin.plan else {
        return Err(StageError::new(ICHOR_UNSUPPORTED, "the plugin does not plan"));
    };
    let instance = Instance::new(plugin, id, params)?;
    let state = State::new(services, inputs);
    let table = state.table(seed);
    let mut out = ichor_plan {
        size: size_of::<ichor_plan>() as u32,
        reserved: 0,
        scratch_bytes: 0,
        device_bytes: 0,
        relative_cost: 0.0,
    };
    // SAFETY: as in `call`.
    StageError::catch(|err| unsafe { plan(instance.stage, &raw const table, &raw mut out, err) })?;
    Ok(out)
}
