//! What a stage in a worker process may use.

/// Limits of one stage; they are kept in a worker process only.
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
