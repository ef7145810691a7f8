//! The run record, `run.json`: enough to know what was done, with what, to what.

use crate::key::Parts;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What a run did. Written as `run.json` when it succeeded, as `failed-run.json` when not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// Version of Ichor.
    pub ichor: String,
    /// Version of the plugin contract, `major.minor`.
    pub contract: String,
    /// For every reader of the record.
    pub notice: String,
    /// Name of the pipeline.
    pub pipeline: String,
    /// The files that the pipeline is made of: its own first, then overlays and pipelines that are stages of it.
    pub pipeline_files: Vec<FileRecord>,
    /// The command line: pipeline, inputs, changed parameters, overlays.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The folder to which its paths are relative.
    #[serde(default)]
    pub folder: String,
    /// The pipeline's seed.
    pub seed: u64,
    /// When the run began, UTC.
    pub started: String,
    /// Wall time of the whole run in seconds.
    pub seconds: f64,
    /// The thread budget.
    pub threads: usize,
    /// Highest memory use of the host process in bytes (worker processes are listed with their stages).
    pub peak_bytes: u64,
    /// `done`, `failed` or `interrupted`.
    pub status: String,
    /// Files that stages read.
    pub inputs: Vec<FileRecord>,
    /// Plugins that ran.
    pub plugins: Vec<PluginRecord>,
    /// Every stage, in execution order.
    pub stages: Vec<StageRecord>,
    /// Files written.
    pub outputs: Vec<OutputRecord>,
}

/// A file, or a folder with all files in it, that was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FileRecord {
    /// Name of the pipeline's input, or `stage.parameter`.
    pub name: String,
    /// The path as given.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the content, hexadecimal; of a folder, of the paths, sizes and sums of its files.
    pub sha256: String,
}

/// A plugin file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PluginRecord {
    /// Name in its manifest.
    pub name: String,
    /// Version in its manifest.
    pub version: String,
    /// Where it was found.
    pub path: String,
    /// SHA-256 of the file that was loaded.
    pub sha256: String,
}

/// How a stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageState {
    /// It made its outputs.
    Done,
    /// Its outputs came from the cache.
    Reused,
    /// It failed; `error` says why.
    Failed,
    /// It was not started, because a stage before it failed or the run was interrupted.
    Skipped,
}

/// One stage of the run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StageRecord {
    /// Name in the pipeline.
    pub name: String,
    /// Stage id.
    #[serde(rename = "use")]
    pub id: String,
    /// Stage version.
    pub version: String,
    /// Name of its plugin.
    pub plugin: String,
    /// Whether it ran in a worker process.
    pub worker: bool,
    /// Parameters with defaults filled.
    pub params: serde_json::Value,
    /// How it ended.
    pub state: StageState,
    /// Why it ran instead of being reused: the first thing that differs from the run before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Peak memory of its worker process in bytes; 0 in process.
    pub worker_peak_bytes: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What decides its outputs, part by part.
    #[serde(default)]
    pub key: serde_json::Map<String, serde_json::Value>,
}

impl StageRecord {
    /// The parts of its key.
    #[must_use]
    pub fn parts(&self) -> Parts {
        self.key.iter().map(|(n, v)| (n.clone(), v.as_str().unwrap_or_default().to_owned())).collect()
    }
}

impl RunRecord {
    /// The record of the latest run in an output folder, however it ended.
    #[must_use]
    pub fn read(out: &Path) -> Option<Self> {
        let read = |name: &str| serde_json::from_slice(&std::fs::read(out.join(name)).ok()?).ok();
        read("failed-run.json").or_else(|| read("run.json"))
    }
}

/// A file that was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutputRecord {
    /// Name in the pipeline.
    pub name: String,
    /// File name in the output directory.
    pub file: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
}

/// Hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(n.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|&b| [digit(b >> 4), digit(b & 15)]).collect()
}

impl FileRecord {
    /// Hashes the file or the folder at `path`.
    pub(crate) fn of(name: String, path: &str) -> io::Result<Self> {
        let place = Path::new(path);
        let mut hash = Sha256::new();
        let bytes = if place.is_dir() { folder(place, &mut hash)? } else { file(place, &mut hash)? };
        Ok(Self { name, path: path.to_owned(), bytes, sha256: hex(&hash.finalize()) })
    }
}

/// Adds the bytes of a file; returns how many.
fn file(path: &Path, hash: &mut Sha256) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(n) => {
                bytes += n as u64;
                hash.update(&buffer[..n]);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Adds every file in a folder and the folders in it, in the order of their paths there: path, size, SHA-256.
/// Links to folders are not followed, so that the walk ends.
fn folder(root: &Path, hash: &mut Sha256) -> io::Result<u64> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(one) = folders.pop() {
        for entry in std::fs::read_dir(one)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.path().is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    let mut bytes = 0;
    for path in &files {
        let mut one = Sha256::new();
        let len = file(path, &mut one)?;
        let name = path.strip_prefix(root).unwrap_or(path).as_os_str().as_bytes();
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update(len.to_le_bytes());
        hash.update(one.finalize());
        bytes += len;
    }
    Ok(bytes)
}

/// The process's peak resident memory in bytes, 0 where the system does not tell.
pub(crate) fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}
