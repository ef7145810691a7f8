//! Pictures as PNG: the same pixels give the same bytes.

use crate::canvas::Canvas;
use ichor_sdk::{Error, Result};

/// Encodes with 8 bits a channel and no text or time inside.
///
/// # Errors
/// The picture has no pixel, or too many for PNG.
pub fn encode(canvas: &Canvas) -> Result<Vec<u8>> {
    let refuse = |e: png::EncodingError| Error::internal(format!("the picture makes no PNG: {e}"));
    let size = |n: usize| u32::try_from(n).unwrap_or(0); // PNG refuses 0
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size(canvas.width), size(canvas.height));
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    let mut writer = encoder.write_header().map_err(refuse)?;
    writer.write_image_data(&canvas.rgb).map_err(refuse)?;
    writer.finish().map_err(refuse)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads_back_to_the_same_pixels() {
        let mut canvas = Canvas::new(7, 3, [1, 2, 3]);
        canvas.paste(2, 1, &Canvas::new(3, 1, [250, 0, 99]));
        let bytes = encode(&canvas).unwrap();
        assert_eq!(bytes, encode(&canvas).unwrap());
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height, info.color_type), (7, 3, png::ColorType::Rgb));
        assert_eq!(pixels, canvas.rgb);
        assert!(encode(&Canvas::default()).is_err());
    }
}
