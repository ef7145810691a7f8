//! Tables of measurements as a cohort.

use super::{Cohort, Measure, Reading};
use ichor_sdk::{Cell, Error, Result, Table};

/// Columns that name a case: Ichor's, and that of BIDS.
pub const CASE: [&str; 2] = ["case", "participant_id"];

/// Reads tables in long form (as measuring stages make them: of their rows, those of lesion `all`) or with a column a
/// measure and a row a case.
///
/// With `methods`, the tables are as many equal parts, one a method. The case of a row is what stands under `case` or
/// `participant_id`. Tables without such a column belong to `cases` in turn, or are a case each, called 1, 2, ...;
/// rows of a table with a column a measure are.
///
/// # Errors
/// Numbers that do not fit, a measure that is there twice, two units of one measure, mixed conventions of distances.
pub fn read(tables: &[Table], methods: &[String], cases: &[String]) -> Result<Cohort> {
    if tables.is_empty() {
        return Err(Error::bad_input("no table came; connect at least one to `tables`"));
    }
    let parts = methods.len().max(1);
    let each = tables.len() / parts;
    if each * parts != tables.len() {
        let (n, m) = (tables.len(), methods.len());
        return Err(Error::bad_params(format!(
            "`methods` has {m} names, and {n} tables cannot be divided by that; connect as many tables for each method"
        )));
    }
    if let Some(name) = twice(methods).or_else(|| twice(cases)) {
        return Err(Error::bad_params(format!("`{name}` is there twice among `methods` or `cases`")));
    }
    let mut cohort = Cohort { methods: methods.to_vec(), ..Cohort::default() };
    if methods.is_empty() {
        cohort.methods.push(String::new());
    }
    cohort.readings = vec![Vec::new(); parts];
    for (n, table) in tables.iter().enumerate() {
        let (method, at) = (n / each, n % each);
        let case = match cases.len() {
            0 => (at + 1).to_string(),
            count if each.is_multiple_of(count) || has_case(table) => cases[at % count].clone(),
            count => {
                return Err(Error::bad_params(format!(
                    "`cases` has {count} names, and {each} tables cannot be divided by that; name each case once"
                )));
            }
        };
        cohort
            .add(table, method, &case, cases.len().max(each) > 1)
            .map_err(|e| Error::bad_input(format!("table {}: {e}", n + 1)))?;
    }
    Ok(cohort)
}

fn twice(names: &[String]) -> Option<&String> {
    names.iter().enumerate().find(|(n, name)| names[..*n].contains(name)).map(|(_, name)| name)
}

fn column(table: &Table, name: &str) -> Option<usize> {
    table.columns.iter().position(|c| c.name == name)
}

fn has_case(table: &Table) -> bool {
    CASE.iter().any(|name| column(table, name).is_some())
}

/// A cell as the name of something.
pub fn name_of(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Null => None,
        Cell::Bool(b) => Some(b.to_string()),
        Cell::Int(n) => Some(n.to_string()),
        Cell::Num(x) => Some(x.to_string()),
        Cell::Text(t) => Some(t.clone()),
    }
}

impl Cohort {
    /// Adds what a table says; rows without a name of a case are of `case`, or of their own when it is one of `many`.
    fn add(&mut self, table: &Table, method: usize, case: &str, many: bool) -> Result<()> {
        let named = CASE.iter().find_map(|name| column(table, name));
        let case_of = |row: &[Cell]| named.and_then(|n| row.get(n)).and_then(name_of);
        let long = (column(table, "lesion"), column(table, "name"), column(table, "value"));
        let (Some(lesion), Some(name), Some(value)) = long else {
            for (n, row) in table.rows.iter().enumerate() {
                let case =
                    case_of(row).unwrap_or_else(|| if many { case.into() } else { (n + 1).to_string() });
                for (c, cell) in row.iter().enumerate().filter(|(c, _)| Some(*c) != named) {
                    let head = &table.columns[c];
                    self.put(method, &case, &head.name, head.unit.as_deref().unwrap_or(""), cell)?;
                }
            }
            return Ok(());
        };
        let unit = column(table, "unit");
        for row in table.rows.iter().filter(|row| row[lesion] == Cell::from("all")) {
            let case = case_of(row).unwrap_or_else(|| case.into());
            let unit = unit.and_then(|n| name_of(&row[n])).unwrap_or_default();
            let Some(name) = name_of(&row[name]) else { continue };
            if let (true, Cell::Text(convention)) = (name == "convention", &row[value]) {
                self.same_convention(convention)?;
                continue;
            }
            self.put(method, &case, &name, &unit, &row[value])?;
        }
        Ok(())
    }

    fn same_convention(&mut self, convention: &str) -> Result<()> {
        let known = self.convention.get_or_insert_with(|| convention.to_owned());
        if known == convention {
            return Ok(());
        }
        Err(Error::bad_input(format!(
            "its distances follow the convention `{convention}`, those before `{known}`; evaluate all alike"
        )))
    }

