//! Memory of maps: channels last, aligned to cache lines.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

/// A cache line, and a full vector of the widest kernels.
const ALIGN: usize = 64;

/// Zeroed memory, aligned to a cache line. It holds f32, bfloat16 or words: every pattern of bits is a value.
pub(crate) struct Buffer {
    data: *mut u8,
    bytes: usize,
}

// SAFETY: a buffer owns its memory as a Vec does, and hands out no reference without a borrow of itself.
unsafe impl Send for Buffer {}
// SAFETY: as above; shared access reads only.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// The system zeroes fresh pages lazily, in the thread that touches them first.
    pub fn new(bytes: usize) -> Buffer {
        let bytes = bytes.max(1).next_multiple_of(ALIGN);
        let Ok(layout) = Layout::from_size_align(bytes, ALIGN) else {
            panic!("a buffer of {bytes} bytes is larger than the address space");
        };
        // SAFETY: the size is not zero.
        let data = unsafe { alloc_zeroed(layout) };
        if data.is_null() {
            handle_alloc_error(layout);
        }
        Buffer { data, bytes }
    }

    pub fn from_words(words: &[u32]) -> Buffer {
        let buffer = Buffer::new(4 * words.len());
        // SAFETY: the buffer is at least that long, its own, and aligned for u32.
        unsafe { std::ptr::copy_nonoverlapping(words.as_ptr(), buffer.data.cast(), words.len()) };
        buffer
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// For the kernels. Writing through it is theirs to justify.
    pub fn pointer(&self) -> *mut u8 {
        self.data
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated with this size and alignment, which were valid then.
        unsafe { dealloc(self.data, Layout::from_size_align_unchecked(self.bytes, ALIGN)) };
    }
}

/// A map of channels: the items of one voxel lie together, then x, y, z. A ring keeps the last few z planes only.
pub(crate) struct Map {
    pub buffer: Buffer,
    /// Channels, padded to whole vectors; what pads is zero.
    pub channels: usize,
    pub shape: [usize; 3],
    /// Planes in memory; plane z is at `z % planes`.
    pub planes: usize,
}

impl Map {
    pub fn bytes_of(item: usize, channels: usize, shape: [usize; 3], planes: usize) -> usize {
        item * channels * shape[0] * shape[1] * planes.min(shape[2])
    }

    /// `item`: bytes of one channel of a voxel.
    pub fn new(item: usize, channels: usize, shape: [usize; 3], planes: usize) -> Map {
        let buffer = Buffer::new(Map::bytes_of(item, channels, shape, planes));
        Map { buffer, channels, shape, planes: planes.min(shape[2]).max(1) }
    }
}
