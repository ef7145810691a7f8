//! Stages that change the grid of what they get, or its values to a window.
#![forbid(unsafe_code)]

mod crop;
mod outside;
mod pad;
mod put;
mod reorient;
mod resample;
mod target;
mod window;

pub use crop::Crop;
pub use pad::Pad;
pub use reorient::Reorient;
pub use resample::Resample;
pub use window::Window;

ichor_sdk::plugin!(Resample, Reorient, Crop, Pad, Window);
