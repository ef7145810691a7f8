//! One named check and what came of it.

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds; perhaps with a remark.
    Passed(Option<String>),
    /// It does not: what is wrong and what to do.
    Failed(String),
    /// It could not be tried: why.
    Skipped(String),
}

/// A check of the plugin, or of one of its stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The stage; `None` for a check of the file.
    pub stage: Option<String>,
    /// The check's name, which stays the same from version to version.
    pub name: &'static str,
    /// What came of it.
    pub verdict: Verdict,
}

impl Check {
    /// Whether it failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed(_))
    }
}

impl From<Result<(), String>> for Verdict {
    fn from(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Self::Passed(None),
            Err(why) => Self::Failed(why),
        }
    }
}
