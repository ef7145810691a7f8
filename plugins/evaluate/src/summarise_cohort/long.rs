//! The groups of a cohort as a table for programs: a row a group and measure.

use super::group::Group;
use crate::cohort::Cohort;
use crate::statistics::describe::Description;
use ichor_sdk::{Cell, Table};

/// The table.
pub fn table(cohort: &Cohort, groups: &[Group], measures: &[usize], decimals: usize) -> Table {
    let mut out = Table::new(&[
        "grouped_by",
        "group",
        "method",
        "name",
        "unit",
        "n",
        "undefined",
        "missing",
        "mean",
        "sd",
        "median",
        "q1",
        "q3",
        "min",
        "max",
        "shapiro_w",
        "shapiro_p",
        "text",
    ]);
    let definitions = [
        (0, "what the cases are grouped by; null for all"),
        (5, "values"),
        (6, "cases in which it is undefined"),
        (7, "cases without a measurement"),
        (9, "standard deviation, divisor n - 1"),
        (11, "first quartile, linear between order statistics (type 7)"),
        (12, "third quartile, linear between order statistics (type 7)"),
        (15, "W of Shapiro and Wilk (Royston 1995)"),
        (16, "its probability"),
        (17, "mean ± SD where shapiro_p is at least 0.05, else median [q1–q3]"),
    ];
    for (n, text) in definitions {
        out.columns[n].definition = Some(text.into());
    }
    let or_null = |text: &str| if text.is_empty() { Cell::Null } else { text.into() };
    for group in groups {
        for &m in measures {
            let (measure, values) = (&cohort.measures[m], group.values(cohort, m));
            let d = Description::new(&values);
            let [undefined, missing] = group.without(cohort, m);
            let [q1, median, q3] = d.quartiles;
            out.rows.push(vec![
                or_null(&group.kind),
                group.name.as_str().into(),
                or_null(&cohort.methods[group.method]),
                measure.name.as_str().into(),
                measure.unit.as_str().into(),
                values.len().into(),
                undefined.into(),
                missing.into(),
                d.mean.into(),
                d.sd.into(),
                median.into(),
                q1.into(),
                q3.into(),
                d.sorted.first().copied().into(),
                d.sorted.last().copied().into(),
                d.shapiro.map(|s| s.w).into(),
                d.shapiro.map(|s| s.p).into(),
                d.text(decimals).into(),
            ]);
        }
    }
    out
}
