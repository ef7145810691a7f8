//! `ichor check`: everything that can be said of a pipeline without running it.

use crate::Failure;
use crate::console;
use crate::project::{PipelineArgs, PipelineError};
use ichor_spec::Diagnostic;
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
    match args.pipeline.resolve(&installed, false) {
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

fn finding(d: &Diagnostic) -> Value {
    json!({ "file": d.file, "line": d.line, "column": d.column, "message": d.message, "help": d.help })
}
