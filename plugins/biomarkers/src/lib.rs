//! Measurements of haematomas. Each stage has a file of its own; what they share lies beside them:
//! `lesion` (voxels of a lesion), `hull` and `diameter` (outlines and largest distances), `plane` (axial
//! slices in millimetres), `abc2`, `bounds` and `density` (patches within a haematoma and the signs they make).
#![forbid(unsafe_code)]

mod abc2;
mod biomarker_expansion;
mod biomarker_heterogeneity;
mod bounds;
mod compare_followup;
mod density;
mod diameter;
mod hull;
mod lesion;
mod measure_volume;
mod plane;

pub use biomarker_expansion::BiomarkerExpansion;
pub use biomarker_heterogeneity::BiomarkerHeterogeneity;
pub use compare_followup::CompareFollowup;
pub use measure_volume::MeasureVolume;

ichor_sdk::plugin!(BiomarkerExpansion, BiomarkerHeterogeneity, CompareFollowup, MeasureVolume);
