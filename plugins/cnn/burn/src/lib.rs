//! The 3D U-Net in Burn: [`Unet`] on any backend, what a patch teaches it ([`differentiate`]), and both on NVIDIA GPUs ([`cuda`]).
//!
//! A crate of its own, so that the code for GPUs, which takes minutes to compile, is compiled once.
#![forbid(unsafe_code)]

#[cfg(feature = "cuda")]
pub mod cuda;
mod gradient;
mod network;

pub use gradient::differentiate;
pub use network::{Unet, image, numbers};
