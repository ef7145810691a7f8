//! Pipeline files: YAML text → [`Spec`] (as written) → [`Plan`] (resolved and typed). Only a [`Plan`] runs.
//!
//! ```
//! use ichor_spec::{Catalogue, Options, PluginManifest};
//!
//! let manifest = br#"{"ichor":1,"name":"demo","version":"0.1.0","stages":[
//!   {"id":"make","version":"1.0.0","outputs":[{"name":"text","kind":["doc"]}]}]}"#;
//! let mut catalogue = Catalogue::new();
//! catalogue.add(PluginManifest::parse(manifest)?);
//!
//! let text = "ichor: 1\nstages: {hello: {use: make}}\noutputs: {greeting: hello.text}\n";
//! let spec = ichor_spec::parse("hello.yaml", text)?;
//! let plan = ichor_spec::resolve(&spec, &catalogue, &Options::default())?;
//! assert_eq!(plan.stages[0].name, "hello");
//!
//! let typo = ichor_spec::parse("hello.yaml", &text.replace("make", "mkae"))?;
//! let error = ichor_spec::resolve(&typo, &catalogue, &Options::default()).unwrap_err();
//! assert_eq!(error.to_string(), "hello.yaml:2:23: no plugin offers a stage `mkae`; did you mean `make`?");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`compose`] reads what is made of several files; [`json_schema`] describes pipeline files to editors.
//!
//! Nothing here opens a file, loads a plugin or prints.

#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod graph;
pub mod manifest;
mod params;
pub mod plan;
mod schema;
pub mod size;
pub mod spec;
pub mod voxels;
mod yaml;

pub use diagnostic::{Diagnostic, Diagnostics, printable};
pub use manifest::{Catalogue, Kind, PluginManifest, PortDecl, StageManifest, Unit};
pub use params::{describe_parameter, describe_parameter_type};
pub use plan::{Options, Override, Plan, PlannedInput, PlannedOutput, PlannedStage, Source, resolve};
pub use schema::json_schema;
pub use spec::{Limits, Read, Spec, compose, parse};
pub use voxels::{Rule, VoxelForm, VoxelRules};
pub use yaml::{MAX_DOCUMENT_BYTES, Node, Position, Spanned};
