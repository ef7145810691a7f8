//! AVX-512: products of f32, of bfloat16 by the dot product, and of bfloat16 by the tiles of AMX.

use super::{Kernel, amx, first, gemm};
use std::arch::x86_64::*;
use std::marker::PhantomData;

macro_rules! common {
    () => {
        type V = __m512;

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
        unsafe fn first(job: &first::Job, row: usize) {
            // SAFETY: passed on to the caller.
            unsafe { first::row::<Self, 14, 2>(job, row) }
        }
    };
}

/// What maps are made of.
///
/// # Safety
/// Both functions need the instruction set, and sixteen items at `p`.
pub(crate) trait Item: Copy {
    unsafe fn read(p: *const Self) -> __m512;
    unsafe fn write(p: *mut Self, v: __m512);
}

impl Item for f32 {
    #[inline(always)]
    unsafe fn read(p: *const f32) -> __m512 {
        // SAFETY: passed on to the caller.
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn write(p: *mut f32, v: __m512) {
        // SAFETY: passed on to the caller.
        unsafe { _mm512_storeu_ps(p, v) }
    }
}

/// bfloat16, widened and rounded by way of integers; what is no number stays none.
impl Item for u16 {
    #[inline(always)]
    unsafe fn read(p: *const u16) -> __m512 {
        // SAFETY: passed on to the caller.
        unsafe {
            let items = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(items))
        }
    }
    #[inline(always)]
    unsafe fn write(p: *mut u16, v: __m512) {
        // SAFETY: passed on to the caller.
        unsafe {
            let bits = _mm512_castps_si512(v);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let near = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
            let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x0040_0000));
            let bits = _mm512_mask_mov_epi32(near, _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v), quiet);
            _mm256_storeu_si256(p.cast(), _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(bits)));
        }
    }
}

/// Products of f32.
pub(crate) struct Avx512<I>(PhantomData<I>);

impl<I: Item> Kernel for Avx512<I> {
    common!();
    type W = __m512;
    type Item = I;
    const ROWS: usize = 14;
    const COLS: usize = 2;
    f32_products!();

    #[inline(always)]
    unsafe fn block(a: &gemm::Rows, b: *const u32, out: *mut f32, stride: usize, more: bool) {
        // SAFETY: passed on to the caller.
        unsafe { gemm::block::<Self, 14, 2>(a, b, out, stride, more) }
    }
    #[inline(always)]
    unsafe fn block_read(p: *const I) -> __m512 {
        // SAFETY: passed on to the caller.
        unsafe { I::read(p) }
    }
    #[inline(always)]
    unsafe fn write(p: *mut I, v: __m512) {
        // SAFETY: passed on to the caller.
        unsafe { I::write(p, v) }
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

/// Products of bfloat16, with or without tiles.
pub(crate) struct Bf16<const TILES: bool>;

impl<const TILES: bool> Kernel for Bf16<TILES> {
    common!();
    type W = __m512bh;
    const ROWS: usize = if TILES { amx::ROWS } else { 14 };
    const COLS: usize = if TILES { amx::COLS } else { 2 };
    type Item = u16;
    const PAIR: usize = 2;
    type B = [Self::V; 2];

    #[inline(always)]
    unsafe fn begin() {
        if TILES {
            // SAFETY: passed on to the caller.
            unsafe { amx::begin() }
        }
    }
    #[inline(always)]
    unsafe fn end() {
        if TILES {
            // SAFETY: passed on to the caller.
            unsafe { amx::end() }
        }
    }
    #[inline(always)]
    unsafe fn block(a: &gemm::Rows, b: *const u32, out: *mut f32, stride: usize, more: bool) {
        // SAFETY: passed on to the caller.
        unsafe {
            if TILES {
                amx::block(a, b, out, stride, more);
            } else {
                gemm::block::<Self, 14, 2>(a, b, out, stride, more);
            }
        }
    }
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
    unsafe fn gather(from: *const u16, to: *mut u32) {
        // SAFETY: the caller has thirty-two items and room for sixteen words.
        unsafe { std::ptr::copy_nonoverlapping(from.cast(), to, 16) }
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

super::convolve::entries!(f32_entries, Avx512<f32>, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]);
super::convolve::entries!(half_entries, Avx512<u16>, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]);
super::convolve::entries!(pair_entries, Bf16<false>, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]);
super::convolve::entries!(tile_entries, Bf16<true>, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]);
