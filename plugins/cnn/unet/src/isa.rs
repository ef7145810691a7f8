//! What the processor can do.

/// The arithmetic of the network. Sums, activation and softmax are f32 in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Single precision throughout.
    F32,
    /// Weights and maps rounded to bfloat16, sums in f32.
    Bf16,
}

/// A set of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust, on any processor.
    Portable,
    /// x86-64 with AVX2 and FMA; f32 only.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL; f32 only.
    Avx512,
    /// x86-64 with AVX-512 and its bfloat16 dot product; both precisions.
    Avx512Bf16,
}

impl Isa {
    /// Every set of kernels, slowest first.
    pub const ALL: [Isa; 4] = [Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Avx512Bf16];

    /// Whether this processor has it.
    pub fn available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let avx512 = || {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            };
            match self {
                Isa::Portable => true,
                Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
                Isa::Avx512 => avx512(),
                Isa::Avx512Bf16 => avx512() && is_x86_feature_detected!("avx512bf16"),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Isa::Portable
        }
    }

    /// Whether it has kernels for `precision`.
    pub fn computes(self, precision: Precision) -> bool {
        precision == Precision::F32 || matches!(self, Isa::Portable | Isa::Avx512Bf16)
    }

    /// The fastest set of kernels for `precision` on this processor.
    pub fn best(precision: Precision) -> Isa {
        let usable = |isa: &Isa| isa.available() && isa.computes(precision);
        Isa::ALL.into_iter().rev().find(usable).unwrap_or(Isa::Portable)
    }

    /// Its name as the benchmarks write it.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Avx512Bf16 => "avx512bf16",
        }
    }
}
