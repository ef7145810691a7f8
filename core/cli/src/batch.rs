//! `ichor batch`: a pipeline over a table of cases, then over all of them together.

mod cases;
mod executor;
mod going;
mod group;
mod layout;
mod local;
mod shard;
mod shown;
mod status;

pub use group::methods;
pub use shard::{ShardArgs, run as run_shard};

use self::cases::{Case, Known};
use self::executor::{Event, Executor};
use self::layout::{Layout, Trouble};
use self::local::Local;
use crate::console::{self, duration};
use crate::engine::EngineArgs;
use crate::project::{Installed, PipelineArgs};
use crate::{Failure, INTERRUPTED};
use ichor_host::PluginFile;
use ichor_spec::{Options, Plan, Spec};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

#[derive(clap::Args, Clone)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// The cases: tab-separated values with a column `case` and one for each input that differs between them
    ///
    /// Paths are relative to the table's folder. Columns that are no inputs of the pipeline are for the stages of its
    /// `group`, as `$inputs.cases`.
    #[arg(long, value_name = "FILE")]
    cases: PathBuf,
    /// Folder for the results; made if it is not there
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Cases at once; they share threads and memory evenly
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=256))]
    jobs: u32,
    /// Run every case with this overlay, too, and compare; named by its file; given twice or more
    ///
    /// What the variants have in common is computed once.
    #[arg(long, value_name = "OVERLAY")]
    variant: Vec<PathBuf>,
    #[command(flatten)]
    engine: EngineArgs,
}

/// How a case stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not reached.
    #[default]
    Open,
    /// Done now.
    Done,
    /// Done before.
    Kept,
    /// A stage failed, or its files are wrong.
    Failed,
    /// It ended its process too often.
    SetAside,
}

/// An overlay that all cases are run with.
struct Variant {
    name: String,
    overlay: PathBuf,
}

/// A batch with everything looked up.
pub struct Study {
    args: Args,
    installed: Installed,
    spec: Spec,
    cases: Vec<Case>,
    /// Columns that are no inputs of the pipeline.
    others: Vec<String>,
    /// Inputs that are the same for all cases.
    common: BTreeMap<String, String>,
    variants: Vec<Variant>,
}

/// A case, by a variant if there are any.
pub struct Item<'a> {
    case: &'a Case,
    number: usize,
    variant: Option<&'a Variant>,
}

impl Item<'_> {
    fn variant(&self) -> Option<&str> {
        self.variant.map(|v| v.name.as_str())
    }
}

impl Study {
    fn read(args: &Args) -> Result<Self, Failure> {
        let installed = args.pipeline.plugins.find()?;
        let spec = args.pipeline.spec().map_err(Failure::from)?;
        let known: Known = spec.inputs.iter().map(|i| (i.name.value.as_str(), i.kind.is_path())).collect();
        let cases = cases::read(&args.cases, &known)?;
        let common = args.pipeline.bound()?;
        let both = cases.list.iter().flat_map(|c| c.inputs.keys()).find(|name| common.contains_key(*name));
        if let Some(name) = both {
            return Err(Failure::usage(format!(
                "input {name} is a column of {} and bound by -i; leave one out",
                args.cases.display()
            )));
        }
        let mut variants: Vec<Variant> = Vec::new();
        for overlay in &args.variant {
            let name = overlay.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            if variants.iter().any(|v| v.name == name) {
                return Err(Failure::usage(format!(
                    "two variants are called {name}; rename one of the files"
                )));
            }
            variants.push(Variant { name, overlay: overlay.clone() });
        }
        if variants.len() == 1 {
            return Err(Failure::usage(
                "one --variant is nothing to compare; give two or more, or use --with",
            ));
        }
        Ok(Self {
            args: args.clone(),
            installed,
            spec,
            cases: cases.list,
            others: cases.others,
            common,
            variants,
        })
    }

    fn count(&self) -> usize {
        self.cases.len() * self.variants.len().max(1)
    }

