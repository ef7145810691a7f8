//! Runs one program in a process group of its own, within limits.

use crate::group::memory;
use crate::guard::Guard;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io::{self, PipeReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often cancellation and time are looked at.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// How often memory is: it means reading the whole of /proc.
const MEMORY_TICK: Duration = Duration::from_millis(100);
/// What a program has between being asked to stop and being killed. The host's own patience is 2 s.
const GRACE: Duration = Duration::from_secs(1);

/// What a program may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Wall time in seconds.
    pub seconds: Option<f64>,
    /// Bytes.
    pub memory: Option<u64>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exited(ExitStatus),
    /// The run was cancelled.
    Cancelled,
    /// Its time was up.
    OutOfTime,
    /// It used too much memory.
    OutOfMemory,
}

/// A running program; whatever happens, its group does not outlive this.
struct Group {
    child: Child,
    pid: Pid,
    /// Waited for: its number may belong to somebody else.
    gone: bool,
}

impl Group {
    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.pid, signal); // gone already is as good
    }

    /// Whether the program has ended. It is not waited for yet, so that its number belongs to nobody else.
    fn has_ended(&self) -> io::Result<bool> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.pid), look) {
            Err(rustix::io::Errno::INTR) => Ok(false),
            other => Ok(other?.is_some()),
        }
    }

    /// Kills what is left of it.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if !self.gone {
            self.signal(Signal::KILL);
        }
        let status = self.child.wait();
        self.gone |= status.is_ok();
        status
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Runs `command` to its end: no input, what it prints goes to `hear`. It is asked to stop (SIGTERM) when
/// `cancelled` says so or its time is up, and killed when it does not or when it uses too much memory; all of
/// its group is, also what it leaves behind when it ends by itself. Should this process be killed meanwhile, so is the
/// group, and `folder` is removed.
///
/// # Errors
/// It cannot be started.
pub fn run(
    command: &mut Command,
    folder: Option<&Path>,
    limits: Limits,
    cancelled: &dyn Fn() -> bool,
    hear: &mut dyn FnMut(&[u8]),
) -> io::Result<End> {
    let (mut printed, theirs) = io::pipe()?;
    rustix::io::ioctl_fionbio(&printed, true)?;
    command.stdin(Stdio::null()).stdout(theirs.try_clone()?).stderr(theirs).process_group(0);
    let begun = Instant::now();
    let child = command.spawn()?;
    // Ends of the pipe that we kept would keep it open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let pid = Pid::from_raw(child.id() as i32).ok_or(io::ErrorKind::InvalidData)?;
    let mut group = Group { child, pid, gone: false };
    let guard = folder.map(|folder| Guard::over(pid, folder)).transpose()?;

    let mut open = true;
    let mut stopped: Option<(End, Instant)> = None;
    let mut weighed = begun;
    while !group.has_ended()? {
        wait(open.then_some(&printed));
        open = open && read(&mut printed, hear);
        if let Some((_, since)) = stopped {
            if since.elapsed() > GRACE {
                group.signal(Signal::KILL);
            }
            continue;
        }
        let out_of_time = limits.seconds.is_some_and(|limit| begun.elapsed().as_secs_f64() > limit);
        if cancelled() || out_of_time {
            let why = if out_of_time { End::OutOfTime } else { End::Cancelled };
            stopped = Some((why, Instant::now()));
            group.signal(Signal::TERM);
        } else if let Some(limit) = limits.memory
            && weighed.elapsed() > MEMORY_TICK
        {
            weighed = Instant::now();
            if memory(pid.as_raw_nonzero().get()) > limit {
                stopped = Some((End::OutOfMemory, weighed));
                group.signal(Signal::KILL);
            }
        }
    }
    drop(guard); // while the group's number is still its own
    let status = group.end()?;
    // What is still in the pipe. Somebody who left the group may hold it open for ever: nobody waits for
    // that.
    read(&mut printed, hear);
    Ok(stopped.map_or(End::Exited(status), |(why, _)| why))
}

/// Waits for something printed, a tick at most.
fn wait(printed: Option<&PipeReader>) {
    let mut fds: Vec<PollFd> = printed.iter().map(|fd| PollFd::new(*fd, PollFlags::IN)).collect();
    let _ = poll(&mut fds, Some(&TICK)); // interrupted by a signal: look again
}

/// Reads what is there, a megabyte at most; false when all writers are gone.
fn read(printed: &mut PipeReader, hear: &mut dyn FnMut(&[u8])) -> bool {
    let mut chunk = [0; 4096];
    for _ in 0..256 {
        match printed.read(&mut chunk) {
            Ok(0) => return false,
            Ok(n) => hear(&chunk[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break, // nothing now
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::os::unix::process::ExitStatusExt;

    const NONE: Limits = Limits { seconds: None, memory: None };

    /// Runs a script; it is cancelled, if at all, once it has printed something.
    fn sh(script: &str, limits: Limits, cancel: bool) -> (End, String) {
        let heard = RefCell::new(Vec::new());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let cancelled = || cancel && !heard.borrow().is_empty();
        let end = run(&mut command, None, limits, &cancelled, &mut |bytes| {
            heard.borrow_mut().extend_from_slice(bytes)
        });
        (end.unwrap(), String::from_utf8(heard.take()).unwrap())
    }

    /// Everybody in the group ends; how long the system takes over it is not ours to say.
    fn ends(group: &str) {
        let begun = Instant::now();
        while memory(group.trim().parse().unwrap()) > 0 {
            assert!(begun.elapsed().as_secs() < 60, "somebody is left in the group");
            std::thread::yield_now();
        }
    }

    #[test]
    fn both_streams_are_heard_in_order_and_input_is_empty() {
        let (end, heard) = sh("echo one; echo two >&2; cat; echo three; exit 3", NONE, false);
        assert_eq!(heard, "one\ntwo\nthree\n");
        assert!(matches!(end, End::Exited(status) if status.code() == Some(3)));
        let (end, heard) = sh("head -c 300000 /dev/zero | tr '\\0' x; kill -SEGV $$", NONE, false);
        assert_eq!(heard.len(), 300_000);
        assert!(matches!(end, End::Exited(status) if status.signal() == Some(11)));
    }

    #[test]
    fn a_whole_group_is_stopped() {
        // One that is deaf to SIGTERM, and a child that would hold the pipe.
        let deaf = "trap '' TERM; sleep 600 & echo $$; while :; do wait; done";
        let (end, heard) = sh(deaf, NONE, true);
        assert_eq!(end, End::Cancelled);
        ends(&heard);
        let (end, _) = sh("sleep 600 & sleep 600", Limits { seconds: Some(0.2), memory: None }, false);
        assert_eq!(end, End::OutOfTime);
    }

    #[test]
    fn a_program_that_ends_takes_its_helpers_with_it() {
        let (end, heard) = sh("sleep 600 & echo $$; exec true", NONE, false);
        assert!(matches!(end, End::Exited(status) if status.success()));
        ends(&heard);
    }

    #[test]
    fn memory_is_limited() {
        let limits = Limits { seconds: Some(60.0), memory: Some(64 << 20) };
        // tail keeps all of a line that never ends.
        let (end, _) = sh("tail -n 1 /dev/zero", limits, false);
        assert_eq!(end, End::OutOfMemory);
    }
}
