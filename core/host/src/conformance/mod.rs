//! The conformance kit: tests a plugin as an adversary would.
//!
//! Each check has a name that stays. Whatever runs code of the plugin runs in a process of its own, so the kit
//! survives every plugin; the values that stages are tried on are made here, and need no file.

mod check;
mod file;
mod in_process;
mod library;
mod params;
mod sample;
mod stage;
mod trial;

pub use check::{Check, Verdict};
pub use in_process::in_process_main;

use crate::discover::PluginFile;
use crate::job::{Host, HostOptions};
use crate::limits::Limits;
use in_process::{Child, Session};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trial::{Cancel, Ended, Trial};

/// How a plugin is checked.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// The program that serves as worker.
    pub worker_exe: PathBuf,
    /// Arguments that make it one.
    pub worker_args: Vec<OsString>,
    /// Arguments that make it call [`in_process_main`].
    pub in_process_args: Vec<OsString>,
    /// Check this stage alone.
    pub stage: Option<String>,
    /// Parameters for all runs, as stage, name and the text of the value: for those without a default.
    pub set: Vec<(String, String, String)>,
    /// How long one run may take, in seconds.
    pub seconds: f64,
    /// Memory that a stage may use besides its outputs, in bytes.
    pub bytes: u64,
}

impl CheckOptions {
    /// All stages of a plugin, half a minute and a gibibyte a run.
    #[must_use]
    pub fn new(worker_exe: PathBuf, worker_args: Vec<OsString>, in_process_args: Vec<OsString>) -> Self {
        Self {
            worker_exe,
            worker_args,
            in_process_args,
            stage: None,
            set: Vec::new(),
            seconds: 30.0,
            bytes: 1 << 30,
        }
    }

    /// What is given for a stage, as name and text of the value.
    fn given(&self, stage: &str) -> Vec<(String, String)> {
        let own = self.set.iter().filter(|(id, ..)| id == stage);
        own.map(|(_, param, value)| (param.clone(), value.clone())).collect()
    }
}

/// Threads that stages are offered where it does not matter how many; few, so that small machines are no
/// different.
const THREADS: usize = 2;
/// And where it must not matter.
const MANY_THREADS: usize = 4;
/// A stage that is asked to stop has so long.
const GRACE: Duration = Duration::from_secs(2);

/// Checks the plugin in the file `path`; each check is told when it is done.
///
/// # Errors
/// One sentence: the file cannot be read, the options name what it does not have, or the system gives no
/// processes or memory. What is wrong with the plugin is no error but a failed check.
pub fn check_plugin(path: &Path, options: &CheckOptions, hear: &mut dyn FnMut(Check)) -> Result<(), String> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let host = Host::new(HostOptions {
        worker_exe: options.worker_exe.clone(),
        worker_args: options.worker_args.clone(),
        grace: GRACE,
        passes_wrong_kinds: true,
        ..HostOptions::new(MANY_THREADS)
    });
    let host = host.map_err(|e| format!("the system gives no shared memory: {e}"))?;
    let (checks, plugin) = file::check(path, &bytes);
    drop(bytes);
    let Some(plugin) = plugin else {
        checks.into_iter().for_each(hear);
        return Ok(());
    };
    known(&plugin, options)?;
    let kit = Kit { host, plugin, options };
    let loads = file::loads(&kit, &checks)?;
    let goes_on = matches!(loads.verdict, Verdict::Passed(_));
    checks.into_iter().chain([loads]).for_each(&mut *hear);
    if !goes_on {
        return Ok(());
    }
    for stage in &kit.plugin.manifest.stages {
        if options.stage.as_ref().is_none_or(|wanted| *wanted == stage.id) {
            stage::check(&kit, stage, hear)?;
        }
    }
    Ok(())
}

/// What the options name must be there.
fn known(plugin: &PluginFile, options: &CheckOptions) -> Result<(), String> {
    let named = options.stage.iter().chain(options.set.iter().map(|(stage, ..)| stage));
    let ids: Vec<&str> = plugin.manifest.stages.iter().map(|s| s.id.as_str()).collect();
    if let Some(name) = named.into_iter().find(|n| !ids.contains(&n.as_str())) {
        return Err(format!("the plugin has no stage `{name}`; its stages are `{}`", ids.join("`, `")));
    }
    for stage in &plugin.manifest.stages {
        let given = options.given(&stage.id);
        if params::open(stage, &given).is_none() {
            params::complete(stage, &given)?;
        }
    }
    Ok(())
}

/// What all checks of a plugin share.
struct Kit<'a> {
    host: Host,
    plugin: PluginFile,
    options: &'a CheckOptions,
}

impl Kit<'_> {
    /// Runs a trial in a worker process.
    fn run(&self, trial: &Trial) -> Ended {
        // Whoever is asked to stop is killed for not stopping, which says more than a time limit.
        let more = if trial.cancel == Cancel::Never { 0.0 } else { 2.0 * GRACE.as_secs_f64() };
        let limits = Limits { seconds: Some(self.options.seconds + more), bytes: Some(self.options.bytes) };
        trial::run(&self.host, &self.plugin, trial, Some(limits))
    }

    /// Runs trials one after the other within one process; without any, the plugin is only loaded.
    fn session(&self, trials: Vec<Trial>) -> Result<Session, String> {
        let child = Child {
            exe: &self.options.worker_exe,
            args: &self.options.in_process_args,
            threads: MANY_THREADS,
            // The host's own memory comes on top.
            bytes: self.options.bytes.saturating_add(256 << 20),
            seconds: self.options.seconds * trials.len().max(1) as f64,
        };
        let started = |e: io::Error| format!("{} cannot be started: {e}", self.options.worker_exe.display());
        child.session(&self.plugin.path, trials).map_err(started)
    }
}
