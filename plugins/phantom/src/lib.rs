//! Synthetic head CTs with their truth, and haematomas put into real ones.
#![forbid(unsafe_code)]

mod base;
mod calcification;
mod cavity;
mod cerebrum;
mod clot;
mod draw;
mod dura;
mod face;
mod frame;
mod haematoma;
mod head;
mod hindbrain;
mod holder;
mod insert_haematoma;
mod kernel;
mod lesion;
mod look_alikes;
mod orbit;
mod outline;
mod phantom_head;
mod place;
mod pose;
mod sampling;
mod scalp;
mod scanner;
mod shapes;
mod skull;
mod star;
mod streaks;
mod subject;
mod texture;
mod truth;
mod vector;
mod ventricles;
mod vessels;

pub use insert_haematoma::InsertHaematoma;
pub use phantom_head::PhantomHead;

ichor_sdk::plugin!(PhantomHead, InsertHaematoma);
