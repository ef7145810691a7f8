//! Writes the NIfTI-1 files that programs are given.
//!
//! The plugin `nifti` reads and writes what the world holds; a plugin must not link another, and a program
//! that is run here needs one plain form only. So this and `nifti_read` are the least that can carry an image
//! there and back: one file, voxels as they are, the affine as sform.

use ichor_sdk::prelude::*;
use std::io::{self, Write};

/// Header and the four bytes that say that no extension follows.
const HEAD: usize = 352;
/// Voxels written between two looks at the cancel flag.
const CHUNK: usize = 1 << 20;

/// Writes an image; gzip when `compressed`. `watch` hears the part that is written.
///
/// # Errors
/// The disk is full, `watch` says so, or the image is too large for NIfTI-1.
pub fn write(
    out: impl Write,
    image: &Input,
    compressed: bool,
    watch: &dyn Fn(f64) -> Result<()>,
) -> Result<()> {
    let head = head(image.grid(), image.channels(), image.dtype())?;
    if compressed {
        let mut out = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
        put(&mut out, &head, image.voxels(), watch)?;
        out.finish()?.flush()?;
    } else {
        let mut out = out;
        put(&mut out, &head, image.voxels(), watch)?;
        out.flush()?;
    }
    Ok(())
}

fn put(
    out: &mut impl Write,
    head: &[u8; HEAD],
    voxels: Voxels,
    watch: &dyn Fn(f64) -> Result<()>,
) -> Result<()> {
    out.write_all(head)?;
    match voxels {
        Voxels::U8(v) => chunks(out, v, watch, |out, part| out.write_all(part)),
        Voxels::I16(v) => chunks(out, v, watch, |out, part| little(out, part, i16::to_le_bytes)),
        Voxels::U16(v) => chunks(out, v, watch, |out, part| little(out, part, u16::to_le_bytes)),
        Voxels::U32(v) => chunks(out, v, watch, |out, part| little(out, part, u32::to_le_bytes)),
        Voxels::F32(v) => chunks(out, v, watch, |out, part| little(out, part, f32::to_le_bytes)),
    }
}

fn chunks<T, W: Write>(
    out: &mut W,
    voxels: &[T],
    watch: &dyn Fn(f64) -> Result<()>,
    write: impl Fn(&mut W, &[T]) -> io::Result<()>,
) -> Result<()> {
    for (n, part) in voxels.chunks(CHUNK).enumerate() {
        watch((n * CHUNK) as f64 / voxels.len() as f64)?;
        write(out, part)?;
    }
    Ok(())
}

/// Little-endian bytes of a part.
fn little<T: Copy, const N: usize>(
    out: &mut impl Write,
    part: &[T],
    bytes: fn(T) -> [u8; N],
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(part.len() * N);
    part.iter().for_each(|&v| buffer.extend_from_slice(&bytes(v)));
    out.write_all(&buffer)
}

/// The header (nifti1.h): dimensions, type, voxel sizes in mm, sform with code 2 ("aligned"). No qform: a
/// quaternion says less than the sform, and two transforms can contradict each other.
fn head(grid: &Grid, channels: usize, dtype: DType) -> Result<[u8; HEAD]> {
    let [x, y, z] = grid.shape;
    let rank: i16 = if channels > 1 { 4 } else { 3 };
    let mut dims = [rank, 1, 1, 1, 1, 1, 1, 1];
    for (dim, n) in dims[1..].iter_mut().zip([x, y, z, channels]) {
        *dim = i16::try_from(n).map_err(|_| {
            Error::unsupported(format!(
                "an image of {x} x {y} x {z} voxels does not fit into a NIfTI-1 file, whose dimensions end at 32767; \
                 resample or crop it"
            ))
        })?;
    }
    let (code, bits): (i16, i16) = match dtype {
        DType::U8 => (2, 8),
        DType::I16 => (4, 16),
        DType::F32 => (16, 32),
        DType::U16 => (512, 16),
        DType::U32 => (768, 32),
    };
    let [dx, dy, dz] = grid.spacing();
    let mut out = [0; HEAD];
    let mut at = |place: usize, bytes: &[u8]| out[place..place + bytes.len()].copy_from_slice(bytes);
    at(0, &348i32.to_le_bytes());
    at(38, b"r");
    dims.iter().enumerate().for_each(|(n, d)| at(40 + 2 * n, &d.to_le_bytes()));
    at(70, &code.to_le_bytes());
    at(72, &bits.to_le_bytes());
    let mut floats = |place: usize, values: &[f64]| {
        values.iter().enumerate().for_each(|(n, &v)| at(place + 4 * n, &(v as f32).to_le_bytes()));
    };
    floats(76, &[1.0, dx, dy, dz, 1.0, 1.0, 1.0, 1.0]);
    floats(108, &[HEAD as f64, 1.0, 0.0]);
    floats(280, grid.affine.0.as_flattened());
    at(123, &[2]);
    at(254, &2i16.to_le_bytes());
    at(344, b"n+1\0");
    Ok(out)
}

/// An uncompressed file in memory, for the tests of the reader.
#[cfg(test)]
pub fn file(grid: &Grid, channels: usize, dtype: DType, voxels: Voxels) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, &head(grid, channels, dtype).unwrap(), voxels, &|_| Ok(())).unwrap();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places are those of nifti1.h; nibabel 5.4.2 and SimpleITK 2.5.7 read such a file with this affine.
    #[test]
    fn fields_stand_where_nifti1_h_puts_them() {
        let affine = Affine([[-0.5, 0.0, 0.0, 10.0], [0.0, -0.5, 0.0, 20.0], [0.0, 0.0, 5.0, -30.0]]);
        let grid = Grid::new([4, 3, 2], affine).unwrap();
        let voxels: Vec<i16> = (0..24).collect();
        let bytes = file(&grid, 1, DType::I16, Voxels::I16(&voxels));
        assert_eq!(bytes.len(), 352 + 48);
        assert_eq!(bytes[..4], [0x5c, 1, 0, 0]);
        assert_eq!(bytes[40..56], [3, 0, 4, 0, 3, 0, 2, 0, 1, 0, 1, 0, 1, 0, 1, 0]);
        assert_eq!(bytes[70..74], [4, 0, 16, 0]);
        let float = |at: usize| f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!([80, 84, 88, 108, 112, 116].map(float), [0.5, 0.5, 5.0, 352.0, 1.0, 0.0]);
        assert_eq!([280, 292, 300, 308, 320, 324].map(float), [-0.5, 10.0, -0.5, 20.0, 5.0, -30.0]);
        assert_eq!(
            (bytes[123], &bytes[252..256], &bytes[344..352]),
            (2, &[0, 0, 2, 0][..], &b"n+1\0\0\0\0\0"[..])
        );
        assert_eq!(bytes[352..356], [0, 0, 1, 0]);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let grid = Grid::new(
            [40_000, 1, 1],
            Affine([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]),
        );
        assert!(head(&grid.unwrap(), 1, DType::U8).unwrap_err().message().contains("40000 x 1 x 1"));
    }
}
