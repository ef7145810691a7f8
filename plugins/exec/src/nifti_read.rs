//! Reads the NIfTI-1 files that programs write; see `nifti_write` for why this is here.
//!
//! One file, gzip or not, either byte order, integers and floats up to 64 bits, slope and intercept, the
//! affine from the sform. Everything else is refused.

use ichor_sdk::prelude::*;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

/// Bytes of the header.
const HEAD: usize = 348;
/// Voxels that are counted at most.
const MOST: u64 = 1 << 40;

/// Type of a voxel in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

/// An image as a file holds it.
#[derive(Debug)]
pub struct Picture {
    /// Where the voxels are.
    pub grid: Grid,
    /// Volumes one after another.
    pub volumes: usize,
    ty: Stored,
    big_endian: bool,
    /// Slope and intercept, when they change anything.
    scale: Option<[f64; 2]>,
    /// The voxels alone.
    data: Vec<u8>,
}

/// Reads a file. The error is what is wrong with it, to be put behind its name: "is cut off ...".
pub fn read(path: &Path) -> Result<Picture, String> {
    let cannot = |e: std::io::Error| format!("cannot be read: {e}");
    let mut file = File::open(path).map_err(cannot)?;
    let mut magic = Vec::new();
    Read::by_ref(&mut file).take(2).read_to_end(&mut magic).map_err(cannot)?;
    file.rewind().map_err(cannot)?;
    if magic == [0x1f, 0x8b] {
        let damaged = |e: std::io::Error| format!("holds damaged gzip data: {e}");
        read_from(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(1 << 18, file)), &damaged)
    } else {
        read_from(file, &cannot)
    }
}

fn read_from(mut file: impl Read, failed: &dyn Fn(std::io::Error) -> String) -> Result<Picture, String> {
    let mut head = Vec::with_capacity(HEAD);
    file.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(failed)?;
    let head: &[u8; HEAD] =
        head.first_chunk().ok_or("is no NIfTI file: it holds fewer bytes than a header")?;
    let header = Header::parse(head)?;
    let mut picture = header.picture()?;
    // One byte more, so that a longer file is seen, and the sum at the end of gzip data is checked.
    let gap = header.offset - HEAD as u64;
    std::io::copy(&mut file.by_ref().take(gap), &mut std::io::sink()).map_err(failed)?;
    let wanted = (picture.grid.len() * picture.volumes * picture.ty.size()) as u64;
    file.take(wanted + 1).read_to_end(&mut picture.data).map_err(failed)?;
    match picture.data.len() as u64 {
        n if n < wanted => {
            Err(format!("is cut off: it holds {n} of the {wanted} bytes of voxels that its header promises"))
        }
        n if n > wanted => {
            Err(format!("holds more than the {wanted} bytes of voxels that its header promises"))
        }
        _ => Ok(picture),
    }
}

