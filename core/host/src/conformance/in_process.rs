//! Runs trials inside one process, as a host with `isolate: false` does: a child of the checking process, which
//! itself loads no plugin.

use super::trial::{Ended, Trial, run};
use crate::discover::read_plugin;
use crate::job::{Host, HostOptions};
use crate::library::Loaded;
use crate::worker::{MARK, how_it_died, kill_marked};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, setrlimit};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What the child is asked to do.
#[derive(Serialize, Deserialize)]
struct Request {
    plugin: PathBuf,
    threads: usize,
    bytes: u64,
    trials: Vec<Trial>,
}

/// What it answers, a line each.
#[derive(Serialize, Deserialize)]
enum Answer {
    /// First: whether the plugin was loaded.
    Loaded(Result<(), String>),
    Ended(Ended),
    /// Last: the number of processes that the stages left behind.
    Children(usize),
}

/// What came of a session; of one that did not take place, nothing.
#[derive(Default)]
pub(super) struct Session {
    /// Why the plugin could not be loaded.
    pub(super) refused: Option<String>,
    pub(super) ended: Vec<Ended>,
    /// How the process died, if it did.
    pub(super) died: Option<String>,
    pub(super) printed: Option<String>,
    pub(super) children: usize,
}

/// The program to start as the child, and what bounds it.
pub(super) struct Child<'a> {
    pub(super) exe: &'a Path,
    pub(super) args: &'a [OsString],
    pub(super) threads: usize,
    pub(super) bytes: u64,
    /// For the whole session.
    pub(super) seconds: f64,
}

/// Numbers the sessions of this process.
static STARTED: AtomicU32 = AtomicU32::new(0);
/// An answer is a few hundred bytes; a child that sends more is not ours any more.
const MAX_ANSWERS: u64 = 16 << 20;

impl Child<'_> {
    /// Loads the plugin in a process of its own and runs the trials there, one after the other.
    pub(super) fn session(&self, plugin: &Path, trials: Vec<Trial>) -> io::Result<Session> {
        let (ours, theirs) = UnixStream::pair()?;
        let paper = File::from(rustix::fs::memfd_create(c"ichor", rustix::fs::MemfdFlags::CLOEXEC)?);
        let mark = format!("{}.check.{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        let mut child = Command::new(self.exe)
            .args(self.args)
            .env(MARK, &mark)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(paper.try_clone()?)
            .stderr(paper.try_clone()?)
            .process_group(0)
            .spawn()?;
        let request = Request { plugin: plugin.to_owned(), threads: self.threads, bytes: self.bytes, trials };
        // A child that dies meanwhile is seen below.
        let told = serde_json::to_writer(&ours, &request).map_err(io::Error::from);
        let _ = told.and_then(|()| ours.shutdown(Shutdown::Write));

        let mut session = Session::default();
        let end = Instant::now() + Duration::from_secs_f64(self.seconds);
        let mut complete = false;
        let mut late = false;
        let mut lines = BufReader::new((&ours).take(MAX_ANSWERS));
        while !complete {
            let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            ours.set_read_timeout(Some(left))?;
            let mut line = String::new();
            match lines.read_line(&mut line) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => late = true,
                _ => {}
            }
            match serde_json::from_str(&line) {
                Ok(Answer::Loaded(result)) => session.refused = result.err(),
                Ok(Answer::Ended(ended)) => session.ended.push(ended),
                Ok(Answer::Children(count)) => (session.children, complete) = (count, true),
                Err(_) => break, // cut off, or silence
            }
        }
        if !late && !complete {
            // Its own death, not ours.
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(300) && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        if let Some(pid) = Pid::from_raw(child.id() as i32) {
            let _ = kill_process_group(pid, Signal::KILL); // gone already is as good
        }
        let status = child.wait();
        if !complete || session.children > 0 {
            kill_marked(&mark);
        }
        session.died = match () {
            () if complete => None,
            () if late => Some(format!("it was stopped after {} s", self.seconds)),
            () => Some(how_it_died(status)),
        };
        session.printed = first_line(paper)?;
        Ok(session)
    }
}

fn first_line(mut paper: File) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    paper.rewind()?;
    paper.take(4096).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(str::trim).find(|l| !l.is_empty()).map(|l| l.chars().take(200).collect()))
}

/// The child's end: serves one session on standard input. Returns the exit code.
#[must_use]
pub fn in_process_main() -> u8 {
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    // Whoever uses it without a check at the other end gets an error, and no one is asked to understand it.
    match serve() {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn serve() -> io::Result<()> {
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?; // stages that read it must not read this
    let request: Request = serde_json::from_reader(&socket)?;
    let cap = Some(request.bytes);
    let _ = setrlimit(Resource::Data, Rlimit { current: cap, maximum: cap });
    let say = |answer: &Answer| -> io::Result<()> {
        let mut line = serde_json::to_vec(answer)?;
        line.push(b'\n');
        (&socket).write_all(&line)
    };
    let plugin = match read_plugin(&request.plugin, false) {
        Ok(Some(plugin)) => plugin,
        Ok(None) => return Err(io::ErrorKind::InvalidData.into()),
        Err(why) => return say(&Answer::Loaded(Err(why))),
    };
    let host = Host::new(HostOptions { passes_wrong_kinds: true, ..HostOptions::new(request.threads) })?;
    if request.trials.is_empty() {
        let loaded = Loaded::open(&plugin.file, &plugin.manifest_text);
        say(&Answer::Loaded(loaded.map(|_| ()).map_err(|e| e.message)))?;
    } else {
        say(&Answer::Loaded(Ok(())))?;
    }
    for trial in &request.trials {
        say(&Answer::Ended(run(&host, &plugin, trial, None)))?;
    }
    say(&Answer::Children(children()))
}

/// Processes whose parent this one is.
fn children() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|t| std::fs::read_to_string(t.path().join("children")).ok());
    lists.map(|list| list.split_whitespace().count()).sum()
}
