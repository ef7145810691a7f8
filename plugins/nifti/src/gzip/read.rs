//! Decompresses as much as a header promised, and not more.

use super::frame::{self, Frame, Index};
use crate::fault::Fault;
use flate2::Crc;
use flate2::bufread::GzDecoder;
use ichor_sdk::prelude::*;
use libdeflater::Decompressor;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Deflate cannot expand a byte to more than this (zlib's technical details: 1032 to 1).
const MOST_EXPANSION: u64 = 1032;
/// Bytes behind the voxels that are tolerated.
const SLACK: u64 = 1 << 16;

/// Bytes of a decompressed file.
pub struct Part {
    pub bytes: Vec<u8>,
    /// Position of the first in the file.
    pub from: u64,
    /// Bytes behind the ones that were expected.
    pub extra: u64,
}

/// Whether a gzip file of `packed` bytes can hold `raw` bytes at all: asked before memory is.
pub fn plausible(packed: u64, raw: u64) -> bool {
    raw <= packed.saturating_mul(MOST_EXPANSION)
}

/// The first bytes, `most` of them at most; checksums are not looked at.
pub fn first(file: &File, most: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    let mut reader = file;
    reader.rewind()?;
    let decoder = flate2::bufread::MultiGzDecoder::new(BufReader::new(reader));
    decoder.take(most as u64).read_to_end(&mut out).map_err(damaged)?;
    Ok(out)
}

fn damaged(error: std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::UnexpectedEof => Fault::io("is cut off: its gzip data ends early; copy it again"),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            Fault::io("is damaged: its gzip data or their checksum is wrong; copy it again")
        }
        _ => error.into(),
    }
}

/// Reads `keep` of a file of `packed` bytes that holds `total` bytes when decompressed, and checks all of it:
/// checksums, lengths, and that nothing else follows. A thread that would only wait
/// does what `idle` says; it may take as many bytes of memory as it is told, because they are given back before more
/// is needed.
pub fn read(
    par: &dyn Parallel,
    watch: &dyn Fn(f64) -> Result<()>,
    idle: &(dyn Fn(u64) + Sync),
    file: &File,
    packed: u64,
    total: u64,
    keep: Range<u64>,
) -> Result<Part, Fault> {
    // Whole files in one go, if they are files of one member; the rest as a stream, which also finds out what
    // exactly is wrong.
    if at_once(packed, total, &keep) {
        let mut content = buffer(packed)?;
        fill(par, file, &mut content)?;
        watch(0.1).map_err(|_| Fault::cancelled())?;
        if let Some(frame) = frame::parse(&content).filter(|f| f.length == total as u32) {
            let mut bytes = buffer(total)?;
            // Not on the word of a header alone, when a small file claims to become large.
            let dense = total < 8 * packed;
            if dense {
                touch(par, &mut bytes);
            }
            let idle: &(dyn Fn(u64) + Sync) = if dense { idle } else { &|_| () };
            if whole(par, idle, &content, &frame, &mut bytes) {
                return Ok(Part { bytes, from: 0, extra: 0 });
            }
        }
    }
    stream(watch, file, total, keep)
}

/// Whether a file is decompressed whole, from memory to memory.
fn at_once(packed: u64, total: u64, keep: &Range<u64>) -> bool {
    (keep.end - keep.start) * 2 >= total && packed < total + total / 8 + SLACK
}

/// Bytes that [`read`] needs at once.
pub fn memory(packed: u64, total: u64, keep: &Range<u64>) -> u64 {
    if at_once(packed, total, keep) { packed + total } else { keep.end - keep.start + (1 << 19) }
}

/// Bytes that stay when [`read`] has ended.
pub fn held(packed: u64, total: u64, keep: &Range<u64>) -> u64 {
    if at_once(packed, total, keep) { total } else { keep.end - keep.start }
}

