//! Tables as a JSON file: the form in which tables travel between stages, one row a line.

use ichor_sdk::json::{Map, Value};
use ichor_sdk::{Cell, Column, Table};

/// `{"columns": [{"name", "unit", "definition"}...], "rows": [[...]...]}`, exact, with line breaks that make
/// it readable and comparable line by line.
pub fn to_json(table: &Table) -> String {
    let columns = table.columns.iter().map(|c| column(c).to_string());
    let rows = table.rows.iter().map(|r| Value::from_iter(r.iter().map(Cell::to_json)).to_string());
    format!("{{\n  \"columns\": {},\n  \"rows\": {}\n}}\n", list(columns), list(rows))
}

fn column(column: &Column) -> Value {
    let mut out = Map::new();
    out.insert("name".into(), column.name.as_str().into());
    for (key, value) in [("unit", &column.unit), ("definition", &column.definition)] {
        if let Some(value) = value {
            out.insert(key.into(), value.as_str().into());
        }
    }
    out.into()
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "[]".into() } else { format!("[\n    {}\n  ]", items.join(",\n    ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads_back_to_the_same_table() {
        let mut t = Table::new(&["value", "name"]);
        t.columns[0].unit = Some("mL".into());
        t.columns[0].definition = Some("voxels \"inside\" times |det|,\n\tin mL".into());
        t.rows.push(vec![(0.1 + 0.2).into(), "µ\u{1}".into()]);
        t.rows.push(vec![5e-324.into(), true.into()]);
        t.rows.push(vec![i64::MIN.into(), Cell::Null]);
        assert_eq!(Table::from_json(to_json(&t).as_bytes()).unwrap(), t);
        let empty = Table::default();
        assert_eq!(Table::from_json(to_json(&empty).as_bytes()).unwrap(), empty);
    }

    #[test]
    fn a_row_is_a_line() {
        let mut t = Table::new(&["a", "b"]);
        t.columns[1].unit = Some("mm".into());
        t.rows.push(vec!["x".into(), 1.5.into()]);
        t.rows.push(vec!["y".into(), Cell::Null]);
        let want = r#"{
  "columns": [
    {"name":"a"},
    {"name":"b","unit":"mm"}
  ],
  "rows": [
    ["x",1.5],
    ["y",null]
  ]
}
"#;
        assert_eq!(to_json(&t), want);
    }
}
