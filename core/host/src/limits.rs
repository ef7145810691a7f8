//! What a stage in a worker process may use: as pipelines say it.

pub use ichor_spec::Limits;
