//! Where the stored voxels are while they are decoded.

use crate::fault::Fault;
use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes of a file, in memory or still in it.
pub enum Data {
    /// Decompressed; `from` is the position of the first in the file.
    Memory { bytes: Vec<u8>, from: u64 },
    /// Read piece by piece, by every thread for itself: the whole is never in memory twice.
    File(File),
}

impl Data {
    /// `length` bytes at a position that was checked before.
    pub fn get(&self, at: u64, length: usize) -> Result<Cow<'_, [u8]>, Fault> {
        match self {
            Self::Memory { bytes, from } => {
                let begin = at.checked_sub(*from).and_then(|n| usize::try_from(n).ok());
                let part = begin.and_then(|n| bytes.get(n..)?.get(..length));
                part.map(Cow::Borrowed).ok_or_else(|| Fault::io("has fewer voxels than were read"))
            }
            Self::File(file) => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, at)
                    .map_err(|e| Fault::io(format!("changed or broke off while it was read: {e}")))?;
                Ok(Cow::Owned(bytes))
            }
        }
    }
}
