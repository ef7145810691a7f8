//! Tables as tab-separated values, readable by spreadsheets, pandas, R and BIDS tools.
//!
//! UTF-8, one line a row, each ended by a line feed, the column names first. A cell without a value
//! (null or empty text) is `n/a`, as BIDS 1.10 asks. The media type text/tab-separated-values has no quotes,
//! so a cell can hold no tab and no line break: they are written as `\t`, `\n` and `\r`, and a backslash
//! as `\\`, which can be undone. Units and definitions of columns stand in the JSON form only.

use ichor_sdk::{Cell, Table};

/// The table as text. With `decimals`, numbers that are not whole by type are rounded to so many digits
/// after the point; without, they have the shortest form that reads back to the same number.
pub fn to_tsv(table: &Table, decimals: Option<u32>) -> String {
    let mut out = String::new();
    line(&mut out, table.columns.iter().map(|c| text(&c.name)));
    for row in &table.rows {
        line(&mut out, row.iter().map(|c| cell(c, decimals)));
    }
    out
}

fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    for (n, cell) in cells.enumerate() {
        if n > 0 {
            out.push('\t');
        }
        out.push_str(&cell);
    }
    out.push('\n');
}

fn cell(cell: &Cell, decimals: Option<u32>) -> String {
    match cell {
        Cell::Null => "n/a".into(),
        Cell::Bool(b) => b.to_string(),
        Cell::Int(n) => n.to_string(),
        Cell::Num(x) => number(*x, decimals),
        Cell::Text(t) => text(t),
    }
}

fn number(x: f64, decimals: Option<u32>) -> String {
    if !x.is_finite() {
        return "n/a".into();
    }
    let size = x.abs();
    let written = match decimals {
        Some(d) => format!("{x:.*}", d.min(17) as usize),
        // Plain digits where people read them easily, else an exponent; both are Rust's shortest form.
        None if size == 0.0 || (1e-5..1e16).contains(&size) => format!("{x}"),
        None => format!("{x:e}"),
    };
    // -0 and what rounds to it: the sign carries nothing.
    match written.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| matches!(b, b'0' | b'.')) => rest.to_owned(),
        _ => written,
    }
}

fn text(text: &str) -> String {
    if text.is_empty() {
        return "n/a".into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_written_as_documented() {
        let mut t = Table::new(&["a", "b\tc"]);
        t.rows.push(vec!["x\ty\r\nz\\n".into(), Cell::Null]);
        t.rows.push(vec![true.into(), (-7i64).into()]);
        t.rows.push(vec!["".into(), "µm, \"quoted\"".into()]);
        assert_eq!(to_tsv(&t, None), "a\tb\\tc\nx\\ty\\r\\nz\\\\n\tn/a\ntrue\t-7\nn/a\tµm, \"quoted\"\n");
    }

    #[test]
    fn numbers_are_short_and_read_back_exactly() {
        for (x, want) in [
            (12.0, "12"),
            (0.1, "0.1"),
            (-0.0, "0"),
            (1.0 / 3.0, "0.3333333333333333"),
            (1e-7, "1e-7"),
            (6.02214076e23, "6.02214076e23"),
            (-1234.5, "-1234.5"),
            (f64::INFINITY, "n/a"),
        ] {
            assert_eq!(number(x, None), want);
        }
        for x in [f64::MIN_POSITIVE, f64::MAX, 0.1 + 0.2, 1e15 + 0.3, 5e-324, 123456.789e-9] {
            assert_eq!(number(x, None).parse::<f64>().unwrap().to_bits(), x.to_bits());
        }
    }

    #[test]
    fn rounding_is_for_numbers_only() {
        let mut t = Table::new(&["a", "b", "c", "d"]);
        t.rows.push(vec![2.0f64.into(), 3i64.into(), (-0.004).into(), "1.23456".into()]);
        assert_eq!(to_tsv(&t, Some(2)), "a\tb\tc\td\n2.00\t3\t0.00\t1.23456\n");
    }
}
