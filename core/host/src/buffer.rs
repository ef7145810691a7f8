//! The voxels of one value.

use crate::pool::Home;
use crate::shared::Mapping;
use std::sync::Weak;

/// What the bytes behind the voxels are, which a stage must leave alone; checked when it has run.
const CANARY: u8 = 0xC5;
/// So many of them, if the last page has as many.
const WATCHED: usize = 32;

/// Memory of one value. When the last reader is gone it returns to its pool.
#[derive(Debug)]
pub(crate) struct Buffer {
    mapping: Option<Mapping>,
    len: usize,
    watched: usize,
    home: Weak<Home>,
}

impl Buffer {
    /// `len` bytes of `mapping`, to be given back to `home`.
    pub(crate) fn new(mapping: Mapping, len: usize, home: Weak<Home>) -> Self {
        debug_assert!(len <= mapping.capacity());
        Self { mapping: Some(mapping), len, watched: WATCHED, home }
    }

    /// Watches at least `bytes` bytes behind the end, if they are mapped.
    pub(crate) fn watched(mut self, bytes: usize) -> Self {
        self.watched = self.watched.max(bytes);
        self
    }

    pub(crate) fn mapping(&self) -> &Mapping {
        // Taken in drop() alone.
        self.mapping.as_ref().unwrap_or_else(|| unreachable!())
    }

    /// Start of the memory. The stage that makes the value writes through it; nobody does afterwards.
    pub(crate) fn start(&self) -> *mut u8 {
        self.mapping().start()
    }

    /// The bytes. Call it only when the stage that makes them has ended.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are mapped; the only writer, the stage that made them, has ended.
        unsafe { std::slice::from_raw_parts(self.start(), self.len) }
    }

    fn behind(&self) -> *mut [u8] {
        let n = (self.mapping().capacity() - self.len).min(self.watched);
        // SAFETY: inside the mapping.
        std::ptr::slice_from_raw_parts_mut(unsafe { self.start().add(self.len) }, n)
    }

    /// Marks the bytes behind the end, before a stage writes.
    pub(crate) fn arm(&self) {
        let behind = self.behind();
        // SAFETY: inside the mapping, not yet known to any stage.
        unsafe { behind.cast::<u8>().write_bytes(CANARY, behind.len()) };
    }

    /// Whether a stage wrote behind the end.
    pub(crate) fn overrun(&self) -> bool {
        // SAFETY: inside the mapping; the stage has ended.
        let behind = unsafe { &*self.behind() };
        behind.iter().any(|&b| b != CANARY)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let (Some(mapping), Some(home)) = (self.mapping.take(), self.home.upgrade()) {
            home.give_back(mapping, self.len);
        }
    }
}
