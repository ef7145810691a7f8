//! `ichor run`: one case through a pipeline.

use crate::console::{self, Progress, duration};
use crate::engine::EngineArgs;
use crate::project::PipelineArgs;
use crate::{Failure, INTERRUPTED, STAGE_FAILED};
use ichor_exec::{Request, RunError};
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
    #[command(flatten)]
    engine: EngineArgs,
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
    let host = args.engine.host()?;
    let cache = args.engine.cache(&args.out)?;
    let progress = Progress::new(&plan, args.json);
    let result = ichor_exec::run(&Request {
        plan: &plan,
        pipeline_file: &args.pipeline.pipeline,
        plugins: &installed.files,
        host: &host,
        out: &args.out,
        isolation: args.engine.isolation(),
        cache: cache.as_ref(),
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
