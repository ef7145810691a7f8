//! `ichor check`: everything that can be said of a pipeline without running it.

use crate::Failure;
use crate::console;
use crate::project::{Installed, PipelineArgs, PipelineError, worker_command};
use ichor_exec::{Isolation, forecast, workers};
use ichor_host::{Host, HostOptions};
use ichor_spec::{Diagnostic, Plan};
use serde_json::{Value, json};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let installed = args.pipeline.plugins.find()?;
    // With files bound, their headers are read, and grids and types are followed through the pipeline.
    let bound = args.pipeline.has_inputs();
    let resolved = args.pipeline.resolve(&installed, bound).and_then(|plan| {
        if bound {
            refuse_misfits(&plan, &installed).map_err(PipelineError::Other)?;
        }
        Ok(plan)
    });
    match resolved {
        Ok(plan) if args.json => {
            let stages: Vec<Value> = plan
                .stages
                .iter()
                .map(|s| json!({ "name": s.name, "use": s.stage.id, "version": s.stage.version, "with": s.params }))
                .collect();
            let warnings: Vec<Value> = plan.warnings.iter().map(finding).collect();
            console::print_json(&json!({
                "ok": true, "pipeline": plan.name, "stages": stages, "warnings": warnings, "notes": installed.notes,
            }));
            Ok(())
        }
        Ok(plan) => {
            installed.notes.iter().for_each(|note| console::warn(note));
            plan.warnings.iter().for_each(|w| console::warn(&w.to_string()));
            let (stages, outputs) = (plan.stages.len(), plan.outputs.len());
            console::print(&format!(
                "{}: ok, {stages} stages, {outputs} outputs",
                args.pipeline.pipeline.display()
            ));
            Ok(())
        }
        Err(error) => {
            if args.json {
                let list = match &error {
                    PipelineError::Spec(findings, _) => findings.iter().map(finding).collect(),
                    PipelineError::Other(failure) => vec![json!({ "message": failure.message })],
                };
                console::print_json(&json!({ "ok": false, "errors": list, "notes": installed.notes }));
            }
            Err(error.into())
        }
    }
}

/// Errors that the headers of the bound files show.
fn refuse_misfits(plan: &Plan, installed: &Installed) -> Result<(), Failure> {
    let (worker_exe, worker_args) = worker_command()?;
    let host = Host::new(HostOptions { worker_exe, worker_args, ..HostOptions::new(1) })
        .map_err(|e| Failure::stage(format!("the system gives no shared memory: {e}")))?;
    let worker = workers(plan, &installed.files, Isolation::Auto);
    let known = forecast(plan, &installed.files, &host, &worker, None);
    crate::plan::first_error(plan, &known).map_or(Ok(()), |error| Err(Failure::usage(error)))
}

fn finding(d: &Diagnostic) -> Value {
    json!({ "file": d.file, "line": d.line, "column": d.column, "message": d.message, "help": d.help })
}
