//! Calls a stage: create, run, destroy.

use crate::job::StageError;
use crate::library::Loaded;
use crate::services::{Services, State};
use crate::value::Value;
use ichor_abi::*;
use std::sync::Arc;

/// Runs a stage of a loaded plugin once, in this process.
pub(crate) fn call(
    plugin: &Loaded,
    (id, params): (&str, &str),
    seed: u64,
    inputs: &[Vec<Arc<Value>>],
    services: &dyn Services,
) -> Result<(), StageError> {
    let mut stage = std::ptr::null_mut();
    // SAFETY: strings and `stage` are valid for the call.
    StageError::catch(|err| unsafe {
        (plugin.create)(ichor_str::new(id), ichor_str::new(params), &raw mut stage, err)
    })?;
    if stage.is_null() {
        return Err(StageError::new(ICHOR_INTERNAL, "a bug in the plugin: it made no instance of the stage"));
    }
    let state = State::new(services, inputs);
    let table = state.table(seed);
    // SAFETY: `table` and what it points to live until run() has returned; the instance is used by this
    // thread alone.
    let result = StageError::catch(|err| unsafe { (plugin.run)(stage, &raw const table, err) });
    // SAFETY: the instance is not used afterwards.
    unsafe { (plugin.destroy)(stage) };
    result
}
