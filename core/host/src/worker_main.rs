//! The worker's end: loads one plugin, runs one stage, asks its host for everything else.

use crate::budget::{Counters, SharedCounters};
use crate::buffer::Buffer;
use crate::job::StageError;
use crate::library::{Loaded, take_messages};
use crate::parallel::{Share, Threads};
use crate::services::Services;
use crate::shared::Mapping;
use crate::value::{Shape, Value};
use crate::wire::{ToHost, ToWorker, Wire, copied, received};
use crate::worker::SharedPage;
use ichor_abi::*;
use rustix::fd::{FromRawFd, OwnedFd};
use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Serves the host at the other end of the socket `fd`, which this process inherited. Returns the exit code.
#[must_use]
pub fn worker_main(fd: i32) -> u8 {
    // Without its host a worker is of no use: it goes when the host goes, however that went.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    // Whatever a stage starts stays below this process, also when its parent has gone.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    match serve(fd) {
        Ok(()) => 0,
        Err(_) => 1, // the host is gone, or sent what no host sends; nobody to tell
    }
}

fn serve(fd: i32) -> io::Result<()> {
    if fd < 0 || rustix::fs::fcntl_getfl(unsafe_borrow(fd)).is_err() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: open (asked above), and by the command's contract given to this function alone.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let wire = Wire::new(UnixStream::from(socket.try_clone()?));
    if fd == 0 {
        // A plugin that reads standard input must not read the conversation.
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    }
    std::mem::forget(socket); // fd 0 stays open, as /dev/null
    let result = run(&wire);
    let (status, message) = match result {
        Ok(()) => (ICHOR_OK, String::new()),
        Err(error) => (error.status, error.message),
    };
    wire.send(&ToHost::Done { status, message }, &[])?;
    // The host ends this process, after it has looked what else the stage started.
    wire.receive::<ToWorker>().map(|_| ())
}

fn unsafe_borrow<'a>(fd: i32) -> rustix::fd::BorrowedFd<'a> {
    // SAFETY: not -1; used for one query that fails harmlessly when nothing is open there.
    unsafe { rustix::fd::BorrowedFd::borrow_raw(fd) }
}

fn lost(error: io::Error) -> StageError {
    StageError::new(ICHOR_INTERNAL, format!("the worker process lost its host: {error}"))
}

fn run(wire: &Wire) -> Result<(), StageError> {
    let (start, fds) = wire.receive::<ToWorker>().map_err(lost)?;
    let ToWorker::Start { stage, params, seed, max_threads, manifest, bytes_limit, ports, forecast } = start
    else {
        return Err(lost(io::ErrorKind::InvalidData.into()));
    };
    let [plugin, budget, page]: [OwnedFd; 3] =
        fds.try_into().map_err(|_| lost(io::ErrorKind::InvalidData.into()))?;
    let mut inputs: Vec<Vec<Arc<Value>>> = vec![Vec::new(); ports];
    loop {
        let (message, fds) = wire.receive::<ToWorker>().map_err(lost)?;
        match (message, fds.into_iter().next()) {
            (ToWorker::Go, _) => break,
            (ToWorker::Input { port, value }, Some(fd)) if port < ports => {
                inputs[port].push(Arc::new(received(value, fd).map_err(lost)?));
            }
            (ToWorker::Input { port, value }, None) if port < ports && forecast.is_some() => {
                inputs[port].push(Arc::new(Value::planned(value)));
            }
            _ => return Err(lost(io::ErrorKind::InvalidData.into())),
        }
    }
    if let Some(limit) = bytes_limit {
        // The host watches and explains; this stops what grows faster than it looks.
        let cap = Some(limit + limit / 4 + (64 << 20));
        let _ = rustix::process::setrlimit(
            rustix::process::Resource::Data,
            rustix::process::Rlimit { current: cap, maximum: cap },
        );
    }
    let share = Arc::new(Borrowed {
        counters: SharedCounters::of(budget).map_err(lost)?,
        page: SharedPage::of(page).map_err(lost)?,
    });
    let there = There {
        wire: Mutex::new(wire),
        threads: Threads::new(max_threads as usize, Arc::clone(&share) as Arc<dyn Share>),
        share,
        max_threads,
    };
    let loaded = Loaded::open(&File::from(plugin), manifest.as_bytes())?;
    if let Some(outputs) = forecast {
        let forecast = crate::forecast::ask(loaded, (&stage, &params), seed, &inputs, outputs, max_threads)?;
        there.say(&ToHost::Forecast(forecast));
        return Ok(());
    }
    for (level, message) in take_messages() {
        there.log(level, &message);
    }
    crate::call::call(loaded, (&stage, &params), seed, &inputs, &there)
}

