//! Runs a stage in a process of its own: the host's end.
//!
//! A worker process lives for one run of one stage, so a leak, a stray thread or a poisoned instance dies with
//! it. Inputs are mapped read-only there, outputs are the host's memory, and nothing is copied either way.

use crate::budget::Counters;
use crate::discover::PluginFile;
use crate::forecast::{Forecast, Question};
use crate::job::{Host, Job, StageError};
use crate::outputs::Outputs;
use crate::shared::{Mapping, PAGE};
use crate::value::Value;
use crate::wire::{ToHost, ToWorker, Wire, copied, memory_of};
use ichor_abi::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::VecDeque;
use std::io::{self, PipeReader, Read};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What a host and one worker share besides memory.
#[repr(C)]
pub(crate) struct Page {
    /// Not 0: the run should stop.
    pub(crate) cancelled: AtomicU32,
    /// Helper threads that the worker holds; given back for it if it dies.
    pub(crate) helpers: AtomicU32,
}

/// A [`Page`], mapped.
pub(crate) struct SharedPage(Mapping);

impl SharedPage {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Mapping::new(PAGE)?))
    }

    pub(crate) fn of(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self(Mapping::of(fd, PAGE, true)?))
    }

    pub(crate) fn get(&self) -> &Page {
        // SAFETY: a mapped page of atomics, zero at first.
        unsafe { &*self.0.start().cast::<Page>() }
    }
}

/// How long a stage may think about its plan.
const PLANNING: Duration = Duration::from_secs(30);
/// How often limits and cancellation are looked at.
const TICK: Duration = Duration::from_millis(20);
/// How long a worker may live on after it has closed its end.
const LAST_BREATH: Duration = Duration::from_millis(300);
/// The variable that marks a worker and its descendants.
pub(crate) const MARK: &str = "ICHOR_WORKER";
/// Numbers the workers of this host.
static STARTED: AtomicU32 = AtomicU32::new(0);
/// Lines of a worker's output that are kept for the error message.
const TAIL: usize = 10;
/// And characters a line.
const LINE: usize = 400;

/// Runs the stage; returns how it ended and the most memory its process used.
pub(crate) fn run(
    host: &Host,
    plugin: &PluginFile,
    job: &Job,
    outputs: &Outputs,
) -> (Result<(), StageError>, u64) {
    let begun = Instant::now();
    let mut worker = match Worker::start(host) {
        Ok(worker) => worker,
        Err(e) => {
            let exe = host.options.worker_exe.display();
            let why = format!("its worker process ({exe}) cannot be started: {e}");
            return (Err(StageError::new(ICHOR_CRASHED, why)), 0);
        }
    };
    if job.cancel.load(Ordering::Relaxed) {
        worker.page.get().cancelled.store(1, Ordering::Relaxed); // also a stage of a millisecond hears it
    }
    // A worker that dies while it is told is seen below, with its reason.
    let _ = worker.tell(plugin, job, host);
    let ended = worker.serve(job, outputs, host, begun);
    worker.finish(ended, job, host.budget.shared().get())
}

