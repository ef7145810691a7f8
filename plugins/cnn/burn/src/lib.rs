//! The 3D U-Net in Burn: [`Unet`] on any backend, and on NVIDIA GPUs [`cuda`].
//!
//! A crate of its own, so that the code for GPUs, which takes minutes to compile, is compiled once.
#![forbid(unsafe_code)]

#[cfg(feature = "cuda")]
pub mod cuda;
mod network;

pub use network::{Unet, image, numbers};
