//! Compresses in parallel into one member.

use super::blocks::{CLOSE, reopen, stored};
use super::frame::{Index, MOST_CHUNKS, header};
use flate2::Crc;
use ichor_sdk::prelude::*;
use libdeflater::{CompressionLvl, Compressor};
use std::ops::Range;

/// Bytes that are compressed apart: large enough that matches lost at the borders cost less than 0.2 % of the
/// size, small enough to share a head between many threads.
const CHUNK: usize = 1 << 20;
/// Chunks between two looks at whether the run should stop.
const BATCH: usize = 64;

/// Compresses the `length` bytes that `bytes` makes, piece by piece, at a level from 1 to 12. `watch` gets the
/// part that is done. The result depends on the bytes and the level alone.
///
/// # Errors
/// Those of `bytes` and `watch`.
pub fn compress(
    par: &dyn Parallel,
    level: u32,
    length: usize,
    bytes: &(dyn Fn(Range<usize>) -> Result<Vec<u8>> + Sync),
    watch: &dyn Fn(f64) -> Result<()>,
) -> Result<Vec<u8>> {
    let chunk = CHUNK.max(length.div_ceil(MOST_CHUNKS).next_multiple_of(CHUNK));
    let count = length.div_ceil(chunk);
    let mut crc = Crc::new();
    let mut chunks = Vec::with_capacity(count);
    for begin in (0..count).step_by(BATCH) {
        watch(begin as f64 / count as f64)?;
        let end = (begin + BATCH).min(count);
        let batch = map_ranges(par, end - begin, 1, &|range| {
            let at = (begin + range.start) * chunk;
            let raw = bytes(at..(at + chunk).min(length))?;
            let mut crc = Crc::new();
            crc.update(&raw);
            Ok::<_, Error>((pack(level, &raw), crc))
        });
        for packed in batch {
            let (packed, part) = packed?;
            crc.combine(&part);
            chunks.push(packed);
        }
    }
    let index = Index { raw: chunk, packed: chunks.iter().map(|c| c.len() as u32).collect() };
    let mut out = header(&index);
    out.reserve_exact(chunks.iter().map(Vec::len).sum::<usize>() + 16);
    for chunk in chunks {
        out.extend(chunk);
    }
    out.extend(CLOSE);
    out.extend(crc.sum().to_le_bytes());
    out.extend((length as u32).to_le_bytes());
    Ok(out)
}

/// A chunk that others can follow.
fn pack(level: u32, raw: &[u8]) -> Vec<u8> {
    let level = CompressionLvl::new(level as i32).unwrap_or_default();
    let mut compressor = Compressor::new(level);
    let mut out = vec![0; compressor.deflate_compress_bound(raw.len())];
    match compressor.deflate_compress(raw, &mut out) {
        Ok(n) => {
            out.truncate(n);
            if reopen(&mut out) { out } else { stored(raw) }
        }
        Err(_) => stored(raw),
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
        compress(&Serial, level, raw.len(), &|range| Ok(raw[range].to_vec()), &|_| Ok(())).unwrap()
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
        assert!(compress(&Serial, 1, 10, &|r| Ok(vec![0; r.len()]), &stop).is_err());
    }
}
