//! One run of one stage, wherever it happens.

use crate::budget::{Budget, Counters};
use crate::discover::PluginFile;
use crate::library::{Loaded, take_messages};
use crate::limits::Limits;
use crate::outputs::{Outputs, check_kinds};
use crate::parallel::{Share, Threads};
use crate::pool::BufferPool;
use crate::services::Services;
use crate::value::{Shape, Value};
use ichor_abi::*;
use ichor_spec::StageManifest;
use std::collections::HashMap;
use std::ffi::{OsString, c_void};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Hears what a stage says while it runs; calls come from several threads.
pub trait Sink: Sync {
    /// It is `fraction` (0 to 1) through.
    fn progress(&self, fraction: f64, what: &str);
    /// It has something to say; `level` is the contract's, 1 (error) to 5 (trace).
    fn log(&self, level: i32, message: &str);
    /// Its process printed a line, which no stage should.
    fn printed(&self, line: &str) {
        self.log(ICHOR_LOG_DEBUG, &format!("printed: {line}"));
    }
}

/// A stage to run.
pub struct Job<'a> {
    /// What it declares.
    pub stage: &'a StageManifest,
    /// Its parameters, complete.
    pub params: &'a serde_json::Value,
    /// For each declared input, what is connected to it.
    pub inputs: &'a [Vec<Arc<Value>>],
    /// Its seed.
    pub seed: u64,
    /// Threads it may use.
    pub max_threads: usize,
    /// What it may use in a worker process.
    pub limits: Limits,
    /// Folder for blobs that it writes piece by piece; without one they are kept in memory.
    pub folder: Option<&'a Path>,
    /// Set to stop it.
    pub cancel: &'a AtomicBool,
    /// Hears it.
    pub sink: &'a dyn Sink,
}

/// What a stage made.
pub struct Outcome {
    /// Its outputs, in the order of the manifest.
    pub outputs: Vec<Arc<Value>>,
    /// Most memory that its worker process used of its own, in bytes; 0 in process.
    pub peak_bytes: u64,
    /// What the host refused it while it ran, if it went on all the same.
    pub refusal: Option<String>,
}

/// A promise of the manifest or the contract that a stage broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Breach {
    /// An output was not made.
    Missing,
    /// It wrote behind the end of an output.
    Overrun,
    /// An output has values that its kind does not have.
    Content,
    /// The host refused what it asked for.
    Refused,
}

/// Why a stage made nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StageError {
    pub(crate) status: ichor_status,
    pub(crate) message: String,
    pub(crate) breach: Option<Breach>,
}

impl StageError {
    pub(crate) fn new(status: ichor_status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), breach: None }
    }

    /// A stage that ended well and did not keep its promises.
    pub(crate) fn breach(breach: Breach, why: &str) -> Self {
        Self { breach: Some(breach), ..Self::new(ICHOR_INTERNAL, format!("a bug in the plugin: {why}")) }
    }

    /// The run does not allow it.
    #[must_use]
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ICHOR_UNSUPPORTED, message)
    }

    /// Not enough memory for what it needs.
    #[must_use]
    pub fn out_of_memory(message: impl Into<String>) -> Self {
        Self::new(ICHOR_OUT_OF_MEMORY, message)
    }

    /// Whether it stopped because it was asked to.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.status == ICHOR_CANCELLED
    }

    /// Whether its process died, or it broke the contract: nothing that other parameters would mend.
    #[must_use]
    pub fn is_crash(&self) -> bool {
        matches!(self.status, ICHOR_CRASHED | ICHOR_PANICKED | ICHOR_INTERNAL)
    }

    /// Whether its parameters alone stand in the way.
    #[must_use]
    pub fn is_of_params(&self) -> bool {
        self.status == ICHOR_BAD_PARAMS
    }

    /// Calls a function of a plugin and reads its error.
    pub(crate) fn catch(call: impl FnOnce(*mut ichor_error) -> ichor_status) -> Result<(), Self> {
        let mut text = [0u8; 2048];
        let cap = text.len() as u32;
        let mut error =
            ichor_error { size: size_of::<ichor_error>() as u32, cap, message: text.as_mut_ptr().cast() };
        let status = call(&raw mut error);
        if status == ICHOR_OK {
            return Ok(());
        }
        text[text.len() - 1] = 0;
        let end = text.iter().position(|&b| b == 0).unwrap_or(0);
        let message = String::from_utf8_lossy(&text[..end]).trim().to_owned();
        let message = if message.is_empty() {
            format!("{} (the plugin gives no reason)", describe(status))
        } else {
            message
        };
        Err(Self::new(status, message))
    }
}

