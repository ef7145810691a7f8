//! `ichor rerun`: does what a run record says again and compares every output.

use crate::Failure;
use crate::console;
use crate::engine::EngineArgs;
use crate::project::PipelineArgs;
use clap::Parser;
use ichor_exec::{RunRecord, pipeline_files, read_sums};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// The record, or the output folder that holds it
    record: PathBuf,
    /// Folder for the new results
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    engine: EngineArgs,
}

/// The arguments in a record, read as those of a command line.
#[derive(Parser)]
#[command(no_binary_name = true)]
struct Recorded {
    #[command(flatten)]
    pipeline: PipelineArgs,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let shown = args.record.display();
    let folder = if args.record.is_dir() { args.record.clone() } else { args.record.with_file_name("") };
    let old = RunRecord::read(&folder)
        .filter(|r| r.status == "done")
        .ok_or_else(|| Failure::usage(format!("{shown} holds no run.json of a run that succeeded")))?;
    let out = std::path::absolute(&args.out).unwrap_or_else(|_| args.out.clone());
    // Paths in the record are relative to where the run was started.
    std::env::set_current_dir(&old.folder).map_err(|e| {
        Failure::usage(format!("the folder {} in which the run was started is gone: {e}", old.folder))
    })?;
    let recorded = Recorded::try_parse_from(&old.arguments)
        .map_err(|e| Failure::usage(format!("{shown} holds arguments that this Ichor does not know: {e}")))?;
    let installed = recorded.pipeline.plugins.find()?;
    let plan = recorded.pipeline.resolve(&installed, true)?;

    let files = pipeline_files(&plan).map_err(Failure::usage)?;
    let (_, inputs, plugins) = read_sums(&plan, &installed.files).map_err(Failure::usage)?;
    let refuse = |what: String| Err(Failure::usage(format!("{what}; the run cannot be repeated as it was")));
    for file in &old.pipeline_files {
        match files.iter().find(|now| now.path == file.path) {
            Some(now) if now.sha256 == file.sha256 => {}
            Some(_) => return refuse(format!("{} (pipeline) has changed since", file.path)),
            None => return refuse(format!("the pipeline no longer reads {}", file.path)),
        }
    }
    for file in &old.inputs {
        match inputs.iter().find(|now| now.name == file.name) {
            Some(now) if now.sha256 == file.sha256 => {}
            Some(_) => return refuse(format!("{} ({}) has changed since", file.path, file.name)),
            None => return refuse(format!("the pipeline no longer reads {} ({})", file.path, file.name)),
        }
    }
    for plugin in &old.plugins {
        match plugins.iter().find(|now| now.name == plugin.name) {
            Some(now) if now.sha256 == plugin.sha256 => {}
            Some(now) => {
                return refuse(format!(
                    "plugin {} is now {} (sha256 {}), it was {} (sha256 {})",
                    now.name, now.version, now.sha256, plugin.version, plugin.sha256
                ));
            }
            None => return refuse(format!("plugin {} is no longer used", plugin.name)),
        }
    }
    for stage in &old.stages {
        let now = plan.stages.iter().find(|now| now.name == stage.name);
        if now.is_none_or(|now| now.stage.id != stage.id || now.params != stage.params) {
            return refuse(format!("stage {} of the pipeline has changed since", stage.name));
        }
    }

    let new = crate::run::execute(&recorded.pipeline, &installed, &plan, &args.engine, &out, None, false)?;
    let mut different = Vec::new();
    for output in &old.outputs {
        let same = new.outputs.iter().any(|now| now.name == output.name && now.sha256 == output.sha256);
        console::print(&format!("{}: {}", output.file, if same { "identical" } else { "different" }));
        if !same {
            different.push(output.name.clone());
        }
    }
    if different.is_empty() {
        return Ok(());
    }
    let names = different.join(", ");
    Err(Failure::stage(format!(
        "not the same bytes as in the record: {names}; `ichor why` compares the stages"
    )))
}
