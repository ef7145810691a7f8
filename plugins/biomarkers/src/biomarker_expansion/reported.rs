//! Values from the tables of other stages.

use ichor_sdk::{Cell, Table};

/// A yes or no that another stage measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Reported {
    /// No table has such a row for the whole haematoma.
    NoRow,
    /// The row has no value.
    Undefined,
    Value(bool),
}

impl Reported {
    /// The row `name` of lesion `all`, from the first table that has one.
    pub fn of(tables: &[Table], name: &str) -> Self {
        let cell = tables.iter().find_map(|table| {
            let column = |name: &str| table.columns.iter().position(|c| c.name == name);
            let (lesion, quantity, value) = (column("lesion")?, column("name")?, column("value")?);
            let row = table
                .rows
                .iter()
                .find(|r| r[lesion] == Cell::from("all") && r[quantity] == Cell::from(name))?;
            Some(row[value].clone())
        });
        match cell {
            None => Self::NoRow,
            Some(Cell::Bool(b)) => Self::Value(b),
            Some(Cell::Int(n)) => Self::Value(n > 0),
            Some(_) => Self::Undefined,
        }
    }

    pub fn value(&self) -> Option<bool> {
        if let Self::Value(b) = self { Some(*b) } else { None }
    }

    /// Why there is no value.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoRow => "no table in `tables` has it; connect biomarker-irregularity.table",
            _ => "the table in `tables` leaves it undefined",
        }
    }
}
