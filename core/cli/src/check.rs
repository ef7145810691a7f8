//! `ichor check`: everything that can be said of a pipeline without running it.

use crate::Failure;
use crate::console;
use crate::project::{Installed, PipelineArgs, PipelineError, worker_command};
use ichor_exec::{Isolation, forecast, workers};
use ichor_host::{Host, HostOptions};
use ichor_spec::{Diagnostic, Options, Plan};
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
        check_group(&args.pipeline, &installed)?;
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

/// What `ichor batch` would run over all cases: that its stages fit, and that the cases have what it needs.
fn check_group(pipeline: &PipelineArgs, installed: &Installed) -> Result<(), PipelineError> {
    let Some(group) = pipeline.spec()?.group_pipeline(&[], &|_| true) else { return Ok(()) };
    let mut cases = pipeline.clone();
    cases.keep.extend(group.needs.clone());
    let plan = cases.resolve(installed, false)?;
    tables_only(&plan, &group.needs)?;
    // The names are those of variants, which are not known here.
    let overrides = crate::batch::methods(&group.spec, installed, &["first".into(), "second".into()]);
    pipeline.resolved(&group.spec, &Options { overrides, ..Options::default() }, installed)?;
    Ok(())
}

/// Of what the cases write for their group, all are tables.
pub fn tables_only(plan: &Plan, needs: &[String]) -> Result<(), Failure> {
    let is_table = |need: &&String| {
        let name = format!("save:{}", ichor_spec::spec::group_input(need, None));
        plan.stages.iter().any(|stage| stage.stage.id == "save-table" && stage.name.starts_with(&name))
    };
    match needs.iter().find(|need| !is_table(need)) {
        None => Ok(()),
        Some(need) => Err(Failure::usage(format!(
            "a stage of `group` takes `{need}` of the cases, which is no table; only tables are put together"
        ))),
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
