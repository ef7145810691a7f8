//! NIfTI files in and out: NIfTI-1 and -2, single files and pairs, plain and gzip.
//!
//! The `nifti` crate parses NIfTI-1 headers and names types, units and intents. Everything that touches a
//! claim of a file is checked here, because such files come from anywhere: a header that promises more than
//! the file can hold is refused before memory is asked for.
#![forbid(unsafe_code)]

mod affine;
mod convert;
mod data;
mod decode;
#[cfg(test)]
mod edge;
mod encode;
mod extension;
mod fault;
mod fields;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod gzip;
mod header;
mod load;
#[cfg(any(test, feature = "fuzzing"))]
mod memory;
#[cfg(test)]
mod mutations;
mod native;
mod nifti1;
mod nifti2;
mod save;
#[cfg(test)]
mod testing;

pub use load::LoadNifti;
pub use save::SaveNifti;

ichor_sdk::plugin!(LoadNifti, SaveNifti);
