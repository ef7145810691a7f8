//! A pipeline as it is written: names and values with their places, nothing looked up yet.

use crate::diagnostic::Diagnostics;
use crate::manifest::{Kind, Unit};
use crate::yaml::{Node, Position, Spanned};
use std::collections::BTreeMap;

mod compose;
mod each;
mod group;
mod overlay;
mod read;

pub use compose::{Read, compose};
pub use group::{GroupPipeline, GroupSpec, input_name as group_input};

/// The pipeline format this crate reads: the value of the key `ichor`.
pub const PIPELINE_FORMAT: u64 = 1;

/// A pipeline as written.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The file, as named to [`parse`] or [`compose`].
    pub file: String,
    /// All files that it is made of, this one first; empty in a pipeline that is a stage of another.
    pub files: Vec<String>,
    /// Its inputs that are such tables.
    pub table_inputs: Vec<String>,
    /// The pipeline's name; the file's name without extension when it gives none.
    pub name: String,
    /// What it is for.
    pub doc: String,
    /// Seed of everything random.
    pub seed: u64,
    /// What it is given.
    pub inputs: Vec<InputSpec>,
    /// Its stages in the order written.
    pub stages: Vec<StageSpec>,
    /// What it writes.
    pub outputs: Vec<OutputSpec>,
    /// What runs once over all cases of a batch.
    pub group: Option<GroupSpec>,
}

/// What kind of value an input of the pipeline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// A file of voxels.
    Volume,
    /// A file of voxels that are 0 or 1.
    Mask,
    /// A file of voxels that are labels.
    Labels,
    /// A file of voxels that are probabilities.
    Probs,
    /// A file of rows and columns.
    Table,
    /// Another file.
    File,
    /// Text.
    Text,
    /// A number.
    Number,
}

impl InputKind {
    pub(crate) const NAMES: [(&'static str, InputKind); 8] = [
        ("volume", InputKind::Volume),
        ("mask", InputKind::Mask),
        ("labels", InputKind::Labels),
        ("probs", InputKind::Probs),
        ("table", InputKind::Table),
        ("file", InputKind::File),
        ("text", InputKind::Text),
        ("number", InputKind::Number),
    ];

    /// What it carries when it is connected; None when it is a value alone.
    #[must_use]
    pub fn carries(self) -> Option<Kind> {
        match self {
            InputKind::Volume => Some(Kind::Volume),
            InputKind::Mask => Some(Kind::Mask),
            InputKind::Labels => Some(Kind::Labels),
            InputKind::Probs => Some(Kind::Probs),
            InputKind::Table => Some(Kind::Table),
            InputKind::File | InputKind::Text | InputKind::Number => None,
        }
    }

    /// Whether its value is the path of a file.
    #[must_use]
    pub fn is_path(self) -> bool {
        !matches!(self, InputKind::Text | InputKind::Number)
    }

    /// The name in pipelines.
    #[must_use]
    pub fn name(self) -> &'static str {
        InputKind::NAMES.iter().find(|(_, k)| *k == self).map_or("file", |(name, _)| name)
    }
}

/// An input of the pipeline.
#[derive(Clone, Debug)]
pub struct InputSpec {
    /// Its name.
    pub name: Spanned<String>,
    /// What it is.
    pub kind: InputKind,
    /// Unit of its voxels.
    pub unit: Option<Unit>,
    /// What it is for.
    pub doc: String,
    /// Its value when none is given; [`Node::Null`] means that it may be left out.
    pub default: Option<Spanned<Node>>,
}

/// A stage of the pipeline.
#[derive(Clone, Debug)]
pub struct StageSpec {
    /// Its name in this pipeline.
    pub name: Spanned<String>,
    /// Name of the stage with `each` of which it is a row.
    pub row_of: Option<String>,
    /// What it uses.
    pub uses: Spanned<Use>,
    /// Parameters.
    pub with: Vec<(Spanned<String>, Spanned<Node>)>,
    /// Connections of its inputs.
    pub inputs: Vec<(Spanned<String>, Connection)>,
    /// `true`: in a worker process; `false`: in this one.
    pub isolate: Option<bool>,
    /// What it may use.
    pub limits: Limits,
    /// What it is for.
    pub doc: String,
}

/// What a stage of a pipeline uses.
#[derive(Clone, Debug)]
pub enum Use {
    /// A stage of a plugin.
    Stage {
        /// Its id.
        id: String,
        /// The major, and perhaps minor, version asked for.
        version: Option<(u64, Option<u64>)>,
    },
    /// Another pipeline: its inputs and outputs are those of the stage.
    Pipeline(Box<Spec>),
}

/// What a stage may use; it is kept to it in a worker process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Wall time in seconds.
    pub seconds: Option<f64>,
    /// Memory of its own (inputs and outputs not counted) in bytes.
    pub bytes: Option<u64>,
}

impl Limits {
    /// Whether there is any.
    #[must_use]
    pub fn any(&self) -> bool {
        self.seconds.is_some() || self.bytes.is_some()
    }
}

/// What an input or output is connected to.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The ports, one unless `is_list`.
    pub from: Vec<Spanned<PortRef>>,
    /// Whether it was written as a list.
    pub is_list: bool,
    /// Where it stands.
    pub at: Position,
}

/// Where data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortRef {
    /// `stage.port`, or `stage` alone when that has one output.
    Stage {
        /// Name of the stage in the pipeline.
        stage: String,
        /// Name of its output.
        port: Option<String>,
    },
    /// `$inputs.NAME`: an input of the pipeline.
    Input(String),
}

/// An output of the pipeline.
#[derive(Clone, Debug)]
pub struct OutputSpec {
    /// Its name, and that of its file.
    pub name: Spanned<String>,
    /// What is written.
    pub from: Connection,
}

/// Reads a pipeline that is one file. `file_name` names it in errors and is not opened; use [`compose`] for
/// what is made of several.
///
/// # Errors
/// Everything that is wrong with the text itself, all at once; YAML that cannot be read is a single error.
pub fn parse(file_name: &str, text: &str) -> Result<Spec, Diagnostics> {
    compose(file_name, &[], &BTreeMap::new(), &|name| match name == file_name {
        true => Ok(text.to_owned()),
        false => Err("other files are not read here".to_owned()),
    })
}
