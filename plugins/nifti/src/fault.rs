//! What is wrong with a file, before it is known which file.

use ichor_sdk::Error;

/// A sentence without its subject: "is cut off: ...". The subject is the file's path.
#[derive(Debug)]
pub struct Fault {
    make: fn(String) -> Error,
    text: String,
}

impl Fault {
    /// The file cannot be read.
    pub fn io(text: impl Into<String>) -> Self {
        Self { make: |text| Error::io(text), text: text.into() }
    }

    /// The file is sound and holds something else than was asked for, or what Ichor does not read.
    pub fn content(text: impl Into<String>) -> Self {
        Self { make: |text| Error::bad_input(text), text: text.into() }
    }

    /// A parameter does not fit the file.
    pub fn parameter(text: impl Into<String>) -> Self {
        Self { make: |text| Error::bad_params(text), text: text.into() }
    }

    /// The file needs more memory than there is.
    pub fn memory(bytes: u64) -> Self {
        let text =
            format!("needs {:.1} GiB of memory, which are not free", bytes as f64 / (1u64 << 30) as f64);
        Self { make: |text| Error::out_of_memory(text), text }
    }

    /// The run was asked to stop.
    pub fn cancelled() -> Self {
        Self { make: |_| Error::cancelled(), text: String::new() }
    }

    /// The whole sentence.
    pub fn of(self, path: &str) -> Error {
        (self.make)(format!("`{path}` {}", self.text))
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::io(format!("cannot be read: {error}"))
    }
}

#[cfg(test)]
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
