//! Tables for print as Markdown.

use super::Sheet;

/// The tables one below the other, as pipe tables of GitHub's Markdown.
pub fn markdown(sheets: &[Sheet]) -> String {
    sheets.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn one(sheet: &Sheet) -> String {
    let row = |cells: &[String]| {
        let cells: Vec<String> =
            cells.iter().map(|c| c.replace('|', "\\|").replace(['\t', '\n', '\r'], " ")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut out = format!("{}\n\n{}|{}\n", sheet.caption, row(&sheet.head), "---|".repeat(sheet.head.len()));
    sheet.rows.iter().for_each(|cells| out.push_str(&row(cells)));
    sheet.notes.iter().for_each(|note| out.push_str(&format!("\n{note}\n")));
    out
}
