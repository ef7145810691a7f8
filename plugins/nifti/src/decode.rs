//! Stored voxels as numbers.

use crate::data::Data;
use crate::fault::Fault;
use crate::header::Header;
use ichor_sdk::prelude::*;
use nifti::NiftiType;
use std::borrow::Cow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Voxels that one range of a parallel loop decodes.
const CHUNK: usize = 1 << 17;
/// Voxels that are numbers at a time: they stay in the first cache.
const BLOCK: usize = 1 << 10;

/// The voxels that were asked for, wherever and however they are stored.
pub struct Stored<'a> {
    data: &'a Data,
    at: u64,
    ty: NiftiType,
    big_endian: bool,
    scale: Option<[f64; 2]>,
    len: usize,
    /// Whether every value that can be stored is an i16.
    pub always_i16: bool,
}

/// Whether every value that can be stored is an i16.
pub fn always_i16(header: &Header) -> bool {
    header.scale.is_none() && matches!(header.ty, NiftiType::Int8 | NiftiType::Uint8 | NiftiType::Int16)
}

/// What values there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Survey {
    /// Of the finite values.
    pub min: f64,
    pub max: f64,
}

impl<'a> Stored<'a> {
    /// `volumes` volumes from `first` on.
    pub fn new(header: &Header, data: &'a Data, first: usize, volumes: usize) -> Self {
        Self {
            data,
            at: header.offset + first as u64 * header.volume_bytes(),
            ty: header.ty,
            big_endian: header.fields.big_endian,
            scale: header.scale,
            len: header.voxels() * volumes,
            always_i16: always_i16(header),
        }
    }

    /// Integers before and after scaling.
    pub fn whole(&self) -> bool {
        let integer = !matches!(self.ty, NiftiType::Float32 | NiftiType::Float64);
        integer && self.scale.is_none_or(|[slope, inter]| slope.fract() == 0.0 && inter.fract() == 0.0)
    }

    fn bytes(&self, first: usize, count: usize) -> Result<Cow<'_, [u8]>, Fault> {
        let size = self.ty.size_of();
        self.data.get(self.at + (first * size) as u64, count * size)
    }

    /// Calls `body` with the position and the values of one block after another.
    fn blocks(&self, first: usize, count: usize, body: &mut dyn FnMut(usize, &[f64])) -> Result<(), Fault> {
        let bytes = self.bytes(first, count)?;
        let mut values = [0.0; BLOCK];
        for (n, part) in bytes.chunks(BLOCK * self.ty.size_of()).enumerate() {
            let values = &mut values[..part.len() / self.ty.size_of()];
            numbers(self.ty, self.big_endian, part, values);
            if let Some([slope, inter]) = self.scale {
                values.iter_mut().for_each(|v| *v = *v * slope + inter);
            }
            body(first + n * BLOCK, values);
        }
        Ok(())
    }

    /// The value of one voxel.
    pub fn value(&self, voxel: usize) -> f64 {
        let mut out = f64::NAN;
        // Read before, so that a failure here leaves the number unknown and no more.
        _ = self.blocks(voxel, 1, &mut |_, values| out = values[0]);
        out
    }

    /// The range of values; `None` when none is finite.
    pub fn survey(&self, par: &dyn Parallel) -> Result<Option<Survey>, Fault> {
        let parts = map_ranges(par, self.len, CHUNK, &|range| {
            let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
            self.blocks(range.start, range.len(), &mut |_, values| {
                for &v in values {
                    let finite = v.is_finite();
                    min = if finite && v < min { v } else { min };
                    max = if finite && v > max { v } else { max };
                }
            })?;
            Ok::<_, Fault>((min, max))
        });
        let mut all = (f64::INFINITY, f64::NEG_INFINITY);
        for part in parts {
            let (min, max) = part?;
            all = (all.0.min(min), all.1.max(max));
        }
        Ok((all.0 <= all.1).then_some(Survey { min: all.0, max: all.1 }))
    }

    /// Writes `convert` of every value to `out`; it also says whether the value is acceptable. Returns how many
    /// are not and the first of them.
    pub fn fill<T: Voxel>(
        &self,
        par: &dyn Parallel,
        out: &mut [T],
        convert: impl Fn(f64) -> (T, bool) + Sync,
    ) -> Result<Option<Refused>, Fault> {
        let (refused, first_chunk) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        let fault = Mutex::new(None);
        for_each_chunk(par, out, CHUNK, &|n, part| {
            let (start, mut bad) = (n * CHUNK, 0);
            let result = self.blocks(start, part.len(), &mut |at, values| {
                for (o, &v) in part[at - start..].iter_mut().zip(values) {
                    let (value, fine) = convert(v);
                    *o = value;
                    bad += usize::from(!fine);
                }
            });
            if bad > 0 {
                refused.fetch_add(bad, Ordering::Relaxed);
                first_chunk.fetch_min(n, Ordering::Relaxed);
            }
            if let (Err(e), Ok(mut slot)) = (result, fault.lock()) {
                *slot = Some(e);
            }
        });
        if let Ok(Some(fault)) = fault.into_inner() {
            return Err(fault);
        }
        let count = refused.into_inner();
        if count == 0 {
            return Ok(None);
        }
        let start = first_chunk.into_inner() * CHUNK;
        let voxel = (start..self.len).find(|&v| !convert(self.value(v)).1).unwrap_or(start);
        Ok(Some(Refused { count, voxel, value: self.value(voxel) }))
    }

    /// Copies int16 that is not scaled.
    pub fn copy_i16(&self, par: &dyn Parallel, out: &mut [i16]) -> Result<bool, Fault> {
        if self.ty != NiftiType::Int16 || self.scale.is_some() {
            return Ok(false);
        }
        let fault = Mutex::new(None);
        for_each_chunk(par, out, CHUNK, &|n, part| match self.bytes(n * CHUNK, part.len()) {
            Ok(bytes) => {
                let pairs = part.iter_mut().zip(bytes.as_chunks::<2>().0);
                if self.big_endian {
                    pairs.for_each(|(o, b)| *o = i16::from_be_bytes(*b));
                } else {
                    pairs.for_each(|(o, b)| *o = i16::from_le_bytes(*b));
                }
            }
            Err(e) => {
                if let Ok(mut slot) = fault.lock() {
                    *slot = Some(e);
                }
            }
        });
        match fault.into_inner() {
            Ok(Some(fault)) => Err(fault),
            _ => Ok(true),
        }
    }
}

