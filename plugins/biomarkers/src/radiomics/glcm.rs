//! Features of grey level co-occurrence matrices (IBSI 3.6).

/// The 25 features in the order of `names::GLCM`. `counts[i * ng + j]` counts neighbours of level i + 1 and j + 1
/// in one sense of the direction; the matrix is made symmetric here. Undefined (NaN) for an empty matrix.
pub fn features(counts: &[u32], ng: usize) -> [f64; 25] {
    let total = 2.0 * counts.iter().map(|&c| u64::from(c)).sum::<u64>() as f64;
    if total == 0.0 {
        return [f64::NAN; 25];
    }
    let (mut marginal, mut sums, mut differences) = (vec![0.0; ng], vec![0.0; 2 * ng + 1], vec![0.0; ng]);
    let xlog = |p: f64| if p > 0.0 { p * p.log2() } else { 0.0 };
    // Of the symmetric matrix the upper triangle is enough.
    let mut cells: Vec<(usize, usize, f64)> = Vec::new();
    for i in 0..ng {
        for j in i..ng {
            let c = counts[i * ng + j] as u64 + counts[j * ng + i] as u64;
            if c > 0 {
                // On the diagonal this is 2 c: once for either sense.
                let p = c as f64 / total;
                cells.push((i, j, p));
                let both = if i == j { p } else { 2.0 * p };
                marginal[i] += p;
                if i != j {
                    marginal[j] += p;
                }
                sums[i + j + 2] += both;
                differences[j - i] += both;
            }
        }
    }
    let mean: f64 = marginal.iter().enumerate().map(|(i, p)| p * (i + 1) as f64).sum();
    let variance: f64 = marginal.iter().enumerate().map(|(i, p)| p * ((i + 1) as f64 - mean).powi(2)).sum();
    let entropy_of = |ps: &[f64]| -ps.iter().map(|&p| xlog(p)).sum::<f64>();
    let moments = |ps: &[f64]| {
        let mean: f64 = ps.iter().enumerate().map(|(k, p)| p * k as f64).sum();
        let variance: f64 = ps.iter().enumerate().map(|(k, p)| p * (k as f64 - mean).powi(2)).sum();
        (mean, variance)
    };
    let (difference_mean, difference_variance) = moments(&differences);
    let (sum_mean, sum_variance) = moments(&sums);
    let (mut max, mut entropy, mut energy, mut auto, mut shade, mut prominence) =
        (0f64, 0.0, 0.0, 0.0, 0.0, 0.0);
    let (mut cross1, mut correlation) = (0.0, 0.0);
    for &(i, j, p) in &cells {
        let both = if i == j { 1.0 } else { 2.0 };
        max = max.max(p);
        entropy -= both * xlog(p);
        energy += both * p * p;
        let (a, b) = ((i + 1) as f64, (j + 1) as f64);
        auto += both * p * a * b;
        let centred = a + b - 2.0 * mean;
        shade += both * p * centred.powi(3);
        prominence += both * p * centred.powi(4);
        correlation += both * p * (a - mean) * (b - mean);
        cross1 -= both * p * (marginal[i] * marginal[j]).log2();
    }
    let weighted = |f: &dyn Fn(f64) -> f64| -> f64 {
        differences.iter().enumerate().map(|(k, p)| p * f(k as f64)).sum::<f64>()
    };
    let n = ng as f64;
    let marginal_entropy = entropy_of(&marginal);
    // The joint entropy of independent marginals is the sum of theirs.
    let cross2 = 2.0 * marginal_entropy;
    let inverse_variance = differences.iter().enumerate().skip(1).map(|(k, p)| p / (k * k) as f64).sum();
    [
        max,
        mean,
        variance,
        entropy,
        difference_mean,
        difference_variance,
        entropy_of(&differences),
        sum_mean,
        sum_variance,
        entropy_of(&sums),
        energy,
        weighted(&|k| k * k),
        difference_mean,
        weighted(&|k| 1.0 / (1.0 + k)),
        weighted(&|k| 1.0 / (1.0 + k / n)),
        weighted(&|k| 1.0 / (1.0 + k * k)),
        weighted(&|k| 1.0 / (1.0 + (k / n).powi(2))),
        inverse_variance,
        if variance > 0.0 { correlation / variance } else { f64::NAN },
        auto,
        sum_variance,
        shade,
        prominence,
        if marginal_entropy > 0.0 { (entropy - cross1) / marginal_entropy } else { f64::NAN },
        (1.0 - (-2.0 * (cross2 - entropy)).exp()).max(0.0).sqrt(),
    ]
}
