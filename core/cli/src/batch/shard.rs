//! Some cases of a batch, one after the other, in a process of its own. Doing it again, or twice at once, is harmless:
//! what is done is left alone, and a case's record appears last and whole.

use super::executor::Event;
use super::going::{self, Going};
use super::layout::{ATTEMPTS, Layout, Trouble};
use super::{Args, Item, Study};
use crate::{Failure, INTERRUPTED};
use ichor_exec::{FileRecord, Request, RunError, RunRecord, pipeline_files};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

#[derive(clap::Args)]
pub struct ShardArgs {
    /// The first of its cases
    #[arg(long)]
    begin: usize,
    /// The one behind its last
    #[arg(long)]
    end: usize,
    /// Shards that run at once: threads and memory are divided by it
    #[arg(long)]
    share: u32,
    #[command(flatten)]
    batch: Args,
}

pub fn run(args: &ShardArgs) -> Result<(), Failure> {
    // Without the batch, a shard goes at once, however the batch went.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let cancel = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), Arc::clone(&cancel))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&cancel)))
            .map_err(|e| Failure::usage(format!("cannot listen for Ctrl-C: {e}")))?;
    }
    let study = Study::read(&args.batch)?;
    let engine = args.batch.engine.divided(args.share);
    let host = engine.host()?;
    let cache = engine.cache(&args.batch.out);
    let layout = Layout { out: args.batch.out.clone() };
    let mut known = vec![None; study.variants.len().max(1)];
    let mut took = vec![going::Known::new(); study.variants.len().max(1)];
    for index in args.begin..args.end.min(study.count()) {
        let item = study.item(index);
        let (case, variant) = (item.case.name.as_str(), item.variant());
        let dir = layout.case(case, variant);
        let pipeline = study.pipeline(&item);
        let before = layout.trouble(case, variant);
        if before.as_ref().is_some_and(|trouble| trouble.deaths >= ATTEMPTS) {
            let reason = before.map(|b| b.reason).unwrap_or_default();
            say(&Event::Ended { index, state: super::State::SetAside, reason, seconds: 0.0 });
            continue;
        }
        if is_done(&dir, &pipeline.arguments(), &item, &study, &mut known[item.number]) {
            let _ = ichor_exec::sweep(&dir); // of a batch that was killed right after the record
            say(&Event::Ended { index, state: super::State::Kept, reason: String::new(), seconds: 0.0 });
            continue;
        }
        say(&Event::Begun { index });
        let begin = Instant::now();
        let result = pipeline.resolve(&study.installed, true).map_err(Failure::from).and_then(|plan| {
            known[item.number] = pipeline_files(&plan).ok();
            let going = Going::new(index, &plan, &took[item.number], &say);
            let result = ichor_exec::run(&Request {
                plan: &plan,
                arguments: &pipeline.arguments(),
                plugins: &study.installed.files,
                host: &host,
                out: &dir,
                isolation: engine.isolation(),
                cache: cache.as_ref(),
                memory: engine.memory(),
                cancel: &cancel,
                observer: &going,
            });
            going.known(&mut took[item.number]);
            result.map(|_| ()).map_err(|error| match error {
                RunError::Interrupted => Failure { code: INTERRUPTED, message: error.to_string() },
                _ => Failure::stage(error),
            })
        });
        if cancel.load(Ordering::Relaxed) && result.is_err() {
            return Err(Failure { code: INTERRUPTED, message: "interrupted".into() });
        }
        let (state, reason) = match &result {
            Ok(()) => (super::State::Done, String::new()),
            Err(failure) => (super::State::Failed, sentence(&failure.message)),
        };
        let deaths = before.map_or(0, |b| b.deaths);
        let trouble = result.is_err().then(|| Trouble { reason: reason.clone(), deaths });
        layout
            .set_trouble(case, variant, trouble.as_ref())
            .map_err(|e| Failure::stage(format!("cannot write to {}: {e}", args.batch.out.display())))?;
        say(&Event::Ended { index, state, reason, seconds: begin.elapsed().as_secs_f64() });
        if cancel.load(Ordering::Relaxed) {
            return Err(Failure { code: INTERRUPTED, message: "interrupted".into() });
        }
    }
    Ok(())
}

/// A message without the lines that show the place in the pipeline.
fn sentence(message: &str) -> String {
    let lines: Vec<&str> =
        message.lines().filter(|line| !line.starts_with(' ') || !line.contains('|')).collect();
    lines.join("; ")
}

/// Tells the batch; without it there is nobody to work for.
fn say(event: &Event) {
    let text = serde_json::to_string(event).unwrap_or_default();
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(1);
    }
}

/// Whether the folder has the results of this pipeline, with these arguments, of files of these sizes, by the
/// installed plugins, all of them there. `known` are the pipeline's files as they are now.
fn is_done(
    dir: &Path,
    arguments: &[String],
    item: &Item,
    study: &Study,
    known: &mut Option<Vec<FileRecord>>,
) -> bool {
    let Some(record) = RunRecord::read(dir).filter(|r| r.status == "done" && r.arguments == arguments) else {
        return false;
    };
    if known.is_none() {
        *known =
            study.pipeline(item).resolve(&study.installed, true).ok().and_then(|p| pipeline_files(&p).ok());
    }
    let same = |a: &FileRecord, b: &FileRecord| a.path == b.path && a.sha256 == b.sha256;
    let is_pipeline = known.as_ref().is_some_and(|files| {
        files.len() == record.pipeline_files.len()
            && files.iter().zip(&record.pipeline_files).all(|(a, b)| same(a, b))
    });
    let size = |path: &str| std::fs::metadata(path).map(|m| (m.is_dir(), m.len()));
    is_pipeline
        && record.plugins.iter().all(|plugin| study.has_plugin(Path::new(&plugin.path), &plugin.sha256))
        && record.inputs.iter().all(|f| size(&f.path).is_ok_and(|(dir, len)| dir || len == f.bytes))
        && record
            .outputs
            .iter()
            .all(|o| size(&dir.join(&o.file).display().to_string()).is_ok_and(|(_, len)| len == o.bytes))
}
