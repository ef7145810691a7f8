//! Measurements of haematomas. Each stage has a file of its own; what they share lies beside them:
//! `lesion` (voxels of a lesion), `mesh` (its surface), `hull`, `hull3` and `diameter` (outlines and largest distances),
//! `plane` (axial slices in millimetres), `abc2`, `bounds`, `density` (patches within a haematoma and their signs)
//! and `fragile` (which measurements break in thick slices or noise).
#![forbid(unsafe_code)]

mod abc2;
mod biomarker_expansion;
mod biomarker_heterogeneity;
mod biomarker_irregularity;
mod bounds;
mod compare_followup;
mod density;
mod diameter;
mod fragile;
mod hull;
mod hull3;
mod lesion;
mod measure_volume;
mod mesh;
mod plane;
mod radiomics;

pub use biomarker_expansion::BiomarkerExpansion;
pub use biomarker_heterogeneity::BiomarkerHeterogeneity;
pub use biomarker_irregularity::BiomarkerIrregularity;
pub use compare_followup::CompareFollowup;
pub use measure_volume::MeasureVolume;
pub use radiomics::Radiomics;

ichor_sdk::plugin!(
    BiomarkerExpansion,
    BiomarkerHeterogeneity,
    BiomarkerIrregularity,
    CompareFollowup,
    MeasureVolume,
    Radiomics
);
