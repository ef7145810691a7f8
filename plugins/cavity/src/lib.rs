//! The cranial cavity: registration of atlases, their fusion, a level set, and checks of what came out.
#![forbid(unsafe_code)]

mod apply_transform;
pub mod atlas;
mod build_atlas;
mod cavity_atlas;
mod cavity_qc;
mod enclosure;
mod fuse_labels;
mod input;
mod levelset;
mod quality;
mod refine_levelset;
pub mod register;
pub mod segment;
pub mod spline;
pub mod transform;
pub mod transform_file;
pub mod warp;

pub use apply_transform::ApplyTransform;
pub use build_atlas::BuildAtlas;
pub use cavity_atlas::CavityAtlas;
pub use cavity_qc::CavityQc;
pub use fuse_labels::FuseLabels;
pub use refine_levelset::RefineLevelset;
pub use register::Register;

ichor_sdk::plugin!(Register, ApplyTransform, RefineLevelset, FuseLabels, CavityQc, BuildAtlas, CavityAtlas);
