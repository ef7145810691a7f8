//! The two inner loops, on flat planes: a 3 x 3 x 3 convolution is a sum of shifted planes.

/// Output channels of a block of the convolution.
pub const OUT: usize = 8;
/// Numbers of a step of the convolution.
pub const STEP: usize = 32;
/// Output channels of a block of the weights' gradient.
pub const GRAD: usize = 4;
/// Partial sums a weight's gradient is kept in.
pub const LANES: usize = 16;

/// Where input planes begin, and how long their rows are.
#[derive(Clone, Copy)]
pub struct Planes {
    /// First number of channel 0 at kz = 0.
    pub origin: usize,
    /// From one channel to the next.
    pub channel: usize,
    /// From one z to the next.
    pub z: usize,
    /// From one row to the next.
    pub row: usize,
    /// Channels.
    pub channels: usize,
}

impl Planes {
    /// One past the last number that a block of `n` outputs reads.
    fn end(&self, n: usize) -> usize {
        self.origin + (self.channels - 1) * self.channel + 2 * self.z + 2 * self.row + 2 + n
    }
}

/// `out[o][p]` = sum over channel, kz, ky and kx of `w[..][o]` times the input at p shifted by them, for [`OUT`]
/// channels of `n` numbers, a multiple of [`STEP`].
pub fn convolve(x: &[f32], planes: Planes, w: &[f32], n: usize, out: &mut [f32]) {
    assert!(n.is_multiple_of(STEP) && out.len() >= OUT * n && w.len() >= planes.channels * 27 * OUT);
    assert!(planes.channels > 0 && x.len() >= planes.end(n), "the planes end before the block");
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has AVX-512 F, and the lengths were checked.
            return unsafe { avx512::convolve(x, planes, w, n, out) };
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: the processor has AVX2 and FMA.
            return unsafe { avx2::convolve(x, planes, w, n, out) };
        }
    }
    convolve_plain::<false>(x, planes, w, n, out);
}

/// Adds to `sums[kx][o][lane]` the products of [`GRAD`] rows of `n` numbers of `dy`, [`LANES`] at a time, with the
/// input at `x` shifted by kx.
pub fn correlate(x: &[f32], dy: &[f32], stride: usize, n: usize, sums: &mut [f32]) {
    assert!(n.is_multiple_of(LANES) && x.len() >= n + 2 && sums.len() >= 3 * GRAD * LANES);
    assert!(n == 0 || dy.len() >= (GRAD - 1) * stride + n);
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has AVX-512 F, and the lengths were checked.
            return unsafe { avx512::correlate(x, dy, stride, n, sums) };
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: the processor has AVX2 and FMA.
            return unsafe { avx2::correlate(x, dy, stride, n, sums) };
        }
    }
    correlate_plain::<false>(x, dy, stride, n, sums);
}

#[inline(always)]
fn add<const FUSED: bool>(sum: f32, a: f32, b: f32) -> f32 {
    if FUSED { a.mul_add(b, sum) } else { a * b + sum }
}

#[inline(always)]
fn convolve_plain<const FUSED: bool>(x: &[f32], planes: Planes, w: &[f32], n: usize, out: &mut [f32]) {
    const HALF: usize = 8;
    for p in (0..n).step_by(HALF) {
        let mut sums = [[0.0f32; HALF]; OUT];
        for c in 0..planes.channels {
            for tap in 0..27 {
                let (kz, ky, kx) = (tap / 9, tap / 3 % 3, tap % 3);
                let at = planes.origin + c * planes.channel + kz * planes.z + ky * planes.row + kx + p;
                let (v, w) = (&x[at..at + HALF], &w[(27 * c + tap) * OUT..][..OUT]);
                for (sum, &w) in sums.iter_mut().zip(w) {
                    for (s, &v) in sum.iter_mut().zip(v) {
                        *s = add::<FUSED>(*s, v, w);
                    }
                }
            }
        }
        for (o, sum) in sums.iter().enumerate() {
            out[o * n + p..][..HALF].copy_from_slice(sum);
        }
    }
}

