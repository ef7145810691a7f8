//! Finds where the last block of a deflate stream (RFC 1951) begins and ends, so that more can follow it.
//!
//! libdeflate compresses better and faster than anything else here, but ends every stream: its last block
//! says that it is the last. That bit lies wherever the block before ended. It is looked for from behind, which
//! takes a fifth of the time of level 1 and may be deceived, or found by a walk through the stream, which takes half
//! and cannot. Both decode code lengths only, several literals at a time.

/// Bits of a literal or length code that one look-up resolves.
const LITERAL_BITS: u32 = 12;
/// The same for distance codes.
const DISTANCE_BITS: u32 = 9;

/// What a look-up found, above the five bits that hold how far to move on.
const LITERALS: u16 = 0;
const LENGTH: u16 = 1;
const END: u16 = 2;
/// A code longer than the table, or none at all.
const LONG: u16 = 3;

/// How the last block is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Fast. Other bits may look like a block that ends with the stream: the result must be decompressed once.
    FromBehind,
    /// Certain.
    Walk,
}

/// A complete stream as the beginning of a longer one that goes on at a byte. `None` when it is no complete stream,
/// or its last block is not found.
pub fn reopened(stream: &[u8], search: Search) -> Option<Vec<u8>> {
    let bits = 8 * stream.len();
    let mut out = Vec::with_capacity(stream.len() + 16);
    out.extend(stream);
    out.extend([0; 16]); // the search looks ahead
    let (last, end) = match search {
        Search::FromBehind => from_behind(&out, bits),
        Search::Walk => walk(&out, bits),
    }?;
    out[last / 8] &= !(1 << (last % 8));
    // An empty stored block: three bits 0, zeros up to the byte, length 0 and its complement. The bits behind
    // the end are 0 already.
    out.truncate((end + 3).div_ceil(8));
    out.extend([0, 0, 0xff, 0xff]);
    Some(out)
}

/// Most bytes of a stored block.
pub const STORED: usize = 65535;

/// A stream of stored blocks, the last of which is not marked as such: a chunk as it is.
pub fn stored(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + 5 * raw.len().div_ceil(STORED) + 5);
    for block in raw.chunks(STORED).chain([&[][..]]) {
        let length = block.len() as u16;
        out.push(0);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    out
}

/// An empty last block.
pub const CLOSE: [u8; 2] = [3, 0];

/// Bytes at the end of a stream in which its last block is looked for. libdeflate's fast levels end a block after
/// 64 KiB of content.
const REACH: usize = 1 << 16;

/// Positions, in bits, of the header of the last block and of the end of the stream: of the last block with codes of
/// its own that ends with the stream.
fn from_behind(stream: &[u8], bits: usize) -> Option<(usize, usize)> {
    let mut literals = Code::new(LITERAL_BITS);
    let mut distances = Code::new(DISTANCE_BITS);
    let first = (bits / 8).saturating_sub(REACH);
    for byte in (first..bits / 8).rev() {
        let window = u64::from_le_bytes(*stream.get(byte..)?.first_chunk()?);
        for bit in (0..8).rev() {
            // The last block, codes of its own, no more of them than there are.
            let header = window >> bit;
            if header & 7 != 5 || header >> 3 & 31 > 29 || header >> 8 & 31 > 29 {
                continue;
            }
            let at = 8 * byte + bit;
            let mut s = Bits { stream, at: at + 17 };
            if !s.lengths_are_complete((header >> 13 & 15) as usize + 4).unwrap_or(false) {
                continue;
            }
            s.at = at + 3;
            let is_block = s
                .dynamic(&mut literals, &mut distances)
                .and_then(|()| s.skip_symbols(&literals, &distances, bits))
                .is_some();
            if is_block && s.at <= bits && bits - s.at < 8 {
                return Some((at, s.at));
            }
        }
    }
    None
}

