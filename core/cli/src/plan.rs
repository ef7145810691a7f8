//! `ichor plan`: what a run would do and need, from the pipeline and the headers of its files alone.

use crate::Failure;
use crate::console::{self, bytes};
use crate::engine::EngineArgs;
use crate::project::PipelineArgs;
use ichor_exec::{RunForecast, Sums, forecast, read_sums, workers};
use ichor_spec::Plan;
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// The output folder that a run would use: its cache tells what need not run again
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let installed = args.pipeline.plugins.find()?;
    let plan = args.pipeline.resolve(&installed, true)?;
    let host = args.engine.host()?;
    let worker = workers(&plan, &installed.files, args.engine.isolation());
    let cache = args.engine.existing_cache(args.out.as_deref());
    let sums = match &cache {
        Some(_) => read_sums(&plan, &installed.files).map_err(Failure::usage)?.0,
        None => Sums::default(),
    };
    let forecast = forecast(&plan, &installed.files, &host, &worker, cache.as_ref().map(|c| (c, &sums)));
    if args.json {
        let stages: Vec<_> = plan
            .stages
            .iter()
            .zip(&forecast.stages)
            .map(|(s, f)| json!({ "name": s.name, "use": s.stage.id, "forecast": f }))
            .collect();
        console::print_json(
            &json!({ "pipeline": plan.name, "peak_bytes": forecast.peak_bytes, "stages": stages }),
        );
    } else {
        console::print(table(&plan, &forecast).trim_end());
    }
    first_error(&plan, &forecast).map_or(Ok(()), |error| Err(Failure::usage(error)))
}

fn table(plan: &Plan, forecast: &RunForecast) -> String {
    let mut text = String::new();
    let width = plan.stages.iter().map(|s| s.name.len()).max().unwrap_or(0).max(5);
    let _ = writeln!(text, "{:width$}  {:7} {:>9} {:>9}  makes", "stage", "", "outputs", "own");
    for (stage, known) in plan.stages.iter().zip(&forecast.stages) {
        let state = match (known.reused, &known.error) {
            (_, Some(_)) => "fails",
            (Some(true), None) => "reused",
            _ => "runs",
        };
        let ports = stage.stage.outputs.iter().zip(&known.makes);
        let makes: Vec<String> = ports.map(|(port, what)| format!("{}: {what}", port.name)).collect();
        let (outputs, own) = (bytes(known.output_bytes), bytes(known.scratch_bytes));
        let _ =
            writeln!(text, "{:width$}  {state:7} {outputs:>9} {own:>9}  {}", stage.name, makes.join("; "));
    }
    let at = forecast.peak_at.and_then(|n| plan.stages.get(n)).map_or("", |s| s.name.as_str());
    let _ = writeln!(text, "\npeak memory about {}, at stage {at}", bytes(forecast.peak_bytes));
    text
}

/// What is certain to fail, with its stage and place in the pipeline file.
pub fn first_error(plan: &Plan, forecast: &RunForecast) -> Option<String> {
    let all: Vec<String> =
        plan.stages.iter().zip(&forecast.stages).filter_map(|(s, known)| known.failure(s)).collect();
    (!all.is_empty()).then(|| all.join("\nerror: "))
}
