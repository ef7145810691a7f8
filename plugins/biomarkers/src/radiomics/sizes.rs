//! Features of matrices that count grey level i against a size j: run lengths (IBSI 3.7), zone sizes (3.8), zone
//! distances (3.9) and dependence counts (3.11) have the same formulas.

/// `(grey level, size, how often)`, each pair once, in ascending order.
pub type Entries = Vec<(u32, u32, u64)>;

/// Counts pairs; `pairs` is sorted on the way.
pub fn count(pairs: &mut [(u32, u32)]) -> Entries {
    pairs.sort_unstable();
    pairs.chunk_by(|a, b| a == b).map(|same| (same[0].0, same[0].1, same.len() as u64)).collect()
}

/// The 17 features in the order of `names::NGLDM`; the other families have the first 16. `voxels` is what the
/// percentage refers to. Undefined (NaN) for an empty matrix.
pub fn features(entries: &Entries, voxels: f64) -> [f64; 17] {
    let n = entries.iter().map(|e| e.2).sum::<u64>() as f64;
    if n == 0.0 {
        return [f64::NAN; 17];
    }
    let mut sums = [0.0; 8];
    let (mut by_size, mut levels) = (std::collections::BTreeMap::<u32, u64>::new(), 0.0);
    let (mut mean_i, mut mean_j, mut entropy, mut energy) = (0.0, 0.0, 0.0, 0.0);
    for row in entries.chunk_by(|a, b| a.0 == b.0) {
        levels += (row.iter().map(|e| e.2).sum::<u64>() as f64).powi(2);
        for &(i, j, c) in row {
            *by_size.entry(j).or_default() += c;
            let (i2, j2, c) = (f64::from(i).powi(2), f64::from(j).powi(2), c as f64);
            let terms = [1.0 / j2, j2, 1.0 / i2, i2, 1.0 / (i2 * j2), i2 / j2, j2 / i2, i2 * j2];
            sums.iter_mut().zip(terms).for_each(|(sum, t)| *sum += c * t);
            let p = c / n;
            mean_i += p * f64::from(i);
            mean_j += p * f64::from(j);
            entropy -= p * p.log2();
            energy += p * p;
        }
    }
    let (mut var_i, mut var_j) = (0.0, 0.0);
    for &(i, j, c) in entries {
        var_i += c as f64 / n * (f64::from(i) - mean_i).powi(2);
        var_j += c as f64 / n * (f64::from(j) - mean_j).powi(2);
    }
    let sizes = by_size.values().map(|&c| (c as f64).powi(2)).sum::<f64>();
    let mut out = [0.0; 17];
    out[..8].copy_from_slice(&sums.map(|s| s / n));
    let rest = [
        levels / n,
        levels / n.powi(2),
        sizes / n,
        sizes / n.powi(2),
        n / voxels,
        var_i,
        var_j,
        entropy,
        energy,
    ];
    out[8..].copy_from_slice(&rest);
    out
}

/// The features that run lengths, zone sizes and zone distances have.
pub fn first16(features: [f64; 17]) -> [f64; 16] {
    std::array::from_fn(|n| features[n])
}
