use super::agreement::agreement;
use super::bootstrap::interval;
use super::describe::Description;
use super::effect::cohens_dz;
use super::holm::holm;
use super::paired_t::paired_t;
use super::shapiro::shapiro;
use super::wilcoxon::wilcoxon;
use super::{mean, sd, sorted};
use crate::quantile::quantile;
use ichor_image::{Serial, parallel::Threads};
use std::collections::BTreeMap;

/// What SciPy and statsmodels said: sample, quantity, value. `tests/peers/cohort_statistics.py` records it.
const RECORDED: &str = include_str!("../../../../tests/peers/statistics.tsv");

fn recorded() -> BTreeMap<&'static str, Vec<(&'static str, Vec<f64>)>> {
    let mut out: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in RECORDED.lines().skip(2) {
        let [sample, quantity, value] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{line}"));
        let values = value.split(' ').map(|v| v.parse().unwrap()).collect();
        out.entry(sample).or_default().push((quantity, values));
    }
    out
}

fn median(x: &mut [f64]) -> f64 {
    quantile(&sorted(x), 0.5)
}

#[test]
fn statistics_are_those_of_scipy() {
    let mut compared = 0;
    for (sample, rows) in recorded() {
        let (_, x) = &rows[0];
        if sample == "holm" {
            continue;
        }
        let largest = x.iter().fold(0.0f64, |a, v| a.max(v.abs()));
        for (quantity, want) in &rows[1..] {
            // W to the digits that SciPy's own quantile of the normal distribution leaves.
            let (got, tolerance) = match *quantity {
                "shapiro_w" => (shapiro(x).unwrap().w, 1e-8),
                "shapiro_p" => (shapiro(x).unwrap().p, 1e-6),
                "mean" => (mean(x), 1e-12),
                "sd" => (sd(x), 1e-12),
                "q1" => (quantile(&sorted(x), 0.25), 1e-12),
                "median" => (quantile(&sorted(x), 0.5), 1e-12),
                "q3" => (quantile(&sorted(x), 0.75), 1e-12),
                "t" => (paired_t(x).unwrap().t, 1e-12),
                "t_p" => (paired_t(x).unwrap().p, 1e-10),
                "t_low" => (paired_t(x).unwrap().interval[0], 1e-9),
                "t_high" => (paired_t(x).unwrap().interval[1], 1e-9),
                "wilcoxon_w" => (wilcoxon(x, largest).unwrap().w, 0.0),
                "wilcoxon_p" => (wilcoxon(x, largest).unwrap().p, 1e-10),
                "rank_biserial" => (wilcoxon(x, largest).unwrap().rank_biserial, 1e-12),
                "cohens_dz" => (cohens_dz(x).unwrap(), 1e-12),
                "limit_low" => (agreement(x).unwrap().limits[0], 1e-12),
                "limit_high" => (agreement(x).unwrap().limits[1], 1e-12),
                "limit_error" => (agreement(x).unwrap().limit_error, 1e-12),
                bca if bca.starts_with("bca_") => continue,
                other => panic!("{other} is not compared"),
            };
            let difference = (got - want[0]).abs();
            assert!(
                difference <= tolerance * want[0].abs().max(1.0),
                "{sample}, {quantity}: {got} for {}",
                want[0]
            );
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared}");
}

#[test]
fn bootstrap_intervals_are_near_those_of_scipy() {
    // Drawn from other random numbers: near, by the width of the interval.
    let mut compared = 0;
    for rows in recorded().values() {
        let (_, x) = &rows[0];
        let find = |name: &str| rows.iter().find(|(quantity, _)| *quantity == name).map(|(_, v)| v[0]);
        for (name, statistic) in [("mean", &|x: &mut [f64]| mean(x)), ("median", &median)]
            as [(&str, &(dyn Fn(&mut [f64]) -> f64 + Sync)); 2]
        {
            let Some(low) = find(&format!("bca_{name}_low")) else { continue };
            let high = find(&format!("bca_{name}_high")).unwrap();
            let got = interval(&Serial, x, statistic, 60_000, 7).unwrap();
            // SciPy gives none where all medians without one value are equal.
            if low.is_nan() {
                continue;
            }
            // The median of ties jumps.
            let near = if name == "mean" { 0.03 } else { 0.25 } * (high - low);
            assert!(
                (got[0] - low).abs() <= near && (got[1] - high).abs() <= near,
                "{name}: {got:?} for {low} {high}"
            );
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared}");
}

#[test]
fn bootstrap_draws_depend_on_the_seed_alone() {
    let x = [0.3, -1.2, 2.2, 0.9, 3.1, 0.31, 1.7];
    let of = |seed| interval(&Threads(3), &x, &|x| mean(x), 2000, seed);
    assert_eq!(of(1), interval(&Serial, &x, &|x| mean(x), 2000, 1));
    assert_ne!(of(1), of(2));
    assert_eq!(interval(&Serial, &[1.0; 9], &|x| mean(x), 100, 1), None);
    assert_eq!(interval(&Serial, &[1.0], &|x| mean(x), 100, 1), None);
}

#[test]
fn holm_is_that_of_statsmodels() {
    let rows = &recorded()["holm"];
    let p: Vec<Option<f64>> = rows[0].1.iter().copied().map(Some).collect();
    for (got, (_, want)) in holm(&p).iter().zip(&rows[1..]) {
        assert!((got.unwrap() - want[0]).abs() < 1e-12);
    }
    // What could not be tested is no comparison.
    assert_eq!(holm(&[Some(0.01), None, Some(0.04)]), [Some(0.02), None, Some(0.04)]);
}

#[test]
fn what_cannot_be_tested_is_undefined() {
    assert!(shapiro(&[1.0, 2.0]).is_none() && shapiro(&[3.0; 10]).is_none() && shapiro(&[]).is_none());
    assert!(shapiro(&[1.0, f64::NAN, 2.0]).is_none());
    assert!(paired_t(&[1.0]).is_none() && paired_t(&[2.0; 5]).is_none());
    assert!(wilcoxon(&[0.0; 4], 1.0).is_none() && wilcoxon(&[], 1.0).is_none());
    // The rounding of two readings of 34.1 is no difference.
    assert!(wilcoxon(&[34.0 + 0.1 - 34.1], 34.1).is_none());
    assert!(agreement(&[1.0]).is_none() && cohens_dz(&[1.0, 1.0]).is_none());
}

#[test]
fn groups_are_described_as_their_distribution_asks() {
    let one = |x: &[f64]| Description::new(x).text(2);
    assert_eq!(one(&[0.91, 0.93, 0.95, 0.97, 0.99]), "0.95 ± 0.03");
    assert_eq!(one(&[1.0, 1.0, 1.0, 1.0, 1.0, 9.0]), "1.00 [1.00–1.00]");
    assert_eq!(one(&[1.0, 3.0]), "2.00 [1.50–2.50]"); // too few to tell
    assert_eq!(one(&[]), "–");
}
