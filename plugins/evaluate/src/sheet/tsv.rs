//! A table for print as tab-separated values, in the form of save-table.

use super::Sheet;

/// The table's head and rows; an empty cell is `n/a`.
pub fn tsv(sheet: &Sheet) -> String {
    let mut out = String::new();
    for cells in std::iter::once(&sheet.head).chain(&sheet.rows) {
        let cells: Vec<String> = cells.iter().map(|c| escape(c)).collect();
        out.push_str(&cells.join("\t"));
        out.push('\n');
    }
    out
}

fn escape(text: &str) -> String {
    if text.is_empty() {
        return "n/a".into();
    }
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}
