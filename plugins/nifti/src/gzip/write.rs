//! Compresses in parallel into one member.

use super::blocks::{CLOSE, Search, reopened, stored};
use super::deflate::Deflater;
use super::frame::{Index, MOST_CHUNKS, header};
use flate2::Crc;
use ichor_sdk::prelude::*;
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Bytes that are compressed apart: large enough that matches lost at the borders cost less than 0.2 % of the
/// size, small enough to share a head between many threads.
const CHUNK: usize = 1 << 20;
/// The same where size comes first.
const SMALL_CHUNK: usize = 2 << 20;
/// Bytes, before compression, between two looks at whether the run should stop.
const BATCH: usize = 16 << 20;

/// Chunks that one range of a parallel loop compresses, with the same tools: one, so that no thread waits long for
/// the last.
const RANGE: usize = 1;
/// At level 1, one chunk of this many is compressed at level 2: of a CT, zlib's level 1, which most programs write
/// with, makes files 0.4 % smaller than libdeflate's, and this makes them a little smaller than zlib's.
const DENSER: usize = 16;

/// How to compress.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// From 1 to 12: libdeflate's level, or
    pub level: u32,
    /// from 2 to 9 the own compressor of voxels of 16 bits, if these are such.
    pub is_16_bit: bool,
}

impl Effort {
    fn is_own(self) -> bool {
        self.is_16_bit && (2..10).contains(&self.level)
    }

    /// Bytes of a chunk, and how many there are.
    fn chunks(self, length: usize) -> (usize, usize) {
        let one = if self.is_own() { SMALL_CHUNK } else { CHUNK };
        let chunk = one.max(length.div_ceil(MOST_CHUNKS).next_multiple_of(one));
        (chunk, length.div_ceil(chunk))
    }
}

/// Appends to `out` the `length` bytes that `bytes` makes, piece by piece. Each piece is
/// decompressed and compared as soon as it is made. `watch` gets the part that is done. The result depends on the bytes
/// and the effort alone.
///
/// # Errors
/// Those of `bytes` and `watch`, and a piece that does not decompress to what it was made of.
pub fn compress<'b>(
    par: &dyn Parallel,
    effort: Effort,
    length: usize,
    bytes: &(dyn Fn(Range<usize>) -> Result<Cow<'b, [u8]>> + Sync),
    watch: &dyn Fn(f64) -> Result<()>,
    out: &mut Blob,
) -> Result<()> {
    let (chunk, count) = effort.chunks(length);
    let mut crc = Crc::new();
    // The header lists the lengths, which are not known yet; it takes as much room whatever they are.
    let mut index = Index { raw: chunk, packed: vec![0; count] };
    let start = out.len();
    out.append([header(&index)])?;
    // As many as threads work at once; new memory for each chunk would cost a tenth of the time.
    let packers: Mutex<Vec<Packer>> = Mutex::default();
    let idle = || packers.lock().unwrap_or_else(PoisonError::into_inner);
    let batch = (BATCH / chunk).max(1);
    // One thread puts away what the batch before made while the others compress.
    let (out, made) = (Mutex::new(out), Mutex::new(Ok(Vec::new())));
    let put_away = |made: &mut Result<Vec<_>>| {
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        let pieces = std::mem::replace(made, Ok(Vec::new()));
        *made = pieces.and_then(|pieces| out.append(pieces)).map(|()| Vec::new());
    };
    for begin in (0..count).step_by(batch) {
        watch(begin as f64 / count as f64)?;
        let end = (begin + batch).min(count);
        let batch = map_ranges(par, end - begin, RANGE, &|range| {
            if range.start == 0 {
                put_away(&mut made.lock().unwrap_or_else(PoisonError::into_inner));
            }
            let mut packer = idle().pop().unwrap_or_default();
            let mut pack = |n: usize| {
                let n = begin + n;
                let raw = bytes(n * chunk..((n + 1) * chunk).min(length))?;
                let mut crc = Crc::new();
                crc.update(&raw);
                let level = if effort.level == 1 && n % DENSER == DENSER - 1 { 2 } else { effort.level };
                let packed = packer.pack(Effort { level, ..effort }, &raw).ok_or_else(|| {
                    Error::internal(
                        "compressed voxels do not read back as they were; if this happens again, the memory of this \
                         computer or Ichor is at fault",
                    )
                })?;
                Ok::<_, Error>((packed, crc))
            };
            let packed = range.map(&mut pack).collect::<Vec<_>>();
            idle().push(packer);
            packed
        });
        let mut pieces = Vec::with_capacity(end - begin);
        for (packed, n) in batch.into_iter().flatten().zip(begin..) {
            let (packed, part) = packed?;
            crc.combine(&part);
            index.packed[n] = packed.len() as u32;
            pieces.push(packed);
        }
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *made, Ok(pieces))?;
    }
    put_away(&mut made.lock().unwrap_or_else(PoisonError::into_inner));
    made.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    let out = out.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut tail = CLOSE.to_vec();
    tail.extend(crc.sum().to_le_bytes());
    tail.extend((length as u32).to_le_bytes());
    out.append([tail])?;
    out.overwrite(start, &header(&index))
}

/// What compresses and decompresses one chunk after another.
#[derive(Default)]
struct Packer {
    compressors: Vec<(u32, Compressor)>,
    own: Option<Deflater>,
    decompressor: Decompressor,
    packed: Vec<u8>,
    back: Vec<u8>,
}

