//! What the tests of this crate share.

/// Values 0 to 96 by a formula that other tools can compute too.
pub(crate) fn pattern([nx, ny, nz]: [usize; 3]) -> Vec<f32> {
    let mut out = Vec::with_capacity(nx * ny * nz);
    for k in 0..nz {
        for j in 0..ny {
            for i in 0..nx {
                out.push(((i * 31 + j * 17 + k * 53 + i * j * 7 + j * k * 11 + i * k * 13) % 97) as f32);
            }
        }
    }
    out
}

/// 1 where the pattern is below `limit`.
pub(crate) fn pattern_below(shape: [usize; 3], limit: f32) -> Vec<u8> {
    pattern(shape).iter().map(|&v| u8::from(v < limit)).collect()
}

/// Bytes that look random.
pub(crate) fn noise(n: usize, seed: u64, percent: u64) -> Vec<u8> {
    (0..n as u64).map(|i| u8::from(crate::random::at(seed, i) % 100 < percent)).collect()
}

/// Whether all values agree within `tolerance`.
pub(crate) fn assert_near(got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len());
    for (n, (g, w)) in got.iter().zip(want).enumerate() {
        assert!(g == w || (g - w).abs() <= tolerance, "{n}: {g} for {w}");
    }
}
