//! Types of voxels that can be resampled.

/// A voxel type: to f32 and back, rounded to nearest (half to even) and clamped to its range.
pub trait Sample: Copy + Default + Send + Sync + 'static {
    /// The value; above 2^24 a u32 is rounded.
    fn to_f32(self) -> f32;
    /// The nearest value of the type; NaN becomes 0 for whole numbers.
    fn from_f32(value: f32) -> Self;
}

macro_rules! small {
    ($($ty:ty),*) => {$(
        impl Sample for $ty {
            fn to_f32(self) -> f32 {
                f32::from(self)
            }
            fn from_f32(value: f32) -> Self {
                // Adding and taking away 1.5 * 2^23 rounds in two additions, many voxels at a time.
                const MAGIC: f32 = 12_582_912.0;
                (value.clamp(f32::from(Self::MIN), f32::from(Self::MAX)) + MAGIC - MAGIC) as Self
            }
        }
    )*};
}
small!(u8, i16, u16);

impl Sample for u32 {
    fn to_f32(self) -> f32 {
        self as f32
    }
    fn from_f32(value: f32) -> Self {
        value.round_ties_even() as Self
    }
}

impl Sample for f32 {
    fn to_f32(self) -> f32 {
        self
    }
    fn from_f32(value: f32) -> Self {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_and_clamping() {
        let cases = [(-1024.4, -1024), (-0.5, 0), (1.5, 2), (2.5, 2), (4e4, i16::MAX), (-1e9, i16::MIN)];
        for (value, want) in cases {
            assert_eq!(i16::from_f32(value), want);
        }
        assert_eq!((u8::from_f32(-3.0), u8::from_f32(254.6), u8::from_f32(f32::NAN)), (0, 255, 0));
        assert_eq!((u16::from_f32(65535.4), u32::from_f32(3e9)), (65535, 3_000_000_000));
    }
}
