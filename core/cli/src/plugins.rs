//! `ichor plugins`: what is installed, read from manifests alone; and the tools for authors of plugins.

mod check;
mod new;

use crate::Failure;
use crate::console;
use crate::project::{Installed, PluginArgs};
use clap::Subcommand;
use ichor_spec::{PortDecl, describe_parameter};
use serde_json::{Value, json};
use std::fmt::Write;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    plugins: PluginArgs,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Show a stage's ports and parameters
    Show {
        /// The stage's id, as `use:` in a pipeline names it
        stage: String,
    },
    /// Test a plugin as an adversary would
    ///
    /// Everything that runs the plugin's code runs in processes of its own, on voxels made for the purpose.
    /// Exit codes: 0 nothing failed, 1 a check failed, 2 the arguments are wrong.
    Check(check::Args),
    /// Make a folder with a new plugin that compiles and passes its checks
    New(new::Args),
    /// Serve a check
    #[command(hide = true)]
    InProcess,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        None => list(&args.plugins.find()?, args.json),
        Some(Command::Show { stage }) => show(&args.plugins.find()?, stage, args.json),
        Some(Command::Check(check)) => check::run(check, args.json),
        Some(Command::New(new)) => new::run(new),
        Some(Command::InProcess) => check::in_process(),
    }
}

fn list(installed: &Installed, as_json: bool) -> Result<(), Failure> {
    if as_json {
        let plugins: Vec<Value> = installed
            .files
            .iter()
            .map(|f| {
                let sha256 = f
                    .sha256()
                    .map_err(|e| Failure::usage(format!("cannot read {}: {e}", f.path.display())))?;
                Ok(json!({ "path": f.path, "sha256": sha256, "shipped": f.shipped, "manifest": f.manifest }))
            })
            .collect::<Result<_, Failure>>()?;
        console::print_json(&json!({ "plugins": plugins, "notes": installed.notes }));
        return Ok(());
    }
    installed.notes.iter().for_each(|note| console::warn(note));
    let mut text = String::new();
    for file in &installed.files {
        let (name, version) = (&file.manifest.name, &file.manifest.version);
        let _ = writeln!(text, "{name} {version}  {}", file.path.display());
        for stage in &file.manifest.stages {
            let _ = writeln!(text, "  {:<22} {:<8} {}", stage.id, stage.version, stage.summary);
        }
    }
    if text.is_empty() {
        return Err(Failure::usage("no plugins found; name their folder with --plugin-path"));
    }
    console::print(text.trim_end());
    Ok(())
}

fn show(installed: &Installed, id: &str, as_json: bool) -> Result<(), Failure> {
    let offered = installed.catalogue.find(id).ok_or_else(|| {
        let help = installed.catalogue.nearest(id).map_or_else(
            || "`ichor plugins` lists them".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        Failure::usage(format!("no plugin offers a stage `{id}`; {help}"))
    })?;
    let (plugin, stage) = (offered.plugin, &offered.stage);
    if as_json {
        console::print_json(&**stage);
        return Ok(());
    }
    let file = &installed.files[plugin];
    let mut text = format!("{} {}: {}\n", stage.id, stage.version, stage.summary);
    if !stage.doc.is_empty() {
        let _ = writeln!(text, "\n{}", stage.doc);
    }
    let _ =
        writeln!(text, "\nplugin {} {}, {}", file.manifest.name, file.manifest.version, file.path.display());
    let port = |port: &PortDecl| (port.name.clone(), port.describe(), port.doc.clone());
    let parameter = |(name, schema): (&String, &Value)| {
        (name.clone(), describe_parameter(schema), schema["description"].as_str().unwrap_or("").to_owned())
    };
    section(&mut text, "inputs", stage.inputs.iter().map(port));
    section(&mut text, "outputs", stage.outputs.iter().map(port));
    section(&mut text, "parameters", stage.params().into_iter().flatten().map(parameter));
    console::print(text.trim_end());
    Ok(())
}

/// Entries of a name, what it takes or carries, and what that is.
fn section(text: &mut String, title: &str, entries: impl Iterator<Item = (String, String, String)>) {
    let mut entries = entries.peekable();
    let _ = writeln!(text, "\n{title}:{}", if entries.peek().is_none() { " none" } else { "" });
    for (name, words, doc) in entries {
        let _ = writeln!(text, "  {name}: {words}");
        if !doc.is_empty() {
            let _ = writeln!(text, "      {doc}");
        }
    }
}