/// Asks a stage for its forecast, in a process of its own.
pub(crate) fn ask(
    host: &Host,
    plugin: &PluginFile,
    question: &Question,
    inputs: &[Vec<Arc<Value>>],
) -> Result<Forecast, StageError> {
    let lost = |e: io::Error| {
        StageError::new(ICHOR_CRASHED, format!("its worker process was lost while it planned: {e}"))
    };
    let mut worker = Worker::start(host).map_err(lost)?;
    let converse = || -> io::Result<Result<Forecast, StageError>> {
        let start = ToWorker::Start {
            stage: question.stage.id.clone(),
            params: question.params.to_string(),
            seed: question.seed,
            max_threads: host.budget().threads() as u32,
            manifest: String::from_utf8_lossy(&plugin.manifest_text).into_owned(),
            bytes_limit: None,
            ports: inputs.len(),
            forecast: Some(question.stage.outputs.len()),
        };
        worker.wire.send(&start, &[plugin.file.as_fd(), host.budget.shared().fd(), worker.page.0.fd()])?;
        for (port, values) in inputs.iter().enumerate() {
            for value in values {
                worker.wire.send(&ToWorker::Input { port, value: value.described() }, &[])?;
            }
        }
        worker.wire.send(&ToWorker::Go, &[])?;
        // A plan is a matter of milliseconds; one that hangs is a defect.
        worker.wire.set_timeout(PLANNING)?;
        match worker.wire.receive::<ToHost>()?.0 {
            ToHost::Forecast(forecast) => Ok(Ok(forecast)),
            ToHost::Done { status, message } => Ok(Err(StageError::new(status, message))),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    };
    let answer = converse();
    worker.kill_group();
    let _ = worker.child.wait();
    answer.map_err(lost)?
}

/// How the conversation ended.
enum Ended {
    Done(i32, String),
    /// The worker closed its end.
    Silent,
    /// It was killed, for this reason.
    Killed(StageError),
}

struct Worker {
    child: Child,
    /// In the environment of the worker and of whatever it starts.
    mark: String,
    wire: Wire,
    output: Output,
    page: SharedPage,
    peak: u64,
}

impl Worker {
    fn start(host: &Host) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let (reader, writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        let page = SharedPage::new()?;
        let mark = format!("{}.{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        // The socket is the worker's standard input, which needs no code between fork and exec.
        let child = Command::new(&host.options.worker_exe)
            .args(&host.options.worker_args)
            .arg("0")
            .env(MARK, &mark)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .spawn()?;
        Ok(Self { child, mark, wire: Wire::new(ours), output: Output::new(reader), page, peak: 0 })
    }

    fn tell(&self, plugin: &PluginFile, job: &Job, host: &Host) -> io::Result<()> {
        let start = ToWorker::Start {
            stage: job.stage.id.clone(),
            params: job.params.to_string(),
            seed: job.seed,
            max_threads: job.max_threads.clamp(1, 4096) as u32,
            manifest: String::from_utf8_lossy(&plugin.manifest_text).into_owned(),
            bytes_limit: job.limits.bytes,
            ports: job.inputs.len(),
            forecast: None,
        };
        let page = self.page.0.fd();
        self.wire.send(&start, &[plugin.file.as_fd(), host.budget.shared().fd(), page])?;
        for (port, values) in job.inputs.iter().enumerate() {
            for value in values {
                let fd = memory_of(value)?;
                self.wire.send(&ToWorker::Input { port, value: value.described() }, &[fd.as_fd()])?;
            }
        }
        self.wire.send(&ToWorker::Go, &[])
    }

    /// Answers the worker until it is done, dies, or has to be stopped.
    fn serve(&mut self, job: &Job, outputs: &Outputs, host: &Host, begun: Instant) -> Ended {
        let mut asked_to_stop = None;
        let mut output_open = true;
        loop {
            let (said, printed) = self.wait(output_open);
            if printed {
                output_open = self.output.read(job);
            }
            if said {
                match self.answer(job, outputs) {
                    Ok(None) => {}
                    Ok(Some(ended)) => return ended,
                    Err(_) => return Ended::Silent,
                }
            }
            if job.cancel.load(Ordering::Relaxed) {
                self.page.get().cancelled.store(1, Ordering::Relaxed);
                let since = *asked_to_stop.get_or_insert_with(Instant::now);
                if since.elapsed() > host.options.grace {
                    let why = "it was asked to stop, did not, and was killed";
                    return Ended::Killed(StageError::new(ICHOR_CANCELLED, why));
                }
            }
            if let Some(limit) = job.limits.seconds
                && begun.elapsed().as_secs_f64() > limit
            {
                let why = format!(
                    "it was stopped after its time limit of {limit} s; raise the limit or look why it hangs"
                );
                return Ended::Killed(StageError::new(ICHOR_CRASHED, why));
            }
            if let Some(limit) = job.limits.bytes
                && self.own_memory() > limit
            {
                let why = format!(
                    "it was stopped at its memory limit of {} MiB; raise the limit or give it less",
                    limit >> 20
                );
                return Ended::Killed(StageError::new(ICHOR_CRASHED, why));
            }
        }
    }

    /// Waits a tick at most; tells whether the socket and the output have something.
    fn wait(&self, output_open: bool) -> (bool, bool) {
        let wire = PollFd::new(&self.wire, PollFlags::IN);
        let output = PollFd::new(&self.output.reader, PollFlags::IN);
        let mut fds = [wire, output];
        let watched = if output_open { &mut fds[..] } else { &mut fds[..1] };
        let tick = Timespec { tv_sec: 0, tv_nsec: TICK.as_nanos() as i64 };
        if poll(watched, Some(&tick)).is_err() {
            return (false, false); // interrupted by a signal: look again
        }
        let ready: Vec<bool> = watched.iter().map(|fd| !fd.revents().is_empty()).collect();
        (ready[0], ready.get(1).copied().unwrap_or(false))
    }

    fn answer(&mut self, job: &Job, outputs: &Outputs) -> io::Result<Option<Ended>> {
        let (message, fds) = self.wire.receive::<ToHost>()?;
        let status = match message {
            ToHost::NewTensor { port, shape } => {
                let (status, value) = match outputs.new_tensor(port, shape) {
                    Ok(value) => (ICHOR_OK, Some(value)),
                    Err(status) => (status, None),
                };
                let fds: Vec<BorrowedFd> =
                    value.iter().filter_map(|v| v.buffer()).map(|b| b.mapping().fd()).collect();
                self.wire.send(&ToWorker::Tensor { status }, &fds)?;
                return Ok(None);
            }
            ToHost::Progress { fraction, what } => {
                job.sink.progress(fraction, &what);
                return Ok(None);
            }
            ToHost::Log { level, message } => {
                job.sink.log(level, &message);
                return Ok(None);
            }
            ToHost::Done { status, message } => return Ok(Some(Ended::Done(status, message))),
            ToHost::Forecast(_) => return Err(io::ErrorKind::InvalidData.into()),
            ToHost::Forward { out, input } => outputs.forward(out, input),
            ToHost::Emit { port, kind, len } => {
                with_sent(fds, len, |bytes| outputs.emit_bytes(port, kind, bytes))?
            }
            ToHost::WriteBlob { port, offset, len } => {
                with_sent(fds, len, |bytes| outputs.write_blob(port, offset, bytes))?
            }
            ToHost::ReadBlob { port, offset, len } => {
                // Never more than there is: a worker must not make this process ask for any memory it likes.
                let mut bytes = vec![0; len.min(outputs.blob_len(port))];
                let status = match bytes.len() == len {
                    true => outputs.read_blob(port, offset, &mut bytes),
                    false => ICHOR_IO,
                };
                let memory = copied(&bytes)?;
                self.wire.send(&ToWorker::Tensor { status }, &[memory.fd()])?;
                return Ok(None);
            }
            ToHost::SetMeta { port, json } => outputs.set_meta(port, &json),
        };
        self.wire.send(&ToWorker::Status { status }, &[])?;
        Ok(None)
    }

    /// Memory that is the worker's alone, in bytes.
    fn own_memory(&mut self) -> u64 {
        let own = memory(self.child.id(), "RssAnon:");
        self.peak = self.peak.max(own);
        own
    }

    fn finish(mut self, ended: Ended, job: &Job, counters: &Counters) -> (Result<(), StageError>, u64) {
        self.peak = self.peak.max(memory(self.child.id(), "VmHWM:"));
        let mut ended = ended;
        if matches!(ended, Ended::Silent) && !self.dies_by_itself() {
            let why = "its process closed its connection to Ichor, went on, and was killed";
            ended = Ended::Killed(StageError::new(ICHOR_CRASHED, why));
        }
        // Whoever said `Done` has nothing left to do, and nothing that it started must outlive it.
        let alone = matches!(ended, Ended::Done(..)) && self.has_no_children();
        self.kill_group();
        let status = self.child.wait();
        if !alone {
            kill_marked(&self.mark);
        }
        counters.stop_helping(self.page.get().helpers.load(Ordering::SeqCst));
        self.output.read(job);
        let result = match ended {
            Ended::Done(ICHOR_OK, _) => Ok(()),
            Ended::Done(status, message) => Err(StageError::new(status, message)),
            Ended::Silent => Err(StageError::new(ICHOR_CRASHED, self.output.with_tail(how_it_died(status)))),
            Ended::Killed(mut error) => {
                error.message = self.output.with_tail(error.message);
                Err(error)
            }
        };
        (result, self.peak)
    }

    fn dies_by_itself(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < LAST_BREATH {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }

    fn has_no_children(&self) -> bool {
        let pid = self.child.id();
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).is_ok_and(|c| c.trim().is_empty())
    }

    fn kill_group(&self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process_group(pid, Signal::KILL); // gone already is as good
        }
    }
}

/// What a worker has sent along.
fn with_sent<T>(fds: Vec<OwnedFd>, len: usize, body: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
    let fd = fds.into_iter().next().ok_or(io::ErrorKind::InvalidData)?;
    // Mapped only as far as the memory goes: reading behind it would be a bus error here.
    if rustix::fs::fstat(&fd)?.st_size < len as i64 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mapping = Mapping::of(fd, len, false)?;
    // SAFETY: `len` bytes are mapped; the worker waits for the answer.
    Ok(body(unsafe { std::slice::from_raw_parts(mapping.start(), len) }))
}

/// Kills what a worker left behind in process groups of its own. A few milliseconds; done after crashes and
/// for stages that start processes.
pub(crate) fn kill_marked(mark: &str) {
    let wanted = format!("{MARK}={mark}");
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()).and_then(Pid::from_raw)
        else {
            continue;
        };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|&b| b == 0).any(|v| v == wanted.as_bytes()) {
            let _ = kill_process(pid, Signal::KILL); // gone already is as good
        }
    }
}

