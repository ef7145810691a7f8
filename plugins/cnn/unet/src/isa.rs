//! What the processor can do.

/// The arithmetic of the network. Sums, activation and softmax are f32 in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Single precision throughout.
    F32,
    /// Maps rounded to bfloat16, and weights with them where the processor multiplies bfloat16 ([`Isa`]); sums in f32.
    Bf16,
}

/// A set of kernels. All compute in either precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust, on any processor.
    Portable,
    /// x86-64 with AVX2 and FMA. In bfloat16 only maps are rounded; products are of f32.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL. In bfloat16 only maps are rounded; products are of f32.
    Avx512,
    /// x86-64 with AVX-512 and its bfloat16 dot product.
    Avx512Bf16,
    /// x86-64 with AVX-512, its bfloat16 dot product, and the tiles of AMX, which multiply bfloat16; on Linux.
    Amx,
}

impl Isa {
    /// Every set of kernels, slowest first.
    pub const ALL: [Isa; 5] = [Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Avx512Bf16, Isa::Amx];

    /// Whether this processor has it, and the system lets us use it.
    pub fn available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            match self {
                Isa::Portable => true,
                Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
                Isa::Avx512 => {
                    is_x86_feature_detected!("avx512f")
                        && is_x86_feature_detected!("avx512bw")
                        && is_x86_feature_detected!("avx512dq")
                        && is_x86_feature_detected!("avx512vl")
                }
                Isa::Avx512Bf16 => Isa::Avx512.available() && is_x86_feature_detected!("avx512bf16"),
                Isa::Amx => Isa::Avx512Bf16.available() && crate::kernel::has_tiles(),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Isa::Portable
        }
    }

    /// Whether it multiplies bfloat16 faster than f32.
    pub fn is_fast_in_bf16(self) -> bool {
        matches!(self, Isa::Avx512Bf16 | Isa::Amx)
    }

    /// The fastest set of kernels on this processor.
    pub fn best() -> Isa {
        Isa::ALL.into_iter().rev().find(|isa| isa.available()).unwrap_or(Isa::Portable)
    }

    /// Its name as the benchmarks write it.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Avx512Bf16 => "avx512bf16",
            Isa::Amx => "amx",
        }
    }
}
