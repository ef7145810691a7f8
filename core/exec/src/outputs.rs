//! Results on disk: all of them complete, or none.

use crate::leftover::{is_left, mine};
use crate::record::{OutputRecord, RunRecord, hex};
use ichor_host::Value;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A directory that gets a run's files at its end, each by a rename.
pub(crate) struct OutputDir {
    dir: PathBuf,
    staging: TempDir,
}

/// Prefix of the staging folders inside an output directory.
const STAGING: &str = ".ichor-tmp-";

impl OutputDir {
    /// Makes `dir` and a staging folder in it (the same file system, so that renames are atomic). Done
    /// before any stage runs, so that a directory that cannot be written costs nobody an hour.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        sweep(dir)?;
        let staging = tempfile::Builder::new().prefix(&mine(STAGING)).tempdir_in(dir)?;
        Ok(Self { dir: dir.to_owned(), staging })
    }

    /// The staging folder.
    pub(crate) fn staging(&self) -> &Path {
        self.staging.path()
    }

    /// Puts a value's file into the staging folder: the one that it is kept in, or a copy.
    pub(crate) fn stage(&self, name: &str, file: String, value: &Value) -> io::Result<OutputRecord> {
        let path = self.staging.path().join(&file);
        let is_there = value.link(&path);
        let mut out = if is_there { File::open(path)? } else { File::create(path)? };
        let (mut sum, mut bytes) = (Sha256::new(), 0);
        for part in value.parts() {
            if !is_there {
                out.write_all(&part)?;
            }
            sum.update(&part);
            bytes += part.len() as u64;
        }
        out.sync_all()?;
        Ok(OutputRecord { name: name.to_owned(), bytes, sha256: hex(&sum.finalize()), file })
    }

    /// Renames the staged files into place, the record last: it vouches for the others.
    pub(crate) fn publish(self, record: &RunRecord) -> io::Result<()> {
        let staged = self.staging.path();
        let done = record.status == "done";
        let name = if done { "run.json" } else { "failed-run.json" };
        let mut text = serde_json::to_string_pretty(record).map_err(io::Error::other)?;
        text.push('\n');
        let mut out = File::create(staged.join(name))?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        if done {
            // While files are exchanged there is no record: a kill here leaves files without a voucher, not a
            // voucher for other files.
            remove(&self.dir.join("run.json"))?;
            for output in &record.outputs {
                fs::rename(staged.join(&output.file), self.dir.join(&output.file))?;
            }
            remove(&self.dir.join("failed-run.json"))?;
        }
        fs::rename(staged.join(name), self.dir.join(name))?;
        File::open(&self.dir)?.sync_all()
    }
}

/// Removes what runs left in `dir` that were killed on this machine.
///
/// # Errors
/// The folder cannot be read.
pub fn sweep(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)?.flatten() {
        if entry.file_name().to_str().is_some_and(|name| is_left(name, STAGING)) {
            // Another run may do the same.
            let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
        }
    }
    Ok(())
}

/// Writes a file under a temporary name beside it, then renames it.
///
/// # Errors
/// The folder or file cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(&mine(STAGING)).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_spec::Kind;

    #[test]
    fn nothing_appears_before_publish_and_nothing_temporary_stays() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("a/b");
        let out = OutputDir::open(&dir).unwrap();
        let value = Value::from_bytes(Kind::Blob, *b"abc");
        let record = out.stage("mask", "mask.nii.gz".into(), &value).unwrap();
        // SHA-256 of "abc": FIPS 180-2, appendix B.1.
        assert_eq!(record.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(!dir.join("mask.nii.gz").exists());
        drop(out);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    }
}
