//! One run, from a plan to files.

use crate::cache::Cache;
use crate::forecast::{PROGRAM_BYTES, RunForecast, forecast};
use crate::key::{Parts, difference};
use crate::outputs::OutputDir;
use crate::record::{FileRecord, PluginRecord, RunRecord, StageRecord, StageState, peak_bytes};
use crate::schedule::{Ended, Finished, Observer, Work, run_stages};
use crate::sums::Sums;
use ichor_host::{Host, PluginFile, Value};
use ichor_spec::Plan;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Where stages run when the pipeline does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Plugins shipped with Ichor in its own process, all others in a worker.
    #[default]
    Auto,
    /// Everything in Ichor's own process.
    InProcess,
    /// Everything in worker processes.
    Worker,
}

/// What to run, and with what.
pub struct Request<'a> {
    /// The plan, all of its inputs bound.
    pub plan: &'a Plan,
    /// The command line that made the plan, for the record.
    pub arguments: &'a [String],
    /// The plugins that the plan's stages index.
    pub plugins: &'a [PluginFile],
    /// Loads and calls them.
    pub host: &'a Host,
    /// Where results go.
    pub out: &'a Path,
    /// Where stages run.
    pub isolation: Isolation,
    /// What stages made before, if it may be used.
    pub cache: Option<&'a Cache>,
    /// Bytes of memory to stay under.
    pub memory: Option<u64>,
    /// Set from outside to stop the run.
    pub cancel: &'a AtomicBool,
    /// Hears what happens.
    pub observer: &'a dyn Observer,
}

