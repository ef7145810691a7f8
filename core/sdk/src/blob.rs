//! A blob that is made piece by piece.

use crate::{Error, Result};
use ichor_image::Parallel;
use ichor_image::parallel::for_each_chunk;
use std::mem::MaybeUninit;

/// Bytes that grow at their end, in memory of the host where it offers that: then they become the output as they
/// are, without a copy.
#[derive(Debug)]
pub struct Blob<'a> {
    memory: Memory<'a>,
}

#[derive(Debug)]
enum Memory<'a> {
    /// The host's, of which the first `usize` bytes are written.
    Host(&'a mut [MaybeUninit<u8>], usize),
    Own(Vec<u8>),
}

impl<'a> Blob<'a> {
    /// Nothing yet, in memory of its own.
    #[must_use]
    pub fn new() -> Self {
        Self { memory: Memory::Own(Vec::new()) }
    }

    pub(crate) fn of_host(memory: &'a mut [MaybeUninit<u8>]) -> Self {
        Self { memory: Memory::Host(memory, 0) }
    }

    /// The host's memory, and how much of it is written; or the bytes.
    pub(crate) fn into_parts(self) -> std::result::Result<(&'a mut [MaybeUninit<u8>], usize), Vec<u8>> {
        match self.memory {
            Memory::Host(memory, len) => Ok((memory, len)),
            Memory::Own(bytes) => Err(bytes),
        }
    }

    /// Appends pieces in their order, copied on the host's threads; each is freed as soon as it is there.
    ///
    /// # Errors
    /// The blob would grow over what was asked for, or there is no memory.
    pub fn append(&mut self, par: &dyn Parallel, pieces: Vec<Vec<u8>>) -> Result<()> {
        let total = pieces.iter().map(Vec::len).sum::<usize>();
        let no_room = || Error::internal(format!("a blob has no room for {total} bytes more"));
        let mut rest = match &mut self.memory {
            Memory::Host(memory, len) => memory.get_mut(*len..*len + total).ok_or_else(no_room)?,
            Memory::Own(bytes) => {
                bytes.try_reserve(total).map_err(|_| no_room())?;
                &mut bytes.spare_capacity_mut()[..total]
            }
        };
        let mut jobs = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let (place, after) = rest.split_at_mut(piece.len());
            jobs.push((place, piece));
            rest = after;
        }
        for_each_chunk(par, &mut jobs, 1, &|_, jobs| {
            for (place, piece) in jobs {
                place.write_copy_of_slice(piece);
                *piece = Vec::new();
            }
        });
        drop(jobs);
        match &mut self.memory {
            Memory::Host(_, len) => *len += total,
            // SAFETY: the loop above wrote all of them.
            Memory::Own(bytes) => unsafe { bytes.set_len(bytes.len() + total) },
        }
        Ok(())
    }

    /// What is there.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.memory {
            // SAFETY: `append` wrote the first `len`.
            Memory::Host(memory, len) => unsafe { memory[..*len].assume_init_ref() },
            Memory::Own(bytes) => bytes,
        }
    }

    /// What is there, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.memory {
            // SAFETY: `append` wrote the first `len`.
            Memory::Host(memory, len) => unsafe { memory[..*len].assume_init_mut() },
            Memory::Own(bytes) => bytes,
        }
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
    use ichor_image::Serial;

    #[test]
    fn pieces_stand_in_order_in_either_memory() {
        let mut memory = [MaybeUninit::uninit(); 6];
        for mut blob in [Blob::new(), Blob::of_host(&mut memory)] {
            blob.append(&Serial, vec![vec![1, 2], vec![], vec![3]]).unwrap();
            blob.append(&Serial, vec![vec![4]]).unwrap();
            blob.bytes_mut()[0] = 9;
            assert_eq!(blob.bytes(), [9, 2, 3, 4]);
        }
        let mut blob = Blob::of_host(&mut memory);
        assert!(blob.append(&Serial, vec![vec![0; 7]]).is_err());
        assert!(blob.bytes().is_empty());
    }
}