/// A header of either byte order.
struct Header<'a> {
    bytes: &'a [u8; HEAD],
    big_endian: bool,
    /// Where the voxels start.
    offset: u64,
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8; HEAD]) -> Result<Self, String> {
        let size = [bytes[0], bytes[1], bytes[2], bytes[3]];
        let big_endian = match (i32::from_le_bytes(size), i32::from_be_bytes(size)) {
            (348, _) => false,
            (_, 348) => true,
            (540, _) | (_, 540) => return Err("is a NIfTI-2 file, NIfTI-1 is needed".into()),
            _ => return Err("is no NIfTI file: it does not begin with a header".into()),
        };
        match &bytes[344..] {
            b"n+1\0" => {}
            b"ni1\0" => return Err("is the header of a pair of files, one file is needed".into()),
            _ => return Err("has the header of an ANALYZE file, NIfTI-1 is needed".into()),
        }
        let mut header = Self { bytes, big_endian, offset: 0 };
        let offset = header.float(108);
        if !(HEAD as f64..1e9).contains(&offset) || offset.fract() != 0.0 {
            return Err(format!("has a damaged header: voxels cannot start at byte {offset}"));
        }
        header.offset = offset as u64;
        Ok(header)
    }

    fn short(&self, at: usize) -> i16 {
        let b = [self.bytes[at], self.bytes[at + 1]];
        if self.big_endian { i16::from_be_bytes(b) } else { i16::from_le_bytes(b) }
    }

    fn float(&self, at: usize) -> f64 {
        let b = [0, 1, 2, 3].map(|n| self.bytes[at + n]);
        f64::from(if self.big_endian { f32::from_be_bytes(b) } else { f32::from_le_bytes(b) })
    }

    /// The picture that the header describes, without its voxels.
    fn picture(&self) -> Result<Picture, String> {
        let dims: Vec<i16> = (0..8).map(|n| self.short(40 + 2 * n)).collect();
        let rank = usize::try_from(dims[0]).ok().filter(|r| (1..=7).contains(r));
        let rank = rank.ok_or_else(|| format!("has a damaged header: it claims {} dimensions", dims[0]))?;
        let length = |n: usize| if n <= rank { usize::try_from(dims[n]).unwrap_or(0) } else { 1 };
        let count = (1..8).try_fold(1u64, |c, n| c.checked_mul(length(n) as u64)).unwrap_or(u64::MAX);
        if !(1..MOST).contains(&count) {
            return Err(format!("has a damaged header: {:?} are no dimensions of an image", &dims[1..=rank]));
        }
        if !matches!(self.bytes[123] & 7, 0 | 2) {
            return Err("gives lengths in another unit than mm; write mm".into());
        }
        if self.short(254) <= 0 {
            return Err("has no sform, so that nobody knows where its voxels are; write it with the affine of an input \
                        (nibabel: `img.affine`)"
                .into());
        }
        let row = |r: usize| [0, 1, 2, 3].map(|c| self.float(280 + 16 * r + 4 * c));
        let grid = Grid::new([length(1), length(2), length(3)], Affine([row(0), row(1), row(2)]));
        let grid = grid.map_err(|e| format!("has a damaged sform: {e}"))?;
        let [slope, inter] = [self.float(112), self.float(116)];
        let scale =
            (slope != 0.0 && slope.is_finite() && [slope, inter] != [1.0, 0.0]).then_some([slope, inter]);
        if scale.is_some_and(|[_, inter]| !inter.is_finite()) {
            return Err(format!("has a damaged header: its intercept is {inter}"));
        }
        let ty = Stored::of(self.short(70))?;
        let volumes = (4..8).map(length).product();
        Ok(Picture { grid, volumes, ty, big_endian: self.big_endian, scale, data: Vec::new() })
    }
}

impl Stored {
    fn of(code: i16) -> Result<Self, String> {
        Ok(match code {
            2 => Self::U8,
            4 => Self::I16,
            8 => Self::I32,
            16 => Self::F32,
            64 => Self::F64,
            256 => Self::I8,
            512 => Self::U16,
            768 => Self::U32,
            1024 => Self::I64,
            1280 => Self::U64,
            _ => {
                return Err(format!(
                    "has voxels of NIfTI type {code}; write integers or floats up to 64 bits"
                ));
            }
        })
    }

    fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

/// What all voxels have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Survey {
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// All are whole numbers.
    pub whole: bool,
    /// None is NaN or infinite.
    pub finite: bool,
}

impl Picture {
    /// Whether whole numbers are stored, and stay whole.
    pub fn is_integer(&self) -> bool {
        !matches!(self.ty, Stored::F32 | Stored::F64)
            && self.scale.is_none_or(|s| s.iter().all(|v| v.fract() == 0.0))
    }

    /// Voxels of all volumes.
    pub fn len(&self) -> usize {
        self.grid.len() * self.volumes
    }

