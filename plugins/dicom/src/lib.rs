//! CT series in DICOM: from the files of a scanner to a volume, and a look at whether it is fit for use.
//!
//! Files come from anywhere, so the reader believes nothing: lengths are compared with the bytes that are there
//! before memory is asked for, and decoders of compressed pixels see only images whose size has been compared.
//! Only the attributes in `tags.rs` are read, and none of them names a patient.
#![forbid(unsafe_code)]

mod codec;
mod dataset;
mod element;
mod fault;
mod file;
mod files;
mod findings;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod head;
mod header;
mod histogram;
mod identity;
mod inspect_ct;
mod jpeg;
mod jpeg2000;
mod jpegls;
mod judge;
mod kernel;
mod layout;
mod load_dicom;
mod noise;
mod pixel;
mod place;
mod read;
mod resample;
mod rle;
#[cfg(test)]
mod samples;
mod save_dicom_seg;
mod segmentation;
mod series;
mod slice;
mod slice_table;
mod source_slices;
mod tags;
mod values;
mod voxels;

pub use inspect_ct::InspectCt;
pub use load_dicom::LoadDicom;
pub use save_dicom_seg::SaveDicomSeg;

ichor_sdk::plugin!(LoadDicom, InspectCt, SaveDicomSeg);
