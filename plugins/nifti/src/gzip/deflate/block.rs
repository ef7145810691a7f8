//! Blocks as bits.

use super::huffman::{codes, lengths};
use std::ops::RangeInclusive;

/// Most voxels of a match: 258 bytes.
pub const MOST: usize = 129;
/// Voxels of a match.
pub const LENGTHS: RangeInclusive<usize> = 2..=MOST;
/// Symbols of distances.
pub const DISTANCES: usize = 30;
/// Symbols of literals and lengths.
const SYMBOLS: usize = 286;
/// The symbol behind a block's last.
const END: usize = 256;

/// A voxel as it is, or a copy of earlier ones: two things to look up and extra bits, in either case.
#[derive(Clone, Copy)]
pub struct Step {
    /// The lower byte, or 256 and the voxels of a match.
    first: u16,
    /// The upper byte, or 256 and the symbol of a distance.
    second: u16,
    /// The distance's extra bits.
    extra: u16,
}

impl Step {
    #[inline]
    pub fn literal(voxel: [u8; 2]) -> Self {
        Self { first: u16::from(voxel[0]), second: u16::from(voxel[1]), extra: 0 }
    }

    #[inline]
    pub fn copy(voxels: usize, back: u16) -> Self {
        let (symbol, extra) = distance_symbol(back);
        Self { first: 256 + voxels as u16, second: 256 + symbol as u16, extra }
    }
}

/// The symbol of a distance in voxels, but 0 for that of 1 voxel, which is 1.
#[inline]
pub fn distance_class(voxels: u16) -> u8 {
    // One less, in bytes: its highest bit and the next are the symbol, and the exponent and first fraction bit of a float.
    let bytes = 2 * i32::from(voxels) - 1;
    ((bytes as f32).to_bits() >> 22).wrapping_sub(254) as u8
}

/// The symbol of a distance in voxels, at least 1, and its extra bits (RFC 1951, 3.2.5).
#[inline]
pub fn distance_symbol(voxels: u16) -> (usize, u16) {
    let symbol = usize::from(distance_class(voxels)).max(1);
    let bytes = 2 * u32::from(voxels) - 1;
    (symbol, (bytes & ((1 << distance_extra(symbol)) - 1)) as u16)
}

/// Extra bits of a distance's symbol.
pub fn distance_extra(symbol: usize) -> u32 {
    (symbol as u32 / 2).saturating_sub(1)
}

/// The symbol of a match's length, how many extra bits it has, and which.
pub fn length_symbol(voxels: usize) -> (usize, u32, u64) {
    let over = (2 * voxels - 3) as u32;
    match over {
        255 => (285, 0, 0),
        0..8 => (257 + over as usize, 0, 0),
        _ => {
            let extra = over.ilog2() - 2;
            let symbol = 261 + 4 * extra + (over >> extra & 3);
            (symbol as usize, extra, u64::from(over & ((1 << extra) - 1)))
        }
    }
}

/// How often each symbol occurs in a block.
pub struct Counts {
    pub symbols: [u32; SYMBOLS],
    pub distances: [u32; DISTANCES],
}

impl Counts {
    pub fn of(steps: &[Step]) -> Self {
        let (mut first, mut second) = ([0u32; 512], [0u32; 512]);
        for step in steps {
            first[usize::from(step.first & 511)] += 1;
            second[usize::from(step.second & 511)] += 1;
        }
        let mut out = Self { symbols: [0; SYMBOLS], distances: [0; DISTANCES] };
        for literal in 0..256 {
            out.symbols[literal] = first[literal] + second[literal];
        }
        out.symbols[END] = 1;
        for voxels in LENGTHS {
            out.symbols[length_symbol(voxels).0] += first[256 + voxels];
        }
        out.distances.copy_from_slice(&second[256..256 + DISTANCES]);
        out
    }
}

/// Bits and how many.
#[derive(Clone, Copy, Default)]
struct Code {
    bits: u64,
    n: u32,
    /// How many bits follow that are not known from the symbol.
    extra: u32,
}

/// A growing deflate stream.
#[derive(Default)]
pub struct Writer {
    bytes: Vec<u8>,
    /// Whole bytes that are written.
    at: usize,
    /// Bits that are not.
    bits: u64,
    n: u32,
}

impl Writer {
    /// Begins a stream, for so many bytes before compression.
    pub fn begin(&mut self, raw: usize) {
        (self.at, self.bits, self.n) = (0, 0, 0);
        // Codes of a block fit it well enough never to need twice the room; memory that is not touched costs nothing.
        if self.bytes.len() < 2 * raw + 4096 {
            self.bytes = vec![0; 2 * raw + 4096];
        }
    }

    /// At most 56 bits between two calls of `flush`.
    #[inline]
    fn put(&mut self, bits: u64, n: u32) {
        self.bits |= bits << self.n;
        self.n += n;
    }

    #[inline]
    fn flush(&mut self) {
        // Never too short, and if it were, what is made would not read back.
        if let Some(place) = self.bytes.get_mut(self.at..self.at + 8) {
            place.copy_from_slice(&self.bits.to_le_bytes());
        }
        self.at += (self.n / 8) as usize;
        self.bits >>= self.n & !7;
        self.n &= 7;
    }

