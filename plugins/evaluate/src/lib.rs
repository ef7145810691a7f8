//! Masks against references, cohorts summed up, methods compared. Each stage has a file of its own; what a metric or
//! a test is made of lies beside them, one idea a file.
#![forbid(unsafe_code)]
#![allow(clippy::duplicated_attributes, reason = "ports may be of the same kind")]

mod cohort;
mod compare_methods;
mod convention;
mod directed;
mod distances;
mod evaluate_segmentation;
mod grids;
mod lesions;
mod load_table;
mod metric;
mod nearest;
mod overlap;
mod plot;
mod quantile;
mod sheet;
mod statistics;
mod summarise_cohort;
mod surface;
mod surfel_table;
mod surfels;
mod table_file;
mod window;

pub use compare_methods::CompareMethods;
pub use evaluate_segmentation::EvaluateSegmentation;
pub use load_table::LoadTable;
pub use summarise_cohort::SummariseCohort;

ichor_sdk::plugin!(EvaluateSegmentation, SummariseCohort, CompareMethods, LoadTable);
