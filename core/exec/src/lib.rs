//! Runs a plan: order, parallelism, outputs on disk, run record.

#![forbid(unsafe_code)]

mod cache;
mod content;
mod forecast;
mod key;
mod leftover;
mod lock;
mod outputs;
mod record;
mod run;
mod schedule;
mod sums;

pub use cache::Cache;
pub use forecast::{RunForecast, StageForecast, forecast};
pub use key::{Parts, difference};
pub use lock::{LOCK_FILE, Lock};
pub use outputs::{sweep, write_whole};
pub use record::{FileRecord, OutputRecord, PluginRecord, RunRecord, StageRecord, StageState};
pub use run::{Isolation, Request, RunError, pipeline_files, read_sums, run, workers};
pub use schedule::Observer;
pub use sums::Sums;
