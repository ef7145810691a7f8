//! Plain Rust, which the compiler turns into whatever vectors the target has. The measure of the other kernels.

use super::{Kernel, first, gemm};

type V = [f32; 16];

fn map(f: impl Fn(usize) -> f32) -> V {
    std::array::from_fn(f)
}

/// To the nearest bfloat16, halves to even, as the processor's conversion does.
pub(crate) fn to_bf16(v: f32) -> u16 {
    let bits = v.to_bits();
    if v.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

pub(crate) fn from_bf16(v: u16) -> f32 {
    f32::from_bits(u32::from(v) << 16)
}

macro_rules! common {
    () => {
        type V = V;
        const ROWS: usize = 4;
        const COLS: usize = 1;

        #[inline(always)]
        unsafe fn splat(v: f32) -> V {
            [v; 16]
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> V {
            // SAFETY: the caller has sixteen numbers at p.
            unsafe { p.cast::<V>().read_unaligned() }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, v: V) {
            // SAFETY: the caller has room for sixteen numbers at p.
            unsafe { p.cast::<V>().write_unaligned(v) }
        }
        #[inline(always)]
        unsafe fn add(a: V, b: V) -> V {
            map(|i| a[i] + b[i])
        }
        #[inline(always)]
        unsafe fn sub(a: V, b: V) -> V {
            map(|i| a[i] - b[i])
        }
        #[inline(always)]
        unsafe fn mul(a: V, b: V) -> V {
            map(|i| a[i] * b[i])
        }
        #[inline(always)]
        unsafe fn max(a: V, b: V) -> V {
            map(|i| if a[i] > b[i] { a[i] } else { b[i] })
        }
        #[inline(always)]
        unsafe fn fma(a: V, b: V, c: V) -> V {
            // Not mul_add, which is a call into the C library where the target has no such instruction.
            map(|i| a[i] * b[i] + c[i])
        }
        #[inline(always)]
        unsafe fn block(a: &gemm::Rows, b: *const u32, out: *mut f32, stride: usize, more: bool) {
            // SAFETY: passed on to the caller.
            unsafe { gemm::block::<Self, 4, 1>(a, b, out, stride, more) }
        }
        #[inline(always)]
        unsafe fn first(job: &first::Job, row: usize) {
            // SAFETY: passed on to the caller.
            unsafe { first::row::<Self, 4, 1>(job, row) }
        }
    };
}

pub(crate) struct F32;

impl Kernel for F32 {
    common!();
    type W = V;
    type Item = f32;
    f32_products!();

    #[inline(always)]
    unsafe fn block_read(p: *const f32) -> V {
        // SAFETY: passed on to the caller.
        unsafe { Self::load(p) }
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
        // SAFETY: the caller has a word at p.
        unsafe { [*p.cast(); 16] }
    }
    #[inline(always)]
    unsafe fn mac(a: V, b: V, sum: V) -> V {
        // SAFETY: arithmetic only.
        unsafe { Self::fma(a, b, sum) }
    }
}

pub(crate) struct Bf16;

impl Kernel for Bf16 {
    common!();
    type W = [u32; 16];
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
        // SAFETY: the caller has thirty-two items at p.
        let items = unsafe { p.cast::<[u16; 32]>().read_unaligned() };
        [map(|i| from_bf16(items[2 * i])), map(|i| from_bf16(items[2 * i + 1]))]
    }
    #[inline(always)]
    unsafe fn block_write(p: *mut u32, v: Self::B) {
        // SAFETY: the caller has room for sixteen words at p.
        unsafe {
            Self::write(p.cast(), v[0]);
            Self::write(p.cast::<u16>().add(16), v[1]);
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
    unsafe fn write(p: *mut u16, v: V) {
        // SAFETY: the caller has room for sixteen items at p.
        unsafe { p.cast::<[u16; 16]>().write_unaligned(v.map(to_bf16)) }
    }
    #[inline(always)]
    unsafe fn words(p: *const u32) -> [u32; 16] {
        // SAFETY: the caller has sixteen words at p.
        unsafe { p.cast::<[u32; 16]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn repeat(p: *const u32) -> [u32; 16] {
        // SAFETY: the caller has a word at p.
        unsafe { [*p; 16] }
    }
    #[inline(always)]
    unsafe fn mac(a: [u32; 16], b: [u32; 16], sum: V) -> V {
        let (low, high) = (|w: u32| f32::from_bits(w << 16), |w: u32| f32::from_bits(w & 0xffff_0000));
        map(|i| sum[i] + high(a[i]) * high(b[i]) + low(a[i]) * low(b[i]))
    }
}

super::convolve::entries!(f32_entries, F32);
super::convolve::entries!(bf16_entries, Bf16);
