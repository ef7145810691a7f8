//! AVX2 with FMA, f32.

use super::{Kernel, first, gemm};
use std::arch::x86_64::*;

pub(crate) struct F32;

type V = [__m256; 2];

impl Kernel for F32 {
    type V = V;
    type W = V;
    const ROWS: usize = 6;
    const COLS: usize = 1;
    f32_items!();

    #[inline(always)]
    unsafe fn splat(v: f32) -> V {
        // SAFETY: the caller has the instruction set.
        unsafe { [_mm256_set1_ps(v); 2] }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> V {
        // SAFETY: the caller has the instruction set and sixteen numbers at p.
        unsafe { [_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8))] }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: V) {
        // SAFETY: the caller has the instruction set and room for sixteen numbers at p.
        unsafe {
            _mm256_storeu_ps(p, v[0]);
            _mm256_storeu_ps(p.add(8), v[1]);
        }
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
    unsafe fn write(p: *mut f32, v: V) {
        // SAFETY: passed on to the caller.
        unsafe { Self::store(p, v) }
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

super::convolve::entries!(f32_entries, F32, #[target_feature(enable = "avx2,fma")]);