/// Positions, in bits, of the header of the last block and of the end of the stream.
fn walk(stream: &[u8], bits: usize) -> Option<(usize, usize)> {
    let mut s = Bits { stream, at: 0 };
    let mut literals = Code::new(LITERAL_BITS);
    let mut distances = Code::new(DISTANCE_BITS);
    loop {
        let start = s.at;
        let header = s.take(3)?;
        match header >> 1 {
            0 => {
                s.at = s.at.next_multiple_of(8);
                let length = s.take(32)?;
                if length as u16 != !(length >> 16) as u16 {
                    return None;
                }
                s.at += 8 * (length & 0xffff) as usize;
            }
            1 => {
                let mut lengths = [8u8; 288];
                lengths[144..256].fill(9);
                lengths[256..280].fill(7);
                literals.set(&lengths, literal_entry)?;
                distances.set(&[5; 30], distance_entry)?;
                s.skip_symbols(&literals, &distances, bits)?;
            }
            2 => {
                s.dynamic(&mut literals, &mut distances)?;
                s.skip_symbols(&literals, &distances, bits)?;
            }
            _ => return None,
        }
        if s.at > bits {
            return None;
        }
        if header & 1 == 1 {
            return Some((start, s.at));
        }
    }
}

/// What follows a literal or length symbol: its kind and extra bits.
fn literal_entry(symbol: usize) -> Option<(u16, u16)> {
    match symbol {
        0..256 => Some((LITERALS, 0)),
        256 => Some((END, 0)),
        257..265 | 285 => Some((LENGTH, 0)),
        265..285 => Some((LENGTH, (symbol as u16 - 261) / 4)),
        _ => None,
    }
}

fn distance_entry(symbol: usize) -> Option<(u16, u16)> {
    (symbol < 30).then(|| (LITERALS, (symbol as u16 / 2).saturating_sub(1)))
}

fn length_entry(symbol: usize) -> Option<(u16, u16)> {
    Some((symbol as u16, 0))
}

/// A Huffman code: a table for short codes, and what is needed to decode long ones bit by bit.
struct Code {
    bits: u32,
    /// Kind << 5 | bits to move on, by the next bits of the stream.
    table: Vec<u16>,
    count: [u16; 16],
    /// By code, shortest first: the kind and the extra bits.
    entries: Vec<Option<(u16, u16)>>,
}

impl Code {
    fn new(bits: u32) -> Self {
        Self { bits, table: vec![0; 1 << bits], count: [0; 16], entries: Vec::with_capacity(288) }
    }

    fn set(&mut self, lengths: &[u8], entry: impl Fn(usize) -> Option<(u16, u16)>) -> Option<()> {
        self.count = [0; 16];
        lengths.iter().for_each(|&n| self.count[usize::from(n & 15)] += 1);
        self.count[0] = 0;
        self.entries.clear();
        self.table.fill(LONG << 5);
        // Codes of one length are consecutive, and those of the next begin behind them, shifted.
        let mut code = 0u32;
        for n in 1..16u32 {
            code <<= 1;
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, l)| u32::from(**l) == n) {
                if code >> n != 0 {
                    return None; // more codes than there is room for
                }
                // Symbols that stand for nothing have codes, too.
                let entry = entry(symbol);
                self.entries.push(entry);
                if let Some((kind, extra)) = entry.filter(|_| n <= self.bits) {
                    let first = (code.reverse_bits() >> (32 - n)) as usize;
                    self.table[first..]
                        .iter_mut()
                        .step_by(1 << n)
                        .for_each(|e| *e = kind << 5 | (n as u16 + extra));
                }
                code += 1;
            }
        }
        Some(())
    }

    /// Lets one look-up cover as many literals as fit, and the end or a length behind them.
    fn merge(&mut self) {
        let single = self.table.clone();
        for (place, merged) in self.table.iter_mut().enumerate().filter(|(_, e)| **e >> 5 == LITERALS) {
            let mut used = 0;
            loop {
                let next = single[place >> used];
                let (kind, bits) = (next >> 5, next & 31);
                if kind == LONG || used + bits > self.bits as u16 {
                    break; // bits beyond the table are not known here
                }
                used += bits;
                *merged = kind << 5 | used;
                if kind != LITERALS {
                    break;
                }
            }
        }
    }
}

/// What four lengths of three bits take together of a code, in 128ths. Asked at every ninth bit of what is searched.
static SHARES: [u16; 1 << 12] = {
    let mut out = [0; 1 << 12];
    let mut bits = 0;
    while bits < out.len() {
        let mut i = 0;
        while i < 4 {
            let length = bits >> (3 * i) & 7;
            out[bits] += if length > 0 { 128 >> length } else { 0 };
            i += 1;
        }
        bits += 1;
    }
    out
};

