//! JPEG 2000 (ITU-T T.800), as DICOM's transfer syntaxes 90 and 91 use it.

use crate::fault::{Fault, Outcome};
use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

/// The words of an image of this size.
pub fn decode(packed: &[u8], columns: usize, rows: usize) -> Outcome<Vec<u16>> {
    let damaged = || Fault::new("has damaged JPEG-2000-compressed pixels");
    let claim = claim(packed).ok_or_else(damaged)?;
    // Claims are compared before the decoder believes them.
    if claim.size != [columns as u64, rows as u64] || claim.components != 1 || claim.bits > 16 {
        return Err(Fault::new(
            "has JPEG-2000-compressed pixels of another size or kind than its header says",
        ));
    }
    let image = Image::new(packed, &DecodeSettings::default()).map_err(|_| damaged())?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(|_| damaged())?;
    let [component] = decoded.components() else { return Err(damaged()) };
    // The decoder shifts by half the range whether the numbers have a sign or not.
    let middle = if claim.signed { (1 << (claim.bits - 1)) as f32 } else { 0.0 };
    Ok(component.samples().iter().map(|&v| (v - middle).round() as i32 as u16).collect())
}

struct Claim {
    size: [u64; 2],
    components: u16,
    bits: u32,
    signed: bool,
}

/// What the header (SIZ) of a bare code stream claims; of a stream in a JP2 box, which DICOM does not allow, too.
fn claim(packed: &[u8]) -> Option<Claim> {
    let start = packed.windows(4).take(1024).position(|w| w == [0xff, 0x4f, 0xff, 0x51])?;
    let siz = packed.get(start + 4..)?;
    let number = |at: usize| siz.get(at..at + 4)?.try_into().ok().map(|b| u64::from(u32::from_be_bytes(b)));
    let size = [number(4)?.checked_sub(number(12)?)?, number(8)?.checked_sub(number(16)?)?];
    // As many tiles as there are pixels would be a way to make the decoder busy.
    let tiles = [number(20)?, number(24)?];
    if tiles.iter().any(|&t| t < 16) && size.iter().any(|&n| n > 1024) {
        return None;
    }
    let components = u16::from_be_bytes(siz.get(36..38)?.try_into().ok()?);
    let depth = *siz.get(38)?;
    Some(Claim { size, components, bits: u32::from(depth & 0x7f) + 1, signed: depth & 0x80 != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::*;

    #[test]
    fn another_programs_pictures_are_decoded() {
        assert_eq!(decode(&bytes(JPEG_2000), COLUMNS, ROWS).unwrap(), picture());
        assert_eq!(decode(&bytes(JPEG_2000_SIGNED), COLUMNS, ROWS).unwrap(), shifted());
        assert!(decode(&bytes(JPEG_2000), COLUMNS, ROWS + 1).is_err());
        assert!(decode(&bytes(JPEG_2000)[..60], COLUMNS, ROWS).is_err());
    }
}
