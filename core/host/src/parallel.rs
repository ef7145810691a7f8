//! The host's threads: they help whichever stage runs a parallel loop.

use crate::budget::Counters;
use ichor_abi::ichor_body;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Gives and takes the right to help; a worker process counts what it holds.
pub(crate) trait Share: Send + Sync {
    fn counters(&self) -> &Counters;
    /// Called with +1 before a thread is taken and with -1 after it is given back.
    fn holds(&self, _change: i32) {}
}

/// One parallel loop while it runs.
struct Loop {
    next: AtomicU64,
    n: u64,
    grain: u64,
    body: ichor_body,
    user: *mut c_void,
    most_helpers: u32,
    /// Guarded by the queue's lock.
    helpers: AtomicU64,
}

// SAFETY: `user` is handed to `body` on several threads, which is what parallel_for promises to do.
unsafe impl Send for Loop {}
// SAFETY: as above.
unsafe impl Sync for Loop {}

impl Loop {
    /// Runs ranges until none is left or `stop` says so.
    fn work(&self, stop: impl Fn() -> bool) {
        while !stop() {
            let begin = self.next.fetch_add(self.grain, Relaxed);
            if begin >= self.n {
                break;
            }
            // SAFETY: the caller of parallel_for keeps `user` alive until the loop has ended, and the loop
            // does not end before every helper has left.
            unsafe { (self.body)(self.user, begin, (begin + self.grain).min(self.n)) };
        }
    }

    fn exhausted(&self) -> bool {
        self.next.load(Relaxed) >= self.n
    }
}

#[derive(Default)]
struct Queue {
    loops: Vec<Arc<Loop>>,
    threads: usize,
    ended: bool,
}

struct Inner {
    share: Arc<dyn Share>,
    queue: Mutex<Queue>,
    /// There may be work.
    work: Condvar,
    /// A helper has left a loop.
    left: Condvar,
    most_threads: usize,
}

/// Helper threads, started when they are first needed.
pub(crate) struct Threads(Arc<Inner>);

impl Threads {
    /// At most `threads` compute at once, those that call `parallel_for` included.
    pub(crate) fn new(threads: usize, share: Arc<dyn Share>) -> Self {
        Self(Arc::new(Inner {
            share,
            queue: Mutex::default(),
            work: Condvar::new(),
            left: Condvar::new(),
            most_threads: threads.saturating_sub(1),
        }))
    }

    /// Runs `body` over `0..n` in ranges of `grain`; returns when all of it is done.
    pub(crate) fn run(&self, (n, grain): (u64, u64), most: u32, body: ichor_body, user: *mut c_void) {
        let grain = grain.clamp(1, n.max(1));
        // Far below the wrap of `next`: each thread adds `grain` once more than needed.
        let ranges = n.div_ceil(grain);
        let helpers =
            u64::from(most.saturating_sub(1)).min(ranges.saturating_sub(1)).min(self.0.most_threads as u64);
        let this = Arc::new(Loop {
            next: AtomicU64::new(0),
            n,
            grain,
            body,
            user,
            most_helpers: helpers as u32,
            helpers: AtomicU64::new(0),
        });
        if helpers == 0 {
            this.work(|| false);
            return;
        }
        {
            let mut queue = self.0.lock();
            queue.loops.push(Arc::clone(&this));
            while queue.threads < self.0.most_threads && queue.threads < helpers as usize {
                let inner = Arc::clone(&self.0);
                if std::thread::Builder::new().name("ichor".into()).spawn(move || inner.help()).is_err() {
                    break; // fewer helpers, the same result
                }
                queue.threads += 1;
            }
        }
        self.0.work.notify_all();
        this.work(|| false);
        let mut queue = self.0.lock();
        queue.loops.retain(|l| !Arc::ptr_eq(l, &this));
        while this.helpers.load(Relaxed) > 0 {
            queue = self.0.left.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn help(&self) {
        let counters = self.share.counters();
        let mut queue = self.lock();
        while !queue.ended {
            let wants =
                |l: &&Arc<Loop>| !l.exhausted() && l.helpers.load(Relaxed) < u64::from(l.most_helpers);
            let Some(found) = queue.loops.iter().find(wants).cloned() else {
                queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            self.share.holds(1);
            if !counters.try_help() {
                self.share.holds(-1);
                // Another process may give a thread back, of which nobody tells: look again soon.
                let wait = self.work.wait_timeout(queue, Duration::from_millis(2));
                queue = wait.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            found.helpers.fetch_add(1, Relaxed);
            drop(queue);
            found.work(|| counters.over());
            counters.stop_helping(1);
            self.share.holds(-1);
            queue = self.lock();
            found.helpers.fetch_sub(1, Relaxed);
            self.left.notify_all();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.work.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use std::sync::atomic::AtomicU32;

    struct Own(Budget);

    impl Share for Own {
        fn counters(&self) -> &Counters {
            self.0.shared().get()
        }
    }

    unsafe extern "C" fn count(user: *mut c_void, begin: u64, end: u64) {
        // SAFETY: the test passes a slice's pointer that outlives the loop.
        let cells = unsafe { std::slice::from_raw_parts(user.cast::<AtomicU32>(), 1000) };
        for cell in &cells[begin as usize..end as usize] {
            cell.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn every_element_is_visited_once_whatever_the_threads() {
        for threads in [1, 2, 5] {
            let pool = Threads::new(threads, Arc::new(Own(Budget::new(threads).unwrap())));
            for (n, grain) in [(1000, 1), (1000, 7), (1000, u64::MAX), (1000, 0), (1, 1), (0, 1)] {
                let cells: Vec<AtomicU32> = (0..1000).map(|_| AtomicU32::new(0)).collect();
                for _ in 0..20 {
                    pool.run((n, grain), 8, count, cells.as_ptr().cast_mut().cast());
                }
                assert!(cells.iter().take(n as usize).all(|c| c.load(Relaxed) == 20));
                assert!(cells.iter().skip(n as usize).all(|c| c.load(Relaxed) == 0));
            }
        }
    }
}
