//! `ichor schema`: the JSON Schema of pipeline files, for editors.

use crate::Failure;
use crate::console;
use crate::project::PluginArgs;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    plugins: PluginArgs,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let installed = args.plugins.find()?;
    installed.notes.iter().for_each(|note| console::warn(note));
    console::print_json(&ichor_spec::json_schema(&installed.catalogue));
    Ok(())
}
