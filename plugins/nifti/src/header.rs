//! A header whose claims make sense together. Whether the file keeps them is checked when it is read.

use crate::fault::Fault;
use crate::fields::Fields;
use crate::{nifti1, nifti2};
use nifti::NiftiType;

/// What a header says about its voxels.
#[derive(Clone, Debug)]
pub struct Header {
    pub ty: NiftiType,
    pub shape: [usize; 3],
    /// Product of the dimensions beyond the third.
    pub volumes: usize,
    /// Where voxels start: in the file itself, or in the image file of a pair.
    pub offset: u64,
    /// Slope and intercept, when they change anything.
    pub scale: Option<[f64; 2]>,
    pub fields: Fields,
    /// What was odd and did no harm.
    pub notes: Vec<String>,
}

/// Elements of a file that are counted at most.
const MOST: u64 = 1 << 48;

impl Header {
    /// Parses and checks the first bytes of a file.
    pub fn parse(first: &[u8]) -> Result<Self, Fault> {
        Self::check(fields(first)?)
    }

    /// Checks fields.
    pub fn check(fields: Fields) -> Result<Self, Fault> {
        let mut notes = Vec::new();
        let ty = voxel_type(fields.datatype)?;
        let bits = 8 * ty.size_of();
        if usize::try_from(fields.bitpix) != Ok(bits) {
            notes.push(format!(
                "its header gives {} bits a voxel, but {} has {bits}, which is what is read",
                fields.bitpix,
                type_name(ty)
            ));
        }
        let (shape, volumes) = dimensions(&fields.dim)?;
        let scale = scale(&fields)?;
        let offset = offset(&fields)?;
        Ok(Self { ty, shape, volumes, offset, scale, fields, notes })
    }

    /// Voxels of one volume.
    pub fn voxels(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of one volume.
    pub fn volume_bytes(&self) -> u64 {
        (self.voxels() * self.ty.size_of()) as u64
    }

    /// Where the last voxel ends.
    pub fn end(&self) -> u64 {
        self.offset + self.volume_bytes() * self.volumes as u64
    }

    /// For people: `512 x 512 x 36 voxels of int16`.
    pub fn words(&self) -> String {
        let [x, y, z] = self.shape;
        let times = if self.volumes > 1 { format!(" x {}", self.volumes) } else { String::new() };
        format!("{x} x {y} x {z}{times} voxels of {}", type_name(self.ty))
    }
}

/// Byte order and version are known from the first field, the header's own size.
fn fields(first: &[u8]) -> Result<Fields, Fault> {
    let Some(size) = first.first_chunk::<4>() else {
        return Err(Fault::io(format!("is no NIfTI file: it holds only {} bytes", first.len())));
    };
    let too_short = |need: usize| {
        Fault::io(format!("is cut off: it holds {} bytes of a header of {need}; copy it again", first.len()))
    };
    for (size, big_endian) in [(i32::from_le_bytes(*size), false), (i32::from_be_bytes(*size), true)] {
        if size == nifti1::SIZE as i32 {
            let header = first.first_chunk().ok_or_else(|| too_short(nifti1::SIZE))?;
            return nifti1::parse(header, big_endian);
        }
        if size == nifti2::SIZE as i32 {
            let header = first.first_chunk().ok_or_else(|| too_short(nifti2::SIZE))?;
            return nifti2::parse(header, big_endian);
        }
    }
    Err(Fault::io("is no NIfTI file: it begins with no NIfTI-1 or NIfTI-2 header"))
}

pub fn bad_rank(rank: i64) -> Fault {
    Fault::io(format!("has a damaged header: it claims {rank} dimensions, possible are 1 to 7"))
}

fn dimensions(dim: &[i64; 8]) -> Result<([usize; 3], usize), Fault> {
    let rank =
        usize::try_from(dim[0]).ok().filter(|r| (1..=7).contains(r)).ok_or_else(|| bad_rank(dim[0]))?;
    let used = &dim[1..=rank];
    let list = || used.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
    if used.iter().any(|&n| n < 1) {
        return Err(Fault::io(format!("has a damaged header: {} are no dimensions of an image", list())));
    }
    let count = used.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64)).filter(|&n| n < MOST);
    if count.is_none() {
        return Err(Fault::io(format!("has a damaged header: it claims {} voxels", list())));
    }
    let length = |axis: usize| used.get(axis).map_or(1, |&n| n as usize);
    Ok(([length(0), length(1), length(2)], (3..7).map(length).product()))
}

/// Only numbers that stand for one value a voxel can be used.
fn voxel_type(code: i16) -> Result<NiftiType, Fault> {
    use NiftiType::*;
    let header = nifti::NiftiHeader { datatype: code, ..Default::default() };
    let refuse = |what: &str| {
        Err(Fault::content(format!(
            "holds {what} (NIfTI type {code}), not one number a voxel; convert it to integer or float first"
        )))
    };
    match header.data_type() {
        Ok(Rgb24 | Rgba32) => refuse("colours"),
        Ok(Complex64 | Complex128 | Complex256) => refuse("complex numbers"),
        // Whether 16 bytes are an IEEE quad or an x87 number in padding, no header says.
        Ok(Float128) => Err(Fault::content(
            "holds 128-bit floats (NIfTI type 1536), whose form depends on the computer that wrote them; \
             convert it to float32 or float64 first",
        )),
        Ok(ty) => Ok(ty),
        Err(_) if code == 1 => refuse("single bits"),
        Err(_) => Err(Fault::io(format!("has a damaged header: there is no NIfTI voxel type {code}"))),
    }
}