    /// A block, not the last of the stream.
    pub fn block(&mut self, steps: &[Step], counts: &Counts) {
        let (mut symbols, mut distances) = ([0; SYMBOLS], [0; DISTANCES]);
        lengths::<15>(&counts.symbols, &mut symbols);
        lengths::<15>(&counts.distances, &mut distances);
        self.put(0b100, 3); // codes of its own
        self.head(&symbols, &distances);
        let symbols: Vec<_> = codes(&symbols).zip(symbols.map(u32::from)).collect();
        let code = |symbol: usize| Code { bits: symbols[symbol].0, n: symbols[symbol].1, extra: 0 };
        let mut first = [Code::default(); 512];
        first[..256].iter_mut().enumerate().for_each(|(literal, place)| *place = code(literal));
        let mut second = first;
        for voxels in LENGTHS {
            let (symbol, extra, bits) = length_symbol(voxels);
            let own = code(symbol);
            first[256 + voxels] = Code { bits: own.bits | bits << own.n, n: own.n + extra, extra: 0 };
        }
        for (symbol, (bits, &n)) in codes(&distances).zip(&distances).enumerate() {
            second[256 + symbol] = Code { bits, n: u32::from(n), extra: distance_extra(symbol) };
        }
        for step in steps {
            let one = first[usize::from(step.first & 511)];
            self.put(one.bits, one.n);
            let two = second[usize::from(step.second & 511)];
            self.put(two.bits | u64::from(step.extra) << two.n, two.n + two.extra);
            self.flush();
        }
        let end = code(END);
        self.put(end.bits, end.n);
        self.flush();
    }

    /// The lengths of both codes, which are coded, too (RFC 1951, 3.2.7).
    fn head(&mut self, symbols: &[u8; SYMBOLS], distances: &[u8; DISTANCES]) {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let used = |lengths: &[u8], least: usize| {
            lengths.iter().rposition(|&l| l > 0).map_or(least, |n| least.max(n + 1))
        };
        let (n_symbols, n_distances) = (used(symbols, 257), used(distances, 1));
        let all = [&symbols[..n_symbols], &distances[..n_distances]].concat();
        let items = runs(&all);
        let mut counts = [0; 19];
        items.iter().for_each(|item| counts[item.0] += 1);
        let mut own = [0; 19];
        lengths::<7>(&counts, &mut own);
        let n_own = used(&ORDER.map(|place| own[place]), 4);
        self.put((n_symbols - 257) as u64, 5);
        self.put((n_distances - 1) as u64, 5);
        self.put((n_own - 4) as u64, 4);
        self.flush();
        for place in &ORDER[..n_own] {
            self.put(u64::from(own[*place]), 3);
            self.flush();
        }
        let codes: Vec<u64> = codes(&own).collect();
        for (item, bits, n) in items {
            self.put(codes[item], u32::from(own[item]));
            self.put(bits, n);
            self.flush();
        }
    }

    /// The stream, ended on a byte by an empty stored block.
    pub fn finish(&mut self) -> &[u8] {
        self.put(0, 3);
        let rest = self.n.next_multiple_of(8) - self.n;
        self.put(0, rest);
        self.put(0xffff_0000, 32);
        self.flush();
        &self.bytes[..self.at.min(self.bytes.len())]
    }
}

/// Lengths and repetitions of lengths: the symbol, its extra bits and their number.
fn runs(lengths: &[u8]) -> Vec<(usize, u64, u32)> {
    let mut out = Vec::with_capacity(lengths.len());
    for same in lengths.chunk_by(|a, b| a == b) {
        let length = usize::from(same[0]);
        let mut n = same.len();
        if length > 0 {
            out.push((length, 0, 0));
            n -= 1;
        }
        while n > 0 {
            let (item, count) = match (length, n) {
                (0, 11..) => ((18, n.min(138) as u64 - 11, 7), n.min(138)),
                (0, 3..) => ((17, n as u64 - 3, 3), n),
                (1.., 3..) => ((16, n.min(6) as u64 - 3, 2), n.min(6)),
                _ => ((length, 0, 0), 1),
            };
            out.push(item);
            n -= count;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1951, 3.2.5: the first length and distance of each symbol, in bytes.
    #[test]
    fn symbols_are_those_of_the_rfc() {
        let lengths: [(usize, usize); 29] = [
            (257, 3),
            (258, 4),
            (259, 5),
            (260, 6),
            (261, 7),
            (262, 8),
            (263, 9),
            (264, 10),
            (265, 11),
            (266, 13),
            (267, 15),
            (268, 17),
            (269, 19),
            (270, 23),
            (271, 27),
            (272, 31),
            (273, 35),
            (274, 43),
            (275, 51),
            (276, 59),
            (277, 67),
            (278, 83),
            (279, 99),
            (280, 115),
            (281, 131),
            (282, 163),
            (283, 195),
            (284, 227),
            (285, 258),
        ];
        for voxels in LENGTHS {
            let (symbol, first) = *lengths.iter().rev().find(|l| l.1 <= 2 * voxels).unwrap();
            let (own, n, bits) = length_symbol(voxels);
            assert_eq!((own, bits as usize), (symbol, 2 * voxels - first));
            assert!(bits < 1 << n);
        }
        let distances = [
            1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
            3073, 4097, 6145, 8193, 12289, 16385, 24577,
        ];
        for voxels in 1..=16_384 {
            let symbol = distances.iter().rposition(|&d| d <= 2 * voxels).unwrap();
            let extra = 2 * voxels - distances[symbol];
            assert_eq!(distance_symbol(voxels as u16), (symbol, extra as u16));
            assert!(extra < 1 << distance_extra(symbol));
        }
    }

    #[test]
    fn runs_are_those_that_were_given() {
        let lengths = [&[0; 150][..], &[5; 9], &[0, 0, 3, 3, 3, 0, 0, 0]].concat();
        let mut back: Vec<u8> = Vec::new();
        for (item, bits, _) in runs(&lengths) {
            let (value, times) = match item {
                16 => (back[back.len() - 1], bits + 3),
                17 => (0, bits + 3),
                18 => (0, bits + 11),
                length => (length as u8, 1),
            };
            back.extend(std::iter::repeat_n(value, times as usize));
        }
        assert_eq!(back, lengths);
    }
}
