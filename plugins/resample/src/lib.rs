//! Stages that change the grid of what they get.
#![forbid(unsafe_code)]

mod outside;
mod resample;
mod target;

pub use resample::Resample;

ichor_sdk::plugin!(Resample);
