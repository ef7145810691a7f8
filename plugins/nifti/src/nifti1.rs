//! The 348 bytes of a NIfTI-1 header. Parsed by the `nifti` crate; written here, because its writer cannot
//! be told to keep to the file name or to flush.

use crate::fault::Fault;
use crate::fields::Fields;
use nifti::NiftiHeader;

/// Length of the header.
pub const SIZE: usize = 348;

/// Parses a header whose first four bytes were found to be its size in this byte order.
pub fn parse(bytes: &[u8; SIZE], big_endian: bool) -> Result<Fields, Fault> {
    let magic = &bytes[344..348];
    if magic != b"n+1\0" && magic != b"ni1\0" {
        return Err(Fault::content(
            "has the header of an ANALYZE 7.5 file, not of NIfTI: it does not say which side is left; convert \
             the original to NIfTI",
        ));
    }
    // The crate takes the byte order in which this is small; ours comes from the size. They agree on 1 to 7.
    let rank = [bytes[40], bytes[41]];
    let rank = if big_endian { i16::from_be_bytes(rank) } else { i16::from_le_bytes(rank) };
    if !(1..=7).contains(&rank) {
        return Err(crate::header::bad_rank(i64::from(rank)));
    }
    let h = NiftiHeader::from_reader(&bytes[..])
        .map_err(|e| Fault::io(format!("has a damaged NIfTI-1 header: {e}")))?;
    Ok(Fields {
        two: false,
        big_endian,
        pair: h.magic == *b"ni1\0",
        dim: h.dim.map(|n| i64::from(n as i16)), // the standard's type is signed
        datatype: h.datatype,
        bitpix: h.bitpix,
        pixdim: h.pixdim.map(f64::from),
        vox_offset: h.vox_offset.into(),
        slope: h.scl_slope.into(),
        inter: h.scl_inter.into(),
        xyzt_units: h.xyzt_units,
        qform_code: h.qform_code.into(),
        sform_code: h.sform_code.into(),
        quatern: [h.quatern_b, h.quatern_c, h.quatern_d].map(f64::from),
        qoffset: [h.quatern_x, h.quatern_y, h.quatern_z].map(f64::from),
        srow: [h.srow_x, h.srow_y, h.srow_z].map(|row| row.map(f64::from)),
        intent_code: h.intent_code.into(),
        descrip: [0; 80],
    })
}

/// The header as it is written; fields that are not in [`Fields`] are 0.
pub fn to_bytes(f: &Fields) -> [u8; SIZE] {
    let mut out = [0; SIZE];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &(SIZE as i32).to_le_bytes());
    put(38, b"r"); // `regular`, which ANALYZE readers expect
    f.dim.iter().enumerate().for_each(|(n, &v)| put(40 + 2 * n, &(v as i16).to_le_bytes()));
    put(68, &(f.intent_code as i16).to_le_bytes());
    put(70, &f.datatype.to_le_bytes());
    put(72, &f.bitpix.to_le_bytes());
    let mut floats = |at: usize, values: &[f64]| {
        values.iter().enumerate().for_each(|(n, &v)| put(at + 4 * n, &(v as f32).to_le_bytes()));
    };
    floats(76, &f.pixdim);
    floats(108, &[f.vox_offset, f.slope, f.inter]);
    floats(256, &f.quatern);
    floats(268, &f.qoffset);
    floats(280, f.srow.as_flattened());
    put(123, &[f.xyzt_units]);
    put(148, &f.descrip);
    put(252, &(f.qform_code as i16).to_le_bytes());
    put(254, &(f.sform_code as i16).to_le_bytes());
    put(344, if f.pair { b"ni1\0" } else { b"n+1\0" });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_fields;

    #[test]
    fn what_is_written_reads_back() {
        let mut fields = sample_fields(false);
        let back = parse(&to_bytes(&fields), false).unwrap();
        fields.descrip = [0; 80];
        assert_eq!(back, fields);
    }

    #[test]
    fn analyze_and_impossible_ranks_are_refused() {
        let mut bytes = to_bytes(&sample_fields(false));
        bytes[40..42].copy_from_slice(&200i16.to_le_bytes());
        assert!(parse(&bytes, false).unwrap_err().to_string().contains("200 dimensions"));
        bytes[344..].fill(0);
        assert!(parse(&bytes, false).unwrap_err().to_string().contains("ANALYZE"));
    }
}