/// Memory for a length that was found plausible; refused politely when there is none.
fn buffer(bytes: u64) -> Result<Vec<u8>, Fault> {
    let n = usize::try_from(bytes).map_err(|_| Fault::memory(bytes))?;
    Vec::<u8>::new().try_reserve_exact(n).map_err(|_| Fault::memory(bytes))?;
    Ok(vec![0; n])
}

/// Reads a file from its beginning.
fn fill(par: &dyn Parallel, file: &File, out: &mut [u8]) -> Result<(), Fault> {
    const PART: usize = 1 << 22;
    let mut parts: Vec<_> = out.chunks_mut(PART).map(|part| (part, Ok(()))).collect();
    for_each_chunk(par, &mut parts, 1, &|n, part| {
        for (bytes, result) in part {
            *result = file.read_exact_at(bytes, (n * PART) as u64);
        }
    });
    parts.into_iter().try_for_each(|(_, result)| Ok(result?))
}

/// Has the system provide new memory now, on all threads, not later on the one that writes to it.
pub fn touch<T: Copy + Default + Send>(par: &dyn Parallel, new: &mut [T]) {
    let page = 4096 / size_of::<T>();
    for_each_chunk(par, new, 1 << 22, &|_, part| {
        part.iter_mut().step_by(page).for_each(|v| *v = T::default())
    });
}

/// Decompresses one member into `out`, which it must fill.
fn whole(
    par: &dyn Parallel,
    idle: &(dyn Fn(u64) + Sync),
    file: &[u8],
    frame: &Frame,
    out: &mut [u8],
) -> bool {
    let body = &file[frame.body.clone()];
    if let Some(index) = &frame.index
        && let Some(crc) = chunks(par, body, index, out)
    {
        return crc == frame.crc;
    }
    // One thread decompresses.
    let mut jobs = [Some(&mut *out), None];
    let is_whole = AtomicBool::new(false);
    for_each_chunk(par, &mut jobs, 1, &|_, job| match &mut job[0] {
        Some(out) => {
            let n = Decompressor::new().deflate_decompress(body, out);
            is_whole.store(n == Ok(out.len()), Ordering::Relaxed);
        }
        None => idle(file.len() as u64),
    });
    is_whole.into_inner() && crc(par, out) == frame.crc
}

fn crc(par: &dyn Parallel, bytes: &[u8]) -> u32 {
    let parts = map_ranges(par, bytes.len(), 1 << 22, &|range| {
        let mut crc = Crc::new();
        crc.update(&bytes[range]);
        crc
    });
    let mut all = Crc::new();
    parts.iter().for_each(|part| all.combine(part));
    all.sum()
}

/// Decompresses the chunks of an index at the same time. Its lengths are a claim like any other: `None` when
/// the chunks do not decompress to exactly what they should.
fn chunks(par: &dyn Parallel, body: &[u8], index: &Index, out: &mut [u8]) -> Option<u32> {
    let packed = pieces(body, Some(index), out.len())?;
    let mut jobs: Vec<_> =
        packed.into_iter().zip(out.chunks_mut(index.raw)).map(|(p, r)| (p, r, None)).collect();
    for_each_chunk(par, &mut jobs, 1, &|_, job| {
        for (packed, raw, crc) in job {
            if inflate(packed, raw) {
                let mut sum = Crc::new();
                sum.update(raw);
                *crc = Some(sum);
            }
        }
    });
    let mut crc = Crc::new();
    for (_, _, part) in &jobs {
        crc.combine(part.as_ref()?);
    }
    Some(crc.sum())
}

