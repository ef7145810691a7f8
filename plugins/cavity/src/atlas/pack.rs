//! Volumes of bytes made small: differences along x and y, then zstd.

use ichor_sdk::{Error, Result};

/// zstd's level: sets are made once and shipped.
const LEVEL: i32 = 19;

/// Each byte becomes the difference from the one before, and that the difference from the one in the row before (rows
/// of `row` bytes): smooth volumes become small numbers.
pub fn pack(bytes: impl Iterator<Item = u8>, row: usize) -> Result<Vec<u8>> {
    let mut v: Vec<u8> = bytes.collect();
    for stride in [1, row] {
        for n in (stride..v.len()).rev() {
            v[n] = v[n].wrapping_sub(v[n - stride]);
        }
    }
    zstd::bulk::compress(&v, LEVEL).map_err(|e| Error::internal(format!("zstd: {e}")))
}

/// The bytes; `None` unless there are exactly `length`.
pub fn unpack(packed: &[u8], length: usize, row: usize) -> Option<Vec<u8>> {
    let mut v = zstd::bulk::decompress(packed, length).ok().filter(|v| v.len() == length)?;
    for stride in [row, 1] {
        for n in stride..v.len() {
            v[n] = v[n].wrapping_add(v[n - stride]);
        }
    }
    Some(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_other_lengths_do_not() {
        let data: Vec<u8> = (0..5000u32).map(|n| (n * n / 700) as u8).collect();
        let packed = pack(data.iter().copied(), 50).unwrap();
        assert!(packed.len() < 2500);
        assert_eq!(unpack(&packed, 5000, 50), Some(data));
        assert_eq!([4999, 5001].map(|n| unpack(&packed, n, 50)), [None, None]);
        assert_eq!(unpack(&packed[..packed.len() - 3], 5000, 50), None);
    }
}
