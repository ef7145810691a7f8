//! Voxels of any type as numbers.

/// A voxel's value.
pub trait Value: Copy + Send + Sync {
    /// As a grey value.
    fn grey(self) -> f32;
    /// As a label; 0 is background.
    fn label(self) -> u32;
}

macro_rules! value {
    ($($ty:ty),*) => {$(impl Value for $ty {
        fn grey(self) -> f32 {
            self as f32
        }
        fn label(self) -> u32 {
            self as u32
        }
    })*};
}
value!(u8, i16, u16, u32, f32);

/// Runs an expression on the slice behind [`Voxels`], whatever its type.
macro_rules! with_voxels {
    ($voxels:expr, $slice:ident => $body:expr) => {
        match $voxels {
            ichor_sdk::Voxels::U8($slice) => $body,
            ichor_sdk::Voxels::I16($slice) => $body,
            ichor_sdk::Voxels::U16($slice) => $body,
            ichor_sdk::Voxels::U32($slice) => $body,
            ichor_sdk::Voxels::F32($slice) => $body,
        }
    };
}
pub(crate) use with_voxels;
