//! An output without a host, for tests and fuzzing.

use crate::convert::Target;
use ichor_sdk::prelude::*;
use std::any::Any;

/// Voxels of the type that was asked for.
pub struct Memory {
    /// What was noted.
    #[cfg(test)]
    pub notes: Vec<String>,
    len: usize,
    voxels: Box<dyn Any>,
}

impl Memory {
    /// For so many voxels.
    pub fn new(len: usize) -> Self {
        Self {
            #[cfg(test)]
            notes: Vec::new(),
            len,
            voxels: Box::new(()),
        }
    }

    fn make<T: Voxel>(&mut self, other: T) -> Result<&mut [T]> {
        // A value that every conversion must overwrite, as a host's memory is unspecified.
        self.voxels = Box::new(vec![other; self.len]);
        let all = self.voxels.downcast_mut::<Vec<T>>();
        all.map(Vec::as_mut_slice).ok_or_else(|| Error::internal("another type"))
    }

    /// One of the types there are.
    fn made<T: Voxel>(&mut self) -> Result<&mut [T]> {
        let other: Box<dyn Any> = match T::DTYPE {
            DType::U8 => Box::new(99u8),
            DType::I16 => Box::new(99i16),
            DType::U16 => Box::new(99u16),
            DType::U32 => Box::new(99u32),
            DType::F32 => Box::new(99f32),
        };
        match other.downcast::<T>() {
            Ok(other) => self.make(*other),
            Err(_) => Err(Error::internal("another type")),
        }
    }
}

#[cfg(test)]
impl Memory {
    /// What was written.
    pub fn numbers(&self) -> Vec<f64> {
        match self.voxels() {
            Voxels::U8(v) => v.iter().map(|&v| v.into()).collect(),
            Voxels::I16(v) => v.iter().map(|&v| v.into()).collect(),
            Voxels::U16(v) => v.iter().map(|&v| v.into()).collect(),
            Voxels::U32(v) => v.iter().map(|&v| v.into()).collect(),
            Voxels::F32(v) => v.iter().map(|&v| v.into()).collect(),
        }
    }

    /// What was written, as an input has it.
    pub fn voxels(&self) -> Voxels<'_> {
        fn of<T: Voxel>(memory: &Memory) -> Option<&[T]> {
            memory.voxels.downcast_ref::<Vec<T>>().map(Vec::as_slice)
        }
        (of(self).map(Voxels::I16))
            .or_else(|| of(self).map(Voxels::U16))
            .or_else(|| of(self).map(Voxels::U32))
            .or_else(|| of(self).map(Voxels::F32))
            .unwrap_or(Voxels::U8(of(self).unwrap_or_default()))
    }

    /// Its type.
    pub fn dtype(&self) -> DType {
        match self.voxels() {
            Voxels::U8(_) => DType::U8,
            Voxels::I16(_) => DType::I16,
            Voxels::U16(_) => DType::U16,
            Voxels::U32(_) => DType::U32,
            Voxels::F32(_) => DType::F32,
        }
    }
}

impl Target for Memory {
    fn volume<T: Voxel>(&mut self) -> Result<&mut [T]> {
        self.made()
    }

    fn labels<T: Voxel>(&mut self) -> Result<&mut [T]> {
        self.made()
    }

    fn mask(&mut self) -> Result<&mut [u8]> {
        self.make(99)
    }

    fn probs(&mut self) -> Result<&mut [f32]> {
        self.make(99.0)
    }
}
