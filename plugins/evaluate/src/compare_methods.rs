//! Whether one method is better than another.

use crate::cohort::{Cohort, read};
use crate::sheet::{Sheet, latex, markdown, tsv};
use crate::statistics::holm::holm;
use comparison::Comparison;
use ichor_image::Random;
use ichor_sdk::prelude::*;

mod comparison;
mod print;

/// Compares methods on the same cases: a paired test, an effect size and an interval for each measure.
///
/// Differences are the second method minus the first, of the cases in which both have a value. Where the Shapiro-Wilk
/// test does not reject that they come from a normal distribution (p >= 0.05), the test is the paired t-test, the effect
/// size Cohen's d of paired differences (d_z) and the estimate the mean difference; else it is the Wilcoxon signed-rank
/// test (zeros dropped, ties at their mean rank, exact up to 50 differences), the matched-pairs rank-biserial
/// correlation and the median difference. Both tests are in the table, whichever was chosen. The interval of the
/// estimate holds 95 % confidence by bootstrap, bias-corrected and accelerated; its draws depend on the pipeline's seed.
/// Probabilities are corrected for all comparisons of the table by Holm's method.
///
/// `tables` are as in summarise-cohort: as many equal parts as there are `methods`, in their order.
#[derive(Stage)]
#[stage(id = "compare-methods", version = "1.0.0")]
#[input(
    tables,
    kind = "table",
    many,
    doc = "measurements of the first method's cases, then of the second's, ..."
)]
#[output(table, kind = "table", doc = "a row a pair of methods and measure")]
#[output(tsv, kind = "doc", doc = "text/tab-separated-values, as printed")]
#[output(markdown, kind = "doc", doc = "text/markdown: a table a pair of methods")]
#[output(latex, kind = "doc", doc = "text/x-tex: the same, for the package booktabs")]
pub struct CompareMethods {
    /// Names of the methods, at least two.
    methods: Vec<String>,
    /// A method with which all others are compared; without it, each is with each.
    baseline: Option<String>,
    /// Which measures to compare, in this order; without it, all.
    #[param(default = [])]
    measures: Vec<String>,
    /// Names of cases for tables that do not say theirs.
    #[param(default = [])]
    cases: Vec<String>,
    /// Measures of which more is better, besides those of evaluate-segmentation, which are known.
    #[param(default = [])]
    larger_is_better: Vec<String>,
    /// Measures of which less is better, besides those of evaluate-segmentation.
    #[param(default = [])]
    smaller_is_better: Vec<String>,
    /// The probability below which a difference is significant, after correction.
    #[param(default = 0.05, min = 0, max = 1)]
    alpha: f64,
    /// Draws of the bootstrap.
    #[param(default = 10000, min = 100, max = 1000000)]
    resamples: u32,
    /// Digits after the decimal point.
    #[param(default = 2, max = 12)]
    decimals: u32,
}

impl Run for CompareMethods {
    fn run(&self, run: &Context) -> Result<()> {
        let tables: Vec<Table> = run.many(Self::TABLES)?.iter().map(Input::table).collect::<Result<_>>()?;
        let (cohort, all) = self.compare(run, &tables, run.seed(), &|| run.check_cancelled())?;
        let sheets = self.sheets(&cohort, &all);
        run.emit_table(Self::TABLE, &print::table(&cohort, &all))?;
        run.emit_doc(Self::TSV, "text/tab-separated-values", "tsv", &tsv(&print::joined(&sheets)))?;
        run.emit_doc(Self::MARKDOWN, "text/markdown", "md", &markdown(&sheets))?;
        run.emit_doc(Self::LATEX, "text/x-tex", "tex", &latex(&sheets))
    }
}

impl CompareMethods {
    fn compare(
        &self,
        par: &dyn Parallel,
        tables: &[Table],
        seed: u64,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<(Cohort, Vec<Comparison>)> {
        if self.methods.len() < 2 {
            return Err(Error::bad_params("`methods` must name at least two methods"));
        }
        let cohort = read(tables, &self.methods, &self.cases)?;
        let measures = cohort.choose(&self.measures)?;
        let random = Random::new(seed);
        let mut all = Vec::new();
        for [first, second] in self.pairs()? {
            for &measure in &measures {
                go_on()?;
                let seed = random.stream(all.len() as u64).bits();
                let better = self.larger_is_better(&cohort, measure);
                all.push(Comparison::new(
                    par,
                    &cohort,
                    [first, second],
                    measure,
                    better,
                    self.resamples as usize,
                    seed,
                ));
            }
        }
        let corrected = holm(&all.iter().map(Comparison::p).collect::<Vec<_>>());
        for (comparison, p) in all.iter_mut().zip(corrected) {
            comparison.correct(p, self.alpha);
        }
        Ok((cohort, all))
    }

    /// Numbers of the methods that are compared.
    fn pairs(&self) -> Result<Vec<[usize; 2]>> {
        let count = self.methods.len();
        let Some(name) = &self.baseline else {
            return Ok((0..count).flat_map(|a| (a + 1..count).map(move |b| [a, b])).collect());
        };
        let base = self.methods.iter().position(|m| m == name).ok_or_else(|| {
            let all = self.methods.join(", ");
            Error::bad_params(format!("the baseline `{name}` is none of the methods {all}"))
        })?;
        Ok((0..count).filter(|n| *n != base).map(|n| [base, n]).collect())
    }

    fn larger_is_better(&self, cohort: &Cohort, measure: usize) -> Option<bool> {
        let measure = &cohort.measures[measure];
        match (self.larger_is_better.contains(&measure.name), self.smaller_is_better.contains(&measure.name))
        {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => measure.larger_is_better(),
        }
    }

    fn sheets(&self, cohort: &Cohort, all: &[Comparison]) -> Vec<Sheet> {
        all.chunk_by(|a, b| a.methods == b.methods)
            .map(|part| print::sheet(cohort, part, all.len(), self.alpha, self.decimals as usize))
            .collect()
    }
}

#[cfg(test)]
mod tests;