/// Voxels that a kind does not allow.
#[derive(Debug, PartialEq)]
pub struct Refused {
    pub count: usize,
    /// The first.
    pub voxel: usize,
    pub value: f64,
}

/// Decodes as many numbers as `out` has places.
fn numbers(ty: NiftiType, big_endian: bool, bytes: &[u8], out: &mut [f64]) {
    macro_rules! of {
        ($ty:ty) => {{
            let pairs = out.iter_mut().zip(bytes.as_chunks::<{ size_of::<$ty>() }>().0);
            if big_endian {
                pairs.for_each(|(o, b)| *o = <$ty>::from_be_bytes(*b) as f64);
            } else {
                pairs.for_each(|(o, b)| *o = <$ty>::from_le_bytes(*b) as f64);
            }
        }};
    }
    match ty {
        NiftiType::Uint8 => of!(u8),
        NiftiType::Int8 => of!(i8),
        NiftiType::Uint16 => of!(u16),
        NiftiType::Int16 => of!(i16),
        NiftiType::Uint32 => of!(u32),
        NiftiType::Int32 => of!(i32),
        NiftiType::Uint64 => of!(u64),
        NiftiType::Int64 => of!(i64),
        NiftiType::Float32 => of!(f32),
        NiftiType::Float64 => of!(f64),
        // Refused with the header.
        _ => out.fill(f64::NAN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;
    use crate::testing::sample_fields;
    use ichor_image::Serial;

    fn with<T>(datatype: i16, bytes: Vec<u8>, change: fn(&mut Fields), body: impl FnOnce(&Stored) -> T) -> T {
        let mut fields =
            Fields { datatype, vox_offset: 352.0, dim: [3, 3, 1, 1, 0, 0, 0, 0], ..sample_fields(false) };
        change(&mut fields);
        let data = Data::Memory { bytes, from: 352 };
        body(&Stored::new(&Header::check(fields).unwrap(), &data, 0, 1))
    }

    fn values(datatype: i16, bytes: Vec<u8>, change: fn(&mut Fields)) -> [f64; 3] {
        with(datatype, bytes, change, |s| [0, 1, 2].map(|n| s.value(n)))
    }

    #[test]
    fn every_type_in_both_byte_orders() {
        macro_rules! check {
            ($code:literal, $($v:expr),*) => {{
                let numbers = [$($v),*];
                let wanted = numbers.map(|v| v as f64);
                assert_eq!(values($code, numbers.iter().flat_map(|v| v.to_le_bytes()).collect(), |_| ()), wanted);
                let big = numbers.iter().flat_map(|v| v.to_be_bytes()).collect();
                assert_eq!(values($code, big, |f| f.big_endian = true), wanted);
            }};
        }
        check!(2, 0u8, 7, 255);
        check!(256, -128i8, 7, 127);
        check!(4, -32768i16, 7, 32767);
        check!(512, 0u16, 7, 65535);
        check!(8, i32::MIN, 7, i32::MAX);
        check!(768, 0u32, 7, u32::MAX);
        check!(1024, -(1i64 << 52), 7, 1 << 52);
        check!(1280, 0u64, 7, 1 << 53);
        check!(16, -1.5f32, 7.25, f32::MAX);
        check!(64, -1.5f64, 7.25, f64::MAX);
    }

    #[test]
    fn values_are_scaled() {
        let scaled = |f: &mut Fields| (f.slope, f.inter) = (0.5, -1000.25);
        assert_eq!(values(2, vec![0, 1, 255], scaled), [-1000.25, -999.75, -872.75]);
        assert!(with(2, vec![0; 3], |f| f.inter = -1024.0, |s| s.whole()));
        assert!(!with(2, vec![0; 3], |f| f.inter = -0.5, |s| s.whole()));
        assert!(!with(16, vec![0; 12], |_| (), |s| s.whole()));
    }

    #[test]
    fn the_range_and_refused_values_are_found() {
        let bytes: Vec<u8> = [f32::NAN, -3.0, 8.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        with(
            16,
            bytes,
            |_| (),
            |s| {
                assert_eq!(s.survey(&Serial).unwrap(), Some(Survey { min: -3.0, max: 8.0 }));
                let mut out = [0u8; 3];
                let refused = s.fill(&Serial, &mut out, |v| (v as u8, v >= 0.0)).unwrap().unwrap();
                assert_eq!((refused.count, refused.voxel), (2, 0));
                let refused = s.fill(&Serial, &mut out, |v| (v as u8, v != -3.0)).unwrap().unwrap();
                assert_eq!(refused, Refused { count: 1, voxel: 1, value: -3.0 });
                assert_eq!(s.fill(&Serial, &mut out, |v| (v as u8, true)).unwrap(), None);
            },
        );
    }
}