#[inline(always)]
fn correlate_plain<const FUSED: bool>(x: &[f32], dy: &[f32], stride: usize, n: usize, sums: &mut [f32]) {
    for kx in 0..3 {
        for o in 0..GRAD {
            let sum = &mut sums[(kx * GRAD + o) * LANES..][..LANES];
            for p in (0..n).step_by(LANES) {
                let (d, v) = (&dy[o * stride + p..][..LANES], &x[p + kx..][..LANES]);
                for ((s, &d), &v) in sum.iter_mut().zip(d).zip(v) {
                    *s = add::<FUSED>(*s, d, v);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::*;

    #[target_feature(enable = "avx2,fma")]
    pub fn convolve(x: &[f32], planes: Planes, w: &[f32], n: usize, out: &mut [f32]) {
        convolve_plain::<true>(x, planes, w, n, out);
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn correlate(x: &[f32], dy: &[f32], stride: usize, n: usize, sums: &mut [f32]) {
        correlate_plain::<true>(x, dy, stride, n, sums);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::*;
    use std::arch::x86_64::*;

    /// # Safety
    /// The lengths are those that [`super::convolve`] checks.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn convolve(x: &[f32], planes: Planes, w: &[f32], n: usize, out: &mut [f32]) {
        for p in (0..n).step_by(STEP) {
            let mut sums = [[_mm512_setzero_ps(); 2]; OUT];
            let mut w = w.as_ptr();
            for c in 0..planes.channels {
                for kz in 0..3 {
                    for ky in 0..3 {
                        let at = planes.origin + c * planes.channel + kz * planes.z + ky * planes.row + p;
                        for kx in 0..3 {
                            // SAFETY: the caller checked that the last block's last shift lies in `x`, and `w` holds
                            // 27 times OUT numbers a channel.
                            unsafe {
                                let v = x.as_ptr().add(at + kx);
                                let (a, b) = (_mm512_loadu_ps(v), _mm512_loadu_ps(v.add(16)));
                                for (o, sum) in sums.iter_mut().enumerate() {
                                    let w = _mm512_set1_ps(*w.add(o));
                                    sum[0] = _mm512_fmadd_ps(a, w, sum[0]);
                                    sum[1] = _mm512_fmadd_ps(b, w, sum[1]);
                                }
                                w = w.add(OUT);
                            }
                        }
                    }
                }
            }
            for (o, sum) in sums.iter().enumerate() {
                // SAFETY: `out` holds OUT times n numbers, and p + STEP is at most n.
                unsafe {
                    let to = out.as_mut_ptr().add(o * n + p);
                    _mm512_storeu_ps(to, sum[0]);
                    _mm512_storeu_ps(to.add(16), sum[1]);
                }
            }
        }
    }

    /// # Safety
    /// The lengths are those that [`super::correlate`] checks.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn correlate(x: &[f32], dy: &[f32], stride: usize, n: usize, sums: &mut [f32]) {
        // SAFETY: the caller checked that `sums` holds 3 * GRAD * LANES numbers, that a row of `x` has n + 2 and that
        // GRAD rows of n numbers of `dy`, `stride` apart, are there.
        unsafe {
            let mut acc = [[_mm512_setzero_ps(); GRAD]; 3];
            for (n, a) in acc.iter_mut().flatten().enumerate() {
                *a = _mm512_loadu_ps(sums.as_ptr().add(n * LANES));
            }
            for p in (0..n).step_by(LANES) {
                let v: [__m512; 3] = std::array::from_fn(|kx| _mm512_loadu_ps(x.as_ptr().add(p + kx)));
                let d: [__m512; GRAD] =
                    std::array::from_fn(|o| _mm512_loadu_ps(dy.as_ptr().add(o * stride + p)));
                for (acc, v) in acc.iter_mut().zip(v) {
                    for (a, d) in acc.iter_mut().zip(d) {
                        *a = _mm512_fmadd_ps(d, v, *a);
                    }
                }
            }
            for (n, a) in acc.iter().flatten().enumerate() {
                _mm512_storeu_ps(sums.as_mut_ptr().add(n * LANES), *a);
            }
        }
    }
}
