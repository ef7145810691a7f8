//! From stored voxels to a value of Ichor: which type, and which values are allowed.

use crate::decode::{Refused, Stored};
use crate::fault::Fault;
use ichor_sdk::prelude::*;

/// Where the voxels go: made by the host once their type is known.
pub trait Target {
    /// A volume of this type.
    fn volume<T: Voxel>(&mut self) -> Result<&mut [T]>;
    /// Labels of this type.
    fn labels<T: Voxel>(&mut self) -> Result<&mut [T]>;
    /// A mask.
    fn mask(&mut self) -> Result<&mut [u8]>;
    /// Probabilities.
    fn probs(&mut self) -> Result<&mut [f32]>;
}

/// What goes wrong: in the file, or at the host.
pub enum Failure {
    File(Fault),
    Host(Error),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::File(fault)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Host(error)
    }
}

type Outcome = Result<Vec<String>, Failure>;

/// Whole numbers beyond are not all f32.
const EXACT_F32: f64 = 16_777_216.0;
/// How far beyond 0 and 1 a probability may lie that was rounded.
const ROUNDING: f64 = 1e-5;

/// Fills a volume: i16 or u16 when every value is such a number, else f32. `fill` replaces what is not finite.
pub fn volume(par: &dyn Parallel, stored: &Stored, fill: Option<f64>, target: &mut impl Target) -> Outcome {
    let mut notes = Vec::new();
    if stored.whole() {
        if stored.always_i16 {
            return volume_i16(par, stored, target.volume()?);
        }
        let (min, max) = stored.survey(par)?.map_or((0.0, 0.0), |s| (s.min, s.max));
        if min >= f64::from(i16::MIN) && max <= f64::from(i16::MAX) {
            stored.fill(par, target.volume::<i16>()?, |v| (v as i16, true))?;
            return Ok(notes);
        }
        if min >= 0.0 && max <= f64::from(u16::MAX) {
            stored.fill(par, target.volume::<u16>()?, |v| (v as u16, true))?;
            return Ok(notes);
        }
        if min < -EXACT_F32 || max > EXACT_F32 {
            notes.push(format!("its values, {min} to {max}, are rounded to 24 significant bits (float32)"));
        }
    }
    let out = target.volume::<f32>()?;
    let refused = match fill.map(|v| v as f32) {
        None => stored.fill(par, out, |v| (v as f32, (v as f32).is_finite()))?,
        Some(fill) => stored.fill(par, out, |v| {
            let fine = (v as f32).is_finite();
            (if fine { v as f32 } else { fill }, fine)
        })?,
    };
    match (refused, fill) {
        (None, _) => {}
        (Some(r), Some(fill)) => {
            notes.push(format!("{} voxels that are NaN, infinite or beyond float32 became {fill}", r.count));
        }
        (Some(r), None) => {
            return Err(refuse(&r, "NaN, infinite or beyond float32", "set `fill` to a value for them"));
        }
    }
    Ok(notes)
}

/// Fills a volume of which every value that can be stored is an i16.
pub fn volume_i16(par: &dyn Parallel, stored: &Stored, out: &mut [i16]) -> Outcome {
    if !stored.copy_i16(par, out)? {
        stored.fill(par, out, |v| (v as i16, true))?;
    }
    Ok(Vec::new())
}

/// Fills a mask: 0 and 1, or whatever is not 0 when `binarise`.
pub fn mask(par: &dyn Parallel, stored: &Stored, binarise: bool, target: &mut impl Target) -> Outcome {
    let out = target.mask()?;
    let (refused, help) = if binarise {
        let refused = stored.fill(par, out, |v| (u8::from(v != 0.0), !v.is_nan()))?;
        (refused, "a mask has a value everywhere")
    } else {
        let refused = stored.fill(par, out, |v| (u8::from(v != 0.0), v == 0.0 || v == 1.0))?;
        (refused, "set `binarise: true` to take all that is not 0, or `kind: labels`")
    };
    let what = if binarise { "NaN" } else { "neither 0 nor 1" };
    refused.map_or(Ok(Vec::new()), |r| Err(refuse(&r, what, help)))
}

