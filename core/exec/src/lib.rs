//! Runs a plan: order, parallelism, outputs on disk, run record.

#![forbid(unsafe_code)]

mod outputs;
mod record;
mod run;
mod schedule;

pub use record::{FileRecord, OutputRecord, PluginRecord, RunRecord, StageRecord, StageState};
pub use run::{Isolation, Request, RunError, run};
pub use schedule::Observer;
