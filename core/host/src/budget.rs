//! The thread budget: how many threads compute at once, all stages and worker processes together.

use crate::shared::{Mapping, PAGE};
use rustix::fd::{BorrowedFd, OwnedFd};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, PoisonError};

/// Counters on a page that worker processes share.
#[repr(C)]
pub(crate) struct Counters {
    threads: AtomicU32,
    /// Stages that run; each has one thread for certain.
    stages: AtomicU32,
    /// Threads that help in parallel loops.
    helpers: AtomicU32,
}

/// The counters, mapped.
pub(crate) struct SharedCounters(Mapping);

impl SharedCounters {
    pub(crate) fn of(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self(Mapping::of(fd, PAGE, true)?))
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.fd()
    }

    pub(crate) fn get(&self) -> &Counters {
        // SAFETY: a mapped page, aligned, of atomics, zero at first.
        unsafe { &*self.0.start().cast::<Counters>() }
    }
}

impl Counters {
    /// Takes a thread for a loop if one is free.
    pub(crate) fn try_help(&self) -> bool {
        self.helpers
            .fetch_update(SeqCst, SeqCst, |helpers| {
                (self.stages.load(SeqCst) + helpers < self.threads.load(SeqCst)).then_some(helpers + 1)
            })
            .is_ok()
    }

    /// Gives it back.
    pub(crate) fn stop_helping(&self, threads: u32) {
        let _ = self.helpers.fetch_update(SeqCst, SeqCst, |helpers| Some(helpers.saturating_sub(threads)));
    }

    /// Whether a stage has begun since, so that a helper should stop.
    pub(crate) fn over(&self) -> bool {
        self.stages.load(SeqCst) + self.helpers.load(SeqCst) > self.threads.load(SeqCst)
    }
}

/// How many threads compute at once.
pub struct Budget {
    counters: SharedCounters,
    stages: Mutex<u32>,
    freed: Condvar,
}

/// The right of one stage to run; given back when dropped.
pub struct Token<'a>(&'a Budget);

impl Budget {
    pub(crate) fn new(threads: usize) -> io::Result<Self> {
        let counters = SharedCounters(Mapping::new(PAGE)?);
        counters.get().threads.store(threads.clamp(1, 4096) as u32, SeqCst);
        Ok(Self { counters, stages: Mutex::new(0), freed: Condvar::new() })
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.counters.get().threads.load(SeqCst) as usize
    }

    pub(crate) fn shared(&self) -> &SharedCounters {
        &self.counters
    }

    /// Waits until a stage may run.
    pub fn acquire(&self) -> Token<'_> {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        while *stages as usize >= self.threads() {
            stages = self.freed.wait(stages).unwrap_or_else(PoisonError::into_inner);
        }
        *stages += 1;
        self.counters.get().stages.store(*stages, SeqCst);
        Token(self)
    }
}

impl Drop for Token<'_> {
    fn drop(&mut self) {
        let mut stages = self.0.stages.lock().unwrap_or_else(PoisonError::into_inner);
        *stages -= 1;
        self.0.counters.get().stages.store(*stages, SeqCst);
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_use_what_stages_leave() {
        let budget = Budget::new(3).unwrap();
        let counters = budget.shared().get();
        let first = budget.acquire();
        assert!(counters.try_help() && counters.try_help() && !counters.try_help());
        let second = budget.acquire();
        assert!(counters.over());
        counters.stop_helping(1);
        assert!(!counters.over() && !counters.try_help());
        drop((first, second));
        assert!(counters.try_help());
        counters.stop_helping(7);
        assert_eq!(counters.helpers.load(SeqCst), 0);
    }
}
