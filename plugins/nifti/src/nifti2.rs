//! The 540 bytes of a NIfTI-2 header (nifti2.h, NIfTI-DFWG, 2011). The `nifti` crate has none.

use crate::fault::Fault;
use crate::fields::Fields;

/// Length of the header.
pub const SIZE: usize = 540;

/// The signature ends in bytes that a transfer as text would change.
const SINGLE: [u8; 8] = *b"n+2\0\r\n\x1a\n";
const PAIR: [u8; 8] = *b"ni2\0\r\n\x1a\n";

/// Parses a header whose first four bytes were found to be its size in this byte order.
pub fn parse(bytes: &[u8; SIZE], big_endian: bool) -> Result<Fields, Fault> {
    let r = Reader { bytes, big_endian };
    let magic: [u8; 8] = std::array::from_fn(|n| bytes[4 + n]);
    if magic != SINGLE && magic != PAIR {
        return Err(if magic[4..] != SINGLE[4..] && (magic[..3] == *b"n+2" || magic[..3] == *b"ni2") {
            Fault::io("was damaged by a transfer as text; copy it again in binary mode")
        } else {
            Fault::io("is no NIfTI file: the signature of its header is wrong")
        });
    }
    Ok(Fields {
        two: true,
        big_endian,
        pair: magic == PAIR,
        dim: std::array::from_fn(|n| r.i64(16 + 8 * n)),
        datatype: r.i16(12),
        bitpix: r.i16(14),
        pixdim: std::array::from_fn(|n| r.f64(104 + 8 * n)),
        vox_offset: r.i64(168) as f64,
        slope: r.f64(176),
        inter: r.f64(184),
        xyzt_units: r.i32(500) as u8,
        qform_code: r.i32(344),
        sform_code: r.i32(348),
        quatern: std::array::from_fn(|n| r.f64(352 + 8 * n)),
        qoffset: std::array::from_fn(|n| r.f64(376 + 8 * n)),
        srow: std::array::from_fn(|row| std::array::from_fn(|n| r.f64(400 + 32 * row + 8 * n))),
        intent_code: r.i32(504),
        descrip: [0; 80],
    })
}

struct Reader<'a> {
    bytes: &'a [u8; SIZE],
    big_endian: bool,
}

impl Reader<'_> {
    fn take<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out: [u8; N] = std::array::from_fn(|n| self.bytes[at + n]);
        if self.big_endian {
            out.reverse();
        }
        out
    }

    fn i16(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.take(at))
    }

    fn i32(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.take(at))
    }

    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.take(at))
    }

    fn f64(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.take(at))
    }
}

/// The header as it is written; fields that are not in [`Fields`] are 0.
pub fn to_bytes(f: &Fields) -> [u8; SIZE] {
    let mut out = [0; SIZE];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &(SIZE as i32).to_le_bytes());
    put(4, if f.pair { &PAIR } else { &SINGLE });
    put(12, &f.datatype.to_le_bytes());
    put(14, &f.bitpix.to_le_bytes());
    f.dim.iter().enumerate().for_each(|(n, v)| put(16 + 8 * n, &v.to_le_bytes()));
    put(168, &(f.vox_offset as i64).to_le_bytes());
    let mut floats = |at: usize, values: &[f64]| {
        values.iter().enumerate().for_each(|(n, v)| put(at + 8 * n, &v.to_le_bytes()));
    };
    floats(104, &f.pixdim);
    floats(176, &[f.slope, f.inter]);
    floats(352, &f.quatern);
    floats(376, &f.qoffset);
    floats(400, f.srow.as_flattened());
    put(240, &f.descrip);
    put(344, &f.qform_code.to_le_bytes());
    put(348, &f.sform_code.to_le_bytes());
    put(500, &i32::from(f.xyzt_units).to_le_bytes());
    put(504, &f.intent_code.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_fields;

    #[test]
    fn what_is_written_reads_back() {
        let mut fields = sample_fields(true);
        fields.dim = [3, 40_000, 2, 1, 1, 1, 1, 1];
        let back = parse(&to_bytes(&fields), false).unwrap();
        fields.descrip = [0; 80];
        assert_eq!(back, fields);
    }

    #[test]
    fn a_transfer_as_text_is_noticed() {
        let mut bytes = to_bytes(&sample_fields(true));
        bytes[8] = b'\n';
        assert!(parse(&bytes, false).unwrap_err().to_string().contains("binary mode"));
    }
}
