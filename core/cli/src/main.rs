//! `ichor`: runs imaging pipelines made of plugin stages. A table of contents; each command is a file.

#![forbid(unsafe_code)]

mod batch;
mod check;
mod console;
mod engine;
mod graph;
mod lock;
mod plan;
mod plugins;
mod project;
mod rerun;
mod run;
mod schema;
mod why;
mod worker;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Runs imaging pipelines made of plugin stages.
///
/// Research use only; not a medical device.
///
/// Exit codes: 0 done, 1 a stage failed, 2 the pipeline or the arguments are wrong, 130 interrupted.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a pipeline
    Run(run::Args),
    /// Run a pipeline over a table of cases, then its `group` over all of them
    ///
    /// A case that fails stops no other. The same command again goes on where it was stopped, and does again what failed.
    Batch(batch::Args),
    /// Check a pipeline; reads no voxel and runs no plugin
    Check(check::Args),
    /// Tell what a run would do and need; reads headers, runs no stage
    Plan(plan::Args),
    /// Draw a pipeline
    Graph(graph::Args),
    /// List the installed plugins and their stages, or show one stage
    Plugins(plugins::Args),
    /// Print the JSON Schema of pipelines with all installed stages, for editors
    ///
    /// Save it as `.ichor.schema.json` and begin a pipeline with the line
    /// `# yaml-language-server: $schema=.ichor.schema.json`.
    Schema(schema::Args),
    /// Tell why a stage of a run was not reused
    Why(why::Args),
    /// Do what a run record says again, and compare every output
    Rerun(rerun::Args),
    /// Write down which plugins and models a pipeline may use, for runs with --locked
    Lock(lock::Args),
    /// Run some cases of a batch
    #[command(hide = true)]
    Shard(batch::ShardArgs),
    /// Serve one plugin's stages to a host process
    #[command(hide = true)]
    Worker(worker::Args),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Batch(args) => batch::run(&args),
        Command::Shard(args) => batch::run_shard(&args),
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::Plugins(args) => plugins::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Rerun(args) => rerun::run(&args),
        Command::Lock(args) => lock::run(&args),
        Command::Worker(args) => return worker::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::error(&failure.message);
            ExitCode::from(failure.code)
        }
    }
}

const STAGE_FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const INTERRUPTED: u8 = 130;

/// Why a command failed, and the exit code that says so.
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// The pipeline, the arguments or the files they name are wrong.
    fn usage(message: impl ToString) -> Self {
        Self { code: WRONG_USAGE, message: message.to_string() }
    }

    /// A stage failed.
    fn stage(message: impl ToString) -> Self {
        Self { code: STAGE_FAILED, message: message.to_string() }
    }
}