/// The host's thread budget, as a worker uses it.
struct Borrowed {
    counters: SharedCounters,
    page: SharedPage,
}

impl Share for Borrowed {
    fn counters(&self) -> &Counters {
        self.counters.get()
    }

    fn holds(&self, change: i32) {
        let helpers = &self.page.get().helpers;
        if change > 0 {
            helpers.fetch_add(1, Ordering::SeqCst);
        } else {
            helpers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Services by asking the host.
struct There<'a> {
    wire: Mutex<&'a Wire>,
    threads: Threads,
    share: Arc<Borrowed>,
    max_threads: u32,
}

impl There<'_> {
    /// A request and its answer. Without a host there is no answer, and no reason to go on.
    fn ask(&self, request: &ToHost, fd: Option<&Mapping>) -> (i32, Option<OwnedFd>) {
        let wire = self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        let fds: Vec<_> = fd.iter().map(|m| m.fd()).collect();
        let answer = wire.send(request, &fds).and_then(|()| wire.receive::<ToWorker>());
        match answer {
            Ok((ToWorker::Tensor { status } | ToWorker::Status { status }, fds)) => {
                (status, fds.into_iter().next())
            }
            _ => std::process::exit(1),
        }
    }

    fn say(&self, message: &ToHost) {
        let wire = self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = wire.send(message, &[]); // a lost host shows at the next request
    }
}

impl Services for There<'_> {
    fn new_tensor(&self, port: u32, shape: Shape) -> Result<Value, ichor_status> {
        let bytes = shape.bytes();
        let request = ToHost::NewTensor { port, shape: shape.clone() };
        let (status, fd) = self.ask(&request, None);
        let (ICHOR_OK, Some(fd), Some(bytes)) = (status, fd, bytes) else {
            return Err(if status == ICHOR_OK { ICHOR_INTERNAL } else { status });
        };
        let mapping = Mapping::of(fd, bytes, true).map_err(|_| ICHOR_OUT_OF_MEMORY)?;
        Ok(Value::voxels(shape, Arc::new(Buffer::new(mapping, bytes, Weak::new()))))
    }

    fn forward(&self, out: u32, input: u32) -> ichor_status {
        self.ask(&ToHost::Forward { out, input }, None).0
    }

    fn emit_bytes(&self, port: u32, kind: ichor_kind, bytes: &[u8]) -> ichor_status {
        let Ok(copy) = copied(bytes) else { return ICHOR_OUT_OF_MEMORY };
        self.ask(&ToHost::Emit { port, kind, len: bytes.len() }, Some(&copy)).0
    }

    fn write_blob(&self, port: u32, offset: u64, bytes: &[u8]) -> ichor_status {
        let Ok(copy) = copied(bytes) else { return ICHOR_OUT_OF_MEMORY };
        self.ask(&ToHost::WriteBlob { port, offset, len: bytes.len() }, Some(&copy)).0
    }

    fn read_blob(&self, port: u32, offset: u64, out: &mut [u8]) -> ichor_status {
        let (status, fd) = self.ask(&ToHost::ReadBlob { port, offset, len: out.len() }, None);
        let (ICHOR_OK, Some(fd)) = (status, fd) else {
            return if status == ICHOR_OK { ICHOR_INTERNAL } else { status };
        };
        File::from(fd).read_exact_at(out, 0).map_or(ICHOR_IO, |()| ICHOR_OK)
    }

    fn set_meta(&self, port: u32, json: &str) -> ichor_status {
        self.ask(&ToHost::SetMeta { port, json: json.to_owned() }, None).0
    }

    fn cancelled(&self) -> bool {
        self.share.page.get().cancelled.load(Ordering::Relaxed) != 0
    }

    fn progress(&self, fraction: f64, what: &str) {
        self.say(&ToHost::Progress { fraction, what: what.to_owned() });
    }

    fn log(&self, level: i32, message: &str) {
        self.say(&ToHost::Log { level, message: message.to_owned() });
    }

    fn max_threads(&self) -> u32 {
        self.max_threads
    }

    fn parallel_for(&self, n: u64, grain: u64, body: ichor_body, user: *mut c_void) {
        self.threads.run((n, grain), self.max_threads, body, user);
    }
}
