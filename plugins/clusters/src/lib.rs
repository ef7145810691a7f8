//! Stages that keep or drop connected clusters of a mask.
#![forbid(unsafe_code)]

mod filter_clusters;
mod numbering;

pub use filter_clusters::FilterClusters;

ichor_sdk::plugin!(FilterClusters);