/// Fills labels: whole numbers from 0 on, in the smallest type that holds them.
pub fn labels(par: &dyn Parallel, stored: &Stored, target: &mut impl Target) -> Outcome {
    let is = |v: f64| (0.0..=f64::from(u32::MAX)).contains(&v) && v.fract() == 0.0;
    let max = stored.survey(par)?.map_or(0.0, |s| s.max);
    let refused = if max <= f64::from(u8::MAX) {
        stored.fill(par, target.labels::<u8>()?, |v| (v as u8, is(v)))?
    } else if max <= f64::from(u16::MAX) {
        stored.fill(par, target.labels::<u16>()?, |v| (v as u16, is(v)))?
    } else {
        stored.fill(par, target.labels::<u32>()?, |v| (v as u32, is(v)))?
    };
    let what = "no whole numbers from 0 to 4294967295";
    refused.map_or(Ok(Vec::new()), |r| {
        Err(refuse(&r, what, "labels are such numbers; perhaps this is a volume"))
    })
}

/// Fills probabilities: from 0 to 1, give or take rounding.
pub fn probs(par: &dyn Parallel, stored: &Stored, target: &mut impl Target) -> Outcome {
    let near = -ROUNDING..=1.0 + ROUNDING;
    let refused = stored.fill(par, target.probs()?, |v| (v.clamp(0.0, 1.0) as f32, near.contains(&v)))?;
    let help = "divide by what stands for certainty, or use `kind: volume`";
    refused.map_or(Ok(Vec::new()), |r| Err(refuse(&r, "no probabilities from 0 to 1", help)))
}