/// A line of /proc/PID/status in bytes; 0 when the process is gone.
fn memory(pid: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(key));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

pub(crate) fn how_it_died(status: io::Result<ExitStatus>) -> String {
    let Ok(status) = status else { return "its process is gone and nobody knows how".into() };
    if let Some(signal) = status.signal() {
        let name = match signal {
            4 => " (SIGILL, an instruction this processor does not have)",
            6 => " (SIGABRT, it gave up)",
            7 => " (SIGBUS)",
            8 => " (SIGFPE)",
            9 => " (SIGKILL, perhaps for want of memory)",
            11 => " (SIGSEGV, memory that is not its own)",
            15 => " (SIGTERM)",
            _ => "",
        };
        return format!("its process died of signal {signal}{name}");
    }
    format!("its process ended with exit code {} before the stage was done", status.code().unwrap_or(-1))
}

/// What a worker prints, which no stage should: kept for the log.
struct Output {
    reader: PipeReader,
    line: Vec<u8>,
    tail: VecDeque<String>,
}

impl Output {
    fn new(reader: PipeReader) -> Self {
        Self { reader, line: Vec::new(), tail: VecDeque::new() }
    }

    /// Reads what is there, at most a megabyte at once; false when the worker has closed it.
    fn read(&mut self, job: &Job) -> bool {
        let mut chunk = [0; 4096];
        for _ in 0..256 {
            match self.reader.read(&mut chunk) {
                Ok(0) => {
                    self.end_line(job);
                    return false;
                }
                Ok(n) => {
                    for &byte in &chunk[..n] {
                        if byte == b'\n' {
                            self.end_line(job);
                        } else if self.line.len() < LINE {
                            self.line.push(byte);
                        }
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        true
    }

    fn end_line(&mut self, job: &Job) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end().to_owned();
        if line.is_empty() {
            return;
        }
        job.sink.printed(&line);
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    fn with_tail(&self, mut message: String) -> String {
        for line in &self.tail {
            message.push_str("\n  | ");
            message.extend(line.chars().map(|c| if c.is_control() { ' ' } else { c }));
        }
        message
    }
}
