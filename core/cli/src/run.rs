//! `ichor run`: one case through a pipeline.

use crate::console::{self, Progress, duration};
use crate::project::{PipelineArgs, worker_command};
use crate::{Failure, INTERRUPTED, STAGE_FAILED};
use clap::ValueEnum;
use ichor_exec::{Isolation, Request, RunError};
use ichor_host::{Host, HostOptions};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Folder for the results; made if it is not there
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Threads to compute with, all stages together [default: all processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: Option<u32>,
    /// Where stages run
    #[arg(long, value_enum, default_value = "auto")]
    isolate: Isolate,
    /// Print the run record as JSON instead of progress; when there is none, `status` and `error`
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Isolate {
    /// Shipped plugins in this process, all others in a process of their own
    Auto,
    /// Every stage in this process
    InProcess,
    /// Every stage in a process of its own
    Worker,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let result = attempt(args);
    if let (Err(failure), true) = (&result, args.json) {
        let status = match failure.code {
            INTERRUPTED => "interrupted",
            STAGE_FAILED => "failed",
            _ => "refused",
        };
        console::print_json(&json!({ "status": status, "error": failure.message }));
    }
    result
}

fn attempt(args: &Args) -> Result<(), Failure> {
    let installed = args.pipeline.plugins.find()?;
    let plan = args.pipeline.resolve(&installed, true)?;
    if !args.json {
        installed.notes.iter().for_each(|note| console::warn(note));
        plan.warnings.iter().for_each(|w| console::warn(&w.to_string()));
    }
    let cancel = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second signal ends the program at once; the first lets stages stop and tidy up.
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), Arc::clone(&cancel))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&cancel)))
            .map_err(|e| Failure::usage(format!("cannot listen for Ctrl-C: {e}")))?;
    }
    let threads = args
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), |n| n as usize);
    let (worker_exe, worker_args) = worker_command()?;
    let host = Host::new(HostOptions { worker_exe, worker_args, ..HostOptions::new(threads) })
        .map_err(|e| Failure::stage(format!("the system gives no shared memory: {e}")))?;
    let progress = Progress::new(&plan, args.json);
    let result = ichor_exec::run(&Request {
        plan: &plan,
        pipeline_file: &args.pipeline.pipeline,
        plugins: &installed.files,
        host: &host,
        out: &args.out,
        isolation: match args.isolate {
            Isolate::Auto => Isolation::Auto,
            Isolate::InProcess => Isolation::InProcess,
            Isolate::Worker => Isolation::Worker,
        },
        cancel: &cancel,
        observer: &progress,
    });
    let record = result.map_err(|error| match error {
        RunError::Input { .. } | RunError::Output { .. } => Failure::usage(error),
        RunError::Failed(_) => Failure::stage(error),
        RunError::Interrupted => Failure { code: INTERRUPTED, message: error.to_string() },
    })?;
    if args.json {
        console::print_json(&record);
        return Ok(());
    }
    console::print(&format!("done in {}; results are in {}:", duration(record.seconds), args.out.display()));
    for output in &record.outputs {
        console::print(&format!("  {}", args.out.join(&output.file).display()));
    }
    console::print(&format!(
        "  {}  (what was done, with what, to what)",
        args.out.join("run.json").display()
    ));
    console::print("Research use only; not a medical device.");
    Ok(())
}
