//! Everything a stage plugin in Rust needs, and all of its `unsafe`.
//!
//! A stage is a struct whose fields are its parameters, ports declared as attributes, and a `run`:
//!
//! ```
//! use ichor_sdk::prelude::*;
//!
//! /// Keeps the voxels of a CT between two values.
//! #[derive(Stage)]
//! #[stage(id = "threshold", version = "1.0.0")]
//! #[input(ct, kind = "volume", unit = "HU", doc = "CT")]
//! #[output(mask, kind = "mask", grid = "ct", doc = "1 where lower <= HU <= upper")]
//! pub struct Threshold {
//!     /// Lowest value kept.
//!     #[param(default = 50.0, unit = "HU")]
//!     lower: f64,
//!     /// Highest value kept.
//!     #[param(default = 100.0, unit = "HU")]
//!     upper: f64,
//! }
//!
//! impl Run for Threshold {
//!     fn run(&self, run: &Context) -> Result<()> {
//!         let ct = run.input(Self::CT)?;
//!         let mask = run.new_mask(Self::MASK, ct.grid())?;
//!         for (out, &hu) in mask.iter_mut().zip(ct.to_f32(run).iter()) {
//!             *out = u8::from((self.lower..=self.upper).contains(&f64::from(hu)));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! ichor_sdk::plugin!(Threshold); // in lib.rs, once
//! # fn main() {}
//! ```
//!
//! The crate is a `cdylib`. `docs/tutorial-first-plugin.md` walks through one from an empty folder.

// The derive names this crate from outside.
extern crate self as ichor_sdk;

mod blob;
mod context;
mod error;
pub mod export;
mod input;
pub mod json;
mod param;
mod table;

pub use blob::Blob;
pub use context::{Context, In, InOut, Out};
pub use error::{Error, Result};
pub use export::{Declared, Entry};
#[doc(no_inline)]
pub use ichor_abi as abi;
pub use ichor_sdk_macros::{Param, Stage};
pub use input::{DType, Input, Kind, Unit, Voxel, Voxels};
pub use param::{Param, Params};
pub use table::{Cell, Column, Table};

/// What a stage does. Instances are made per run and used by one thread at a time.
pub trait Run: Send + Sync {
    /// Makes every declared output from the inputs.
    ///
    /// # Errors
    /// An [`Error`] whose sentence tells the person at the terminal what is wrong and what to do.
    fn run(&self, run: &Context) -> Result<()>;

    /// Tells, before any voxel is known, what a run would make and need: inputs have grids but no voxels, and
    /// outputs that are made here (the same calls as in `run`) are declared and have no memory.
    ///
    /// Most stages need none: the host works it out from `grid`, `like` and `bytes_per_voxel`. Stages that
    /// read files or make a grid of their own do, so that pipelines are checked before an hour is spent.
    ///
    /// # Errors
    /// What would make the run fail for certain.
    fn plan(&self, _run: &Context) -> Result<Need> {
        Err(Error::unsupported("this stage leaves planning to its manifest"))
    }
}

/// What a run needs besides its inputs and outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Need {
    /// Most memory of its own at once, in bytes; 0 leaves it to the manifest's `bytes_per_voxel`.
    pub scratch_bytes: u64,
    /// Memory on a device, in bytes.
    pub device_bytes: u64,
}

/// One `use` for a stage's file.
pub mod prelude {
    pub use crate::{
        Blob, Cell, Column, Context, DType, Error, Input, Kind, Need, Param, Result, Run, Stage, Table, Unit,
        Voxel, Voxels,
    };
    pub use ichor_image::parallel::{for_each_chunk, map_ranges};
    pub use ichor_image::{Affine, Grid, Parallel};
}