fn describe(status: ichor_status) -> String {
    let text = match status {
        ICHOR_CANCELLED => "cancelled",
        ICHOR_BAD_PARAMS => "its parameters make no sense together",
        ICHOR_BAD_INPUT => "an input is not what it needs",
        ICHOR_UNSUPPORTED => "this build or machine cannot do it",
        ICHOR_OUT_OF_MEMORY => "not enough memory",
        ICHOR_IO => "a file could not be read",
        ICHOR_INTERNAL | ICHOR_PANICKED => "a bug in the plugin",
        _ => return format!("unknown status {status}"),
    };
    text.to_owned()
}

/// How a host is set up.
pub struct HostOptions {
    /// The program that serves as worker.
    pub worker_exe: PathBuf,
    /// Arguments that make it one.
    pub worker_args: Vec<OsString>,
    /// The thread budget.
    pub threads: usize,
    /// How long a worker may take to stop after it was asked to.
    pub grace: Duration,
    /// Whether inputs of a kind that their port does not take reach the stage: only to see what it does then.
    pub passes_wrong_kinds: bool,
}

impl HostOptions {
    /// Options with `threads` threads, without a worker program.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self {
            worker_exe: PathBuf::new(),
            worker_args: Vec::new(),
            threads,
            grace: Duration::from_secs(2),
            passes_wrong_kinds: false,
        }
    }
}

struct OwnShare(Arc<Budget>);

impl Share for OwnShare {
    fn counters(&self) -> &Counters {
        self.0.shared().get()
    }
}

/// Loads plugins and runs their stages.
pub struct Host {
    pub(crate) options: HostOptions,
    pub(crate) budget: Arc<Budget>,
    pub(crate) pool: BufferPool,
    threads: Threads,
    loaded: Mutex<HashMap<PathBuf, &'static Loaded>>,
}

impl Host {
    /// A host without any plugin loaded.
    ///
    /// # Errors
    /// The system gives no shared memory.
    pub fn new(options: HostOptions) -> io::Result<Self> {
        crate::heap::share();
        let budget = Arc::new(Budget::new(options.threads)?);
        let threads = Threads::new(options.threads, Arc::new(OwnShare(Arc::clone(&budget))));
        Ok(Self { options, budget, pool: BufferPool::default(), threads, loaded: Mutex::default() })
    }

    /// The thread budget.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Where outputs come from.
    #[must_use]
    pub fn pool(&self) -> &BufferPool {
        &self.pool
    }

    /// Runs a stage, in this process or in one of its own, and checks what it made against its manifest.
    ///
    /// # Errors
    /// [`StageError`]: one sentence for the person at the terminal.
    pub fn run(&self, plugin: &PluginFile, job: &Job, worker: bool) -> Result<Outcome, StageError> {
        if !self.options.passes_wrong_kinds {
            check_kinds(job)?;
        }
        let outputs = Outputs::new(job, &self.pool)?;
        let (result, peak_bytes) = if worker {
            crate::worker::run(self, plugin, job, &outputs)
        } else {
            (self.run_here(plugin, job, &outputs), 0)
        };
        match result.and_then(|()| outputs.finish(&self.loops(job))) {
            Ok(made) => {
                let refusal = outputs.refusal();
                if let Some(why) = &refusal {
                    job.sink
                        .log(ICHOR_LOG_WARN, &format!("the host refused something and it went on: {why}"));
                }
                Ok(Outcome { outputs: made, peak_bytes, refusal })
            }
            Err(mut error) => {
                if job.cancel.load(Ordering::Relaxed) && error.status != ICHOR_CRASHED {
                    error.status = ICHOR_CANCELLED; // whatever it was, nobody waits for it any more
                }
                // A plugin hears from the host a status alone; the reason is kept here.
                if let Some(refusal) = outputs.refusal() {
                    error.message = format!("{}: {refusal}", error.message);
                    if matches!(error.breach, None | Some(Breach::Missing)) {
                        error.breach = Some(Breach::Refused);
                    }
                }
                Err(error)
            }
        }
    }

