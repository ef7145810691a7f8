//! Results for people: tables as files, and pictures to look at.
#![forbid(unsafe_code)]
#![allow(clippy::duplicated_attributes, reason = "ports may be of the same kind")]

mod canvas;
mod contour;
mod extent;
mod font;
mod footer;
mod frame;
mod ink;
mod merge;
mod mosaic;
mod palette;
mod picture;
mod plane;
mod png_file;
mod ruler;
mod save_table;
mod scene;
mod select;
mod slice;
mod table_json;
mod tile;
mod tsv;
mod values;
mod window;

pub use picture::Picture;
pub use save_table::SaveTable;

ichor_sdk::plugin!(SaveTable, Picture);
