//! What kind of case each is: place, shape, density and whatever else a table of cases says.

use super::read::{CASE, name_of};
use ichor_sdk::{Cell, Error, Result, Table};

/// A property of cases that sorts them into groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Characteristics {
    /// The column it stands in.
    pub name: String,
    /// Its values, in the order in which they first occur.
    pub levels: Vec<String>,
    /// The level of each case of a cohort; `None` where the table has none.
    pub of_case: Vec<Option<usize>>,
}

impl Characteristics {
    /// The named columns of a table with a row a case; all with text, or `true` and `false`, when none is named.
    ///
    /// # Errors
    /// A column is missing, or a case has two rows.
    pub fn read(table: &Table, names: &[String], cases: &[String]) -> Result<Vec<Self>> {
        let find = |name: &str| table.columns.iter().position(|c| c.name == name);
        let case = CASE.iter().find_map(|name| find(name)).ok_or_else(|| {
            Error::bad_input("the table of characteristics has neither a column `case` nor `participant_id`")
        })?;
        let columns: Vec<usize> = match names.is_empty() {
            true => {
                let words =
                    |c: usize| table.rows.iter().any(|r| matches!(r[c], Cell::Text(_) | Cell::Bool(_)));
                (0..table.columns.len()).filter(|c| *c != case && words(*c)).collect()
            }
            false => {
                let missing = |name: &String| {
                    let all: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
                    let all = all.join(", ");
                    Error::bad_params(format!(
                        "the table of characteristics has no column `{name}`; it has {all}"
                    ))
                };
                names.iter().map(|n| find(n).ok_or_else(|| missing(n))).collect::<Result<_>>()?
            }
        };
        let rows: Vec<Option<&Vec<Cell>>> = cases
            .iter()
            .map(|name| {
                let mut rows = table.rows.iter().filter(|r| name_of(&r[case]).as_ref() == Some(name));
                match (rows.next(), rows.next()) {
                    (_, Some(_)) => Err(Error::bad_input(format!(
                        "the table of characteristics has several rows of case `{name}`"
                    ))),
                    (row, None) => Ok(row),
                }
            })
            .collect::<Result<_>>()?;
        if rows.iter().all(Option::is_none) {
            return Err(Error::bad_input(
                "the table of characteristics has a row for none of the cases; compare how they are named",
            ));
        }
        Ok(columns
            .into_iter()
            .map(|c| Self::of(&table.columns[c].name, rows.iter().map(|r| name_of(&r.as_ref()?[c]))))
            .collect())
    }

    /// From the level of each case.
    pub fn of(name: &str, levels_of_cases: impl Iterator<Item = Option<String>>) -> Self {
        let mut out = Self { name: name.into(), levels: Vec::new(), of_case: Vec::new() };
        for level in levels_of_cases {
            let n = level.map(|level| match out.levels.iter().position(|l| *l == level) {
                Some(n) => n,
                None => {
                    out.levels.push(level);
                    out.levels.len() - 1
                }
            });
            out.of_case.push(n);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_found_by_name() {
        let mut t = Table::new(&["case", "location", "age", "irregular"]);
        t.rows.push(vec!["b".into(), "deep".into(), 60i64.into(), true.into()]);
        t.rows.push(vec!["a".into(), "lobar".into(), 61i64.into(), Cell::Null]);
        t.rows.push(vec!["x".into(), "none of ours".into(), 62i64.into(), false.into()]);
        let cases: Vec<String> = ["a", "b", "c"].map(String::from).into();
        let found = Characteristics::read(&t, &[], &cases).unwrap();
        assert_eq!(found.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["location", "irregular"]);
        assert_eq!(
            (found[0].levels.clone(), found[0].of_case.clone()),
            (vec!["lobar".into(), "deep".into()], vec![Some(0), Some(1), None])
        );
        assert_eq!(found[1].of_case, [None, Some(0), None]);
        let age = Characteristics::read(&t, &["age".into()], &cases).unwrap();
        assert_eq!(age[0].levels, ["61", "60"]);
        assert!(
            Characteristics::read(&t, &["sex".into()], &cases)
                .unwrap_err()
                .to_string()
                .contains("case, location, age")
        );
        assert!(Characteristics::read(&t, &[], &["z".into()]).is_err());
        t.rows.push(t.rows[0].clone());
        assert!(
            Characteristics::read(&t, &[], &cases)
                .unwrap_err()
                .to_string()
                .contains("several rows of case `b`")
        );
    }
}
