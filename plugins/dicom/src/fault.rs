//! What is wrong with a file, before it is known which file.

use ichor_sdk::Error;

/// A sentence without its subject: "is cut off: ...". It never holds a value of the file's that is free text.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault(String);

/// What a function that looks at one file returns.
pub type Outcome<T> = Result<T, Fault>;

impl Fault {
    /// From the predicate of a sentence.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole sentence.
    pub fn of(&self, subject: &str) -> Error {
        Error::io(format!("{subject} {}", self.0))
    }

    /// The predicate.
    #[cfg(test)]
    pub fn text(&self) -> &str {
        &self.0
    }
}
