//! Memory that a stage asks for and fills, and may hand over as an output.

use std::alloc::Layout;
use std::ptr::NonNull;

/// A block of uninitialised memory.
#[derive(Debug)]
pub(crate) struct Block {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the block owns its memory; while a stage writes to it, the host does not look.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// `None` when there is no memory, or no such alignment.
    pub(crate) fn new(bytes: usize, align: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes.max(1), align.max(1)).ok()?;
        // SAFETY: the layout has a size.
        Some(Self { start: NonNull::new(unsafe { std::alloc::alloc(layout) })?, layout })
    }

    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    pub(crate) fn size(&self) -> usize {
        self.layout.size()
    }

    /// The same block cut off behind `len` bytes, at least one.
    pub(crate) fn cut(mut self, len: usize) -> Self {
        let len = len.clamp(1, self.layout.size());
        // SAFETY: allocated with this layout; a shorter one of the same alignment is one, too.
        let shorter = unsafe { std::alloc::realloc(self.start(), self.layout, len) };
        if let (Some(start), Ok(layout)) =
            (NonNull::new(shorter), Layout::from_size_align(len, self.layout.align()))
        {
            (self.start, self.layout) = (start, layout);
        }
        self
    }

    /// The first `len` bytes.
    ///
    /// # Safety
    /// They were written.
    pub(crate) unsafe fn bytes(&self, len: usize) -> &[u8] {
        // SAFETY: the caller's promise; the block holds them.
        unsafe { std::slice::from_raw_parts(self.start(), len.min(self.layout.size())) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, freed here alone.
        unsafe { std::alloc::dealloc(self.start(), self.layout) };
    }
}

/// Bytes that a stage made in a block.
#[derive(Debug)]
pub(crate) struct Filled {
    block: Block,
    len: usize,
}

impl Filled {
    /// # Safety
    /// The first `len` bytes were written, and nobody writes to them any more.
    pub(crate) unsafe fn new(block: Block, len: usize) -> Self {
        Self { block: block.cut(len), len }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: as `new` asks.
        unsafe { self.block.bytes(self.len) }
    }
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}
