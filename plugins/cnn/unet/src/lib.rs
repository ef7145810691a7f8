//! Inference of Ichor's 3D U-Net on the CPU: [`Architecture`] and [`Weights`] in, probabilities out.
//!
//! One [`Engine`] holds the weights, packed for one instruction set; [`Engine::infer`] runs a tile on the threads
//! that its caller lends. Values do not depend on the number of threads, nor on the tile that a voxel is computed
//! in when tiles start at multiples of [`Architecture::alignment`].
#![deny(unsafe_op_in_unsafe_fn)]

mod architecture;
mod engine;
mod isa;
mod kernel;
mod pack;
#[cfg(test)]
mod reference;
mod weights;

pub use architecture::{Architecture, Layer, Size};
pub use engine::{Engine, Stop};
pub use isa::{Isa, Precision};
pub use weights::{Convolution, Norm, Weights};

#[cfg(test)]
mod tests;
