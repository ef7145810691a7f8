//! Comparisons as tables.

use super::comparison::Comparison;
use crate::cohort::Cohort;
use crate::sheet::Sheet;
use ichor_sdk::{Cell, Table};

/// The table for programs.
pub fn table(cohort: &Cohort, all: &[Comparison]) -> Table {
    let mut out = Table::new(&[
        "first",
        "second",
        "name",
        "unit",
        "n",
        "unpaired",
        "mean_first",
        "mean_second",
        "median_first",
        "median_second",
        "mean_difference",
        "sd_difference",
        "median_difference",
        "estimate",
        "ci_low",
        "ci_high",
        "shapiro_w",
        "shapiro_p",
        "test",
        "t",
        "t_freedom",
        "t_p",
        "wilcoxon_w",
        "wilcoxon_n",
        "wilcoxon_exact",
        "wilcoxon_p",
        "p",
        "p_holm",
        "significant",
        "effect_size",
        "effect",
        "better",
    ]);
    let definitions = [
        (4, "cases in which both methods have a value"),
        (5, "cases in which one of them has a value"),
        (10, "second minus first"),
        (13, "which difference the interval is of"),
        (14, "lower end of the interval with 95 % confidence, by bootstrap (BCa)"),
        (15, "upper end of the interval with 95 % confidence, by bootstrap (BCa)"),
        (16, "W of Shapiro and Wilk of the differences"),
        (18, "t where shapiro_p is at least 0.05, else wilcoxon"),
        (22, "the smaller sum of ranks"),
        (23, "differences that are not zero"),
        (27, "p after Holm's correction for all rows"),
        (31, "the method that is significantly better"),
    ];
    for (n, text) in definitions {
        out.columns[n].definition = Some(text.into());
    }
    for c in all {
        let [first, second] = c.methods.map(|m| cohort.methods[m].as_str());
        let (measure, normal, d) = (&cohort.measures[c.measure], c.normal(), &c.differences);
        let [a, b] = &c.values;
        let row: Vec<Cell> = vec![
            first.into(),
            second.into(),
            measure.name.as_str().into(),
            measure.unit.as_str().into(),
            d.sorted.len().into(),
            c.unpaired.into(),
            a.mean.into(),
            b.mean.into(),
            a.quartiles[1].into(),
            b.quartiles[1].into(),
            d.mean.into(),
            d.sd.into(),
            d.quartiles[1].into(),
            if normal { "mean" } else { "median" }.into(),
            c.interval.map(|i| i[0]).into(),
            c.interval.map(|i| i[1]).into(),
            d.shapiro.map(|s| s.w).into(),
            d.shapiro.map(|s| s.p).into(),
            if normal { "t" } else { "wilcoxon" }.into(),
            c.t.map(|t| t.t).into(),
            c.t.map(|t| t.freedom).into(),
            c.t.map(|t| t.p).into(),
            c.wilcoxon.map(|w| w.w).into(),
            c.wilcoxon.map(|w| w.n).into(),
            c.wilcoxon.map(|w| w.exact).into(),
            c.wilcoxon.map(|w| w.p).into(),
            c.p().into(),
            c.corrected.into(),
            c.significant.into(),
            c.effect.into(),
            if normal { "Cohen's d_z" } else { "rank-biserial correlation" }.into(),
            c.better.map(|m| cohort.methods[m].as_str()).into(),
        ];
        out.rows.push(row);
    }
    out
}

/// The comparisons of two methods for print; `count` are corrected for.
pub fn sheet(cohort: &Cohort, part: &[Comparison], count: usize, alpha: f64, decimals: usize) -> Sheet {
    let [first, second] = part.first().map_or(["", ""], |c| c.methods.map(|m| cohort.methods[m].as_str()));
    let n = part.iter().map(|c| c.differences.sorted.len()).max().unwrap_or(0);
    let mut notes = vec![
        format!("Differences are {second} minus {first}: mean, or median (m), with 95% interval (bootstrap, BCa)."),
        "Test: paired t-test where the Shapiro–Wilk test does not reject normal differences (p ≥ 0.05), else Wilcoxon \
         signed-rank test (W). Effect: Cohen's d of paired differences (t) or rank-biserial correlation (W)."
            .into(),
        format!("p (Holm) is corrected for {count} comparisons; * below {alpha}."),
    ];
    let mut rows = Vec::new();
    for c in part {
        let label = cohort.measures[c.measure].label();
        let pairs = c.differences.sorted.len();
        if pairs < n || c.unpaired > 0 {
            notes.push(format!(
                "{label}: {pairs} pairs; {} cases with a value of one method only.",
                c.unpaired
            ));
        }
        let normal = c.normal();
        let mark = if normal { "" } else { " (m)" };
        let difference = match c.interval {
            Some([low, high]) => {
                format!("{:.decimals$} [{low:.decimals$}, {high:.decimals$}]{mark}", c.estimate())
            }
            None if pairs > 0 => format!("{:.decimals$}{mark}", c.estimate()),
            None => "–".into(),
        };
        let [a, b] = c.values.each_ref().map(|v| v.text(decimals));
        let star = if c.significant { " *" } else { "" };
        rows.push(vec![
            label,
            a,
            b,
            difference,
            if normal { "t" } else { "W" }.into(),
            probability(c.p()),
            format!("{}{star}", probability(c.corrected)),
            c.effect.map_or("–".into(), |e| format!("{e:.2}")),
        ]);
    }
    let head = ["", first, second, "difference", "test", "p", "p (Holm)", "effect"].map(String::from).into();
    Sheet { caption: format!("{second} compared with {first} (n={n})"), head, rows, notes }
}

/// The rows of all tables in one, with the methods in front.
pub fn joined(sheets: &[Sheet]) -> Sheet {
    let mut out = Sheet {
        head: ["first", "second", "name", "value_first", "value_second"].map(String::from).into(),
        ..Sheet::default()
    };
    out.head.extend(["difference", "test", "p", "p_holm", "effect"].map(String::from));
    for sheet in sheets {
        for row in &sheet.rows {
            let mut cells = vec![sheet.head[1].clone(), sheet.head[2].clone()];
            cells.extend(row.iter().cloned());
            out.rows.push(cells);
        }
    }
    out
}

/// Three digits, as journals print it.
fn probability(p: Option<f64>) -> String {
    match p {
        None => "–".into(),
        Some(p) if p < 0.001 => "<0.001".into(),
        Some(p) => format!("{p:.3}"),
    }
}