impl Packer {
    /// A chunk that others can follow; `None` if it cannot be decompressed again.
    fn pack(&mut self, effort: Effort, raw: &[u8]) -> Option<Vec<u8>> {
        if effort.is_own() && raw.len().is_multiple_of(2) {
            let stream = self.own.get_or_insert_with(Deflater::new).compress(raw);
            if stream.len() < raw.len() {
                let mut own = Vec::with_capacity(stream.len() + CLOSE.len());
                own.extend(stream);
                if let Some(stream) = self.reads_back(own, raw) {
                    return Some(stream);
                }
            }
        } else if let Some(n) = self.compress(effort.level, raw) {
            for search in [Search::FromBehind, Search::Walk] {
                let stream = reopened(&self.packed[..n], search);
                if let Some(stream) = stream.and_then(|stream| self.reads_back(stream, raw)) {
                    return Some(stream);
                }
            }
        }
        self.reads_back(stored(raw), raw)
    }

    /// Bytes of the complete stream that is in `packed` then.
    fn compress(&mut self, level: u32, raw: &[u8]) -> Option<usize> {
        if self.compressors.iter().all(|c| c.0 != level) {
            let own = CompressionLvl::new(level as i32).unwrap_or_default();
            self.compressors.push((level, Compressor::new(own)));
        }
        let (_, compressor) = self.compressors.iter_mut().find(|c| c.0 == level)?;
        let bound = compressor.deflate_compress_bound(raw.len());
        if self.packed.len() < bound {
            self.packed.resize(bound, 0);
        }
        compressor.deflate_compress(raw, &mut self.packed).ok()
    }

    fn reads_back(&mut self, mut stream: Vec<u8>, raw: &[u8]) -> Option<Vec<u8>> {
        let n = stream.len();
        stream.extend(CLOSE);
        if self.back.len() < raw.len() {
            self.back.resize(raw.len(), 0);
        }
        let back = &mut self.back[..raw.len()];
        let is_same = self.decompressor.deflate_decompress(&stream, back) == Ok(raw.len()) && back == raw;
        stream.truncate(n);
        is_same.then_some(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Serial;
    use ichor_image::parallel::Threads;

    const FAST: Effort = Effort { level: 1, is_16_bit: true };

    /// About 3.4 MB: chunks enough.
    fn sample() -> Vec<u8> {
        let mut random = ichor_image::Random::new(1);
        (0..1_700_000)
            .flat_map(|n| ((random.normal() * 20.0) as i16 + (n / 1000 % 9) as i16).to_le_bytes())
            .collect()
    }

    fn packed(raw: &[u8], effort: Effort) -> Vec<u8> {
        let bytes = |range: Range<usize>| Ok(Cow::Borrowed(&raw[range]));
        let mut out = Blob::new();
        compress(&Serial, effort, raw.len(), &bytes, &|_| Ok(()), &mut out).unwrap();
        out.read(0..out.len()).unwrap().to_vec()
    }

    #[test]
    fn the_result_is_one_member_that_a_plain_reader_reads() {
        let raw = sample();
        for (level, is_16_bit) in [(1, true), (6, true), (6, false), (12, true)] {
            let file = packed(&raw, Effort { level, is_16_bit });
            // The simple decoder knows one member only and refuses what follows.
            let mut decoder = flate2::bufread::GzDecoder::new(&file[..]);
            let mut back = Vec::new();
            std::io::Read::read_to_end(&mut decoder, &mut back).unwrap();
            assert!(back == raw, "level {level}");
            assert!(decoder.into_inner().is_empty(), "level {level}");
            assert!(file.len() < raw.len() * 3 / 4);
        }
    }

    #[test]
    fn what_cannot_be_compressed_fits_too() {
        let mut random = ichor_image::Random::new(2);
        let raw: Vec<u8> = (0..2_500_000).map(|_| (random.uniform() * 256.0) as u8).collect();
        for level in [1, 5] {
            assert!(packed(&raw, Effort { level, ..FAST }).len() > raw.len());
        }
    }

    #[test]
    fn small_and_empty_input_is_fine() {
        for raw in [&b""[..], b"x", &[0; 352]] {
            for level in [1, 5] {
                let mut back = Vec::new();
                let file = packed(raw, Effort { level, ..FAST });
                std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&file[..]), &mut back).unwrap();
                assert_eq!(back, raw);
            }
        }
    }

    #[test]
    fn threads_change_nothing() {
        let raw = sample();
        let bytes = |range: Range<usize>| Ok(Cow::Borrowed(&raw[range]));
        for level in [1, 5] {
            let effort = Effort { level, ..FAST };
            let mut out = Blob::new();
            compress(&Threads(3), effort, raw.len(), &bytes, &|_| Ok(()), &mut out).unwrap();
            assert!(*out.read(0..out.len()).unwrap() == packed(&raw, effort));
        }
    }

    #[test]
    fn it_stops_when_told() {
        let stop = |_: f64| Err(Error::cancelled());
        let bytes = |r: Range<usize>| Ok(vec![0; r.len()].into());
        assert!(compress(&Serial, FAST, 10, &bytes, &stop, &mut Blob::new()).is_err());
    }
}
