//! Plugins: found, checked, loaded, called, and kept from harming anything.
//!
//! A plugin's manifest is read without running it ([`find_plugins`]). A stage runs in this process or, by
//! the same contract, in a process of its own ([`Host::run`]); either way every output lies in memory of
//! this host, is checked against what the manifest promises, and never moves.

mod budget;
mod buffer;
mod call;
pub mod conformance;
mod discover;
mod forecast;
mod heap;
mod job;
mod library;
mod limits;
mod outputs;
mod parallel;
mod pool;
mod scratch;
mod services;
mod shared;
mod spool;
mod value;
mod wire;
mod worker;
mod worker_main;

pub use budget::{Budget, Token};
pub use discover::{PluginDir, PluginFile, find_plugins, find_plugins_anywhere, read_plugin};
pub use forecast::{Forecast, Question};
pub use job::{Host, HostOptions, Job, Outcome, Sink, StageError};
pub use limits::Limits;
pub use outputs::where_they_differ;
pub use pool::BufferPool;
pub use value::{DType, Described, Value};
pub use worker_main::worker_main;
