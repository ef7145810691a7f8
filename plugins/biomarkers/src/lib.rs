//! Measurements of haematomas. Each stage has a file of its own; what they share lies beside them:
//! `lesion` (voxels of a lesion), `hull` and `diameter` (outlines and largest distances), `plane` (axial
//! slices in millimetres), `abc2` and `bounds`.
#![forbid(unsafe_code)]

mod abc2;
mod biomarker_irregularity;
mod bounds;
mod diameter;
mod hull;
mod hull3;
mod lesion;
mod measure_volume;
mod mesh;
mod plane;
mod radiomics;

pub use biomarker_irregularity::BiomarkerIrregularity;
pub use measure_volume::MeasureVolume;
pub use radiomics::Radiomics;

ichor_sdk::plugin!(BiomarkerIrregularity, MeasureVolume, Radiomics);
