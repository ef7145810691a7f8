//! JPEG Lossless (ITU-T T.81, annex H), as DICOM's transfer syntaxes 57 and 70 use it.

use crate::fault::{Fault, Outcome};
use jpeg_decoder::{Decoder, PixelFormat};

/// The words of an image of this size.
pub fn decode(packed: &[u8], columns: usize, rows: usize) -> Outcome<Vec<u16>> {
    let damaged = || Fault::new("has damaged JPEG-compressed pixels");
    // Claims are compared before the decoder believes them.
    if frame_size(packed) != Some((columns, rows)) {
        return Err(Fault::new("has JPEG-compressed pixels of another size or kind than its header says"));
    }
    let mut decoder = Decoder::new(packed);
    decoder.set_max_decoding_buffer_size(4 * columns * rows);
    let bytes = decoder.decode().map_err(|_| damaged())?;
    match decoder.info().map(|info| info.pixel_format) {
        Some(PixelFormat::L8) => Ok(bytes.iter().map(|&b| b.into()).collect()),
        Some(PixelFormat::L16) => {
            Ok(bytes.as_chunks::<2>().0.iter().map(|&two| u16::from_ne_bytes(two)).collect())
        }
        _ => Err(damaged()),
    }
}

/// Columns and rows of a lossless frame (SOF3) of one component, as its header claims.
fn frame_size(packed: &[u8]) -> Option<(usize, usize)> {
    let mut rest = packed.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let &[0xff, marker, a, b, ..] = rest else { return None };
        if marker == 0xff {
            rest = &rest[1..]; // fill bytes
            continue;
        }
        let length = usize::from(u16::from_be_bytes([a, b]));
        let segment = rest.get(4..2 + length)?;
        match (marker, segment) {
            (0xc3, &[_, h0, h1, w0, w1, 1, ..]) => {
                let number = |bytes| usize::from(u16::from_be_bytes(bytes));
                return Some((number([w0, w1]), number([h0, h1])));
            }
            (0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xda, _) => return None,
            _ => rest = rest.get(2 + length..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::*;

    #[test]
    fn another_programs_picture_is_decoded() {
        let packed = bytes(JPEG);
        assert_eq!(decode(&packed, COLUMNS, ROWS).unwrap(), picture());
        assert!(decode(&packed, COLUMNS, ROWS + 1).is_err());
        assert!(decode(&packed[..100], COLUMNS, ROWS).is_err());
    }
}
