//! The inner loops. All unsafe code of the crate is in this folder; what leaves it is safe to call.
//!
//! [`Kernel`] is the arithmetic of one instruction set in one precision; the loops above it are generic and
//! compiled once for each.
#![allow(clippy::needless_range_loop)] // registers go by number

/// What a [`Kernel`] that multiplies f32 has whatever its instruction set: a block is a vector, a word a number.
macro_rules! f32_products {
    () => {
        const PAIR: usize = 1;
        type B = Self::V;

        #[inline(always)]
        unsafe fn zeros() -> Self::B {
            // SAFETY: passed on to the caller.
            unsafe { Self::splat(0.0) }
        }
        #[inline(always)]
        unsafe fn block_write(p: *mut u32, v: Self::B) {
            // SAFETY: passed on to the caller.
            unsafe { Self::store(p.cast(), v) }
        }
        #[inline(always)]
        unsafe fn block_add(a: Self::B, b: Self::B) -> Self::B {
            // SAFETY: passed on to the caller.
            unsafe { Self::add(a, b) }
        }
        #[inline(always)]
        unsafe fn block_sub(a: Self::B, b: Self::B) -> Self::B {
            // SAFETY: passed on to the caller.
            unsafe { Self::sub(a, b) }
        }
        #[inline(always)]
        unsafe fn gather(from: *const Self::Item, to: *mut u32) {
            // SAFETY: passed on to the caller.
            unsafe { Self::block_write(to, Self::block_read(from)) }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod buffer;
mod convolve;
mod direct;
mod finish;
mod first;
mod gemm;
mod portable;
mod winograd;

#[cfg(target_arch = "x86_64")]
pub(crate) use amx::available as has_tiles;
pub(crate) use buffer::{Buffer, Map};
pub(crate) use convolve::{Classes, Kernels, MAX_GROUP, Scratch, Sink, Sources, tile_planes};
pub(crate) use portable::to_bf16;
pub(crate) use winograd::has_up;

/// Sixteen lanes of f32 and what a convolution does with them.
///
/// # Safety
/// Every function needs the instruction set of its type, and pointers to at least the items it reads or writes
/// (sixteen, or one word). No alignment is needed.
pub(crate) trait Kernel {
    /// Sixteen f32.
    type V: Copy;
    /// Sixteen words, each one f32 or two bfloat16.
    type W: Copy;
    /// Sixteen words' worth of items as f32: sixteen, or thirty-two.
    type B: Copy;
    /// What maps are made of.
    type Item: Copy;
    /// Items in a word of 32 bits.
    const PAIR: usize;
    /// Rows and columns (of sixteen) of a block of sums that fits the registers.
    const ROWS: usize;
    const COLS: usize;

    unsafe fn splat(v: f32) -> Self::V;
    unsafe fn load(p: *const f32) -> Self::V;
    unsafe fn store(p: *mut f32, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// a * b + c
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Sixteen items of a map.
    unsafe fn write(p: *mut Self::Item, v: Self::V);
    unsafe fn zeros() -> Self::B;
    unsafe fn block_read(p: *const Self::Item) -> Self::B;
    /// Sixteen words, the items in the order [`shuffled`].
    unsafe fn block_write(p: *mut u32, v: Self::B);
    /// Sixteen words, the items in the order of the map.
    unsafe fn gather(from: *const Self::Item, to: *mut u32);
    unsafe fn block_add(a: Self::B, b: Self::B) -> Self::B;
    unsafe fn block_sub(a: Self::B, b: Self::B) -> Self::B;
    unsafe fn words(p: *const u32) -> Self::W;
    /// One word in every lane.
    unsafe fn repeat(p: *const u32) -> Self::W;
    /// sum + a * b, over the two items of a word where there are two.
    unsafe fn mac(a: Self::W, b: Self::W, sum: Self::V) -> Self::V;

    /// What a thread does before its first [`Kernel::block`] and after its last.
    #[inline(always)]
    unsafe fn begin() {}
    #[inline(always)]
    unsafe fn end() {}
    /// `ROWS` x `COLS` x 16 sums; see [`gemm::block`].
    unsafe fn block(a: &gemm::Rows, b: *const u32, out: *mut f32, stride: usize, more: bool);
    /// Sums of the first convolution; see [`first::row`].
    unsafe fn first(job: &first::Job, row: usize);
}

/// Which item of a block of the input [`Kernel::block_write`] puts in place `place`. Two items a word: the even ones
/// come first, since they are what a shift makes of the words, and the odd ones what a mask does.
pub(crate) fn shuffled(pair: usize, place: usize) -> usize {
    if pair == 1 { place } else { place % 16 * 2 + place / 16 }
}
