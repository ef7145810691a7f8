//! Intensity statistics (IBSI 3.3), intensity histogram (3.4) and intensity-volume histogram (3.5).

/// Moments and order statistics that both intensities and grey levels have.
struct Spread {
    mean: f64,
    variance: f64,
    skewness: f64,
    kurtosis: f64,
    median: f64,
    min: f64,
    p10: f64,
    p90: f64,
    max: f64,
    iqr: f64,
    mad: f64,
    robust_mad: f64,
    median_ad: f64,
    cov: f64,
    qcod: f64,
}

/// Values and how often each occurs, ascending.
pub type Histogram = Vec<(f64, u64)>;

/// Counts values. Whole numbers in a small range, which is what CT has, are counted without sorting.
pub fn histogram(values: &[f32]) -> Histogram {
    let (low, high) =
        values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
    if high - low < 65536.0 && values.iter().all(|v| v.fract() == 0.0) {
        let mut counts = vec![0u64; (high - low) as usize + 1];
        values.iter().for_each(|v| counts[(v - low) as usize] += 1);
        let all = counts.into_iter().enumerate();
        return all.filter(|c| c.1 > 0).map(|(n, c)| (f64::from(low) + n as f64, c)).collect();
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    sorted.chunk_by(|a, b| a == b).map(|same| (f64::from(same[0]), same.len() as u64)).collect()
}

/// Linear between order statistics (type 7 of Hyndman and Fan 1996).
fn quantile(histogram: &Histogram, n: u64, q: f64) -> f64 {
    let at = q * (n - 1) as f64;
    let (low, mut seen, mut below) = (at.floor() as u64, 0, None);
    for &(v, c) in histogram {
        seen += c;
        if let Some(below) = below {
            return below + (at - low as f64) * (v - below);
        }
        if low + 1 < seen {
            return v;
        }
        if low < seen {
            below = Some(v);
        }
    }
    below.unwrap_or(f64::NAN)
}

fn spread(histogram: &Histogram) -> Spread {
    let count: u64 = histogram.iter().map(|c| c.1).sum();
    let n = count as f64;
    let mean_of = |f: &dyn Fn(f64) -> f64| histogram.iter().map(|&(v, c)| f(v) * c as f64).sum::<f64>() / n;
    let mean = mean_of(&|v| v);
    let variance = mean_of(&|v| (v - mean).powi(2));
    let q = |p: f64| quantile(histogram, count, p);
    let (p10, p25, median, p75, p90) = (q(0.1), q(0.25), q(0.5), q(0.75), q(0.9));
    let robust: Histogram = histogram.iter().copied().filter(|c| (p10..=p90).contains(&c.0)).collect();
    let inner = robust.iter().map(|c| c.1).sum::<u64>() as f64;
    let inner_mean = robust.iter().map(|&(v, c)| v * c as f64).sum::<f64>() / inner;
    Spread {
        mean,
        variance,
        skewness: if variance > 0.0 {
            mean_of(&|v| (v - mean).powi(3)) / variance.powf(1.5)
        } else {
            f64::NAN
        },
        kurtosis: if variance > 0.0 {
            mean_of(&|v| (v - mean).powi(4)) / variance.powi(2) - 3.0
        } else {
            f64::NAN
        },
        median,
        min: q(0.0),
        p10,
        p90,
        max: q(1.0),
        iqr: p75 - p25,
        mad: mean_of(&|v| (v - mean).abs()),
        robust_mad: robust.iter().map(|&(v, c)| (v - inner_mean).abs() * c as f64).sum::<f64>() / inner,
        median_ad: mean_of(&|v| (v - median).abs()),
        cov: variance.sqrt() / mean,
        qcod: (p75 - p25) / (p75 + p25),
    }
}

/// In the order of `names::INTENSITY_STATISTICS`; of at least one voxel.
pub fn statistics(histogram: &Histogram) -> [f64; 18] {
    let s = spread(histogram);
    let energy: f64 = histogram.iter().map(|&(v, c)| v * v * c as f64).sum();
    let n = histogram.iter().map(|c| c.1).sum::<u64>() as f64;
    [
        s.mean,
        s.variance,
        s.skewness,
        s.kurtosis,
        s.median,
        s.min,
        s.p10,
        s.p90,
        s.max,
        s.iqr,
        s.max - s.min,
        s.mad,
        s.robust_mad,
        s.median_ad,
        s.cov,
        s.qcod,
        energy,
        (energy / n).sqrt(),
    ]
}

/// In the order of `names::INTENSITY_HISTOGRAM`; of at least one voxel with levels 1 to `ng`.
pub fn levels(histogram: &Histogram, ng: usize) -> [f64; 23] {
    let s = spread(histogram);
    let mut counts = vec![0.0; ng];
    histogram.iter().for_each(|&(v, c)| counts[v as usize - 1] = c as f64);
    let n: f64 = counts.iter().sum();
    let most = counts.iter().copied().fold(0.0, f64::max);
    // Of levels that are equally frequent, the one nearest to the mean.
    let modes = (1..=ng).filter(|&i| counts[i - 1] == most).map(|i| i as f64);
    let mode = modes.reduce(|a, b| if (b - s.mean).abs() < (a - s.mean).abs() { b } else { a });
    let gradient = |i: usize| match i {
        _ if ng == 1 => f64::NAN,
        0 => counts[1] - counts[0],
        _ if i + 1 == ng => counts[i] - counts[i - 1],
        _ => (counts[i + 1] - counts[i - 1]) / 2.0,
    };
    let steepest = |sign: f64| {
        let all = (0..ng).map(|i| (i, gradient(i)));
        let (i, g) = all.reduce(|a, b| if sign * b.1 > sign * a.1 { b } else { a }).unwrap_or((0, f64::NAN));
        [g, if g.is_nan() { g } else { (i + 1) as f64 }]
    };
    let ([up, up_at], [down, down_at]) = (steepest(1.0), steepest(-1.0));
    let p = counts.iter().map(|c| c / n).filter(|p| *p > 0.0);
    [
        s.mean,
        s.variance,
        s.skewness,
        s.kurtosis,
        s.median,
        s.min,
        s.p10,
        s.p90,
        s.max,
        mode.unwrap_or(f64::NAN),
        s.iqr,
        s.max - s.min,
        s.mad,
        s.robust_mad,
        s.median_ad,
        s.cov,
        s.qcod,
        -p.clone().map(|p| p * p.log2()).sum::<f64>(),
        p.map(|p| p * p).sum(),
        up,
        up_at,
        down,
        down_at,
    ]
}

/// In the order of `names::INTENSITY_VOLUME_HISTOGRAM`, over the intensities `range` or else those of the region.
/// Levels are 1 apart for whole numbers, a thousandth of the range otherwise.
pub fn volume_histogram(histogram: &Histogram, range: Option<[f64; 2]>) -> [f64; 6] {
    let n = histogram.iter().map(|c| c.1).sum::<u64>() as f64;
    let [low, high] = range.unwrap_or([histogram[0].0, histogram[histogram.len() - 1].0]);
    if high <= low {
        return [f64::NAN; 6];
    }
    let whole = histogram.iter().all(|c| c.0.fract() == 0.0) && low.fract() == 0.0;
    let step = if whole { 1.0 } else { (high - low) / 1000.0 };
    let at_least = |v: f64| histogram.iter().filter(|c| c.0 >= v).map(|c| c.1).sum::<u64>() as f64 / n;
    let last = ((high - low) / step).round() as usize;
    let grid = |i: usize| low + i as f64 * step;
    // Rounding must not lift a level that is a tenth of the range exactly.
    let volume = |x: f64| at_least(grid((x * last as f64 - 1e-9).ceil() as usize));
    // At the first level beyond the highest nothing is left.
    let (mut below, mut i10, mut i90) = (0.0, None, None);
    let mut next = histogram.iter().peekable();
    for i in 0..=last + 1 {
        while let Some(c) = next.next_if(|c| c.0 < grid(i)) {
            below += c.1 as f64;
        }
        let fraction = 1.0 - below / n;
        i10 = i10.or((fraction <= 0.1).then(|| grid(i)));
        i90 = i90.or((fraction <= 0.9).then(|| grid(i)));
    }
    let (i10, i90) = (i10.unwrap_or(f64::NAN), i90.unwrap_or(f64::NAN));
    let (v10, v90) = (volume(0.1), volume(0.9));
    [v10, v90, i10, i90, v10 - v90, i10 - i90]
}
