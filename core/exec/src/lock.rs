//! `ichor.lock`: the plugins and model files that a pipeline may use, by their SHA-256.

use crate::sums::Sums;
use ichor_host::PluginFile;
use ichor_spec::Plan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The file's name, beside the pipelines that it is for.
pub const LOCK_FILE: &str = "ichor.lock";

/// What may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Format of the file, 1.
    pub ichor: u32,
    /// SHA-256 of plugin files by plugin name.
    pub plugins: BTreeMap<String, String>,
    /// SHA-256 of files that pipelines name themselves, such as models, by path as written there.
    pub files: BTreeMap<String, String>,
}

impl Lock {
    /// What a plan uses: its plugins, and its files except those that are bound to inputs of the pipeline.
    #[must_use]
    pub fn of(plan: &Plan, plugins: &[PluginFile], sums: &Sums) -> Self {
        let mut lock = Self { ichor: 1, ..Self::default() };
        for (index, sum) in &sums.plugins {
            lock.plugins.insert(plugins[*index].manifest.name.clone(), sum.clone());
        }
        for (stage, files) in plan.stages.iter().zip(&sums.files) {
            for ((_, path), (_, sum)) in stage.input_files.iter().zip(files) {
                if plan.inputs.iter().all(|i| i.value != *path) {
                    lock.files.insert(path.clone(), sum.clone());
                }
            }
        }
        lock
    }

    /// Reads a lock file.
    ///
    /// # Errors
    /// It is not there or no lock file of this format.
    pub fn read(path: &Path) -> io::Result<Self> {
        let lock: Self = serde_json::from_slice(&std::fs::read(path)?)?;
        if lock.ichor == 1 {
            Ok(lock)
        } else {
            Err(io::Error::other(format!("its format is {}, not 1", lock.ichor)))
        }
    }

    /// Adds what another lock allows, which replaces entries of the same name.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.plugins.extend(other.plugins);
        self.files.extend(other.files);
        self
    }

    /// Writes the file, complete or not at all.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    }

    /// Refuses what `used` has and this lock does not allow, in one sentence.
    ///
    /// # Errors
    /// The sentence.
    pub fn allows(&self, used: &Self) -> Result<(), String> {
        for (what, mine, theirs) in
            [("plugin", &self.plugins, &used.plugins), ("file", &self.files, &used.files)]
        {
            for (name, sum) in theirs {
                match mine.get(name) {
                    Some(allowed) if allowed == sum => {}
                    Some(allowed) => {
                        return Err(format!(
                            "{what} {name} has SHA-256 {sum}, {LOCK_FILE} allows {allowed}; find out why it changed, \
                             then run `ichor lock` to allow it"
                        ));
                    }
                    None => {
                        return Err(format!(
                            "{what} {name} (SHA-256 {sum}) is not in {LOCK_FILE}; run `ichor lock` to allow it"
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_locked_is_allowed() {
        let entry = |name: &str, sum: &str| BTreeMap::from([(name.to_owned(), sum.to_owned())]);
        let lock = Lock { ichor: 1, plugins: entry("p", "aa"), files: entry("model.safetensors", "bb") };
        assert!(lock.allows(&lock).is_ok());
        let other = Lock { plugins: entry("p", "cc"), ..lock.clone() };
        assert!(lock.allows(&other).unwrap_err().contains("plugin p has SHA-256 cc, ichor.lock allows aa"));
        let other = Lock { files: entry("x", "bb"), ..lock.clone() };
        assert!(lock.allows(&other).unwrap_err().contains("file x (SHA-256 bb) is not in ichor.lock"));
        let dir = tempfile::tempdir().unwrap();
        lock.write(&dir.path().join(LOCK_FILE)).unwrap();
        assert_eq!(Lock::read(&dir.path().join(LOCK_FILE)).unwrap(), lock);
        std::fs::write(dir.path().join(LOCK_FILE), r#"{"ichor":2,"plugins":{},"files":{}}"#).unwrap();
        assert!(Lock::read(&dir.path().join(LOCK_FILE)).is_err());
    }
}
