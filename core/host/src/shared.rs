//! Memory that two processes can see: a memfd, mapped.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{MemfdFlags, Mode, OFlags, ftruncate, memfd_create, open};
use rustix::io;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mmap_anonymous, mprotect, munmap};
use std::ptr::NonNull;

/// Size of a page; mappings are made of them.
pub(crate) const PAGE: usize = 4096;

/// A mapped memfd with an unmapped page behind it, so that running over the end stops at once.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    capacity: usize,
    fd: OwnedFd,
}

// SAFETY: a Mapping owns its memory; who may read and write it when is the business of Buffer.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Fresh memory of at least `bytes` bytes, zero, writable.
    pub(crate) fn new(bytes: usize) -> io::Result<Self> {
        let capacity = round_up(bytes)?;
        let fd = memfd_create(c"ichor", MemfdFlags::CLOEXEC)?;
        ftruncate(&fd, capacity as u64)?;
        Self::map(fd, capacity, ProtFlags::READ | ProtFlags::WRITE)
    }

    /// The first `bytes` bytes of another process's memory.
    pub(crate) fn of(fd: OwnedFd, bytes: usize, writable: bool) -> io::Result<Self> {
        let prot = if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        Self::map(fd, round_up(bytes)?, prot)
    }

    fn map(fd: OwnedFd, capacity: usize, prot: ProtFlags) -> io::Result<Self> {
        let whole = capacity.checked_add(PAGE).ok_or(io::Errno::NOMEM)?;
        // SAFETY: a new reservation at an address of the kernel's choice disturbs nothing; the second call
        // replaces pages of that reservation alone.
        let start = unsafe {
            let start = mmap_anonymous(
                std::ptr::null_mut(),
                whole,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )?;
            if let Err(error) = mmap(start, capacity, prot, MapFlags::SHARED | MapFlags::FIXED, &fd, 0) {
                let _ = munmap(start, whole);
                return Err(error);
            }
            start
        };
        Ok(Self { start: NonNull::new(start.cast()).ok_or(io::Errno::NOMEM)?, capacity, fd })
    }

    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The same memory behind a descriptor that can only be mapped for reading.
    pub(crate) fn read_only_fd(&self) -> io::Result<OwnedFd> {
        use std::os::fd::AsRawFd;
        let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    }

    /// Makes this process's view read-only, or writable again.
    pub(crate) fn protect(&self, writable: bool) -> io::Result<()> {
        let flags = if writable { MprotectFlags::READ | MprotectFlags::WRITE } else { MprotectFlags::READ };
        // SAFETY: the range is this mapping, alone.
        unsafe { mprotect(self.start().cast(), self.capacity, flags) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `map` and nothing points into it any more.
        let _ = unsafe { munmap(self.start().cast(), self.capacity + PAGE) };
    }
}

fn round_up(bytes: usize) -> io::Result<usize> {
    bytes.max(1).checked_next_multiple_of(PAGE).filter(|&n| n < isize::MAX as usize).ok_or(io::Errno::NOMEM)
}