/// The standard's name.
pub fn type_name(ty: NiftiType) -> String {
    format!("{ty:?}").to_lowercase()
}

fn scale(f: &Fields) -> Result<Option<[f64; 2]>, Fault> {
    // The standard's word for "not scaled" is 0; others write NaN.
    if f.slope == 0.0 || !f.slope.is_finite() || (f.slope == 1.0 && f.inter == 0.0) {
        return Ok(None);
    }
    if !f.inter.is_finite() {
        return Err(Fault::io(format!("has a damaged header: its intercept is {} (scl_inter)", f.inter)));
    }
    Ok(Some([f.slope, f.inter]))
}

fn offset(f: &Fields) -> Result<u64, Fault> {
    let at = f.vox_offset;
    let header = match (f.pair, f.two) {
        (true, _) => 0,
        (false, false) => nifti1::SIZE,
        (false, true) => nifti2::SIZE,
    };
    if !(at >= header as f64 && at < MOST as f64 && at.fract() == 0.0) {
        return Err(Fault::io(format!(
            "has a damaged header: its voxels cannot begin at byte {at} (vox_offset), after a header of {header}"
        )));
    }
    Ok(at as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_fields;

    fn refused(change: impl FnOnce(&mut Fields)) -> String {
        let mut fields = sample_fields(false);
        change(&mut fields);
        Header::check(fields).unwrap_err().to_string()
    }

    #[test]
    fn a_sound_header_passes() {
        let header = Header::parse(&sample_fields(false).to_bytes()).unwrap();
        assert_eq!((header.shape, header.volumes, header.offset), ([4, 3, 2], 1, 352));
        assert_eq!(header.end(), 352 + 48);
        assert_eq!(header.words(), "4 x 3 x 2 voxels of int16");
        assert!(header.notes.is_empty());
    }

    #[test]
    fn absurd_claims_are_refused_in_one_sentence() {
        assert!(refused(|f| f.dim = [200; 8]).contains("200 dimensions"));
        assert!(refused(|f| f.dim[2] = -3).contains("4 x -3 x 2"));
        assert!(refused(|f| f.dim[3] = 0).contains("4 x 3 x 0"));
        assert!(refused(|f| f.dim = [7, 32767, 32767, 32767, 32767, 1, 1, 1]).contains("claims 32767 x"));
        assert!(refused(|f| f.vox_offset = f64::NAN).contains("NaN"));
        assert!(refused(|f| f.vox_offset = 12.0).contains("byte 12"));
        assert!(refused(|f| f.vox_offset = 352.5).contains("352.5"));
        assert!(refused(|f| f.vox_offset = 1e30).contains("vox_offset"));
        assert!(refused(|f| (f.slope, f.inter) = (2.0, f64::NAN)).contains("scl_inter"));
        assert!(refused(|f| f.datatype = 128).contains("colours"));
        assert!(refused(|f| f.datatype = 32).contains("complex"));
        assert!(refused(|f| f.datatype = 1536).contains("128-bit"));
        assert!(refused(|f| f.datatype = 1).contains("single bits"));
        assert!(refused(|f| f.datatype = -9510).contains("-9510"));
        let first = |bytes: &[u8]| Header::parse(bytes).unwrap_err().to_string();
        assert!(first(b"PK").contains("only 2 bytes"));
        assert!(first(&[7; 600]).contains("begins with no NIfTI"));
        assert!(first(&sample_fields(false).to_bytes()[..100]).contains("100 bytes of a header of 348"));
        assert!(first(&sample_fields(true).to_bytes()[..352]).contains("352 bytes of a header of 540"));
    }

    #[test]
    fn a_slope_that_is_zero_or_no_number_means_no_scaling() {
        for (slope, inter, scaled) in [
            (0.0, 5.0, None),
            (f64::NAN, 0.0, None),
            (f64::INFINITY, 0.0, None),
            (1.0, 0.0, None),
            (1.0, -1024.0, Some([1.0, -1024.0])),
            (2.0, 0.0, Some([2.0, 0.0])),
        ] {
            let header = Header::check(Fields { slope, inter, ..sample_fields(false) }).unwrap();
            assert_eq!(header.scale, scaled);
        }
    }

    #[test]
    fn wrong_bits_a_voxel_are_noted_and_not_believed() {
        let header = Header::check(Fields { bitpix: 8, ..sample_fields(false) }).unwrap();
        assert!(header.notes[0].contains("gives 8 bits"));
        assert_eq!(header.volume_bytes(), 48);
    }
}
