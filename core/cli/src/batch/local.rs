//! Shards as processes on this machine.

use super::executor::{Event, Executor, shards};
use crate::{Failure, INTERRUPTED};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Up to so many shards at once.
pub struct Local {
    pub exe: PathBuf,
    /// The arguments of `ichor batch`.
    pub arguments: Vec<OsString>,
    pub at_once: usize,
    pub cancel: Arc<AtomicBool>,
}

struct Running {
    child: Child,
    range: Range<usize>,
    /// The case that it works on.
    at: Option<usize>,
}

enum News {
    Line(usize, String),
    Silent(usize),
}

impl Executor for Local {
    fn run(
        &mut self,
        count: usize,
        hear: &mut dyn FnMut(&Event),
        died: &mut dyn FnMut(usize, &str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut waiting: VecDeque<Range<usize>> = shards(count, self.at_once).into();
        let mut running: Vec<Option<Running>> = (0..self.at_once).map(|_| None).collect();
        let (tell, news): (Sender<News>, Receiver<News>) = channel();
        let mut told = false;
        loop {
            let stop = self.cancel.load(Ordering::Relaxed);
            for (slot, place) in running.iter_mut().enumerate() {
                if let (None, false) = (&place, stop)
                    && let Some(range) = waiting.pop_front()
                {
                    *place = Some(self.start(range, slot, &tell)?);
                }
            }
            if stop && !told {
                told = true;
                for shard in running.iter().flatten() {
                    if let Some(pid) = Pid::from_raw(shard.child.id() as i32) {
                        let _ = kill_process(pid, Signal::TERM); // gone already is as good
                    }
                }
            }
            if running.iter().all(Option::is_none) {
                break;
            }
            match news.recv_timeout(Duration::from_millis(200)) {
                Ok(News::Line(slot, line)) => {
                    let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
                    if let Some(shard) = &mut running[slot] {
                        match event {
                            Event::Begun { index } => shard.at = Some(index),
                            Event::Going { .. } => {}
                            Event::Ended { index, .. } => {
                                shard.at = None;
                                shard.range.start = index + 1;
                            }
                        }
                    }
                    hear(&event);
                }
                Ok(News::Silent(slot)) => {
                    let Some(mut shard) = running[slot].take() else { continue };
                    let status = shard.child.wait();
                    if status.as_ref().is_ok_and(ExitStatus::success) || told {
                        continue;
                    }
                    let how = how_it_ended(&status);
                    let Some(at) = shard.at else {
                        return Err(Failure::stage(format!(
                            "the process of a shard {how} before it began a case"
                        )));
                    };
                    if let Err(failure) = died(at, &how) {
                        for shard in running.iter_mut().flatten() {
                            let _ = shard.child.kill(); // gone already is as good
                            let _ = shard.child.wait();
                        }
                        return Err(failure);
                    }
                    waiting.push_front(at..shard.range.end);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
        if told {
            return Err(Failure {
                code: INTERRUPTED,
                message: "interrupted; the same command goes on".into(),
            });
        }
        Ok(())
    }
}

impl Local {
    fn start(&self, range: Range<usize>, slot: usize, tell: &Sender<News>) -> Result<Running, Failure> {
        let mut child = Command::new(&self.exe)
            .arg("shard")
            .args(["--begin", &range.start.to_string(), "--end", &range.end.to_string()])
            .args(["--share", &self.at_once.to_string()])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| Failure::stage(format!("cannot start {}: {e}", self.exe.display())))?;
        if let Some(stdout) = child.stdout.take() {
            let tell = tell.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    let _ = tell.send(News::Line(slot, line));
                }
                let _ = tell.send(News::Silent(slot)); // after its last line
            });
        }
        Ok(Running { child, range, at: None })
    }
}

fn how_it_ended(status: &std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => format!("died of signal {signal}"),
            (None, code) => format!("ended with exit code {}", code.unwrap_or(-1)),
        },
        Err(e) => format!("is gone: {e}"),
    }
}
