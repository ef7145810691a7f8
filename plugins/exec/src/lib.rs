//! Any program as a stage: a lab's script, an existing tool, a container.
#![forbid(unsafe_code)]
#![allow(clippy::duplicated_attributes, reason = "ports may be of the same kind")]

#[macro_use]
mod task;
mod call;
mod convert;
mod exec_doc;
mod exec_image;
mod exec_table;
mod group;
mod guard;
mod nifti_read;
mod nifti_write;
mod placeholders;
mod printed;
mod process;
mod tsv;

pub use exec_doc::ExecDoc;
pub use exec_image::ExecImage;
pub use exec_table::ExecTable;

ichor_sdk::plugin!(ExecImage, ExecTable, ExecDoc);
