//! Memory that a stage asks for.

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
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, freed here alone.
        unsafe { std::alloc::dealloc(self.start(), self.layout) };
    }
}