/// The first chunk of one of our own files, decompressed; `None` if it is none, or not complete.
///
/// # Errors
/// The file cannot be read.
pub fn first_chunk(file: &Blob, length: usize) -> Result<Option<Vec<u8>>> {
    let head = file.read(0..file.len().min(frame::MOST_HEAD))?;
    let Some((begin, Some(index))) = frame::head(&head) else { return Ok(None) };
    let all: usize = index.packed.iter().map(|&n| n as usize).sum();
    let end = [&super::blocks::CLOSE[..], &[0; 4], &(length as u32).to_le_bytes()].concat();
    if !index.fits(length) || begin + all + end.len() != file.len() {
        return Ok(None);
    }
    let mut tail = file.read(begin + all..file.len())?.into_owned();
    // The checksum was counted while the voxels were compressed; nothing here knows it.
    let at = super::blocks::CLOSE.len();
    tail[at..at + 4].fill(0);
    let Some(&packed) = index.packed.first().filter(|_| tail == end) else { return Ok(None) };
    let mut out = vec![0; index.raw.min(length)];
    Ok(inflate(&file.read(begin..begin + packed as usize)?, &mut out).then_some(out))
}

/// The chunks of a deflate stream, as an index has them.
fn pieces<'a>(body: &'a [u8], index: Option<&Index>, length: usize) -> Option<Vec<&'a [u8]>> {
    let index = index.filter(|index| index.fits(length))?;
    let mut at = 0;
    let mut out = Vec::with_capacity(index.packed.len());
    for &length in &index.packed {
        let end = at + length as usize;
        out.push(body.get(at..end)?);
        at = end;
    }
    (body[at..] == super::blocks::CLOSE).then_some(out)
}

/// Decompresses a chunk, which others can follow, into `out`, which it must fill.
fn inflate(packed: &[u8], out: &mut [u8]) -> bool {
    let mut stream = Vec::with_capacity(packed.len() + 2);
    stream.extend(packed);
    stream.extend(super::blocks::CLOSE);
    Decompressor::new().deflate_decompress(&stream, out) == Ok(out.len())
}

/// Decompresses member after member and keeps the part that is wanted.
fn stream(
    watch: &dyn Fn(f64) -> Result<()>,
    file: &File,
    total: u64,
    keep: Range<u64>,
) -> Result<Part, Fault> {
    let mut out = buffer(keep.end - keep.start)?;
    let mut scrap = vec![0; 1 << 18];
    let mut reader = file;
    reader.rewind()?;
    let mut input = BufReader::with_capacity(1 << 18, reader);
    let mut at = 0;
    loop {
        let mut member = GzDecoder::new(input);
        loop {
            // Straight into its place, or to nowhere.
            let place = if keep.contains(&at) {
                &mut out[(at - keep.start) as usize..]
            } else {
                let next = if at < keep.start { keep.start } else { u64::MAX };
                let n = (next - at).min(scrap.len() as u64);
                &mut scrap[..n as usize]
            };
            let most = place.len().min(1 << 22);
            let n = member.read(&mut place[..most]).map_err(damaged)?;
            if n == 0 {
                break;
            }
            at += n as u64;
            if at > total + SLACK {
                return Err(Fault::io(format!(
                    "is damaged or no plain NIfTI: it decompresses to more than the {total} bytes that its header \
                     promises"
                )));
            }
            watch(at as f64 / total.max(1) as f64).map_err(|_| Fault::cancelled())?;
        }
        input = member.into_inner();
        if !another(&mut input)? {
            break;
        }
    }
    if at < total {
        return Err(Fault::io(format!(
            "is cut off: it decompresses to {at} bytes where its header promises {total}; copy it again"
        )));
    }
    Ok(Part { bytes: out, from: keep.start, extra: at - total })
}

