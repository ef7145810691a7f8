//! RLE Lossless (DICOM PS3.5, annex G): PackBits, high bytes before low bytes.

use crate::fault::{Fault, Outcome};

/// So many pixels of 8 or 16 bits.
pub fn decode(packed: &[u8], pixels: usize, allocated: u32) -> Outcome<Vec<u16>> {
    let damaged = || Fault::new("has damaged RLE-compressed pixels");
    let segments = (allocated / 8) as usize;
    let (head, _) = packed.get(..64).map(|h| h.as_chunks::<4>()).ok_or_else(damaged)?;
    let numbers: Vec<usize> = head.iter().map(|b| u32::from_le_bytes(*b) as usize).collect();
    if numbers.first() != Some(&segments) {
        return Err(damaged());
    }
    let mut out = vec![0u16; pixels];
    for segment in 1..=segments {
        let from = numbers[segment];
        let to = if segment == segments { packed.len() } else { numbers[segment + 1] };
        let bytes = packed.get(from..to).ok_or_else(damaged)?;
        if !unpack(bytes, &mut out) {
            return Err(damaged());
        }
    }
    Ok(out)
}

/// Puts the bytes of a segment below those that are there; whether there were enough.
fn unpack(bytes: &[u8], out: &mut [u16]) -> bool {
    let mut pixels = out.iter_mut();
    let mut rest = bytes;
    while pixels.len() > 0 {
        let Some((&control, after)) = rest.split_first() else { return false };
        rest = after;
        match control {
            0..=127 => {
                let n = usize::from(control) + 1;
                let Some(literal) = rest.get(..n) else { return false };
                literal.iter().zip(&mut pixels).for_each(|(&b, p)| *p = *p << 8 | u16::from(b));
                rest = &rest[n..];
            }
            128 => {}
            _ => {
                let Some((&b, after)) = rest.split_first() else { return false };
                rest = after;
                let n = 257 - usize::from(control);
                pixels.by_ref().take(n).for_each(|p| *p = *p << 8 | u16::from(b));
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(offsets: &[u32]) -> Vec<u8> {
        let mut out: Vec<u8> = (offsets.len() as u32).to_le_bytes().to_vec();
        out.extend(offsets.iter().flat_map(|o| o.to_le_bytes()));
        out.resize(64, 0);
        out
    }

    #[test]
    fn runs_and_literals() {
        // PS3.5, G.3.1: a run of 3, a literal of 2.
        let mut packed = header(&[64, 68]);
        packed.extend([(257u16 - 5) as u8, 1, 128, 128]);
        packed.extend([(257u16 - 3) as u8, 7, 1, 8, 9]);
        assert_eq!(decode(&packed, 5, 16).unwrap(), [0x107, 0x107, 0x107, 0x108, 0x109]);
        assert!(decode(&packed, 6, 16).is_err());
        assert!(decode(&packed, 5, 8).is_err());
        assert!(decode(&packed[..66], 5, 16).is_err());
        assert!(decode(&header(&[64, u32::MAX]), 5, 16).is_err());
    }

    #[test]
    fn a_literal_beyond_the_end_is_cut() {
        let mut packed = header(&[64]);
        packed.extend([2, 1, 2, 3]);
        assert_eq!(decode(&packed, 2, 8).unwrap(), [1, 2]);
    }
}
