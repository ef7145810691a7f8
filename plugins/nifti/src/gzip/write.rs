//! Compresses in parallel into one member.

use super::blocks::{CLOSE, STORED, Search, reopened, stored};
use super::frame::{Index, MOST_CHUNKS, header};
use flate2::Crc;
use ichor_sdk::prelude::*;
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use std::borrow::Cow;
use std::ops::Range;

/// Bytes that are compressed apart: large enough that matches lost at the borders cost less than 0.2 % of the
/// size, small enough to share a head between many threads.
const CHUNK: usize = 1 << 20;
/// Chunks between two looks at whether the run should stop.
const BATCH: usize = 64;

/// Chunks that one range of a parallel loop compresses, with the same tools: one, so that no thread waits long for
/// the last.
const RANGE: usize = 1;
/// At level 1, one chunk of this many is compressed at level 2: of a CT, zlib's level 1, which most programs write
/// with, makes files 0.3 % smaller than libdeflate's, and this makes them a little smaller than zlib's.
const DENSER: usize = 9;

/// Compresses into `out`, which is empty, the `length` bytes that `bytes` makes, piece by piece, at a level from 1
/// to 12. Each piece is decompressed and compared as soon as it is made. `watch` gets the part that is done. The
/// result depends on the bytes and the level alone.
///
/// # Errors
/// Those of `bytes` and `watch`, and a piece that does not decompress to what it was made of.
pub fn compress<'a, 'b>(
    par: &dyn Parallel,
    level: u32,
    length: usize,
    bytes: &(dyn Fn(Range<usize>) -> Result<Cow<'b, [u8]>> + Sync),
    watch: &dyn Fn(f64) -> Result<()>,
    mut out: Blob<'a>,
) -> Result<Blob<'a>> {
    let (chunk, count) = chunks(length);
    let mut crc = Crc::new();
    // The header lists the lengths, which are not known yet; it takes as much room whatever they are.
    let mut index = Index { raw: chunk, packed: vec![0; count] };
    out.append(par, vec![header(&index)])?;
    for begin in (0..count).step_by(BATCH) {
        watch(begin as f64 / count as f64)?;
        let end = (begin + BATCH).min(count);
        let batch = map_ranges(par, end - begin, RANGE, &|range| {
            let mut packer = Packer::default();
            let pack = |n: usize| {
                let n = begin + n;
                let raw = bytes(n * chunk..((n + 1) * chunk).min(length))?;
                let mut crc = Crc::new();
                crc.update(&raw);
                let level = if level == 1 && n % DENSER == DENSER - 1 { 2 } else { level };
                let packed = packer.pack(level, &raw).ok_or_else(|| {
                    Error::internal(
                        "compressed voxels do not read back as they were; if this happens again, the memory of this \
                         computer or Ichor is at fault",
                    )
                })?;
                Ok::<_, Error>((packed, crc))
            };
            range.map(pack).collect::<Vec<_>>()
        });
        let mut pieces = Vec::with_capacity(end - begin);
        for (packed, n) in batch.into_iter().flatten().zip(begin..) {
            let (packed, part) = packed?;
            crc.combine(&part);
            index.packed[n] = packed.len() as u32;
            pieces.push(packed);
        }
        out.append(par, pieces)?;
    }
    let mut tail = CLOSE.to_vec();
    tail.extend(crc.sum().to_le_bytes());
    tail.extend((length as u32).to_le_bytes());
    out.append(par, vec![tail])?;
    let head = header(&index);
    out.bytes_mut()[..head.len()].copy_from_slice(&head);
    Ok(out)
}

/// Bytes of a chunk, and how many there are.
fn chunks(length: usize) -> (usize, usize) {
    let chunk = CHUNK.max(length.div_ceil(MOST_CHUNKS).next_multiple_of(CHUNK));
    (chunk, length.div_ceil(chunk))
}

/// The most that `length` bytes become: as they are, in stored blocks.
pub fn most(length: usize) -> usize {
    let (chunk, count) = chunks(length);
    length + count * (5 * (chunk.div_ceil(STORED) + 1) + 4) + 64
}

/// What compresses and decompresses one chunk after another.
#[derive(Default)]
struct Packer {
    compressors: Vec<(u32, Compressor)>,
    decompressor: Decompressor,
    packed: Vec<u8>,
    back: Vec<u8>,
}

impl Packer {
    /// A chunk that others can follow; `None` if it cannot be decompressed again.
    fn pack(&mut self, level: u32, raw: &[u8]) -> Option<Vec<u8>> {
        if let Some(n) = self.compress(level, raw) {
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

    /// About 3.4 MB: four chunks.
    fn sample() -> Vec<u8> {
        let mut random = ichor_image::Random::new(1);
        (0..1_700_000)
            .flat_map(|n| ((random.normal() * 20.0) as i16 + (n / 1000 % 9) as i16).to_le_bytes())
            .collect()
    }

    fn packed(raw: &[u8], level: u32) -> Vec<u8> {
        let bytes = |range: Range<usize>| Ok(Cow::Borrowed(&raw[range]));
        let out = compress(&Serial, level, raw.len(), &bytes, &|_| Ok(()), Blob::new()).unwrap();
        assert!(out.bytes().len() <= most(raw.len()));
        out.bytes().to_vec()
    }

    #[test]
    fn the_result_is_one_member_that_a_plain_reader_reads() {
        let raw = sample();
        for level in [1, 6, 12] {
            let file = packed(&raw, level);
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
        assert!(packed(&raw, 1).len() > raw.len());
    }

    #[test]
    fn small_and_empty_input_is_fine() {
        for raw in [&b""[..], b"x", &[0; 352]] {
            let mut back = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed(raw, 1)[..]), &mut back)
                .unwrap();
            assert_eq!(back, raw);
        }
    }

    #[test]
    fn it_stops_when_told() {
        let stop = |_: f64| Err(Error::cancelled());
        assert!(compress(&Serial, 1, 10, &|r| Ok(vec![0; r.len()].into()), &stop, Blob::new()).is_err());
    }
}
