//! Features of neighbourhood grey tone difference matrices (IBSI 3.10).

/// The 5 features in the order of `names::NGTDM`. `counts[i]` is how many voxels of level i + 1 have neighbours,
/// `differences[i]` the sum of |level - mean of the neighbours| over them. Undefined (NaN) without such voxels,
/// and each feature where its denominator is 0.
pub fn features(counts: &[u64], differences: &[f64]) -> [f64; 5] {
    let n = counts.iter().sum::<u64>() as f64;
    let present: Vec<(f64, f64, f64)> = (0..counts.len())
        .filter(|&i| counts[i] > 0)
        .map(|i| ((i + 1) as f64, counts[i] as f64 / n, differences[i]))
        .collect();
    let total: f64 = differences.iter().sum();
    let weighted: f64 = present.iter().map(|(_, p, s)| p * s).sum();
    let (mut contrast, mut busyness, mut complexity, mut strength) = (0.0, 0.0, 0.0, 0.0);
    for &(i, p, s) in &present {
        for &(j, q, t) in &present {
            contrast += p * q * (i - j).powi(2);
            busyness += (i * p - j * q).abs();
            complexity += (i - j).abs() * (p * s + q * t) / (p + q);
            strength += (p + q) * (i - j).powi(2);
        }
    }
    let levels = present.len() as f64;
    let over = |a: f64, b: f64| if b > 0.0 { a / b } else { f64::NAN };
    [
        over(1.0, weighted),
        over(contrast * total, levels * (levels - 1.0) * n),
        over(weighted, busyness),
        over(complexity, n),
        over(strength, total),
    ]
}
