//! `ichor lock`: writes down which plugins and models a pipeline may use; `--locked` holds runs to it.

use crate::Failure;
use crate::console;
use crate::project::{Installed, PipelineArgs};
use ichor_exec::{LOCK_FILE, Lock, Sums, read_sums};
use ichor_spec::Plan;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let installed = args.pipeline.plugins.find()?;
    let plan = args.pipeline.resolve(&installed, false)?;
    let mut plan_files = plan.clone();
    // Inputs that are not bound yet are no files of the pipeline's own.
    for stage in &mut plan_files.stages {
        stage.input_files.retain(|(_, path)| plan.inputs.iter().all(|i| i.value != *path));
    }
    let (sums, _, _) = read_sums(&plan_files, &installed.files).map_err(Failure::usage)?;
    let path = place(&args.pipeline.pipeline);
    let before = match Lock::read(&path) {
        Ok(lock) => lock,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Lock::default(),
        Err(e) => {
            return Err(Failure::usage(format!("{} is no lock file: {e}; remove it first", path.display())));
        }
    };
    let lock = before.and(Lock::of(&plan_files, &installed.files, &sums));
    let lock = Lock { ichor: 1, ..lock };
    lock.write(&path).map_err(|e| Failure::usage(format!("cannot write {}: {e}", path.display())))?;
    let (plugins, files) = (lock.plugins.len(), lock.files.len());
    console::print(&format!("{}: {plugins} plugins, {files} files", path.display()));
    Ok(())
}

/// Refuses a plan that uses what the lock beside its pipeline does not allow.
pub fn hold(pipeline: &Path, plan: &Plan, installed: &Installed) -> Result<(), Failure> {
    let path = place(pipeline);
    let lock = Lock::read(&path).map_err(|e| {
        Failure::usage(format!("--locked: cannot read {}: {e}; `ichor lock` writes it", path.display()))
    })?;
    let sums: Sums = read_sums(plan, &installed.files).map_err(Failure::usage)?.0;
    lock.allows(&Lock::of(plan, &installed.files, &sums))
        .map_err(|why| Failure::usage(format!("--locked: {why}")))
}

fn place(pipeline: &Path) -> PathBuf {
    pipeline.with_file_name(LOCK_FILE)
}
