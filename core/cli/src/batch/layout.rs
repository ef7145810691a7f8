//! Where a batch keeps what.
//!
//! `cases/CASE` (with variants `cases/CASE/VARIANT`) holds the results of a case as `ichor run` writes them; its
//! `run.json` is the only sign that it succeeded. `trouble/` has a small file for each case that did not, `group/` what
//! runs over all cases, `status.tsv` how each ended.

use ichor_exec::{sweep, write_whole};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::PathBuf;

/// Times that a case may end its process before it is set aside.
pub const ATTEMPTS: u32 = 3;

/// The folder of a batch.
pub struct Layout {
    pub out: PathBuf,
}

/// What is known of a case that did not succeed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Trouble {
    /// One sentence.
    pub reason: String,
    /// How often it ended its process.
    pub deaths: u32,
}

impl Layout {
    pub fn case(&self, case: &str, variant: Option<&str>) -> PathBuf {
        let dir = self.out.join("cases").join(case);
        variant.map_or(dir.clone(), |variant| dir.join(variant))
    }

    pub fn group(&self) -> PathBuf {
        self.out.join("group")
    }

    pub fn status(&self) -> PathBuf {
        self.out.join("status.tsv")
    }

    /// Removes what a killed batch left outside the folders of cases.
    pub fn tidy(&self) {
        for folder in [self.out.clone(), self.out.join("trouble"), self.out.join("tables")] {
            let _ = sweep(&folder); // not there yet is as good
        }
    }

    fn trouble_file(&self, case: &str, variant: Option<&str>) -> PathBuf {
        let name = variant.map_or(case.to_owned(), |variant| format!("{case}@{variant}"));
        self.out.join("trouble").join(name + ".json")
    }

    pub fn trouble(&self, case: &str, variant: Option<&str>) -> Option<Trouble> {
        serde_json::from_slice(&fs::read(self.trouble_file(case, variant)).ok()?).ok()
    }

    /// Keeps, or with `None` removes, what is known.
    pub fn set_trouble(
        &self,
        case: &str,
        variant: Option<&str>,
        trouble: Option<&Trouble>,
    ) -> io::Result<()> {
        let file = self.trouble_file(case, variant);
        match trouble {
            Some(trouble) => write_whole(&file, serde_json::to_string(trouble)?.as_bytes()),
            None => match fs::remove_file(&file) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
                _ => Ok(()),
            },
        }
    }
}