/// Whether a further member follows. Zeros to the end are padding, as gzip and Python take them.
fn another(input: &mut impl BufRead) -> Result<bool, Fault> {
    let start = input.fill_buf()?;
    // Members are small next to the buffer, and their headers never lie across its end in what we write; a
    // single byte at the end of the buffer is taken for the beginning of a member.
    if start.starts_with(&super::MAGIC) || start == &super::MAGIC[..1] {
        return Ok(true);
    }
    loop {
        let rest = input.fill_buf()?;
        if rest.is_empty() {
            return Ok(false);
        }
        if rest.iter().any(|&b| b != 0) {
            return Err(Fault::io(
                "is damaged: something that is no gzip follows its gzip data; copy it again",
            ));
        }
        let n = rest.len();
        input.consume(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gzip::write::{Effort, compress};
    use crate::testing::gzip;
    use ichor_image::Serial;

    fn raw() -> Vec<u8> {
        let mut random = ichor_image::Random::new(5);
        (0..1_300_000u32)
            .flat_map(|n| ((random.normal() * 9.0) as i16 ^ (n >> 12) as i16).to_le_bytes())
            .collect()
    }

    fn packed(raw: &[u8]) -> Vec<u8> {
        let bytes = |range: Range<usize>| Ok(raw[range].into());
        let effort = Effort { level: 1, is_16_bit: true };
        let mut out = Blob::new();
        compress(&Serial, effort, raw.len(), &bytes, &|_| Ok(()), &mut out).unwrap();
        out.read(0..out.len()).unwrap().to_vec()
    }

    fn try_read(file: &[u8], total: usize, keep: Range<u64>) -> Result<Part, String> {
        let mut temporary = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut temporary, file).unwrap();
        read(&Serial, &|_| Ok(()), &|_| (), &temporary, file.len() as u64, total as u64, keep)
            .map_err(|f| f.to_string())
    }

    fn whole_of(file: &[u8], total: usize) -> Result<Vec<u8>, String> {
        try_read(file, total, 0..total as u64).map(|p| p.bytes)
    }

    #[test]
    fn one_member_many_members_and_our_own() {
        let raw = raw();
        let ours = packed(&raw);
        let many: Vec<u8> = raw.chunks(60_000).chain([&[][..]]).flat_map(gzip).collect();
        let mut padded = gzip(&raw);
        padded.extend([0; 600_000]);
        for file in [&gzip(&raw), &ours, &many, &padded] {
            assert!(whole_of(file, raw.len()).unwrap() == raw);
            let part = try_read(file, raw.len(), 1000..900_000).unwrap();
            let from = (1000 - part.from) as usize;
            assert!(part.bytes[from..][..899_000] == raw[1000..900_000]);
        }
    }

    #[test]
    fn damage_is_told_apart() {
        let raw = raw();
        for file in [gzip(&raw), packed(&raw)] {
            let n = file.len();
            let refused = |file: &[u8]| whole_of(file, raw.len()).unwrap_err();
            for cut in [n - 1, n - 8, n / 2, 30] {
                assert!(refused(&file[..cut]).contains("ends early"), "cut at {cut}");
            }
            for at in [n - 7, n - 2, n / 2] {
                let mut bad = file.clone();
                bad[at] ^= 16;
                let text = refused(&bad);
                assert!(text.contains("checksum") || text.contains("ends early"), "{text}");
            }
            let with_rest: Vec<u8> = file.iter().chain(b"rest").copied().collect();
            assert!(refused(&with_rest).contains("no gzip follows"));
            assert!(whole_of(&file, raw.len() + 1).unwrap_err().contains("where its header promises"));
            assert!(whole_of(&file, raw.len() - (1 << 17)).unwrap_err().contains("decompresses to more"));
            let part = try_read(&file, raw.len() - 100, 0..raw.len() as u64 - 100).unwrap();
            assert!(part.extra == 100 && part.bytes == raw[..raw.len() - 100]);
        }
    }

    #[test]
    fn an_index_that_lies_changes_nothing() {
        let raw = raw();
        let file = packed(&raw);
        // The index begins at byte 16: the chunks' length, then those of the chunks.
        for at in [16, 18, 20, 21, 24, 25] {
            let mut lying = file.clone();
            lying[at] ^= 1;
            assert!(whole_of(&lying, raw.len()).unwrap() == raw, "byte {at}");
        }
    }

    #[test]
    fn a_bomb_stops_at_what_was_promised() {
        // 20 MB of zeros in 20 KB.
        let bomb = gzip(&vec![0; 20_000_000]);
        assert!(whole_of(&bomb, 1000).unwrap_err().contains("more than the 1000 bytes"));
        assert!(!plausible(350, 1_000_000));
        assert!(plausible(350, 300_000));
    }
}
