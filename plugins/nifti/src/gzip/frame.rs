//! The header of a gzip member, and our field in it.

use std::ops::Range;

/// Name of the extra field: two letters (RFC 1952, 2.3.1.1).
const FIELD: [u8; 2] = *b"IC";
/// Most chunks whose lengths fit the extra field of 65535 bytes.
pub const MOST_CHUNKS: usize = 16_000;

/// Lengths of the chunks of a deflate stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Bytes of each chunk before compression; the last may have fewer.
    pub raw: usize,
    /// Bytes of each chunk after compression.
    pub packed: Vec<u32>,
}

impl Index {
    /// Whether it can be of so many bytes before compression.
    pub fn fits(&self, length: usize) -> bool {
        self.raw > 0 && length.div_ceil(self.raw) == self.packed.len()
    }
}

/// A member's header: no name, no time, so that equal content makes equal bytes.
pub fn header(index: &Index) -> Vec<u8> {
    // Deflate, with an extra field, time 0, no hint, system unknown.
    let mut out = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255];
    let field = 4 + 4 * index.packed.len();
    out.extend(((4 + field) as u16).to_le_bytes());
    out.extend(FIELD);
    out.extend((field as u16).to_le_bytes());
    out.extend((index.raw as u32).to_le_bytes());
    out.extend(index.packed.iter().flat_map(|n| n.to_le_bytes()));
    out
}

/// Where the deflate stream of a file of one member lies, what its last bytes say, and the index if there is
/// one.
pub struct Frame {
    pub body: Range<usize>,
    pub crc: u32,
    /// Length before compression, modulo 2^32.
    pub length: u32,
    pub index: Option<Index>,
}

/// Bytes of the longest header with an index.
pub const MOST_HEAD: usize = 12 + 0xffff;

/// Reads a member's header, without the stream behind it: its length, and the index if there is one.
pub fn head(file: &[u8]) -> Option<(usize, Option<Index>)> {
    let flags = *file.get(3)?;
    if file[..2] != super::MAGIC || file[2] != 8 || flags & 0xe0 != 0 {
        return None;
    }
    let mut at = 10;
    let mut index = None;
    if flags & 4 != 0 {
        let length = usize::from(u16::from_le_bytes(*file.get(at..)?.first_chunk()?));
        index = find(file.get(at + 2..at + 2 + length)?);
        at += 2 + length;
    }
    // Name and comment end with a NUL.
    for flag in [8, 16] {
        if flags & flag != 0 {
            at += 1 + file.get(at..)?.iter().position(|&b| b == 0)?;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    Some((at, index))
}

/// Reads a member's header and the last 8 bytes of the file. `None` when it is not that simple.
pub fn parse(file: &[u8]) -> Option<Frame> {
    let (at, index) = head(file)?;
    let end = file.len().checked_sub(8).filter(|&end| end >= at)?;
    let (crc, length) = file[end..].split_first_chunk::<4>()?;
    Some(Frame {
        body: at..end,
        crc: u32::from_le_bytes(*crc),
        length: u32::from_le_bytes(*length.first_chunk()?),
        index,
    })
}

/// Our field among the extra fields.
fn find(mut fields: &[u8]) -> Option<Index> {
    while let Some(([a, b, low, high], rest)) = fields.split_first_chunk::<4>() {
        let data = rest.get(..usize::from(u16::from_le_bytes([*low, *high])))?;
        if [*a, *b] == FIELD {
            let (numbers, odd) = data.as_chunks::<4>();
            let (raw, packed) = numbers.split_first().filter(|_| odd.is_empty())?;
            let packed = packed.iter().map(|b| u32::from_le_bytes(*b)).collect();
            return Some(Index { raw: u32::from_le_bytes(*raw) as usize, packed });
        }
        fields = &rest[data.len()..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_found_again() {
        let index = Index { raw: 1 << 20, packed: (0..MOST_CHUNKS as u32).collect() };
        let mut file = header(&index);
        let body = file.len();
        file.extend([1, 2, 3, 4, 0, 0, 0, 9, 0, 0, 0]);
        let frame = parse(&file).unwrap();
        assert_eq!((frame.body, frame.crc, frame.length), (body..body + 3, 4, 9));
        assert_eq!(frame.index, Some(index));
    }

    #[test]
    fn names_and_other_fields_are_skipped() {
        let mut file = vec![0x1f, 0x8b, 8, 4 | 8 | 16 | 2, 0, 0, 0, 0, 0, 3];
        file.extend([6, 0, b'B', b'C', 2, 0, 1, 1]);
        file.extend(b"name\0comment\0\x12\x34body");
        file.extend([0; 8]);
        let frame = parse(&file).unwrap();
        assert_eq!((&file[frame.body], frame.index), (&b"body"[..], None));
        for n in 0..40 {
            parse(&file[..n]);
        }
    }
}
