//! Segmentation with 3D networks in the ONNX format, run by ONNX Runtime.
#![forbid(unsafe_code)]

mod activation;
mod blend;
mod form;
mod intensity;
mod mirror;
mod patches;
mod runtime;
mod segment_onnx;

pub use segment_onnx::SegmentOnnx;

ichor_sdk::plugin!(SegmentOnnx);
