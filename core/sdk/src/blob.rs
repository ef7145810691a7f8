//! A blob that is made piece by piece.

use crate::{Error, Result};
use std::borrow::Cow;
use std::ops::Range;

/// Where a host keeps a blob.
pub(crate) trait Store: Send {
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()>;
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()>;
}

/// Bytes that grow at their end, kept by the host where it offers that: they need no memory then.
pub struct Blob<'a> {
    place: Place<'a>,
    len: usize,
}

enum Place<'a> {
    Host(Box<dyn Store + 'a>),
    Own(Vec<u8>),
}

impl<'a> Blob<'a> {
    /// Nothing yet, in memory of its own.
    #[must_use]
    pub fn new() -> Self {
        Self { place: Place::Own(Vec::new()), len: 0 }
    }

    pub(crate) fn kept_by(store: impl Store + 'a) -> Self {
        Self { place: Place::Host(Box::new(store)), len: 0 }
    }

    /// The bytes, if the host has them not.
    pub(crate) fn into_own(self) -> Option<Vec<u8>> {
        match self.place {
            Place::Host(_) => None,
            Place::Own(bytes) => Some(bytes),
        }
    }

    /// Appends pieces in their order; each is freed as soon as it is there.
    ///
    /// # Errors
    /// The host cannot keep it, or there is no memory.
    pub fn append(&mut self, pieces: impl IntoIterator<Item = Vec<u8>>) -> Result<()> {
        for piece in pieces {
            match &mut self.place {
                Place::Host(store) => store.write(self.len as u64, &piece)?,
                Place::Own(bytes) => {
                    let no_room = |_| Error::out_of_memory("a blob has no room to grow");
                    bytes.try_reserve(piece.len()).map_err(no_room)?;
                    bytes.extend(&piece);
                }
            }
            self.len += piece.len();
        }
        Ok(())
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes over what is there, from `at` on.
    ///
    /// # Errors
    /// There are not as many bytes, or the host cannot keep them.
    pub fn overwrite(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        let range = self.checked(at..at.saturating_add(bytes.len()))?;
        match &mut self.place {
            Place::Host(store) => store.write(at as u64, bytes),
            Place::Own(own) => {
                own[range].copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// What is there, read from where it is kept.
    ///
    /// # Errors
    /// There are not as many bytes, or the host cannot read them.
    pub fn read(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>> {
        let range = self.checked(range)?;
        match &self.place {
            Place::Host(store) => {
                let mut out = vec![0; range.len()];
                store.read(range.start as u64, &mut out)?;
                Ok(out.into())
            }
            Place::Own(bytes) => Ok(Cow::Borrowed(&bytes[range])),
        }
    }

    fn checked(&self, range: Range<usize>) -> Result<Range<usize>> {
        let is_there = range.start <= range.end && range.end <= self.len;
        let Range { start, end } = range;
        let why = || Error::internal(format!("bytes {start} to {end} of a blob of {}", self.len));
        is_there.then_some(range).ok_or_else(why)
    }
}

impl Default for Blob<'_> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Kept(Mutex<Vec<u8>>);

    impl Store for &Kept {
        fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
            let mut all = self.0.lock().unwrap();
            let end = offset as usize + bytes.len();
            let len = all.len().max(end);
            all.resize(len, 0);
            all[offset as usize..end].copy_from_slice(bytes);
            Ok(())
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
            out.copy_from_slice(&self.0.lock().unwrap()[offset as usize..][..out.len()]);
            Ok(())
        }
    }

    #[test]
    fn pieces_stand_in_order_in_either_place() {
        let kept = Kept::default();
        for mut blob in [Blob::new(), Blob::kept_by(&kept)] {
            blob.append([vec![1, 2], vec![], vec![3]]).unwrap();
            blob.append([vec![4]]).unwrap();
            blob.overwrite(0, &[9]).unwrap();
            assert!(blob.overwrite(3, &[9, 9]).is_err() && blob.read(2..5).is_err());
            assert_eq!((&*blob.read(0..4).unwrap(), blob.len()), (&[9, 2, 3, 4][..], 4));
        }
        assert_eq!(*kept.0.lock().unwrap(), [9, 2, 3, 4]);
    }
}