    /// Case by case, so that variants find in the cache what they have in common.
    fn item(&self, index: usize) -> Item<'_> {
        let each = self.variants.len().max(1);
        Item {
            case: &self.cases[index / each],
            number: index % each,
            variant: self.variants.get(index % each),
        }
    }

    fn names(&self) -> Vec<String> {
        self.variants.iter().map(|v| v.name.clone()).collect()
    }

    /// Whether a plugin of these bytes is installed. The one of that path is read first: the sums of all cost every
    /// shard the time of many small cases.
    fn has_plugin(&self, path: &Path, sha256: &str) -> bool {
        let is_it = |file: &&PluginFile| file.sha256().is_ok_and(|sum| sum == sha256);
        let (there, elsewhere): (Vec<&PluginFile>, Vec<&PluginFile>) =
            self.installed.files.iter().partition(|file| file.path == path);
        there.iter().any(is_it) || elsewhere.iter().any(is_it)
    }

    /// The pipeline as a case is run with it.
    fn pipeline(&self, item: &Item) -> PipelineArgs {
        let mut pipeline = self.args.pipeline.clone();
        pipeline.inputs.extend(item.case.inputs.iter().map(|(name, value)| format!("{name}={value}")));
        pipeline.with.extend(item.variant.map(|v| v.overlay.clone()));
        pipeline.keep.extend(self.needs());
        pipeline
    }

    /// What the group takes of every case, `STAGE.PORT` each.
    fn needs(&self) -> Vec<String> {
        self.spec.group_pipeline(&[], &|_| false).map(|group| group.needs).unwrap_or_default()
    }

    fn resolve(&self, spec: &Spec, options: &Options) -> Result<Plan, Failure> {
        Ok(self.args.pipeline.resolved(spec, options, &self.installed)?)
    }
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let begin = Instant::now();
    let study = Study::read(args)?;
    study.installed.notes.iter().for_each(|note| console::warn(note));
    // What is wrong with the pipeline is wrong with every case.
    for number in 0..study.variants.len().max(1) {
        let plan = study.pipeline(&study.item(number)).resolve(&study.installed, true)?;
        crate::check::tables_only(&plan, &study.needs())?;
    }
    if let Some(group) = study.spec.group_pipeline(&study.names(), &|name| study.common.contains_key(name)) {
        let overrides = group::methods(&group.spec, &study.installed, &study.names());
        study.resolve(&group.spec, &Options { overrides, ..Options::default() })?;
    }
    if study.spec.group.is_none() && !study.others.is_empty() {
        let names = study.others.join(", ");
        console::warn(&format!(
            "of the cases' columns, the pipeline has no inputs {names}; they are not used"
        ));
    }
    let cancel = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), Arc::clone(&cancel))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&cancel)))
            .map_err(|e| Failure::usage(format!("cannot listen for Ctrl-C: {e}")))?;
    }
    let layout = Layout { out: args.out.clone() };
    layout.tidy();
    let mut states = vec![(State::Open, String::new(), 0.0); study.count()];
    status::write(&study, &layout, &states)?; // a folder that cannot be written costs nobody an hour
    let exe =
        std::env::current_exe().map_err(|e| Failure::usage(format!("cannot find the ichor program: {e}")))?;
    let mut executor = Local {
        exe,
        // What follows `batch`.
        arguments: std::env::args_os().skip_while(|a| a != "batch").skip(1).collect(),
        at_once: (args.jobs as usize).min(study.count()),
        cancel: Arc::clone(&cancel),
    };
    let shown = std::cell::RefCell::new(shown::Shown::new(study.count(), executor.at_once));
    let name = |index: usize| {
        let item = study.item(index);
        item.variant().map_or(item.case.name.clone(), |v| format!("{} ({v})", item.case.name))
    };
    let result = executor.run(
        study.count(),
        &mut |event| match event {
            Event::Begun { index } => shown.borrow_mut().begun(*index, &name(*index)),
            Event::Going { index, fraction, left, stage } => {
                shown.borrow_mut().going(*index, *fraction, *left, stage);
            }
            Event::Ended { index, state, reason, seconds } => {
                states[*index] = (*state, reason.clone(), *seconds);
                shown.borrow_mut().ended(*index, &name(*index), *state, reason, *seconds);
            }
        },
        &mut |index, how| {
            let item = study.item(index);
            let before = layout.trouble(&item.case.name, item.variant()).unwrap_or_default();
            let deaths = before.deaths + 1;
            let reason = format!("its process {how}, {deaths} times");
            let trouble = Trouble { reason, deaths };
            layout
                .set_trouble(&item.case.name, item.variant(), Some(&trouble))
                .map_err(|e| Failure::stage(format!("cannot write to {}: {e}", args.out.display())))
        },
    );
    drop(shown);
    // Shards of a batch that was killed a moment ago may have been alive when this one passed their cases.
    for index in 0..study.count() {
        let item = study.item(index);
        let _ = ichor_exec::sweep(&layout.case(&item.case.name, item.variant())); // none there is as good
    }
    status::write(&study, &layout, &states)?;
    result?;
    let is_done = |s: &&(State, String, f64)| matches!(s.0, State::Done | State::Kept);
    let done = states.iter().filter(is_done).count();
    let kept = states.iter().filter(|s| s.0 == State::Kept).count();
    console::print(&format!(
        "{done} of {} done in {}{}; results are in {}:",
        states.len(),
        duration(begin.elapsed().as_secs_f64()),
        if kept > 0 { format!(" ({kept} before)") } else { String::new() },
        args.out.display()
    ));
    console::print(&format!("  {}", layout.status().display()));
    if done > 0 {
        let states: Vec<State> = states.iter().map(|s| s.0).collect();
        group::run(&study, &layout, &states, &cancel)?;
    }
    console::print("Research use only; not a medical device.");
    match states.len() - done {
        0 => Ok(()),
        failed => Err(Failure::stage(format!(
            "{failed} of {} failed; {} says why",
            states.len(),
            layout.status().display()
        ))),
    }
}
