//! The files of a source, and what each of them holds.
//!
//! A file's name may name the patient: messages call a file by its place in the order of names.

use crate::fault::{Fault, Outcome};
use crate::file::{HEAD, is_dicom};
use crate::header::{self, Aside, Content};
use ichor_sdk::prelude::*;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The most files in a source, folders in folders, and bytes in a file.
const FILES: usize = 200_000;
const DEEPEST: usize = 32;
const BYTES: u64 = 4 << 30;
/// Files that are looked at between two questions whether to go on.
const BATCH: usize = 64;

/// Files in the order of their paths.
pub struct Files {
    paths: Vec<PathBuf>,
    /// The source, where it is one file.
    alone: Option<String>,
}

impl Files {
    /// A file, or all files in a folder and its folders. Names that begin with a dot are passed over, and so are links
    /// to folders.
    pub fn list(source: &str) -> Result<Self> {
        let path = Path::new(source);
        let cannot = |e: std::io::Error| Error::io(format!("`{source}` cannot be opened: {}", e.kind()));
        if !fs::metadata(path).map_err(cannot)?.is_dir() {
            return Ok(Self { paths: vec![path.to_owned()], alone: Some(source.to_owned()) });
        }
        let mut paths = Vec::new();
        let mut pending = vec![(path.to_owned(), 0)];
        while let Some((folder, depth)) = pending.pop() {
            for entry in fs::read_dir(&folder).map_err(cannot)? {
                let entry = entry.map_err(cannot)?;
                if entry.file_name().as_encoded_bytes().first() == Some(&b'.') {
                    continue;
                }
                let ty = entry.file_type().map_err(cannot)?;
                if ty.is_dir() && depth < DEEPEST {
                    pending.push((entry.path(), depth + 1));
                } else if ty.is_file()
                    || (ty.is_symlink() && fs::metadata(entry.path()).is_ok_and(|m| m.is_file()))
                {
                    paths.push(entry.path());
                }
            }
            if paths.len() > FILES {
                return Err(Error::bad_input(format!(
                    "`{source}` holds more than {FILES} files; name the folder of one scan"
                )));
            }
        }
        if paths.is_empty() {
            return Err(Error::bad_input(format!("`{source}` is a folder without files")));
        }
        paths.sort_unstable();
        Ok(Self { paths, alone: None })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// What to call a file: its path only if the user typed it.
    pub fn name(&self, file: usize) -> String {
        match &self.alone {
            Some(source) => format!("`{source}`"),
            None => format!("file {} of {} (in the order of their names)", file + 1, self.len()),
        }
    }

    /// All bytes of a file.
    pub fn read(&self, file: usize) -> Outcome<Vec<u8>> {
        let cannot = |e: std::io::Error| Fault::new(format!("cannot be read: {}", e.kind()));
        let path = self.paths.get(file).ok_or_else(|| Fault::new("is not there"))?;
        if fs::metadata(path).map_err(cannot)?.len() > BYTES {
            return Err(Fault::new("is larger than 4 GiB, which is not read here"));
        }
        fs::read(path).map_err(cannot)
    }

    /// What every file holds, without pixels. The first that is DICOM and cannot be read is an error.
    pub fn contents(&self, run: &Context) -> Result<Vec<Content>> {
        let mut out = Vec::with_capacity(self.len());
        for begin in (0..self.len()).step_by(BATCH) {
            run.check_cancelled()?;
            run.progress(0.3 * begin as f64 / self.len() as f64, "reading headers");
            let n = BATCH.min(self.len() - begin);
            let batch = map_ranges(run, n, 1, &|range| self.content(begin + range.start));
            for (n, content) in batch.into_iter().enumerate() {
                out.push(content.map_err(|fault| fault.of(&self.name(begin + n)))?);
            }
        }
        Ok(out)
    }

    fn content(&self, file: usize) -> Outcome<Content> {
        let path = self.paths.get(file).ok_or_else(|| Fault::new("is not there"))?;
        let mut head = Vec::with_capacity(HEAD);
        File::open(path)
            .and_then(|f| f.take(HEAD as u64).read_to_end(&mut head))
            .map_err(|e| Fault::new(format!("cannot be read: {}", e.kind())))?;
        if !is_dicom(&head) {
            if self.alone.is_some() || claims_dicom(path) {
                return Err(Fault::new("is no DICOM file: the mark at its beginning is missing"));
            }
            return Ok(Content::Aside { what: Aside::NotDicom, series: String::new() });
        }
        header::read(&self.read(file)?, file)
    }
}

/// Whether a file's name says that it is DICOM.
fn claims_dicom(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    ["dcm", "dicom", "ima"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}
