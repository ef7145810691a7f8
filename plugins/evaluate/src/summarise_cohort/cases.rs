//! A cohort as a table with a row a case and a column a measure.

use crate::cohort::{Cohort, Reading};
use ichor_sdk::{Cell, Column, Table};

/// The table; with several methods, a row for each.
pub fn table(cohort: &Cohort, measures: &[usize]) -> Table {
    let several = cohort.methods.len() > 1;
    let mut out = Table::new(if several { &["case", "method"] } else { &["case"] });
    out.columns.extend(measures.iter().map(|m| Column {
        name: cohort.measures[*m].name.clone(),
        unit: Some(cohort.measures[*m].unit.clone()),
        definition: None,
    }));
    for (case, name) in cohort.cases.iter().enumerate() {
        for (method, of) in cohort.methods.iter().enumerate() {
            let mut row: Vec<Cell> = vec![name.as_str().into()];
            if several {
                row.push(of.as_str().into());
            }
            row.extend(measures.iter().map(|m| match cohort.reading(method, case, *m) {
                Reading::Value(x) => x.into(),
                Reading::Undefined | Reading::Missing => Cell::Null,
            }));
            out.rows.push(row);
        }
    }
    out
}
