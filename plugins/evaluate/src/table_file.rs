//! Tables as text: tab-separated in the form of save-table, or comma-separated with quotes.

use ichor_sdk::{Cell, Table};

/// The table in a text; cells under the columns named in `words` are text.
///
/// # Errors
/// What is wrong and in which row.
pub fn parse(text: &str, commas: bool, words: &[String]) -> Result<Table, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = if commas { split_quoted(text)? } else { split_tabs(text) }.into_iter();
    let names = rows.next().ok_or("it is empty; its first line must name the columns")?;
    for (n, name) in names.iter().enumerate() {
        if name.is_empty() || names[..n].contains(name) {
            return Err(format!("column {} has no name of its own: `{name}`", n + 1));
        }
    }
    let is_word: Vec<bool> = names.iter().map(|name| words.contains(name)).collect();
    let mut table = Table::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (n, row) in rows.enumerate() {
        if row.len() != names.len() {
            let (cells, columns) = (row.len(), names.len());
            return Err(format!("row {} has {cells} cells under {columns} columns", n + 1));
        }
        table.rows.push(row.iter().zip(&is_word).map(|(text, word)| cell(text, *word)).collect());
    }
    Ok(table)
}

fn cell(text: &str, word: bool) -> Cell {
    match text {
        "" | "n/a" | "NA" => Cell::Null,
        _ if word => text.into(),
        "true" => true.into(),
        "false" => false.into(),
        _ => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(n), _) => n.into(),
            (_, Ok(x)) if x.is_finite() => x.into(),
            (_, Ok(_)) => Cell::Null,
            _ => text.into(),
        },
    }
}

fn split_tabs(text: &str) -> Vec<Vec<String>> {
    text.lines().filter(|l| !l.is_empty()).map(|l| l.split('\t').map(unescape).collect()).collect()
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let known = match (c, chars.peek()) {
            ('\\', Some('t')) => '\t',
            ('\\', Some('n')) => '\n',
            ('\\', Some('r')) => '\r',
            ('\\', Some('\\')) => '\\',
            _ => {
                out.push(c);
                continue;
            }
        };
        out.push(known);
        chars.next();
    }
    out
}

fn split_quoted(text: &str) -> Result<Vec<Vec<String>>, String> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                cell.push('"');
                chars.next();
            }
            '"' if quoted || cell.is_empty() => quoted = !quoted,
            c if quoted => cell.push(c),
            ',' => row.push(std::mem::take(&mut cell)),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    if quoted {
        return Err("a quote is not closed".into());
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows.retain(|row| row.len() > 1 || row.iter().any(|c| !c.is_empty()));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_they_look_like() {
        let t =
            parse("case\ta\tb\n001\t7\t2.5\n\nx\\ty\tn/a\tdeep, left\n", false, &["case".into()]).unwrap();
        assert_eq!(t.rows[0], ["001".into(), 7i64.into(), 2.5.into()] as [Cell; 3]);
        assert_eq!(t.rows[1], ["x\ty".into(), Cell::Null, "deep, left".into()]);
        let t =
            parse("\u{feff}case,a,b\r\n\"1,\"\"5\"\"\",true,\r\n2,-1e3,inf", true, &["case".into()]).unwrap();
        assert_eq!(t.rows[0], ["1,\"5\"".into(), true.into(), Cell::Null] as [Cell; 3]);
        assert_eq!(t.rows[1], ["2".into(), (-1000.0).into(), Cell::Null]);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let message = |text: &str, commas| parse(text, commas, &[]).unwrap_err();
        assert!(message("", false).contains("empty"));
        assert!(message("a\ta\n", false).contains("column 2 has no name of its own: `a`"));
        assert!(message("a\tb\n1\n", false).contains("row 1 has 1 cells under 2 columns"));
        assert!(message("a,b\n\"1,2\n", true).contains("quote is not closed"));
    }
}
