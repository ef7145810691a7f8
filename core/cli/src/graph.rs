//! `ichor graph`: the pipeline as a drawing.

use crate::Failure;
use crate::console;
use crate::project::PipelineArgs;
use clap::ValueEnum;

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Svg,
    Mermaid,
    Dot,
}

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Form of the drawing, written to standard output
    #[arg(long, value_enum, default_value = "mermaid")]
    format: Format,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let installed = args.pipeline.plugins.find()?;
    let plan = args.pipeline.resolve(&installed, false)?;
    installed.notes.iter().for_each(|note| console::warn(note));
    plan.warnings.iter().for_each(|w| console::warn(&w.to_string()));
    let drawing = match args.format {
        Format::Svg => ichor_spec::graph::svg(&plan),
        Format::Mermaid => ichor_spec::graph::mermaid(&plan),
        Format::Dot => ichor_spec::graph::dot(&plan),
    };
    console::print_raw(drawing.trim_end());
    Ok(())
}
