//! What the end-to-end tests share: the built program, folders, and a real head when there is one.

#![allow(clippy::unwrap_used, reason = "tests")]

pub mod cavity;
pub mod dicom;
pub mod hostile;
pub mod nifti;
pub mod register;
pub mod stage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The folder with the `ichor` program and the plugins, built in the profile of the running test.
///
/// Cargo builds no `cdylib` for the tests of another package, so the first caller builds the workspace; when
/// that has been done before, this takes a fraction of a second.
pub fn bin() -> &'static Path {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| {
        let exe = std::env::current_exe().unwrap();
        let dir = exe
            .ancestors()
            .find(|p| p.file_name().is_some_and(|n| n == "deps" || n == "examples"))
            .unwrap()
            .parent()
            .unwrap();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--workspace", "--locked"]).current_dir(root());
        if dir.file_name().is_some_and(|n| n == "release") {
            cargo.arg("--release");
        }
        cargo.env("CARGO_TARGET_DIR", dir.parent().unwrap());
        assert!(cargo.status().unwrap().success(), "the workspace does not build");
        dir.to_owned()
    })
}

/// The folder with the example plugins, built outside the workspace by their own Makefile.
pub fn examples() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let folder = root().join("plugins/examples");
        let made =
            Command::new("make").arg("--quiet").current_dir(&folder).env_remove("CARGO_TARGET_DIR").status();
        assert!(made.unwrap().success(), "the example plugins do not build");
        folder.join("build")
    })
}

/// Compiles a plugin of one C file into a folder.
pub fn compile_plugin(source: &Path, into: &Path) -> PathBuf {
    let name = source.file_stem().unwrap().to_str().unwrap();
    let library = into.join(format!("lib{name}.so"));
    let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    cc.args([
        "-std=c11",
        "-O2",
        "-fPIC",
        "-shared",
        "-fvisibility=hidden",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-I",
    ]);
    cc.arg(root().join("core/include")).arg(source).arg("-o").arg(&library);
    assert!(cc.status().unwrap().success(), "{} does not compile", source.display());
    library
}

/// The `ichor` program with arguments, in the root of the checkout.
pub fn ichor<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(bin().join("ichor"));
    command.args(args).current_dir(root()).env_remove("ICHOR_PLUGIN_PATH");
    command
}

/// How a command ended: exit code, standard output, standard error.
pub struct Ended {
    /// Exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs `ichor` to its end.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Ended {
    let Output { status, stdout, stderr } = ichor(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
}

/// Runs `ichor` and expects success.
pub fn run_ok<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Ended {
    let ended = run(args);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    ended
}

/// A pipeline file made for a test.
pub struct Case {
    /// The folder of this test alone.
    pub dir: tempfile::TempDir,
}

impl Case {
    /// An empty folder.
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A path inside it, as text.
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file into it and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.dir.path().join(name), content).unwrap();
        self.path(name)
    }

    /// The bytes of a file in it.
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// A run record in it.
    pub fn record(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&self.read(name)).unwrap()
    }

    /// Names of the files under a folder in it, sorted.
    pub fn list(&self, name: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.dir.path().join(name)) else { return Vec::new() };
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Default for Case {
    fn default() -> Self {
        Self::new()
    }
}

/// Every file under a folder, those of hidden folders too, in the order of their paths; none of a folder that is
/// not there.
pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { out.extend(files_under(&path)) } else { out.push(path) }
    }
    out.sort();
    out
}

/// The bytes of every file under a folder by its path in it.
pub fn contents_under(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        (path.strip_prefix(folder).unwrap().to_owned(), bytes)
    };
    files_under(folder).into_iter().map(read).collect()
}

/// A file of the test data beside the checkout, or `None`, said plainly, when it is not there.
pub fn shared_data(name: &str) -> Option<String> {
    let path = root().join("../shared/data").join(name);
    if path.exists() {
        return Some(path.to_str().unwrap().to_owned());
    }
    #[allow(clippy::print_stderr, reason = "a test that does not run says so")]
    {
        eprintln!("not run: {} is not there", path.display());
    }
    None
}

/// A whole pipeline on a phantom that is small enough for tests; `ct` is its head.
pub const SMALL: &str = "ichor: 1
name: small
seed: 5
stages:
  head:    { use: phantom-head, with: { shape: [128, 128, 24], spacing: [1.8, 1.8, 7.0], haematoma_ml: 40 } }
  cavity:  { use: cavity-threshold, in: { ct: head.ct } }
  segment: { use: segment-threshold, in: { ct: head.ct, cavity: cavity.mask } }
  clean:   { use: filter-clusters, in: { mask: segment.mask } }
  volume:  { use: measure-volume, in: { mask: clean.mask } }
  look:    { use: picture, in: { ct: head.ct, masks: [cavity.mask, clean.mask] }, with: { slices: 4 } }
outputs:
  ct: head.ct
  mask: clean.mask
  volume: volume.table
  picture: look.png
";

/// SHA-256 of a run's outputs by file name, as its record says.
pub fn output_sums(record: &serde_json::Value) -> Vec<(String, String)> {
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    record["outputs"].as_array().unwrap().iter().map(|o| (text(&o["file"]), text(&o["sha256"]))).collect()
}
