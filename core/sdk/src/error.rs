//! How a stage fails: a status and one sentence for the person at the terminal.

use ichor_abi::*;
use std::fmt;

/// What a stage's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, with the contract's status and a sentence that says what is wrong and what to do.
#[derive(Debug, Clone)]
pub struct Error {
    pub(crate) status: ichor_status,
    pub(crate) message: String,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident = $status:ident;)*) => {
        impl Error {
            $($(#[$doc])* pub fn $name(message: impl Into<String>) -> Self {
                Self { status: $status, message: message.into() }
            })*
        }
    };
}

constructors! {
    /// Parameters that passed the schema but make no sense together.
    bad_params = ICHOR_BAD_PARAMS;
    /// An input has the wrong kind, dtype, geometry or content.
    bad_input = ICHOR_BAD_INPUT;
    /// A correct request that this build or machine cannot serve.
    unsupported = ICHOR_UNSUPPORTED;
    /// Not enough memory.
    out_of_memory = ICHOR_OUT_OF_MEMORY;
    /// A file could not be read.
    io = ICHOR_IO;
    /// A bug in the stage, noticed by the stage.
    internal = ICHOR_INTERNAL;
}

impl Error {
    /// The run was asked to stop; not a failure.
    pub fn cancelled() -> Self {
        Self { status: ICHOR_CANCELLED, message: "cancelled".into() }
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::io(error.to_string())
    }
}

impl From<ichor_image::GeometryError> for Error {
    fn from(error: ichor_image::GeometryError) -> Self {
        Self::bad_input(error.to_string())
    }
}
