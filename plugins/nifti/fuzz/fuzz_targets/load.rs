//! Any bytes through header, gzip and decoding.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use tempfile::NamedTempFile;

/// One file in memory for all runs: the loader reads files, because it must not read more of them than it needs.
static FILE: LazyLock<NamedTempFile> = LazyLock::new(|| {
    let in_memory = std::path::Path::new("/dev/shm");
    let file = if in_memory.is_dir() { NamedTempFile::new_in(in_memory) } else { NamedTempFile::new() };
    file.expect("a temporary file")
});

fuzz_target!(|input: &[u8]| {
    let path = FILE.path().to_str().expect("a path of plain letters");
    ichor_nifti::fuzz::any(FILE.as_file(), path, input);
});
