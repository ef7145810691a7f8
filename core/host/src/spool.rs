//! Blobs that stages write piece by piece, in files.

use crate::shared::Mapping;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, MemfdFlags, Mode, OFlags, fstat, linkat, memfd_create, open};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A blob that grows.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    len: u64,
    on_disk: bool,
}

impl Spool {
    /// An empty one, in a file of `dir` without a name, or in memory where there is no folder.
    pub(crate) fn new(dir: Option<&Path>) -> io::Result<Self> {
        let (file, on_disk) = match dir.map(without_name) {
            Some(Ok(file)) => (file, true),
            _ => (in_memory()?, false),
        };
        Ok(Self { file, len: 0, on_disk })
    }

    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64).filter(|&end| end < 1 << 48);
        let end = end.ok_or(io::ErrorKind::FileTooLarge)?;
        match self.file.write_all_at(bytes, offset) {
            Err(e) if self.on_disk && is_full(&e) => {
                // A disk that is full now may have room when the results are written.
                let mut memory = in_memory()?;
                io::copy(&mut &self.file, &mut memory)?;
                (self.file, self.on_disk) = (memory, false);
                self.file.write_all_at(bytes, offset)?;
            }
            other => other?,
        }
        self.len = self.len.max(end);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }

    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    /// From here on nobody writes.
    pub(crate) fn finish(self) -> io::Result<Spooled> {
        let len = usize::try_from(self.len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        // A file is as long as what was written; a mapping is of whole pages.
        self.file.set_len(self.len)?;
        Ok(Spooled { mapping: Mapping::of(OwnedFd::from(self.file), len, false)?, len })
    }
}

/// A file that goes when nobody has it open, or gets a name by [`Spooled::link`]; with the permissions of any new file.
fn without_name(dir: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match open(dir, flags, Mode::from_raw_mode(0o666)) {
        Ok(fd) => Ok(File::from(fd)),
        // Not every file system has these.
        Err(_) => tempfile::tempfile_in(dir),
    }
}

fn in_memory() -> io::Result<File> {
    Ok(File::from(memfd_create(c"ichor", MemfdFlags::CLOEXEC)?))
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// A blob that is made.
#[derive(Debug)]
pub(crate) struct Spooled {
    mapping: Mapping,
    len: usize,
}

impl Spooled {
    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// All bytes; only those that are looked at come into memory.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are mapped of a file that only this value knows, and nobody writes to it.
        unsafe { std::slice::from_raw_parts(self.mapping.start(), self.len) }
    }

    /// Gives the file the name `path`, if it has none yet and lies on the same file system; tells whether it did.
    pub(crate) fn link(&self, path: &Path) -> bool {
        // Two results must not be one file: who changes one would change the other.
        let is_nameless = fstat(self.mapping.fd()).is_ok_and(|stat| stat.st_nlink == 0);
        let own = format!("/proc/self/fd/{}", self.mapping.fd().as_raw_fd());
        is_nameless && linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW).is_ok()
    }

    /// Some bytes, read; `None` where that fails.
    pub(crate) fn read(&self, range: &Range<usize>) -> Option<Vec<u8>> {
        let mut out = vec![0; range.len()];
        let mut done = 0;
        while done < out.len() {
            let read = || rustix::io::pread(self.mapping.fd(), &mut out[done..], (range.start + done) as u64);
            match rustix::io::retry_on_intr(read) {
                Ok(n @ 1..) => done += n,
                _ => return None,
            }
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_there_on_disk_and_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        for place in [None, Some(dir.path())] {
            let mut spool = Spool::new(place).unwrap();
            spool.write(5, b"world").unwrap();
            spool.write(0, b"hello").unwrap();
            spool.write(12, b"!").unwrap();
            assert!(spool.write(u64::MAX, b"!").is_err());
            let mut part = [0; 4];
            spool.read(3, &mut part).unwrap();
            assert_eq!(&part, b"lowo");
            assert!(spool.read(11, &mut part).is_err());
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
            let spooled = spool.finish().unwrap();
            assert_eq!(spooled.bytes(), b"helloworld\0\0!");
            assert_eq!(spooled.read(&(8..13)).unwrap(), b"ld\0\0!");
            assert!(spooled.read(&(8..14)).is_none());
        }
        let mut spool = Spool::new(Some(dir.path())).unwrap();
        spool.write(0, b"abc").unwrap();
        let (spooled, path) = (spool.finish().unwrap(), dir.path().join("named"));
        if spooled.link(&path) {
            assert_eq!(std::fs::read(&path).unwrap(), b"abc");
            assert!(!spooled.link(&dir.path().join("again")), "a file has one name");
        }
        let mut spool = Spool::new(None).unwrap();
        spool.write(0, b"abc").unwrap();
        assert!(!spool.finish().unwrap().link(&path), "memory is no file of this disk");
        assert_eq!(Spool::new(None).unwrap().finish().unwrap().bytes(), b"");
    }

    #[test]
    fn a_disk_without_room_is_recognised() {
        // Everything written to it is refused for want of room, like a disk without any.
        let file = File::options().read(true).write(true).open("/dev/full").unwrap();
        let mut spool = Spool { file, len: 0, on_disk: false };
        assert!(spool.write(0, b"abc").is_err_and(|e| is_full(&e)));
    }
}