    fn run_here(&self, plugin: &PluginFile, job: &Job, outputs: &Outputs) -> Result<(), StageError> {
        let loaded = self.load(plugin)?;
        for (level, message) in take_messages() {
            job.sink.log(level, &message);
        }
        let params = job.params.to_string();
        let services = Here { job, outputs, loops: self.loops(job) };
        let begin = Instant::now();
        let result = crate::call::call(loaded, (&job.stage.id, &params), job.seed, job.inputs, &services);
        // Nobody fills and frees much memory in less.
        if begin.elapsed() > Duration::from_millis(2) {
            crate::heap::trim();
        }
        result
    }

    fn loops<'a>(&'a self, job: &Job) -> Loops<'a> {
        Loops { threads: &self.threads, most: job.max_threads.clamp(1, 4096) as u32 }
    }

    /// Parallel loops of the host itself, on the threads that no stage uses.
    #[must_use]
    pub fn parallel(&self) -> impl ichor_image::Parallel + '_ {
        Loops { threads: &self.threads, most: self.options.threads.clamp(1, 4096) as u32 }
    }

    pub(crate) fn load(&self, plugin: &PluginFile) -> Result<&'static Loaded, StageError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = loaded.get(&plugin.path) {
            return Ok(known);
        }
        let fresh = Loaded::open(&plugin.file, &plugin.manifest_text)?;
        loaded.insert(plugin.path.clone(), fresh);
        Ok(fresh)
    }
}

/// The host's threads as one stage may use them.
pub(crate) struct Loops<'a> {
    pub(crate) threads: &'a Threads,
    pub(crate) most: u32,
}

impl ichor_image::Parallel for Loops<'_> {
    fn for_each(&self, n: usize, grain: usize, body: &(dyn Fn(std::ops::Range<usize>) + Sync)) {
        unsafe extern "C" fn call(user: *mut c_void, begin: u64, end: u64) {
            // SAFETY: `user` is the `body` below, which outlives the loop.
            let body = unsafe { &*user.cast::<&(dyn Fn(std::ops::Range<usize>) + Sync)>() };
            body(begin as usize..end as usize);
        }
        let user = (&raw const body).cast_mut().cast();
        self.threads.run((n as u64, grain as u64), self.most, call, user);
    }
}

/// Services for a stage in this process.
struct Here<'a> {
    job: &'a Job<'a>,
    outputs: &'a Outputs<'a>,
    loops: Loops<'a>,
}

impl Services for Here<'_> {
    fn new_tensor(&self, port: u32, shape: Shape) -> Result<Value, ichor_status> {
        self.outputs.new_tensor(port, shape)
    }

    fn forward(&self, out: u32, input: u32) -> ichor_status {
        self.outputs.forward(out, input)
    }

    fn emit_bytes(&self, port: u32, kind: ichor_kind, bytes: &[u8]) -> ichor_status {
        self.outputs.emit_bytes(port, kind, bytes)
    }

    fn write_blob(&self, port: u32, offset: u64, bytes: &[u8]) -> ichor_status {
        self.outputs.write_blob(port, offset, bytes)
    }

    fn read_blob(&self, port: u32, offset: u64, out: &mut [u8]) -> ichor_status {
        self.outputs.read_blob(port, offset, out)
    }

    fn set_meta(&self, port: u32, json: &str) -> ichor_status {
        self.outputs.set_meta(port, json)
    }

    fn cancelled(&self) -> bool {
        self.job.cancel.load(Ordering::Relaxed)
    }

    fn progress(&self, fraction: f64, what: &str) {
        self.job.sink.progress(fraction, what);
    }

    fn log(&self, level: i32, message: &str) {
        self.job.sink.log(level, message);
    }

    fn max_threads(&self) -> u32 {
        self.loops.most
    }

    fn parallel_for(&self, n: u64, grain: u64, body: ichor_body, user: *mut c_void) {
        self.loops.threads.run((n, grain), self.loops.most, body, user);
    }
}
