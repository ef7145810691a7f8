//! Several tables as one.

use ichor_sdk::{Cell, Column, Error, Result, Table};

/// Stacks the rows of `tables` in their order. Columns are matched by name and stand in the order in which
/// they first occur; a row has null where its table has no such column. With `sources` (one a table), a
/// first column `source` says from which table a row comes.
///
/// # Errors
/// No table, a name twice in one table, one name with two units (their values cannot share a column), or
/// `sources` of another length or beside a column that is already called `source`.
pub fn merge(tables: &[Table], sources: &[String]) -> Result<Table> {
    if tables.is_empty() {
        return Err(Error::bad_input("no table to save; connect at least one to `tables`"));
    }
    if !sources.is_empty() && sources.len() != tables.len() {
        let (n, m) = (sources.len(), tables.len());
        return Err(Error::bad_params(format!("`sources` has {n} names for {m} tables; give one a table")));
    }
    let mut out = Table::default();
    if !sources.is_empty() {
        out.columns.push(Column {
            name: "source".into(),
            unit: None,
            definition: Some("the table from which the row comes".into()),
        });
        if let Some(n) = tables.iter().position(|t| t.columns.iter().any(|c| c.name == "source")) {
            let n = n + 1;
            return Err(Error::bad_params(format!(
                "table {n} has a column `source` already; leave the parameter `sources` out or rename the column"
            )));
        }
    }
    let mut places = Vec::with_capacity(tables.len());
    for (n, table) in tables.iter().enumerate() {
        let mut place = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let at = out.columns.iter().position(|c| c.name == column.name).unwrap_or(out.columns.len());
            if place.contains(&at) {
                let (name, n) = (&column.name, n + 1);
                return Err(Error::bad_input(format!("table {n} has two columns `{name}`; rename one")));
            }
            place.push(at);
            let Some(known) = out.columns.get_mut(at) else {
                out.columns.push(column.clone());
                continue;
            };
            if let (Some(a), Some(b)) = (&known.unit, &column.unit)
                && a != b
            {
                let (name, n) = (&column.name, n + 1);
                return Err(Error::bad_input(format!(
                    "column `{name}` is in {a} in an earlier table and in {b} in table {n}; save them apart or \
                     rename one"
                )));
            }
            known.unit = known.unit.take().or_else(|| column.unit.clone());
            known.definition = known.definition.take().or_else(|| column.definition.clone());
        }
        places.push(place);
    }
    for (n, (table, place)) in tables.iter().zip(&places).enumerate() {
        for row in &table.rows {
            let mut cells = vec![Cell::Null; out.columns.len()];
            if let (Some(source), Some(first)) = (sources.get(n), cells.first_mut()) {
                *first = source.as_str().into();
            }
            for (cell, &at) in row.iter().zip(place) {
                cells[at] = cell.clone();
            }
            out.rows.push(cells);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[&str], row: &[i64]) -> Table {
        let mut t = Table::new(columns);
        t.rows.push(row.iter().map(|&n| n.into()).collect());
        t
    }

    #[test]
    fn equal_columns_are_stacked() {
        let t = merge(&[table(&["a", "b"], &[1, 2]), table(&["a", "b"], &[3, 4])], &[]).unwrap();
        assert_eq!(t.columns.len(), 2);
        assert_eq!(t.rows, [[1i64.into(), 2i64.into()], [3i64.into(), 4i64.into()]] as [[Cell; 2]; 2]);
    }

    #[test]
    fn other_columns_and_orders_make_a_union() {
        let mut second = table(&["c", "a"], &[3, 4]);
        second.columns[1].unit = Some("mm".into());
        let t = merge(&[table(&["a", "b"], &[1, 2]), second], &["x".into(), "y".into()]).unwrap();
        let names: Vec<&str> = t.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["source", "a", "b", "c"]);
        assert_eq!(t.columns[1].unit.as_deref(), Some("mm"));
        assert_eq!(t.rows[0], ["x".into(), 1i64.into(), 2i64.into(), Cell::Null]);
        assert_eq!(t.rows[1], ["y".into(), 4i64.into(), Cell::Null, 3i64.into()]);
    }

    #[test]
    fn what_would_mix_values_up_is_refused() {
        let (mut ml, mut mm3) = (table(&["volume"], &[1]), table(&["volume"], &[1000]));
        ml.columns[0].unit = Some("mL".into());
        mm3.columns[0].unit = Some("mm3".into());
        let message = |tables: &[Table], sources: &[String]| merge(tables, sources).unwrap_err().to_string();
        assert!(message(&[ml, mm3], &[]).contains("in mL in an earlier table and in mm3 in table 2"));
        assert!(message(&[table(&["a", "a"], &[1, 2])], &[]).contains("two columns `a`"));
        assert!(message(&[table(&["a"], &[1])], &["x".into(), "y".into()]).contains("2 names for 1 tables"));
        assert!(
            message(&[table(&["source"], &[1])], &["x".into()]).contains("table 1 has a column `source`")
        );
        assert!(message(&[], &[]).contains("no table"));
    }
}
