//! Geometry and the numeric building blocks of medical images: pure functions, no input or output.
//!
//! Arrays are dense with x fastest: voxel (i, j, k) of a grid of shape `[nx, ny, nz]` is element
//! `i + nx * (j + ny * k)`. World space is RAS+ in millimetres. A mask is 0 or not 0 on the way in, 0 or 1 on
//! the way out. Functions panic when an array has not the length that its shape says: that is a bug of the
//! caller, never of a file.
#![forbid(unsafe_code)]

pub mod blocks;
pub mod bounds;
pub mod bspline;
pub mod components;
pub mod distance;
pub mod enclosure;
pub mod filter;
pub mod geometry;
pub mod holes;
pub mod labels;
pub mod morphology;
pub mod narrowing;
pub mod parallel;
mod permute;
pub mod random;
pub mod regrid;
pub mod resample;
mod runs;
mod stack;
#[cfg(test)]
mod testing;
pub mod turn;
pub mod upright;

pub use blocks::{average_blocks, block_grid};
pub use bounds::{Bounds, bounding_box};
pub use components::{Clusters, Components, Connectivity, components, largest_component};
pub use distance::distance_to;
pub use enclosure::enclosure;
pub use filter::{gaussian, gaussian_in_place};
pub use geometry::{Affine, GeometryError, Grid};
pub use holes::{fill_holes, fill_holes_slices};
pub use labels::resample_labels;
pub use morphology::{close, dilate, erode, open};
pub use narrowing::cut_below_narrowing;
pub use parallel::{Parallel, Serial};
pub use random::Random;
pub use resample::{Interpolation, Profile, Resampling, resample, resample_into};
pub use turn::Turn;
pub use upright::upright;
