//! Classical stages, without learning: the cranial cavity and a first segmentation by Hounsfield units.
#![forbid(unsafe_code)]

mod cavity;
mod cavity_threshold;
mod room;
mod segment_threshold;
#[cfg(test)]
mod testing;
mod threshold;
mod window;

pub use cavity_threshold::CavityThreshold;
pub use segment_threshold::SegmentThreshold;
pub use threshold::Threshold;

ichor_sdk::plugin!(CavityThreshold, SegmentThreshold, Threshold);
