//! `ichor run`: one case through a pipeline.

use crate::console::{self, Progress, duration};
use crate::engine::EngineArgs;
use crate::project::{Installed, PipelineArgs};
use crate::{Failure, INTERRUPTED, STAGE_FAILED};
use ichor_exec::{Cache, Request, RunError, RunRecord};
use ichor_spec::Plan;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Folder for the results; made if it is not there
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    engine: EngineArgs,
    /// Use only plugins and models that the ichor.lock beside the pipeline allows
    #[arg(long)]
    locked: bool,
    /// Print the run record as JSON instead of progress; when there is none, `status` and `error`
    #[arg(long)]
    json: bool,
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
    let plan = args.pipeline.resolve(&installed, true).inspect_err(|_| {
        // A stage may be missing because its plugin was set aside.
        installed.notes.iter().for_each(|note| console::warn(note));
    })?;
    if args.locked {
        crate::lock::hold(&args.pipeline.pipeline, &plan, &installed)?;
    }
    if !args.json {
        installed.notes.iter().for_each(|note| console::warn(note));
        plan.warnings.iter().for_each(|w| console::warn(&w.to_string()));
    }
    let cache = args.engine.cache(&args.out);
    let record =
        execute(&args.pipeline, &installed, &plan, &args.engine, &args.out, cache.as_ref(), args.json)?;
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

/// Runs a plan, with progress on the terminal; Ctrl-C stops it.
pub fn execute(
    pipeline: &PipelineArgs,
    installed: &Installed,
    plan: &Plan,
    engine: &EngineArgs,
    out: &Path,
    cache: Option<&Cache>,
    quiet: bool,
) -> Result<RunRecord, Failure> {
    let cancel = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second signal ends the program at once; the first lets stages stop and tidy up.
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), Arc::clone(&cancel))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&cancel)))
            .map_err(|e| Failure::usage(format!("cannot listen for Ctrl-C: {e}")))?;
    }
    let host = engine.host()?;
    let progress = Progress::new(plan, quiet);
    let result = ichor_exec::run(&Request {
        plan,
        arguments: &pipeline.arguments(),
        plugins: &installed.files,
        host: &host,
        out,
        isolation: engine.isolation(),
        cache,
        memory: engine.memory(),
        cancel: &cancel,
        observer: &progress,
    });
    result.map_err(|error| match error {
        RunError::Failed(_) => Failure::stage(error),
        RunError::Interrupted => Failure { code: INTERRUPTED, message: error.to_string() },
        _ => Failure::usage(error),
    })
}
