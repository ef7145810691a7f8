//! AVX2 with FMA: products of f32, and maps of f32 or bfloat16.

use super::{Kernel, first, gemm};
use std::arch::x86_64::*;
use std::marker::PhantomData;

type V = [__m256; 2];

/// What maps are made of.
///
/// # Safety
/// Both functions need the instruction set, and sixteen items at `p`.
pub(crate) trait Item: Copy {
    unsafe fn read(p: *const Self) -> V;
    unsafe fn write(p: *mut Self, v: V);
}

impl Item for f32 {
    #[inline(always)]
    unsafe fn read(p: *const f32) -> V {
        // SAFETY: passed on to the caller.
        unsafe { [_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8))] }
    }
    #[inline(always)]
    unsafe fn write(p: *mut f32, v: V) {
        // SAFETY: passed on to the caller.
        unsafe {
            _mm256_storeu_ps(p, v[0]);
            _mm256_storeu_ps(p.add(8), v[1]);
        }
    }
}

/// bfloat16, which this instruction set widens and rounds by way of integers.
impl Item for u16 {
    #[inline(always)]
    unsafe fn read(p: *const u16) -> V {
        // SAFETY: passed on to the caller.
        unsafe {
            let widened = |items| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(items)));
            [widened(_mm_loadu_si128(p.cast())), widened(_mm_loadu_si128(p.add(8).cast()))]
        }
    }
    #[inline(always)]
    unsafe fn write(p: *mut u16, v: V) {
        // SAFETY: passed on to the caller.
        unsafe {
            let packed = _mm256_packus_epi32(rounded(v[0]), rounded(v[1]));
            _mm256_storeu_si256(p.cast(), _mm256_permute4x64_epi64::<0b11_01_10_00>(packed));
        }
    }
}

/// The nearest bfloat16, halves to even, in the lower half of every lane; what is no number stays none.
///
/// # Safety
/// The instruction set.
#[inline(always)]
unsafe fn rounded(v: __m256) -> __m256i {
    // SAFETY: passed on to the caller.
    unsafe {
        let bits = _mm256_castps_si256(v);
        let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
        let near = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
        let none = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
        let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x0040_0000));
        _mm256_srli_epi32::<16>(_mm256_blendv_epi8(near, quiet, none))
    }
}

pub(crate) struct Avx2<I>(PhantomData<I>);

impl<I: Item> Kernel for Avx2<I> {
    type V = V;
    type W = V;
    type Item = I;
    const ROWS: usize = 6;
    const COLS: usize = 1;
    f32_products!();

    #[inline(always)]
    unsafe fn splat(v: f32) -> V {
        // SAFETY: the caller has the instruction set.
        unsafe { [_mm256_set1_ps(v); 2] }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> V {
        // SAFETY: passed on to the caller.
        unsafe { f32::read(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: V) {
        // SAFETY: passed on to the caller.
        unsafe { f32::write(p, v) }
    }
    #[inline(always)]
    unsafe fn add(a: V, b: V) -> V {
        // SAFETY: the caller has the instruction set.
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn sub(a: V, b: V) -> V {
        // SAFETY: the caller has the instruction set.
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn mul(a: V, b: V) -> V {
        // SAFETY: the caller has the instruction set.
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn max(a: V, b: V) -> V {
        // SAFETY: the caller has the instruction set.
        unsafe { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn fma(a: V, b: V, c: V) -> V {
        // SAFETY: the caller has the instruction set.
        unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
    }
    #[inline(always)]
    unsafe fn block_read(p: *const I) -> V {
        // SAFETY: passed on to the caller.
        unsafe { I::read(p) }
    }
    #[inline(always)]
    unsafe fn write(p: *mut I, v: V) {
        // SAFETY: passed on to the caller.
        unsafe { I::write(p, v) }
    }
    #[inline(always)]
    unsafe fn words(p: *const u32) -> V {
        // SAFETY: passed on to the caller.
        unsafe { Self::load(p.cast()) }
    }
    #[inline(always)]
    unsafe fn repeat(p: *const u32) -> V {
        // SAFETY: the caller has the instruction set and a word at p.
        unsafe { Self::splat(*p.cast()) }
    }
    #[inline(always)]
    unsafe fn mac(a: V, b: V, sum: V) -> V {
        // SAFETY: passed on to the caller.
        unsafe { Self::fma(a, b, sum) }
    }
    #[inline(always)]
    unsafe fn block(a: &gemm::Rows, b: *const u32, out: *mut f32, stride: usize, more: bool) {
        // SAFETY: passed on to the caller.
        unsafe { gemm::block::<Self, 6, 1>(a, b, out, stride, more) }
    }
    #[inline(always)]
    unsafe fn first(job: &first::Job, row: usize) {
        // SAFETY: passed on to the caller.
        unsafe { first::row::<Self, 6, 1>(job, row) }
    }
}

super::convolve::entries!(f32_entries, Avx2<f32>, #[target_feature(enable = "avx2,fma")]);
super::convolve::entries!(half_entries, Avx2<u16>, #[target_feature(enable = "avx2,fma")]);
