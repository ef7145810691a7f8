//! Runs a plan: order, parallelism, outputs on disk, run record.

#![forbid(unsafe_code)]

mod cache;
mod content;
mod key;
mod outputs;
mod record;
mod run;
mod schedule;

pub use cache::Cache;
pub use key::{Parts, difference};
pub use record::{FileRecord, OutputRecord, PluginRecord, RunRecord, StageRecord, StageState};
pub use run::{Isolation, Request, RunError, run};
pub use schedule::Observer;
