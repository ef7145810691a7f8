//! Voxels of any type as HU.

use ichor_sdk::Voxels;

/// A voxel's value.
pub trait Sample: Copy + Send + Sync + PartialEq {
    /// As a number.
    fn hu(self) -> f32;
}

macro_rules! sample {
    ($($ty:ty),*) => {$(impl Sample for $ty {
        fn hu(self) -> f32 {
            self as f32
        }
    })*};
}
sample!(u8, i16, u16, u32, f32);

/// Something that is done to voxels whatever their type.
pub trait Visit {
    /// What it gives.
    type Out;
    /// Does it.
    fn visit<T: Sample>(self, voxels: &[T]) -> Self::Out;
}

/// Does it to the voxels behind the enum.
pub fn visit<V: Visit>(voxels: Voxels, visitor: V) -> V::Out {
    match voxels {
        Voxels::U8(v) => visitor.visit(v),
        Voxels::I16(v) => visitor.visit(v),
        Voxels::U16(v) => visitor.visit(v),
        Voxels::U32(v) => visitor.visit(v),
        Voxels::F32(v) => visitor.visit(v),
    }
}
