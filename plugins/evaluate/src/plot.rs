//! Pictures of cohorts, as SVG.

mod axis;
mod bland_altman;
mod box_plot;
mod panels;
mod svg;

pub use bland_altman::{Pairs, bland_altman};
pub use box_plot::{Boxes, box_plots};
