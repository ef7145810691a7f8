//! Voxels as bytes of a file, in any type of the file's.

use ichor_sdk::prelude::*;
use nifti::NiftiType;
use std::ops::Range;

/// The bytes of a file: a head, and voxels, little-endian. Made piece by piece, so that the whole need not be in
/// memory.
pub struct Encoder<'a> {
    /// Header and extensions; its length is a multiple of 16, and so no voxel lies across a piece that is one,
    /// too.
    pub head: Vec<u8>,
    pub voxels: Voxels<'a>,
    /// The same voxels as bytes, if they are those of the file; else nothing.
    pub raw: &'a [u8],
    pub ty: NiftiType,
}

impl<'a> Encoder<'a> {
    /// A part of the file as it lies in memory; `None` where it must be made by [`write`](Self::write).
    pub fn borrowed(&self, range: &Range<usize>) -> Option<&'a [u8]> {
        let begin = range.start.checked_sub(self.head.len())?;
        self.raw.get(begin..range.end - self.head.len())
    }

    /// Length of the file.
    pub fn len(&self) -> usize {
        self.head.len() + self.count() * self.ty.size_of()
    }

    fn count(&self) -> usize {
        match self.voxels {
            Voxels::U8(v) => v.len(),
            Voxels::I16(v) => v.len(),
            Voxels::U16(v) => v.len(),
            Voxels::U32(v) => v.len(),
            Voxels::F32(v) => v.len(),
        }
    }

    /// Writes a part of the file whose borders are multiples of 16, or the file's end.
    ///
    /// # Errors
    /// A value is none of the file's type.
    pub fn write(&self, range: Range<usize>, out: &mut [u8]) -> Result<()> {
        let n = self.head.len().min(range.end).saturating_sub(range.start);
        if n > 0 {
            out[..n].copy_from_slice(&self.head[range.start..][..n]);
        }
        let size = self.ty.size_of();
        let first = (range.start + n).saturating_sub(self.head.len()) / size;
        let voxels = first..first + (range.len() - n) / size;
        let out = &mut out[n..];
        match self.voxels {
            Voxels::U8(v) => self.encode(&v[voxels], out),
            Voxels::I16(v) => self.encode(&v[voxels], out),
            Voxels::U16(v) => self.encode(&v[voxels], out),
            Voxels::U32(v) => self.encode(&v[voxels], out),
            Voxels::F32(v) => self.encode(&v[voxels], out),
        }
    }

    fn encode<T: Number>(&self, voxels: &[T], out: &mut [u8]) -> Result<()> {
        if type_of(T::DTYPE) == self.ty {
            T::copy(voxels, out);
            return Ok(());
        }
        macro_rules! rounded {
            ($ty:ty) => {{
                let mut worst = None;
                for (o, v) in out.as_chunks_mut::<{ size_of::<$ty>() }>().0.iter_mut().zip(voxels) {
                    let value = v.number().round_ties_even();
                    if !(value >= f64::from(<$ty>::MIN) && value <= f64::from(<$ty>::MAX)) {
                        worst = Some(v.number());
                    }
                    *o = (value as $ty).to_le_bytes();
                }
                worst
            }};
        }
        let worst = match self.ty {
            NiftiType::Uint8 => rounded!(u8),
            NiftiType::Int16 => rounded!(i16),
            NiftiType::Uint16 => rounded!(u16),
            NiftiType::Int32 => rounded!(i32),
            NiftiType::Uint32 => rounded!(u32),
            _ => {
                let pairs = out.as_chunks_mut::<4>().0.iter_mut().zip(voxels);
                pairs.for_each(|(o, v)| *o = (v.number() as f32).to_le_bytes());
                None
            }
        };
        worst.map_or(Ok(()), |value| {
            let ty = crate::header::type_name(self.ty);
            Err(Error::bad_params(format!("the value {value} is no {ty}; choose another `dtype`")))
        })
    }
}

/// The file's type of the same values.
pub fn type_of(dtype: DType) -> NiftiType {
    match dtype {
        DType::U8 => NiftiType::Uint8,
        DType::I16 => NiftiType::Int16,
        DType::U16 => NiftiType::Uint16,
        DType::U32 => NiftiType::Uint32,
        DType::F32 => NiftiType::Float32,
    }
}

trait Number: Voxel {
    fn number(self) -> f64;
    fn copy(from: &[Self], out: &mut [u8]);
}

macro_rules! number {
    ($($ty:ty),*) => {$(
        impl Number for $ty {
            fn number(self) -> f64 {
                self.into()
            }
            fn copy(from: &[Self], out: &mut [u8]) {
                let pairs = out.as_chunks_mut::<{ size_of::<$ty>() }>().0.iter_mut().zip(from);
                pairs.for_each(|(o, v)| *o = v.to_le_bytes());
            }
        }
    )*};
}
number!(u8, i16, u16, u32, f32);

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(voxels: Voxels, ty: NiftiType) -> Result<Vec<u8>, String> {
        let encoder = Encoder { head: vec![7; 32], voxels, raw: &[], ty };
        let mut whole = vec![0; encoder.len()];
        encoder.write(0..encoder.len(), &mut whole).map_err(|e| e.to_string())?;
        // Pieces make the same file.
        let mut pieces = Vec::new();
        for start in (0..encoder.len()).step_by(16) {
            let end = (start + 16).min(encoder.len());
            let mut piece = vec![0; end - start];
            encoder.write(start..end, &mut piece).unwrap();
            pieces.extend(piece);
        }
        assert_eq!(pieces, whole);
        assert_eq!(whole[..32], [7; 32]);
        Ok(whole[32..].to_vec())
    }

    #[test]
    fn values_keep_their_type_or_are_rounded() {
        assert_eq!(bytes(Voxels::I16(&[-2, 513]), NiftiType::Int16).unwrap(), [0xfe, 0xff, 1, 2]);
        assert_eq!(bytes(Voxels::F32(&[2.5, 3.5, -0.4]), NiftiType::Uint8).unwrap(), [2, 4, 0]);
        assert_eq!(bytes(Voxels::U8(&[1]), NiftiType::Float32).unwrap(), 1f32.to_le_bytes());
        assert_eq!(bytes(Voxels::U32(&[70_000]), NiftiType::Int32).unwrap(), 70_000i32.to_le_bytes());
        assert_eq!(
            bytes(Voxels::F32(&[1.5; 11]), NiftiType::Float32).unwrap(),
            1.5f32.to_le_bytes().repeat(11)
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = bytes(Voxels::I16(&[0, 300]), NiftiType::Uint8).unwrap_err();
        assert_eq!(refused, "the value 300 is no uint8; choose another `dtype`");
        assert!(bytes(Voxels::F32(&[f32::NAN]), NiftiType::Int16).is_err());
    }
}
