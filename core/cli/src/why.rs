//! `ichor why`: why a stage ran, instead of being taken from the cache.

use crate::Failure;
use crate::console;
use ichor_exec::{RunRecord, StageState};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// The run's output folder
    run: PathBuf,
    /// The stage's name in the pipeline; without it, every stage is explained
    stage: Option<String>,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let record = RunRecord::read(&args.run).ok_or_else(|| {
        let folder = args.run.display();
        Failure::usage(format!(
            "there is no run.json in {folder} that can be read; name the output folder of a run"
        ))
    })?;
    let chosen: Vec<_> =
        record.stages.iter().filter(|s| args.stage.as_ref().is_none_or(|name| s.name == *name)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = record.stages.iter().map(|s| s.name.as_str()).collect();
        let stage = args.stage.as_deref().unwrap_or_default();
        return Err(Failure::usage(format!(
            "the run has no stage `{stage}`; its stages are {}",
            names.join(", ")
        )));
    }
    for stage in chosen {
        let because = stage.because.as_deref().unwrap_or("unknown");
        console::print(&match stage.state {
            StageState::Reused => format!("{}: reused, nothing changed", stage.name),
            StageState::Done => format!("{}: ran, because of {because}", stage.name),
            StageState::Failed => format!("{}: ran and failed, because of {because}", stage.name),
            StageState::Skipped => format!(
                "{}: did not run, because a stage before it failed or the run was stopped",
                stage.name
            ),
        });
    }
    Ok(())
}
