//! AVX-512, with f32 and with the bfloat16 dot product.

use super::{Kernel, first, gemm};
use std::arch::x86_64::*;

macro_rules! common {
    () => {
        type V = __m512;
        const ROWS: usize = 14;
        const COLS: usize = 2;

        #[inline(always)]
        unsafe fn splat(v: f32) -> __m512 {
            // SAFETY: the caller has the instruction set.
            unsafe { _mm512_set1_ps(v) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> __m512 {
            // SAFETY: the caller has the instruction set and sixteen numbers at p.
            unsafe { _mm512_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, v: __m512) {
            // SAFETY: the caller has the instruction set and room for sixteen numbers at p.
            unsafe { _mm512_storeu_ps(p, v) }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            // SAFETY: the caller has the instruction set.
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            // SAFETY: the caller has the instruction set.
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m512, b: __m512) -> __m512 {
            // SAFETY: the caller has the instruction set.
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn max(a: __m512, b: __m512) -> __m512 {
            // SAFETY: the caller has the instruction set.
            unsafe { _mm512_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
            // SAFETY: the caller has the instruction set.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn block(a: &gemm::Rows, b: *const u32, out: *mut f32, stride: usize, more: bool) {
            // SAFETY: passed on to the caller.
            unsafe { gemm::block::<Self, 14, 2>(a, b, out, stride, more) }
        }
        #[inline(always)]
        unsafe fn first(job: &first::Job, row: usize) {
            // SAFETY: passed on to the caller.
            unsafe { first::row::<Self, 14, 2>(job, row) }
        }
    };
}

pub(crate) struct F32;

impl Kernel for F32 {
    common!();
    type W = __m512;
    f32_items!();

    #[inline(always)]
    unsafe fn write(p: *mut f32, v: __m512) {
        // SAFETY: the caller has the instruction set and room for sixteen numbers at p.
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn words(p: *const u32) -> __m512 {
        // SAFETY: the caller has the instruction set and sixteen words at p.
        unsafe { _mm512_loadu_ps(p.cast()) }
    }
    #[inline(always)]
    unsafe fn repeat(p: *const u32) -> __m512 {
        // SAFETY: the caller has the instruction set and a word at p.
        unsafe { _mm512_set1_ps(*p.cast()) }
    }
    #[inline(always)]
    unsafe fn mac(a: __m512, b: __m512, sum: __m512) -> __m512 {
        // SAFETY: the caller has the instruction set.
        unsafe { _mm512_fmadd_ps(a, b, sum) }
    }
}

pub(crate) struct Bf16;

impl Kernel for Bf16 {
    common!();
    type W = __m512bh;
    type Item = u16;
    const PAIR: usize = 2;
    type B = [Self::V; 2];

    #[inline(always)]
    unsafe fn zeros() -> Self::B {
        // SAFETY: passed on to the caller.
        unsafe { [Self::splat(0.0); 2] }
    }
    #[inline(always)]
    unsafe fn block_read(p: *const u16) -> Self::B {
        // SAFETY: the caller has the instruction set and thirty-two items at p.
        unsafe {
            let words = _mm512_loadu_si512(p.cast());
            let even = _mm512_slli_epi32::<16>(words);
            let odd = _mm512_and_si512(words, _mm512_set1_epi32(0xffff_0000_u32 as i32));
            [_mm512_castsi512_ps(even), _mm512_castsi512_ps(odd)]
        }
    }
    #[inline(always)]
    unsafe fn block_write(p: *mut u32, v: Self::B) {
        // SAFETY: the caller has the instruction set and room for sixteen words at p; the two types have one layout.
        unsafe {
            let words: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(v[1], v[0]));
            _mm512_storeu_si512(p.cast(), words)
        }
    }
    #[inline(always)]
    unsafe fn block_add(a: Self::B, b: Self::B) -> Self::B {
        // SAFETY: passed on to the caller.
        unsafe { [Self::add(a[0], b[0]), Self::add(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn block_sub(a: Self::B, b: Self::B) -> Self::B {
        // SAFETY: passed on to the caller.
        unsafe { [Self::sub(a[0], b[0]), Self::sub(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn write(p: *mut u16, v: __m512) {
        // SAFETY: the caller has the instruction set and room for sixteen items at p; the two types have one layout.
        unsafe {
            let narrow: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(v));
            _mm256_storeu_si256(p.cast(), narrow)
        }
    }
    #[inline(always)]
    unsafe fn words(p: *const u32) -> __m512bh {
        // SAFETY: the caller has the instruction set and sixteen words at p; the two types have one layout.
        unsafe { std::mem::transmute(_mm512_loadu_si512(p.cast())) }
    }
    #[inline(always)]
    unsafe fn repeat(p: *const u32) -> __m512bh {
        // SAFETY: the caller has the instruction set and a word at p; the two types have one layout.
        unsafe { std::mem::transmute(_mm512_set1_epi32(*p.cast())) }
    }
    #[inline(always)]
    unsafe fn mac(a: __m512bh, b: __m512bh, sum: __m512) -> __m512 {
        // SAFETY: the caller has the instruction set.
        unsafe { _mm512_dpbf16_ps(sum, a, b) }
    }
}

super::convolve::entries!(f32_entries, F32, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]);
super::convolve::entries!(bf16_entries, Bf16, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]);