    /// Values of the voxels from `first` on, as many as `out` has, scaled. Integers beyond 2^53 are rounded.
    pub fn values(&self, first: usize, out: &mut [f64]) {
        macro_rules! decode {
            ($ty:ty) => {{
                const N: usize = size_of::<$ty>();
                let stored = self.data[first * N..][..out.len() * N].as_chunks::<N>().0;
                if self.big_endian {
                    out.iter_mut().zip(stored).for_each(|(o, b)| *o = <$ty>::from_be_bytes(*b) as f64);
                } else {
                    out.iter_mut().zip(stored).for_each(|(o, b)| *o = <$ty>::from_le_bytes(*b) as f64);
                }
            }};
        }
        match self.ty {
            Stored::U8 => decode!(u8),
            Stored::I8 => decode!(i8),
            Stored::U16 => decode!(u16),
            Stored::I16 => decode!(i16),
            Stored::U32 => decode!(u32),
            Stored::I32 => decode!(i32),
            Stored::U64 => decode!(u64),
            Stored::I64 => decode!(i64),
            Stored::F32 => decode!(f32),
            Stored::F64 => decode!(f64),
        }
        if let Some([slope, inter]) = self.scale {
            out.iter_mut().for_each(|v| *v = *v * slope + inter);
        }
    }

    /// Looks at all values.
    pub fn survey(&self, par: &dyn Parallel) -> Survey {
        let none = Survey { min: f64::INFINITY, max: f64::NEG_INFINITY, whole: true, finite: true };
        let join = |a: Survey, b: Survey| Survey {
            min: a.min.min(b.min),
            max: a.max.max(b.max),
            whole: a.whole && b.whole,
            finite: a.finite && b.finite,
        };
        let parts = map_ranges(par, self.len(), 1 << 18, &|range| {
            let mut values = [0.0; 1024];
            let mut sum = none;
            for first in range.clone().step_by(values.len()) {
                let values = &mut values[..(range.end - first).min(1024)];
                self.values(first, values);
                sum = values.iter().fold(sum, |s, &v| {
                    join(s, Survey { min: v, max: v, whole: v.fract() == 0.0, finite: v.is_finite() })
                });
            }
            sum
        });
        parts.into_iter().fold(none, join)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::nifti_write::file;
    use ichor_image::Serial;
    use std::io::Write;

    fn grid(shape: [usize; 3]) -> Grid {
        let oblique = [[-0.5, 0.0, 0.0, 9.0], [0.0, -0.4, -3.0, 8.0], [0.0, -0.3, 4.0, 7.0]];
        Grid::new(shape, Affine(oblique)).unwrap()
    }

    pub fn from(bytes: &[u8]) -> Result<Picture, String> {
        read_from(bytes, &|e| e.to_string())
    }

    fn all(picture: &Picture) -> Vec<f64> {
        let mut out = vec![0.0; picture.len()];
        picture.values(0, &mut out);
        out
    }

    fn sample() -> Vec<u8> {
        file(&grid([3, 2, 2]), 1, DType::I16, Voxels::I16(&[0, -1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -32768]))
    }

    fn changed(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut file = sample();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    }

    #[test]
    fn what_is_written_reads_back() {
        let grid = grid([3, 2, 1]);
        let values = [0.0, 1.0, 2.0, 200.0, 4.0, 5.0];
        macro_rules! check {
            ($($ty:ty, $name:ident);*) => {$(
                let voxels = values.map(|v| v as $ty);
                let back = from(&file(&grid, 1, DType::$name, Voxels::$name(&voxels))).unwrap();
                assert!(back.grid.same_as(&grid));
                assert_eq!((back.volumes, all(&back)), (1, values.to_vec()));
            )*};
        }
        check!(u8, U8; i16, I16; u16, U16; u32, U32; f32, F32);
        let two = from(&file(&grid, 2, DType::F32, Voxels::F32(&[0.1; 12]))).unwrap();
        assert_eq!((two.volumes, two.len(), all(&two)[11]), (2, 12, f64::from(0.1f32)));
    }

    /// nibabel 5.4.2: `Nifti1Image(array([[[1, -2, 300]]], "i2"), diag([2, 2, 2, 1]),
    /// Nifti1Header(endianness=">"))`, slope 0.5, intercept 10: `get_fdata()` is 10.5, 9, 160.
    #[test]
    fn big_endian_files_with_a_slope_are_read() {
        let mut file = vec![0u8; 352];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &348i32.to_be_bytes());
        [3i16, 1, 1, 3, 1, 1, 1, 1].iter().enumerate().for_each(|(n, d)| put(40 + 2 * n, &d.to_be_bytes()));
        put(70, &4i16.to_be_bytes());
        put(108, &352f32.to_be_bytes());
        put(112, &0.5f32.to_be_bytes());
        put(116, &10f32.to_be_bytes());
        put(254, &1i16.to_be_bytes());
        (0..3).for_each(|row| put(280 + 20 * row, &2f32.to_be_bytes()));
        put(344, b"n+1\0");
        file.extend([1i16, -2, 300].iter().flat_map(|v| v.to_be_bytes()));
        let picture = from(&file).unwrap();
        assert_eq!((all(&picture), picture.is_integer()), (vec![10.5, 9.0, 160.0], false));
        assert_eq!(picture.grid.spacing(), [2.0; 3]);
        let whole = Survey { min: 9.0, max: 160.0, whole: false, finite: true };
        assert_eq!(picture.survey(&Serial), whole);
    }

