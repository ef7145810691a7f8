//! Convolutional networks: a 3D U-Net that segments, and its training.
#![forbid(unsafe_code)]

mod card;
mod checkpoint;
mod curve;
mod device;
mod model;
mod occupied;
mod patches;
mod segment_unet3d;
mod tiles;
mod train_unet3d;
mod window;

pub use segment_unet3d::SegmentUnet3d;
pub use train_unet3d::TrainUnet3d;

ichor_sdk::plugin!(SegmentUnet3d, TrainUnet3d);