    fn put(&mut self, method: usize, case: &str, name: &str, unit: &str, cell: &Cell) -> Result<()> {
        let reading = match cell {
            Cell::Num(x) if x.is_finite() => Reading::Value(*x),
            Cell::Int(n) => Reading::Value(*n as f64),
            Cell::Null | Cell::Num(_) => Reading::Undefined,
            Cell::Bool(_) | Cell::Text(_) => return Ok(()), // no measure
        };
        let measure = match self.measure(name) {
            Some(n) => n,
            None => {
                self.measures.push(Measure { name: name.into(), unit: unit.into() });
                self.measures.len() - 1
            }
        };
        let known = &self.measures[measure].unit;
        if known != unit {
            return Err(Error::bad_input(format!("`{name}` is in `{unit}`, and in `{known}` in one before")));
        }
        let case_n = match self.cases.iter().position(|c| c == case) {
            Some(n) => n,
            None => {
                self.cases.push(case.into());
                self.cases.len() - 1
            }
        };
        let of_method = &mut self.readings[method];
        if of_method.len() <= case_n {
            of_method.resize(case_n + 1, Vec::new());
        }
        let of_case = &mut of_method[case_n];
        if of_case.len() <= measure {
            of_case.resize(measure + 1, Reading::Missing);
        }
        if of_case[measure] != Reading::Missing {
            return Err(Error::bad_input(format!(
                "case `{case}` has `{name}` twice; name the methods or the cases of the tables"
            )));
        }
        of_case[measure] = reading;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(values: &[(&str, f64)]) -> Table {
        let mut t = Table::measurements();
        t.measure("all", "convention", "paper", "", "");
        values.iter().for_each(|(name, v)| t.measure("all", name, *v, "mm", ""));
        t.measure("1", "hd", 77.0, "mm", "a lesion, not the case");
        t
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| s.to_string()).collect()
    }

    #[test]
    fn long_tables_are_cases_by_position() {
        let tables =
            [long(&[("hd", 1.0)]), long(&[("hd", 2.0), ("cmd", f64::NAN)]), long(&[]), long(&[("hd", 4.0)])];
        let c = read(&tables, &names(&["a", "b"]), &[]).unwrap();
        assert_eq!((c.cases.len(), c.convention.as_deref()), (2, Some("paper")));
        assert_eq!(c.value(0, 0, 0), Some(1.0));
        assert_eq!(c.reading(0, 1, 1), Reading::Undefined);
        assert_eq!(c.reading(1, 0, 0), Reading::Missing);
        assert_eq!(c.value(1, 1, 0), Some(4.0));
        let c = read(&tables[..2], &[], &names(&["p", "q"])).unwrap();
        assert_eq!((c.cases, c.methods), (names(&["p", "q"]), names(&[""])));
    }

    #[test]
    fn several_tables_of_a_case_are_joined() {
        let tables =
            [long(&[("hd", 1.0)]), long(&[("hd", 2.0)]), long(&[("cmd", 3.0)]), long(&[("cmd", 4.0)])];
        let c = read(&tables, &[], &names(&["p", "q"])).unwrap();
        assert_eq!((c.value(0, 0, 0), c.value(0, 0, 1), c.value(0, 1, 1)), (Some(1.0), Some(3.0), Some(4.0)));
    }

    #[test]
    fn wide_tables_have_a_row_a_case() {
        let mut t = Table::new(&["participant_id", "volume", "side"]);
        t.columns[1].unit = Some("mL".into());
        t.rows.push(vec!["sub-1".into(), 3.5.into(), "left".into()]);
        t.rows.push(vec!["sub-2".into(), Cell::Null, "right".into()]);
        let c = read(&[t.clone()], &[], &[]).unwrap();
        assert_eq!((c.cases.clone(), c.measures.len()), (names(&["sub-1", "sub-2"]), 1));
        assert_eq!((c.value(0, 0, 0), c.reading(0, 1, 0)), (Some(3.5), Reading::Undefined));
        t.columns.remove(0);
        t.rows.iter_mut().for_each(|r| drop(r.remove(0)));
        assert_eq!(read(&[t], &[], &[]).unwrap().cases, names(&["1", "2"]));
    }

    #[test]
    fn what_would_mix_values_up_is_refused() {
        let message = |tables: &[Table], methods: &[&str], cases: &[&str]| {
            read(tables, &names(methods), &names(cases)).unwrap_err().to_string()
        };
        let t = long(&[("hd", 1.0)]);
        assert!(message(&[], &[], &[]).contains("no table came"));
        assert!(message(std::slice::from_ref(&t), &["a", "b"], &[]).contains("cannot be divided"));
        assert!(message(&[t.clone(), t.clone()], &[], &["p"]).contains("table 2: case `p` has `hd` twice"));
        let mut other = t.clone();
        other.rows[0][2] = "border6".into();
        assert!(message(&[t.clone(), other], &[], &[]).contains("convention `border6`"));
        let mut metres = t.clone();
        metres.rows[1][3] = "m".into();
        assert!(message(&[t, metres], &[], &[]).contains("`hd` is in `m`"));
    }
}