/// Why a run gave no results.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file to read is not there. Nothing ran.
    #[error("cannot read {path}, given as {what}: {source}")]
    Input {
        /// The path.
        path: String,
        /// `stage.parameter` that names it.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// What is connected to a stage is not what it takes, or it refuses its parameters. Nothing ran.
    #[error("{0}")]
    Misfit(String),
    /// A stage needs more memory than the run may use. Nothing ran.
    #[error("stage `{stage}` needs about {} MiB and the run may use {} MiB; raise --memory, or resample to fewer voxels before it", .needs >> 20, .limit >> 20)]
    Memory {
        /// The stage's name.
        stage: String,
        /// What it needs with its inputs and outputs, in bytes.
        needs: u64,
        /// What the run may use, in bytes.
        limit: u64,
    },
    /// Results cannot be written.
    #[error("cannot write to {path}: {source}")]
    Output {
        /// The output directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The cache cannot be written.
    #[error("cannot write to the cache {path}: {source}; name another with --cache, or --no-cache")]
    Cache {
        /// Its folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Stages failed: one sentence each.
    #[error("{}", .0.join("\n"))]
    Failed(Vec<String>),
    /// Somebody asked it to stop.
    #[error("interrupted; nothing was written")]
    Interrupted,
}

/// Runs a plan and writes its outputs and `run.json`.
///
/// Results appear in the output directory only when every stage succeeded, each complete and by a rename.
/// Otherwise the directory keeps what it had, and `failed-run.json` says what happened.
///
/// # Errors
/// [`RunError`].
pub fn run(request: &Request) -> Result<RunRecord, RunError> {
    let Request { plan, plugins, host, out, cancel, observer, .. } = *request;
    let begin = Instant::now();
    let started = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let unwritable = |source| RunError::Output { path: out.to_owned(), source };
    let pipeline_files = pipeline_files(plan)?;
    let (sums, inputs, used) = read_sums(plan, plugins)?;
    let worker = workers(plan, plugins, request.isolation);
    let known = forecast(plan, plugins, host, &worker, request.cache.map(|cache| (cache, &sums)));
    refuse_misfits(plan, &known)?;
    let needs = request.memory.map(|limit| needs(plan, &known, limit)).transpose()?.unwrap_or_default();
    let before = RunRecord::read(out);
    let dir = OutputDir::open(out).map_err(unwritable)?;
    if let Some(cache) = request.cache {
        cache.make().map_err(|source| RunError::Cache { path: cache.path().to_owned(), source })?;
    }

    let work = Work {
        plan,
        plugins,
        host,
        worker: &worker,
        cancel,
        observer,
        cache: request.cache,
        sums: &sums,
        memory: request.memory,
        needs: &needs,
        folder: dir.staging(),
    };
    let Finished { ended, outputs: values } = run_stages(&work);
    let failures = failures(plan, &ended);
    let interrupted = cancel.load(Ordering::Relaxed);
    let mut record = RunRecord {
        ichor: env!("CARGO_PKG_VERSION").into(),
        contract: format!("{}.{}", ichor_abi::ICHOR_ABI_MAJOR, ichor_abi::ICHOR_ABI_MINOR),
        notice: "research use only; not a medical device".into(),
        pipeline: plan.name.clone(),
        pipeline_files,
        arguments: request.arguments.to_vec(),
        folder: std::env::current_dir().unwrap_or_default().display().to_string(),
        seed: plan.seed,
        started,
        seconds: 0.0,
        threads: host.budget().threads(),
        peak_bytes: 0,
        status: if interrupted { "interrupted" } else { "failed" }.into(),
        inputs,
        plugins: used,
        stages: stage_records(&work, &ended, before.as_ref()),
        outputs: Vec::new(),
    };
    if failures.is_empty() && !interrupted {
        record.status = "done".into();
        for (output, value) in plan.outputs.iter().zip(&values) {
            let value = value
                .as_ref()
                .ok_or_else(|| RunError::Failed(vec![format!("output {} was not made", output.name)]))?;
            let file = file_name(&output.name, value).map_err(|why| RunError::Failed(vec![why]))?;
            record.outputs.push(dir.stage(&output.name, file, value).map_err(unwritable)?);
        }
    }
    drop(values);
    if let Some(cache) = request.cache {
        let _ = cache.trim(); // a cache that is too large harms no result
    }
    host.pool().clear(); // nothing of this case stays in memory for the next
    record.peak_bytes = peak_bytes();
    record.seconds = begin.elapsed().as_secs_f64();
    dir.publish(&record).map_err(unwritable)?;
    if interrupted {
        return Err(RunError::Interrupted);
    }
    if failures.is_empty() { Ok(record) } else { Err(RunError::Failed(failures)) }
}

/// What the headers show to be connected wrongly, and parameters that a stage does not take, are refused before anything
/// runs.
fn refuse_misfits(plan: &Plan, known: &RunForecast) -> Result<(), RunError> {
    let mut wrong = plan.stages.iter().zip(&known.stages).filter(|(_, known)| known.misfit);
    match wrong.find_map(|(stage, known)| known.failure(stage)) {
        Some(error) => Err(RunError::Misfit(error)),
        None => Ok(()),
    }
}

/// What each stage makes and needs of its own, in bytes.
fn needs(plan: &Plan, known: &RunForecast, limit: u64) -> Result<Vec<u64>, RunError> {
    let mut needs = Vec::new();
    for (stage, one) in plan.stages.iter().zip(&known.stages) {
        let own = one.output_bytes + one.scratch_bytes;
        let size = |s: &ichor_spec::Source| {
            known.stages[s.stage].outputs[s.port].as_ref().map_or(0, |d| d.len() as u64)
        };
        let whole = own + stage.inputs.iter().flatten().map(size).sum::<u64>() + PROGRAM_BYTES;
        if one.reused != Some(true) && whole > limit {
            return Err(RunError::Memory { stage: stage.name.clone(), needs: whole, limit });
        }
        needs.push(own);
    }
    Ok(needs)
}

/// Which stages run in a worker process.
#[must_use]
pub fn workers(plan: &Plan, plugins: &[PluginFile], isolation: Isolation) -> Vec<bool> {
    let of = |stage: &ichor_spec::PlannedStage| match (stage.isolate, isolation) {
        // Only a process of its own can be stopped.
        _ if stage.limits.any() => true,
        (_, Isolation::InProcess) => false,
        (_, Isolation::Worker) => true,
        (Some(isolate), Isolation::Auto) => isolate,
        (None, Isolation::Auto) => !plugins[stage.plugin].shipped,
    };
    plan.stages.iter().map(of).collect()
}

/// Hashes the files that a pipeline is made of.
///
/// # Errors
/// [`RunError::Input`]: a file is not there.
pub fn pipeline_files(plan: &Plan) -> Result<Vec<FileRecord>, RunError> {
    let of = |path: &String| {
        FileRecord::of("pipeline".into(), path).map_err(|source| RunError::Input {
            path: path.clone(),
            what: "pipeline".into(),
            source,
        })
    };
    plan.files.iter().map(of).collect()
}

/// Hashes what a run reads: the files that stages name, and their plugins.
///
/// # Errors
/// [`RunError::Input`]: a file is not there.
pub fn read_sums(
    plan: &Plan,
    plugins: &[PluginFile],
) -> Result<(Sums, Vec<FileRecord>, Vec<PluginRecord>), RunError> {
    let (mut sums, mut inputs, mut used) = (Sums::default(), Vec::new(), BTreeMap::new());
    for stage in &plan.stages {
        let mut files = Vec::new();
        for (param, path) in &stage.input_files {
            let what = format!("{}.{param}", stage.name);
            let record = FileRecord::of(what.clone(), path).map_err(|source| RunError::Input {
                path: path.into(),
                what,
                source,
            })?;
            files.push((param.clone(), record.sha256.clone()));
            inputs.push(record);
        }
        sums.files.push(files);
        used.insert(stage.plugin, plugin_record(&plugins[stage.plugin])?);
    }
    sums.plugins = used.iter().map(|(&index, record)| (index, record.sha256.clone())).collect();
    Ok((sums, inputs, used.into_values().collect()))
}

/// `<output name>.<extension>`, where the extension is what the value's metadata says.
fn file_name(name: &str, value: &Value) -> Result<String, String> {
    let extension = value.meta().get("extension").and_then(|e| e.as_str()).unwrap_or("bin");
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
    if extension.is_empty()
        || extension.len() > 16
        || !extension.chars().all(plain)
        || extension.contains("..")
    {
        return Err(format!(
            "output {name} has the file extension `{extension}`, which is not plain letters and digits"
        ));
    }
    let file = format!("{name}.{}", extension.trim_start_matches('.'));
    if ["run.json", "failed-run.json"].contains(&file.as_str()) {
        return Err(format!(
            "output {name} would be written over the run record {file}; give it another name"
        ));
    }
    Ok(file)
}

fn failures(plan: &Plan, ended: &[Ended]) -> Vec<String> {
    let of = |(stage, ended): (&ichor_spec::PlannedStage, &Ended)| match ended {
        Ended::Failed { error, .. } if !error.is_cancelled() => {
            Some(format!("stage `{}` ({}) failed: {error}", stage.name, stage.stage.id))
        }
        _ => None,
    };
    plan.stages.iter().zip(ended).filter_map(of).collect()
}

fn plugin_record(plugin: &PluginFile) -> Result<PluginRecord, RunError> {
    let path = plugin.path.display().to_string();
    let unread = |source| RunError::Input { path: path.clone(), what: "a plugin".into(), source };
    Ok(PluginRecord {
        name: plugin.manifest.name.clone(),
        version: plugin.manifest.version.clone(),
        sha256: plugin.sha256().map_err(unread)?.to_owned(),
        path,
    })
}

fn stage_records(work: &Work, ended: &[Ended], before: Option<&RunRecord>) -> Vec<StageRecord> {
    let mut records = Vec::new();
    for (index, (stage, ended)) in work.plan.stages.iter().zip(ended).enumerate() {
        let none = Parts::new();
        let (state, seconds, worker_peak_bytes, error, parts) = match ended {
            Ended::Done { seconds, worker_peak, reused, parts } => {
                let state = if *reused { StageState::Reused } else { StageState::Done };
                (state, *seconds, *worker_peak, None, parts)
            }
            Ended::Failed { seconds, error, parts } => {
                (StageState::Failed, *seconds, 0, Some(error.to_string()), parts)
            }
            Ended::Skipped => (StageState::Skipped, 0.0, 0, None, &none),
        };
        let because = (state == StageState::Done || state == StageState::Failed)
            .then(|| because(before, &stage.name, parts, work.cache.is_some()));
        records.push(StageRecord {
            name: stage.name.clone(),
            id: stage.stage.id.clone(),
            version: stage.stage.version.clone(),
            plugin: work.plugins[stage.plugin].manifest.name.clone(),
            worker: work.worker[index],
            params: stage.params.clone(),
            state,
            because,
            seconds,
            worker_peak_bytes,
            error,
            key: parts.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect(),
        });
    }
    records
}

/// Why a stage ran, rather than being reused.
fn because(before: Option<&RunRecord>, name: &str, parts: &Parts, cached: bool) -> String {
    if !cached {
        return "the cache is off".into();
    }
    let old = before.and_then(|b| b.stages.iter().find(|s| s.name == name)).filter(|s| !s.key.is_empty());
    match old {
        None => "no run before in this folder".into(),
        Some(old) => difference(&old.parts(), parts)
            .unwrap_or_else(|| "nothing changed; its outputs are not in the cache".into()),
    }
}
