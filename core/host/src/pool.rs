//! Where outputs come from: memory that was used before, when there is some.
//!
//! Touching fresh pages costs five times as much as writing to used ones, so buffers are kept for the rest of
//! the case. Nothing of one case is kept for the next: see [`BufferPool::clear`].

use crate::buffer::Buffer;
use crate::shared::Mapping;
use std::sync::{Arc, Mutex, PoisonError};

/// Memory for the outputs of stages.
#[derive(Debug, Default)]
pub struct BufferPool {
    home: Arc<Home>,
}

#[derive(Debug, Default)]
pub(crate) struct Home {
    state: Mutex<State>,
}

/// How memory is handed out by a host that looks for mistakes of stages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Poison {
    /// Every byte has this value at first.
    pub(crate) byte: u8,
    /// So many bytes behind the end are watched for writes.
    pub(crate) room: usize,
}

#[derive(Debug, Default)]
struct State {
    poison: Option<Poison>,
    free: Vec<Mapping>,
    in_use: usize,
    peak: usize,
}

impl Home {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn give_back(&self, mapping: Mapping, len: usize) {
        let usable = mapping.protect(true).is_ok();
        self.with(|state| {
            state.in_use = state.in_use.saturating_sub(len);
            if usable && state.poison.is_none() {
                state.free.push(mapping);
            }
        });
    }
}

impl BufferPool {
    /// `bytes` bytes, their content unspecified; `None` when there is no memory for them.
    pub(crate) fn take(&self, bytes: usize) -> Option<Buffer> {
        if let Some(poison) = self.home.with(|state| state.poison) {
            return self.take_poisoned(bytes, poison);
        }
        let recycled = self.home.with(|state| {
            // The smallest that fits, unless it would waste more than half.
            let fits =
                |m: &Mapping| m.capacity() >= bytes && m.capacity() / 2 <= bytes.max(crate::shared::PAGE);
            let (best, _) =
                state.free.iter().enumerate().filter(|(_, m)| fits(m)).min_by_key(|(_, m)| m.capacity())?;
            Some(state.free.swap_remove(best))
        });
        let mapping = match recycled {
            Some(mapping) => mapping,
            None => {
                // The system hands out more than it has and kills somebody later: ask before.
                if bytes > 64 << 20 && bytes as u64 > available() {
                    self.home.with(|state| state.free.clear());
                    if bytes as u64 > available() {
                        return None;
                    }
                }
                Mapping::new(bytes).ok()?
            }
        };
        self.home.with(|state| {
            state.in_use += bytes;
            state.peak = state.peak.max(state.in_use);
        });
        let buffer = Buffer::new(mapping, bytes, Arc::downgrade(&self.home));
        buffer.arm();
        Some(buffer)
    }

    fn take_poisoned(&self, bytes: usize, poison: Poison) -> Option<Buffer> {
        let mapping = Mapping::new(bytes.checked_add(poison.room)?).ok()?;
        // SAFETY: fresh memory of at least that size that nobody else knows.
        unsafe { mapping.start().write_bytes(poison.byte, bytes) };
        self.home.with(|state| state.in_use += bytes);
        let buffer = Buffer::new(mapping, bytes, Arc::downgrade(&self.home)).watched(poison.room);
        buffer.arm();
        Some(buffer)
    }

    /// From now on no memory is used again, and all of it is filled like this.
    pub(crate) fn poison(&self, poison: Poison) {
        self.home.with(|state| state.poison = Some(poison));
    }

    /// Gives unused memory back to the system. Done after every case, so that no patient's voxels stay.
    pub fn clear(&self) {
        let free = self.home.with(|state| std::mem::take(&mut state.free));
        drop(free); // unmapping takes a while and needs no lock
    }

    /// Bytes of values that are alive.
    pub fn in_use(&self) -> usize {
        self.home.with(|state| state.in_use)
    }

    /// Bytes of values that are alive and of memory that is kept to be used again.
    pub fn held(&self) -> usize {
        self.home.with(|state| state.in_use + state.free.iter().map(Mapping::capacity).sum::<usize>())
    }

    /// Most bytes that were alive at once.
    pub fn peak(&self) -> usize {
        self.home.with(|state| state.peak)
    }
}

/// Memory that the system can give without swapping, in bytes; unlimited where it does not tell.
fn available() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(u64::MAX, |kb| kb * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_counted() {
        let pool = BufferPool::default();
        let first = pool.take(100_000).unwrap();
        let start = first.start();
        // SAFETY: the buffer is ours and has 100 000 bytes.
        unsafe { start.write_bytes(7, 100_000) };
        assert!(!first.overrun());
        assert_eq!((pool.in_use(), pool.peak()), (100_000, 100_000));
        drop(first);
        assert_eq!(pool.in_use(), 0);
        let again = pool.take(90_000).unwrap();
        assert_eq!(again.start(), start);
        assert!(pool.take(usize::MAX / 2).is_none());
        drop(again);
        pool.clear();
        assert_eq!(pool.home.with(|state| state.free.len()), 0);
    }

    #[test]
    fn a_byte_behind_the_end_is_noticed() {
        let pool = BufferPool::default();
        let buffer = pool.take(10).unwrap();
        // SAFETY: the mapping has a whole page.
        unsafe { buffer.start().add(10).write(0) };
        assert!(buffer.overrun());
    }
}