struct Bits<'a> {
    stream: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// At least 57 bits from here on.
    fn peek(&self) -> Option<u64> {
        let bytes = self.stream.get(self.at / 8..)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes) >> (self.at % 8))
    }

    fn take(&mut self, bits: u32) -> Option<u64> {
        let value = self.peek()? & ((1 << bits) - 1);
        self.at += bits as usize;
        Some(value)
    }

    /// Decodes a symbol bit by bit: the first code of each length is known from the counts.
    fn symbol(&mut self, code: &Code) -> Option<(u16, u16)> {
        let window = self.peek()?;
        let (mut value, mut first, mut index) = (0, 0, 0);
        for n in 1..16 {
            value |= (window >> (n - 1) & 1) as usize;
            let count = usize::from(code.count[n]);
            if value < first + count {
                self.at += n;
                return *code.entries.get(index + value - first)?;
            }
            index += count;
            first = (first + count) << 1;
            value <<= 1;
        }
        None
    }

    /// Whether `n` lengths of three bits make a code that uses every sequence of bits.
    fn lengths_are_complete(&self, n: usize) -> Option<bool> {
        // 57 bits at least are 19 lengths, the most there are.
        let bits = self.peek()? & ((1 << (3 * n)) - 1);
        let sum: u16 = (0..5).map(|i| SHARES[(bits >> (12 * i)) as usize % SHARES.len()]).sum();
        Some(sum == 128)
    }

    /// The codes at the head of a block (RFC 1951, 3.2.7).
    fn dynamic(&mut self, literals: &mut Code, distances: &mut Code) -> Option<()> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let n_literals = self.take(5)? as usize + 257;
        let n_distances = self.take(5)? as usize + 1;
        let n_lengths = self.take(4)? as usize + 4;
        let mut lengths = [0; 19];
        for &place in &ORDER[..n_lengths] {
            lengths[place] = self.take(3)? as u8;
        }
        let mut code = Code::new(0);
        code.set(&lengths, length_entry)?;
        let mut all = Vec::with_capacity(320);
        while all.len() < n_literals + n_distances {
            let (symbol, _) = self.symbol(&code)?;
            let (value, times) = match symbol {
                0..16 => (symbol as u8, 1),
                16 => (*all.last()?, 3 + self.take(2)?),
                17 => (0, 3 + self.take(3)?),
                _ => (0, 11 + self.take(7)?),
            };
            all.resize(all.len() + times as usize, value);
        }
        if all.len() > n_literals + n_distances {
            return None;
        }
        literals.set(&all[..n_literals], literal_entry)?;
        literals.merge();
        distances.set(&all[n_literals..], distance_entry)
    }

    /// Moves behind the end of the block.
    fn skip_symbols(&mut self, literals: &Code, distances: &Code, end: usize) -> Option<()> {
        // Tables of known length need no checks.
        let literal_table: &[u16; 1 << LITERAL_BITS] = literals.table.first_chunk()?;
        let distance_table: &[u16; 1 << DISTANCE_BITS] = distances.table.first_chunk()?;
        while self.at <= end {
            let (mut window, mut at) = (self.peek()?, self.at);
            let mut entry = 0;
            // Four times 12 bits of literals are fewer than the 57 that are there.
            for _ in 0..4 {
                entry = literal_table[window as usize % (1 << LITERAL_BITS)];
                if entry >= LENGTH << 5 {
                    break;
                }
                window >>= entry;
                at += usize::from(entry);
            }
            self.at = at;
            let kind = match entry >> 5 {
                LITERALS => continue,
                LONG => {
                    let (kind, extra) = self.symbol(literals)?;
                    self.at += usize::from(extra);
                    kind
                }
                kind => {
                    self.at += usize::from(entry & 31);
                    kind
                }
            };
            match kind {
                LITERALS => continue,
                END => return Some(()),
                _ => {}
            }
            let entry = distance_table[self.peek()? as usize % (1 << DISTANCE_BITS)];
            if entry >> 5 == LONG {
                let (_, extra) = self.symbol(distances)?;
                self.at += usize::from(extra);
            } else {
                self.at += usize::from(entry);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Random;
    use libdeflater::{CompressionLvl, Compressor};

    /// Bytes of many kinds: noise, runs, text, voxels, and one that makes long codes.
    fn samples() -> Vec<Vec<u8>> {
        let mut random = Random::new(7);
        let mut noise =
            |n: usize, scale: f64| -> Vec<i16> { (0..n).map(|_| (random.normal() * scale) as i16).collect() };
        let mut out: Vec<Vec<u8>> = vec![vec![], vec![5], vec![0; 100_000], b"haematoma ".repeat(3000)];
        for scale in [0.3, 3.0, 40.0, 900.0, 30_000.0] {
            out.push(noise(100_000, scale).iter().flat_map(|v| v.to_le_bytes()).collect());
        }
        // Fibonacci frequencies make the longest codes.
        let (mut a, mut b) = (1usize, 1);
        let mut skewed = Vec::new();
        for symbol in 0..24u8 {
            skewed.extend(std::iter::repeat_n(symbol, a));
            (a, b) = (b, a + b);
        }
        let n = skewed.len();
        out.push((0..n).map(|i| skewed[i * 7919 % n]).collect());
        let mut mixed = out[4].clone();
        mixed.extend(&out[2]);
        mixed.extend(&out[8]);
        mixed.extend(&out[3]);
        out.push(mixed);
        out
    }

    fn inflate(stream: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::DeflateDecoder::new(stream), &mut out).unwrap();
        out
    }

    #[test]
    fn streams_of_every_level_can_be_joined() {
        let mut fast = 0;
        for level in 0..=12 {
            let mut compressor = Compressor::new(CompressionLvl::new(level).unwrap());
            let (mut joined, mut wanted) = (Vec::new(), Vec::new());
            for sample in samples() {
                let mut stream = vec![0; compressor.deflate_compress_bound(sample.len())];
                let n = compressor.deflate_compress(&sample, &mut stream).unwrap();
                stream.truncate(n);
                let found = reopened(&stream, Search::Walk).unwrap();
                // From behind it is the same or nothing.
                let behind = reopened(&stream, Search::FromBehind);
                assert!(behind.as_ref().is_none_or(|b| *b == found), "level {level}");
                fast += usize::from(behind.is_some());
                joined.extend(found);
                wanted.extend(sample);
            }
            joined.extend(CLOSE);
            assert!(inflate(&joined) == wanted, "level {level}");
        }
        assert!(fast > 50, "{fast}");
    }

    #[test]
    fn streams_of_another_library_can_be_joined() {
        for level in 0..=9 {
            let (mut joined, mut wanted) = (Vec::new(), Vec::new());
            for sample in samples() {
                let mut encoder =
                    flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(level));
                std::io::Write::write_all(&mut encoder, &sample).unwrap();
                let stream = encoder.finish().unwrap();
                joined.extend(reopened(&stream, Search::Walk).unwrap());
                wanted.extend(sample);
            }
            joined.extend(CLOSE);
            assert!(inflate(&joined) == wanted, "level {level}");
        }
    }

    #[test]
    fn stored_chunks_can_be_joined() {
        let raw: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        let mut joined = stored(&raw);
        joined.extend(stored(&[]));
        joined.extend(CLOSE);
        assert!(inflate(&joined) == raw);
    }

    #[test]
    fn damaged_streams_end_the_walk() {
        let mut random = Random::new(3);
        let mut compressor = Compressor::new(CompressionLvl::new(6).unwrap());
        let sample = &samples()[5][..20_000];
        let mut stream = vec![0; compressor.deflate_compress_bound(sample.len())];
        let n = compressor.deflate_compress(sample, &mut stream).unwrap();
        for _ in 0..2000 {
            let mut damaged = stream[..(random.uniform() * n as f64) as usize + 1].to_vec();
            for _ in 0..3 {
                let at = (random.uniform() * damaged.len() as f64) as usize;
                damaged[at] = (random.uniform() * 256.0) as u8;
            }
            // Whatever they say, they do not panic.
            reopened(&damaged, Search::Walk);
            reopened(&damaged, Search::FromBehind);
        }
        for search in [Search::Walk, Search::FromBehind] {
            assert_eq!(reopened(&[], search), None);
            assert_eq!(reopened(&[7], search), None);
        }
    }
}
