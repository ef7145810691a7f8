//! Training of Ichor's 3D U-Net on the CPU: [`Trainer`] takes patches one at a time and changes its weights.
//!
//! Results do not depend on the number of threads. Burn's network trains on GPUs; on a CPU its step takes about five
//! times as long as this one.
#![deny(unsafe_op_in_unsafe_fn)]

mod conv;
mod kernel;
mod map;
mod norm;
mod scale;
mod trainer;

pub use map::Map;
pub use trainer::{Dropping, Learned, Lesson, Loss, Normalise, Optimiser, Patch, Spread, Trainer};
