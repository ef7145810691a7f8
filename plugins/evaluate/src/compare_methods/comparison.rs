//! One measure of two methods on the same cases.

use crate::cohort::Cohort;
use crate::quantile::quantile;
use crate::statistics::bootstrap::interval;
use crate::statistics::describe::Description;
use crate::statistics::effect::cohens_dz;
use crate::statistics::paired_t::{PairedT, paired_t};
use crate::statistics::wilcoxon::{Wilcoxon, wilcoxon};
use crate::statistics::{mean, sorted};
use ichor_image::Parallel;

/// The comparison.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Numbers of the methods.
    pub methods: [usize; 2],
    /// Number of the measure.
    pub measure: usize,
    /// Cases of which one method has a value and the other has none.
    pub unpaired: usize,
    /// The values of each method in the cases that both have.
    pub values: [Description; 2],
    /// Second minus first.
    pub differences: Description,
    /// The paired t-test.
    pub t: Option<PairedT>,
    /// The Wilcoxon signed-rank test.
    pub wilcoxon: Option<Wilcoxon>,
    /// Effect size of the test that was chosen.
    pub effect: Option<f64>,
    /// Interval of the mean or median difference with 95 % confidence.
    pub interval: Option<[f64; 2]>,
    /// The probability after correction.
    pub corrected: Option<f64>,
    /// Whether it is below alpha.
    pub significant: bool,
    /// The method that is significantly better, where that has a meaning.
    pub better: Option<usize>,
    larger_is_better: Option<bool>,
}

impl Comparison {
    /// Compares two methods; nothing is significant before [`Comparison::correct`].
    pub fn new(
        par: &dyn Parallel,
        cohort: &Cohort,
        methods: [usize; 2],
        measure: usize,
        larger_is_better: Option<bool>,
        resamples: usize,
        seed: u64,
    ) -> Self {
        let both: Vec<[Option<f64>; 2]> =
            (0..cohort.cases.len()).map(|case| methods.map(|m| cohort.value(m, case, measure))).collect();
        let pairs: Vec<[f64; 2]> = both.iter().filter_map(|[a, b]| Some([(*a)?, (*b)?])).collect();
        let column = |n: usize| pairs.iter().map(|pair| pair[n]).collect::<Vec<f64>>();
        let d: Vec<f64> = pairs.iter().map(|[a, b]| b - a).collect();
        let scale = pairs.iter().flatten().fold(0.0f64, |a, v| a.max(v.abs()));
        let differences = Description::new(&d);
        let (normal, wilcoxon) = (differences.normal(), wilcoxon(&d, scale));
        let estimate: &(dyn Fn(&mut [f64]) -> f64 + Sync) = match normal {
            true => &|x| mean(x),
            false => &|x| quantile(&sorted(x), 0.5),
        };
        Self {
            methods,
            measure,
            unpaired: both.iter().filter(|[a, b]| a.is_some() != b.is_some()).count(),
            values: [Description::new(&column(0)), Description::new(&column(1))],
            effect: if normal { cohens_dz(&d) } else { wilcoxon.map(|w| w.rank_biserial) },
            interval: interval(par, &d, estimate, resamples, seed),
            differences,
            t: paired_t(&d),
            wilcoxon,
            corrected: None,
            significant: false,
            better: None,
            larger_is_better,
        }
    }

    /// Whether the t-test was chosen.
    pub fn normal(&self) -> bool {
        self.differences.normal()
    }

    /// Mean or median difference; NaN without pairs.
    pub fn estimate(&self) -> f64 {
        if self.normal() { self.differences.mean } else { self.differences.quartiles[1] }
    }

    /// The probability of the test that was chosen; `None` when there is no difference to test.
    pub fn p(&self) -> Option<f64> {
        if self.normal() { self.t.map(|t| t.p) } else { self.wilcoxon.map(|w| w.p) }
    }

    /// Takes the probability after correction and says what follows.
    pub fn correct(&mut self, p: Option<f64>, alpha: f64) {
        self.corrected = p;
        self.significant = p.is_some_and(|p| p < alpha);
        let grew = match self.normal() {
            true => self.differences.mean > 0.0,
            false => self.wilcoxon.is_some_and(|w| w.rank_biserial > 0.0),
        };
        let better = |larger: bool| self.methods[usize::from(grew == larger)];
        self.better = self.larger_is_better.filter(|_| self.significant).map(better);
    }
}
