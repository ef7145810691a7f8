//! Tables as tab-separated values: the form that save-table writes, there and back.
//!
//! UTF-8, one line a row, the column names first, `n/a` for a cell without a value; tabs, line breaks and
//! backslashes inside a cell are `\t`, `\n`, `\r` and `\\`.

use ichor_sdk::{Cell, Table};

/// The table as text. Numbers read back exactly, and a number that is not a count keeps its point: `2.0`.
pub fn to_tsv(table: &Table) -> String {
    let mut out = String::new();
    let mut line = |cells: Vec<String>| {
        out.push_str(&cells.join("\t"));
        out.push('\n');
    };
    line(table.columns.iter().map(|c| escape(&c.name)).collect());
    table.rows.iter().for_each(|row| line(row.iter().map(cell).collect()));
    out
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Null => "n/a".into(),
        Cell::Bool(b) => b.to_string(),
        Cell::Int(n) => n.to_string(),
        Cell::Num(x) if !x.is_finite() => "n/a".into(),
        Cell::Num(x) => format!("{x:?}"),
        Cell::Text(t) => escape(t),
    }
}

fn escape(text: &str) -> String {
    if text.is_empty() {
        return "n/a".into();
    }
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let (known, rest) = match (c, chars.as_str().chars().next()) {
            ('\\', Some('t')) => ('\t', true),
            ('\\', Some('n')) => ('\n', true),
            ('\\', Some('r')) => ('\r', true),
            ('\\', Some('\\')) => ('\\', true),
            (other, _) => (other, false),
        };
        out.push(known);
        if rest {
            chars.next();
        }
    }
    out
}

/// Reads a table. Cells become what they look like, a whole number, a number, `true` or `false`, or text;
/// under the columns named in `text` they are text.
///
/// # Errors
/// What is wrong, to be put behind the file's name: "has 3 cells in line 7 ...".
pub fn from_tsv(bytes: &[u8], text: &[String]) -> Result<Table, String> {
    let all = std::str::from_utf8(bytes).map_err(|_| "is no UTF-8 text")?;
    let all = all.strip_prefix('\u{feff}').unwrap_or(all);
    let mut lines = all.lines().enumerate();
    let Some((_, first)) = lines.next().filter(|(_, line)| !line.is_empty()) else {
        return Err("is empty; its first line must name the columns".into());
    };
    let names: Vec<String> = first.split('\t').map(unescape).collect();
    for (n, name) in names.iter().enumerate() {
        if name.is_empty() || names[..n].contains(name) {
            return Err(format!("has a column without a name of its own: `{name}`, column {}", n + 1));
        }
    }
    let is_text: Vec<bool> = names.iter().map(|name| text.contains(name)).collect();
    let mut table = Table::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (n, line) in lines {
        // One column of nothing would be an empty line too; `n/a` is how it is written.
        if line.is_empty() {
            continue;
        }
        let row: Vec<Cell> =
            line.split('\t').enumerate().map(|(c, s)| parse(s, is_text.get(c) == Some(&true))).collect();
        if row.len() != names.len() {
            return Err(format!("has {} cells in line {} under {} columns", row.len(), n + 1, names.len()));
        }
        table.rows.push(row);
    }
    Ok(table)
}

fn parse(text: &str, keep: bool) -> Cell {
    match text {
        "" | "n/a" => return Cell::Null,
        _ if keep => return Cell::Text(unescape(text)),
        "true" => return Cell::Bool(true),
        "false" => return Cell::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    // Names of people and things may be of digits alone: 007 is no number, nor is what would lose digits.
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && !(digits.starts_with('0') && digits[1..].starts_with(|c: char| c.is_ascii_digit()));
    if is_number && digits.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().map_or_else(|_| Cell::Text(text.into()), Cell::Int);
    }
    match text.parse::<f64>() {
        Ok(x) if is_number && x.is_finite() => Cell::Num(x),
        _ => Cell::Text(unescape(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_read_back() {
        let mut table = Table::measurements();
        table.measure("1", "volume", 12.0, "mL", "a\tb\\n\r\n");
        table.measure("all", "count", 3usize, "", "µ");
        table.measure("2", "none", f64::NAN, "1", "007");
        table.measure("2", "x", 5e-324, "1", "true");
        let text = to_tsv(&table);
        assert!(
            text.starts_with(
                "lesion\tname\tvalue\tunit\tdefinition\n1\tvolume\t12.0\tmL\ta\\tb\\\\n\\r\\n\n"
            ),
            "{text}"
        );
        let columns = ["lesion", "name", "unit", "definition"].map(str::to_owned);
        let mut back = from_tsv(text.as_bytes(), &columns).unwrap();
        assert_eq!(back.rows[1][3], Cell::Null, "an empty text has no form of its own");
        back.rows[1][3] = "".into();
        assert_eq!(back, table);
    }

    #[test]
    fn cells_become_what_they_look_like() {
        let text = "\u{feff}a\tb\r\n-5\t2.5\r\n007\t1e3\r\n9223372036854775808\tinf\n\nnan\t1e999\n-\t.5\ntrue\tfalse\n-0\t-1.5e-3\n";
        let table = from_tsv(text.as_bytes(), &[]).unwrap();
        let text = |t: &str| Cell::Text(t.into());
        let rows = [
            [Cell::Int(-5), Cell::Num(2.5)],
            [text("007"), Cell::Num(1000.0)],
            [text("9223372036854775808"), text("inf")],
            [text("nan"), text("1e999")],
            [text("-"), text(".5")],
            [true.into(), false.into()],
            [Cell::Int(0), Cell::Num(-1.5e-3)],
        ];
        assert_eq!(table.rows, rows);
        assert_eq!(table.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn ragged_and_nameless_tables_are_refused() {
        let refused = |text: &str| from_tsv(text.as_bytes(), &[]).unwrap_err();
        assert_eq!(refused("a\tb\n1\t2\n3\n"), "has 1 cells in line 3 under 2 columns");
        assert!(refused("").contains("is empty"));
        assert!(refused("a\ta\n").contains("`a`, column 2"));
        assert!(refused("a\t\n").contains("column 2"));
        assert_eq!(from_tsv(b"\xff", &[]).unwrap_err(), "is no UTF-8 text");
        assert_eq!(unescape("C:\\data \\"), "C:\\data \\");
    }
}
