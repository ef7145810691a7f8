//! Tables, the form in which measurements travel between stages.

use crate::{Error, Result};
use serde_json::{Value, json};

/// A column's name, and what its values mean.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Column {
    /// Name, unique in the table.
    pub name: String,
    /// Unit of every value of the column.
    pub unit: Option<String>,
    /// What the values are, for the reader of a table.
    pub definition: Option<String>,
}

/// One value of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Undefined or not applicable.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A count or an index.
    Int(i64),
    /// A measured number; one that is not finite becomes null.
    Num(f64),
    /// Text.
    Text(String),
}

macro_rules! cell_from {
    ($($ty:ty => $make:expr;)*) => {$(
        impl From<$ty> for Cell {
            fn from(value: $ty) -> Self {
                let make: fn($ty) -> Cell = $make;
                make(value)
            }
        }
    )*};
}

cell_from! {
    f64 => |v| if v.is_finite() { Cell::Num(v) } else { Cell::Null };
    f32 => |v| Cell::from(f64::from(v));
    i64 => Cell::Int;
    u32 => |v| Cell::Int(v.into());
    usize => |v| Cell::Int(v as i64);
    bool => Cell::Bool;
    &str => |v| Cell::Text(v.to_owned());
    String => Cell::Text;
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Columns and rows. The JSON form is the one that `ichor.h` describes.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Table {
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// The rows; each has a cell a column.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new(columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&name| Column { name: name.into(), ..Column::default() }).collect();
        Self { columns, rows: Vec::new() }
    }

    /// An empty table of measurements in long form, one value a row: lesion, name, value, unit, definition.
    /// `lesion` is a label or `all`. Every measuring stage uses it, so that tables can be joined.
    pub fn measurements() -> Self {
        Self::new(&["lesion", "name", "value", "unit", "definition"])
    }

    /// Adds a row to a table made by [`Table::measurements`]. Undefined values are [`Cell::Null`].
    pub fn measure(
        &mut self,
        lesion: &str,
        name: &str,
        value: impl Into<Cell>,
        unit: &str,
        definition: &str,
    ) {
        self.rows.push(vec![lesion.into(), name.into(), value.into(), unit.into(), definition.into()]);
    }

    /// The JSON form.
    pub fn to_json(&self) -> String {
        let columns: Vec<Value> = self
            .columns
            .iter()
            .map(|c| {
                let mut column = json!({ "name": c.name });
                for (key, value) in [("unit", &c.unit), ("definition", &c.definition)] {
                    if let Some(value) = value {
                        column[key] = Value::from(value.as_str());
                    }
                }
                column
            })
            .collect();
        let rows: Vec<Value> =
            self.rows.iter().map(|r| r.iter().map(Cell::to_json).collect::<Vec<_>>().into()).collect();
        json!({ "columns": columns, "rows": rows }).to_string()
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`Error::bad_input`] when it is not a table.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let bad = |what: &str| Error::bad_input(format!("not a table: {what}"));
        let root: Value = serde_json::from_slice(bytes).map_err(|e| bad(&e.to_string()))?;
        let list = |key: &str| root[key].as_array().ok_or_else(|| bad(&format!("`{key}` is no list")));
        let text = |v: &Value| v.as_str().map(ToOwned::to_owned);
        let columns: Vec<Column> = list("columns")?
            .iter()
            .map(|c| {
                let name = text(&c["name"]).ok_or_else(|| bad("a column has no name"))?;
                Ok(Column { name, unit: text(&c["unit"]), definition: text(&c["definition"]) })
            })
            .collect::<Result<_>>()?;
        let mut rows = Vec::new();
        for row in list("rows")? {
            let cells = row.as_array().ok_or_else(|| bad("a row is no list"))?;
            if cells.len() != columns.len() {
                return Err(bad(&format!("a row of {} cells under {} columns", cells.len(), columns.len())));
            }
            rows.push(cells.iter().map(Cell::from_json).collect::<Result<_>>()?);
        }
        Ok(Self { columns, rows })
    }
}

impl Cell {
    /// The cell as a JSON value.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(b) => (*b).into(),
            Self::Int(n) => (*n).into(),
            Self::Num(x) => (*x).into(), // not finite: null
            Self::Text(t) => t.as_str().into(),
        }
    }

    fn from_json(value: &Value) -> Result<Self> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(*b),
            Value::String(t) => Self::Text(t.clone()),
            Value::Number(n) => match n.as_i64() {
                Some(n) => Self::Int(n),
                None => Self::Num(n.as_f64().unwrap_or(f64::NAN)),
            },
            _ => return Err(Error::bad_input(format!("not a table: a cell holds {value}"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_round_trip_keeps_values_and_drops_what_is_not_finite() {
        let mut t = Table::measurements();
        t.measure("all", "volume", 12.5, "mL", "voxel count times voxel volume");
        t.measure("1", "kurtosis", f64::NAN, "", "undefined for one voxel");
        t.columns[2].unit = Some("see unit".into());
        let back = Table::from_json(t.to_json().as_bytes()).unwrap();
        assert_eq!(back, t);
        assert_eq!(back.rows[1][2], Cell::Null);
    }

    #[test]
    fn ragged_rows_are_refused() {
        let text = br#"{"columns":[{"name":"a"}],"rows":[[1,2]]}"#;
        assert_eq!(
            Table::from_json(text).unwrap_err().message(),
            "not a table: a row of 2 cells under 1 columns"
        );
    }
}
