//! Bootstrap intervals, bias-corrected and accelerated (Efron 1987).

use crate::quantile::quantile;
use crate::statistics::normal;
use ichor_image::{Parallel, Random, parallel::map_ranges};

/// The interval with 95 % confidence of `statistic` of values drawn with replacement from `x`, so many times; `None`
/// when there are fewer than two values or all draws give the same. The draws depend on `seed` alone.
pub fn interval(
    par: &dyn Parallel,
    x: &[f64],
    statistic: &(dyn Fn(&mut [f64]) -> f64 + Sync),
    resamples: usize,
    seed: u64,
) -> Option<[f64; 2]> {
    if x.len() < 2 || resamples == 0 {
        return None;
    }
    let random = Random::new(seed);
    let parts = map_ranges(par, resamples, 256, &|range| {
        let mut drawn = vec![0.0; x.len()];
        let one = |n: usize| {
            let mut random = random.stream(n as u64);
            drawn.iter_mut().for_each(|v| *v = x[random.below(x.len())]);
            statistic(&mut drawn)
        };
        range.map(one).collect::<Vec<f64>>()
    });
    let mut all = parts.concat();
    all.sort_by(f64::total_cmp);
    if all.first() == all.last() {
        return None;
    }
    let observed = statistic(&mut x.to_vec());
    // Half of the draws that are equal count as below.
    let below = all.partition_point(|v| *v < observed);
    let equal = all[below..].partition_point(|v| *v <= observed);
    let part = (below as f64 + equal as f64 / 2.0) / resamples as f64;
    let bias = normal::quantile(part.clamp(0.5 / resamples as f64, 1.0 - 0.5 / resamples as f64));
    let acceleration = acceleration(x, statistic);
    let at = |p: f64| {
        let z = bias + normal::quantile(p);
        quantile(&all, normal::below(bias + z / (1.0 - acceleration * z)))
    };
    Some([at(0.025), at(0.975)])
}

/// From the statistic with each value left out in turn.
fn acceleration(x: &[f64], statistic: &dyn Fn(&mut [f64]) -> f64) -> f64 {
    let without: Vec<f64> = (0..x.len())
        .map(|n| {
            statistic(&mut x.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, v)| *v).collect::<Vec<_>>())
        })
        .collect();
    let mean = without.iter().sum::<f64>() / without.len() as f64;
    let (mut squares, mut cubes) = (0.0, 0.0);
    for value in without {
        squares += (mean - value).powi(2);
        cubes += (mean - value).powi(3);
    }
    if squares > 0.0 { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 }
}
