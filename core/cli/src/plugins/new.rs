//! `ichor plugins new`: a plugin that compiles and passes its checks, to start from.

use crate::Failure;
use crate::console;
use clap::ValueEnum;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    /// The plugin's name, and that of its first stage: lower-case letters, digits and `-`
    name: String,
    /// The language it is written in
    #[arg(long, value_enum)]
    lang: Language,
    /// Where the folder NAME is made
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Ichor's folder core/sdk, for plugins in Rust [default: that of the sources this program was built in]
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Language {
    Rust,
    C,
    Cpp,
}

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../templates/", $path))
    };
}

const HEADER: (&str, &str) = ("ichor.h", include_str!("../../../include/ichor.h"));
const HEADER_CPP: (&str, &str) = ("ichor.hpp", include_str!("../../../include/ichor.hpp"));
const EXPORTS: (&str, &str) = ("ichor.map", include_str!("../../../include/ichor.map"));
const PIPELINE: (&str, &str) = ("pipeline.yaml", template!("pipeline.yaml"));

impl Language {
    /// Files by their path in the folder; `@...@` stands for what differs.
    fn files(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Rust => vec![
                ("Cargo.toml", template!("rust/Cargo.toml.in")),
                ("Makefile", template!("rust/Makefile")),
                ("README.md", template!("rust/README.md")),
                (".gitignore", template!("rust/gitignore")),
                ("src/lib.rs", template!("rust/lib.rs")),
                PIPELINE,
            ],
            Self::C => vec![
                ("Makefile", template!("c/Makefile")),
                ("README.md", template!("c/README.md")),
                (".gitignore", template!("c/gitignore")),
                ("@SOURCE@", template!("c/plugin.c")),
                HEADER,
                EXPORTS,
                PIPELINE,
            ],
            Self::Cpp => vec![
                ("Makefile", template!("cpp/Makefile")),
                ("README.md", template!("cpp/README.md")),
                (".gitignore", template!("c/gitignore")),
                ("@SOURCE@", template!("cpp/plugin.cpp")),
                HEADER,
                HEADER_CPP,
                EXPORTS,
                PIPELINE,
            ],
        }
    }
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let name = &args.name;
    if !is_name(name) {
        return Err(Failure::usage(format!(
            "`{name}` cannot name a plugin; take up to 48 lower-case letters, digits and `-`, a letter first"
        )));
    }
    let folder = args.dir.join(name);
    let failed = |path: &Path, e: io::Error| Failure::usage(format!("cannot write {}: {e}", path.display()));
    fs::create_dir_all(&args.dir).map_err(|e| failed(&args.dir, e))?;
    match fs::create_dir(&folder) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let help = "take another name, or another place with --dir";
            return Err(Failure::usage(format!("{} is there already; {help}", folder.display())));
        }
        Err(e) => return Err(failed(&folder, e)),
    }
    let sdk = sdk(args)?;
    let source = format!("{name}.{}", if args.lang == Language::Cpp { "cpp" } else { "c" });
    let built = if args.lang == Language::Rust { "target/release" } else { "build" };
    let ident = name.replace('-', "_");
    let dependency = match &sdk {
        Some(path) => format!("ichor-sdk = {{ path = {} }}", serde_json::Value::from(path.to_string_lossy())),
        None => {
            "ichor-sdk = { path = \"ichor/core/sdk\" } # change it to where Ichor's sources are".to_owned()
        }
    };
    let fill = |text: &str| {
        let known = [
            ("NAME", name.as_str()),
            ("IDENT", &ident),
            ("SOURCE", &source),
            ("BUILT", built),
            ("SDK", &dependency),
        ];
        known.iter().fold(text.to_owned(), |text, (key, value)| text.replace(&format!("@{key}@"), value))
    };
    let mut made = format!("{} is a plugin with one stage, `{name}`:\n", folder.display());
    for (path, text) in args.lang.files() {
        let path = folder.join(fill(path));
        let is_ours = text == HEADER.1 || text == HEADER_CPP.1;
        let text = if is_ours { text.to_owned() } else { fill(text) };
        write(&path, &text).map_err(|e| failed(&path, e))?;
        let _ = writeln!(made, "  {}", path.display());
    }
    console::print(made.trim_end());
    if args.lang == Language::Rust && sdk.is_none() {
        console::warn(
            "Ichor's sources were not found: name their folder core/sdk in Cargo.toml, or with --sdk",
        );
    }
    console::print(&format!("`make -C {} check` builds and tests it", folder.display()));
    Ok(())
}

/// A new file, and the folder that it is in.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// A name that serves as package, library, file and stage.
fn is_name(name: &str) -> bool {
    (1..=48).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The SDK's folder: as given, else above this program, which Cargo puts into the checkout's `target`.
fn sdk(args: &Args) -> Result<Option<PathBuf>, Failure> {
    let is_sdk = |path: &Path| {
        let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
        manifest.lines().any(|l| l.trim() == "name = \"ichor-sdk\"")
    };
    if let Some(path) = &args.sdk {
        return match path.canonicalize() {
            Ok(path) if is_sdk(&path) => Ok(Some(path)),
            _ => Err(Failure::usage(format!(
                "--sdk {}: that is not the folder core/sdk of Ichor's sources",
                path.display()
            ))),
        };
    }
    let exe = std::env::current_exe().and_then(|exe| exe.canonicalize()).unwrap_or_default();
    Ok(exe.ancestors().map(|folder| folder.join("core/sdk")).find(|path| is_sdk(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_serve_everywhere() {
        assert!(is_name("a") && is_name("my-stage-2"));
        assert!(["", "-a", "a-", "2d", "A", "a_b", "a/b", "..", &"a".repeat(49)].iter().all(|n| !is_name(n)));
    }
}