fn refuse(r: &Refused, what: &str, help: &str) -> Failure {
    let Refused { count, voxel, value } = r;
    let voxels = if *count == 1 { "voxel that is" } else { "voxels that are" };
    Fault::content(format!("has {count} {voxels} {what}, the first ({value}) at position {voxel}; {help}"))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Data;
    use crate::fields::Fields;
    use crate::header::Header;
    use crate::memory::Memory;
    use crate::testing::sample_fields;
    use ichor_image::Serial;

    const I16: i16 = 4;
    const F32: i16 = 16;
    const F64: i16 = 64;

    fn stored(
        fields: Fields,
        bytes: Vec<u8>,
        body: impl FnOnce(&Stored, &mut Memory) -> Outcome,
    ) -> Result<Memory, String> {
        let count = bytes.len() as i64 / (fields.bitpix as i64 / 8);
        let fields = Fields { dim: [1, count, 1, 1, 1, 1, 1, 1], ..fields };
        let data = Data::Memory { bytes, from: 352 };
        let mut memory = Memory::new(count as usize);
        match body(&Stored::new(&Header::check(fields).unwrap(), &data, 0, 1), &mut memory) {
            Ok(notes) => {
                memory.notes = notes;
                Ok(memory)
            }
            Err(Failure::File(fault)) => Err(fault.to_string()),
            Err(Failure::Host(error)) => Err(error.to_string()),
        }
    }

    macro_rules! bytes {
        ($ty:ty, $code:expr, $values:expr) => {{
            let fields =
                Fields { datatype: $code, bitpix: 8 * size_of::<$ty>() as i16, ..sample_fields(false) };
            (fields, $values.into_iter().flat_map(|v: $ty| v.to_le_bytes()).collect::<Vec<u8>>())
        }};
    }

    fn volume_of((fields, bytes): (Fields, Vec<u8>), fill: Option<f64>) -> Result<Memory, String> {
        stored(fields, bytes, |s, t| volume(&Serial, s, fill, t))
    }

    #[test]
    fn whole_numbers_stay_whole() {
        let kept = |memory: Memory| (memory.dtype(), memory.numbers());
        let of = |f| kept(volume_of(f, None).unwrap());
        assert_eq!(of(bytes!(i16, I16, [-1024, 3071])), (DType::I16, vec![-1024.0, 3071.0]));
        assert_eq!(of(bytes!(u8, 2, [0, 255])), (DType::I16, vec![0.0, 255.0]));
        assert_eq!(of(bytes!(u16, 512, [0, 4095])), (DType::I16, vec![0.0, 4095.0]));
        assert_eq!(of(bytes!(u16, 512, [0, 40_000])), (DType::U16, vec![0.0, 40_000.0]));
        assert_eq!(of(bytes!(i32, 8, [-5, 32_767])), (DType::I16, vec![-5.0, 32_767.0]));
        assert_eq!(of(bytes!(i32, 8, [-5, 32_768])), (DType::F32, vec![-5.0, 32_768.0]));
        assert_eq!(of(bytes!(i64, 1024, [0, 65_535])), (DType::U16, vec![0.0, 65_535.0]));
        assert_eq!(of(bytes!(f32, F32, [-5.0, 7.0])), (DType::F32, vec![-5.0, 7.0]));
        assert_eq!(of(bytes!(f64, F64, [0.1, 7.0])), (DType::F32, vec![f64::from(0.1f32), 7.0]));
        let (mut fields, bytes) = bytes!(u16, 512, [0, 4095]);
        fields.inter = -1024.0;
        assert_eq!(of((fields.clone(), bytes.clone())), (DType::I16, vec![-1024.0, 3071.0]));
        fields.slope = 0.5;
        assert_eq!(of((fields, bytes)), (DType::F32, vec![-1024.0, 1023.5]));
    }

    #[test]
    fn large_integers_are_rounded_with_a_note() {
        let memory = volume_of(bytes!(i32, 8, [0, 16_777_217]), None).unwrap();
        assert!(memory.notes[0].contains("rounded to 24 significant bits"));
        assert!(volume_of(bytes!(i32, 8, [0, 16_777_216]), None).unwrap().notes.is_empty());
    }

    #[test]
    fn what_is_no_number_is_refused_or_replaced() {
        let with_nan = || bytes!(f32, F32, [1.0, f32::NAN, f32::INFINITY]);
        let refused = volume_of(with_nan(), None).err().unwrap();
        assert_eq!(
            refused,
            "has 2 voxels that are NaN, infinite or beyond float32, the first (NaN) at position 1; set `fill` to a \
             value for them"
        );
        let filled = volume_of(with_nan(), Some(-1024.0)).unwrap();
        assert_eq!(filled.numbers(), [1.0, -1024.0, -1024.0]);
        assert!(filled.notes[0].contains("2 voxels"));
        assert!(volume_of(bytes!(f64, F64, [1e300]), None).is_err());
    }

    #[test]
    fn masks_hold_0_and_1() {
        let of = |f: (Fields, Vec<u8>), binarise| stored(f.0, f.1, |s, t| mask(&Serial, s, binarise, t));
        assert_eq!(of(bytes!(f32, F32, [0.0, 1.0]), false).unwrap().numbers(), [0.0, 1.0]);
        let refused = of(bytes!(u8, 2, [0, 255, 1]), false).err().unwrap();
        assert!(
            refused.contains("1 voxel that is neither 0 nor 1, the first (255) at position 1"),
            "{refused}"
        );
        assert_eq!(of(bytes!(i16, I16, [0, 255, -1]), true).unwrap().numbers(), [0.0, 1.0, 1.0]);
        assert!(of(bytes!(f32, F32, [f32::NAN]), true).is_err());
    }

    #[test]
    fn labels_get_the_smallest_type() {
        let of = |f: (Fields, Vec<u8>)| stored(f.0, f.1, |s, t| labels(&Serial, s, t));
        assert_eq!(of(bytes!(f32, F32, [0.0, 255.0])).unwrap().dtype(), DType::U8);
        assert_eq!(of(bytes!(i32, 8, [0, 256])).unwrap().dtype(), DType::U16);
        let large = of(bytes!(u32, 768, [3, u32::MAX])).unwrap();
        assert_eq!((large.dtype(), large.numbers()), (DType::U32, vec![3.0, 4_294_967_295.0]));
        for bad in [
            bytes!(f64, F64, [0.5]),
            bytes!(f64, F64, [-1.0]),
            bytes!(f64, F64, [f64::NAN]),
            bytes!(f64, F64, [5e9]),
        ] {
            assert!(of(bad).err().unwrap().contains("no whole numbers"));
        }
    }

    #[test]
    fn probabilities_lie_between_0_and_1() {
        let of = |f: (Fields, Vec<u8>)| stored(f.0, f.1, |s, t| probs(&Serial, s, t));
        assert_eq!(of(bytes!(f64, F64, [-1e-7, 0.25, 1.000_001])).unwrap().numbers(), [0.0, 0.25, 1.0]);
        assert!(of(bytes!(u8, 2, [0, 100])).err().unwrap().contains("the first (100) at position 1"));
        assert!(of(bytes!(f32, F32, [f32::NAN])).is_err());
    }
}