    #[test]
    fn gzip_is_read_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.nii.gz");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&sample()).unwrap();
        let mut bytes = gzip.finish().unwrap();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(all(&read(&path).unwrap())[11], -32768.0);
        let sum = bytes.len() - 8;
        bytes[sum] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(read(&path).unwrap_err().starts_with("holds damaged gzip data"));
        assert!(read(&dir.path().join("none")).unwrap_err().starts_with("cannot be read"));
    }

    #[test]
    fn what_cannot_be_trusted_is_refused() {
        let refused = |bytes: &[u8]| from(bytes).unwrap_err();
        let file = sample();
        assert!(refused(&[]).contains("fewer bytes"));
        assert!(refused(&file[..file.len() - 1]).contains("holds 23 of the 24 bytes"));
        assert!(refused(&[&file[..], &[0]].concat()).contains("holds more than the 24 bytes"));
        assert!(refused(&changed(0, &540i32.to_le_bytes())).contains("NIfTI-2"));
        assert!(refused(&changed(0, b"text")).contains("is no NIfTI file"));
        assert!(refused(&changed(344, b"ni1\0")).contains("pair"));
        assert!(refused(&changed(344, &[0; 4])).contains("ANALYZE"));
        assert!(refused(&changed(108, &0f32.to_le_bytes())).contains("byte 0"));
        assert!(refused(&changed(108, &f32::NAN.to_le_bytes())).contains("byte NaN"));
        assert!(refused(&changed(40, &9i16.to_le_bytes())).contains("9 dimensions"));
        assert!(refused(&changed(42, &(-3i16).to_le_bytes())).contains("[-3, 2, 2]"));
        assert!(refused(&changed(123, &[1])).contains("mm"));
        assert!(refused(&changed(254, &[0, 0])).contains("no sform"));
        assert!(refused(&changed(280, &[0; 12])).contains("damaged sform"));
        assert!(refused(&changed(70, &128i16.to_le_bytes())).contains("NIfTI type 128"));
        let infinite = [1f32.to_le_bytes(), f32::INFINITY.to_le_bytes()].concat();
        assert!(refused(&changed(112, &infinite)).contains("intercept"));
        let huge: Vec<u8> = [7i16, 32767, 32767, 32767, 32767, 32767, 32767, 32767]
            .iter()
            .flat_map(|d| d.to_le_bytes())
            .collect();
        assert!(refused(&changed(40, &huge)).contains("no dimensions"));
    }
}
