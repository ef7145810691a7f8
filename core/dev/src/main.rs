//! `ichor-dev`: chores of Ichor's developers. Each is a file.

#![forbid(unsafe_code)]

mod docs;
mod example;
mod page;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Chores of Ichor's developers.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write `docs/stages/` from the manifests of the plugins that were built
    Docs {
        /// Write nothing; fail when what is there differs
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let Command::Docs { check } = Args::parse().command;
    match stages(check) {
        Ok(text) => {
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn stages(check: bool) -> Result<String, String> {
    let exe = std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"))?;
    let built = exe.parent().ok_or("this program lies nowhere")?;
    let plugins = docs::plugins(&root(), built)?;
    docs::write(&root().join("docs/stages"), &docs::pages(&plugins), check)
}
