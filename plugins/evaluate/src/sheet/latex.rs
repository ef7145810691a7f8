//! Tables for print as LaTeX.

use super::Sheet;

/// The tables one below the other, each a floating `table` that needs the package booktabs.
pub fn latex(sheets: &[Sheet]) -> String {
    sheets.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn one(sheet: &Sheet) -> String {
    let row = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|c| escape(c)).collect();
        format!("{} \\\\\n", cells.join(" & "))
    };
    let mut out = format!(
        "\\begin{{table}}\n\\centering\n\\caption{{{}}}\n\\begin{{tabular}}{{{}}}\n\\toprule\n{}\\midrule\n",
        escape(&sheet.caption),
        "l".repeat(sheet.head.len()),
        row(&sheet.head)
    );
    sheet.rows.iter().for_each(|cells| out.push_str(&row(cells)));
    out.push_str("\\bottomrule\n\\end{tabular}\n");
    sheet.notes.iter().for_each(|note| out.push_str(&format!("\n\\footnotesize {}\n", escape(note))));
    out.push_str("\\end{table}\n");
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("$<$"),
            '>' => out.push_str("$>$"),
            '±' => out.push_str("$\\pm$"),
            '≤' => out.push_str("$\\leq$"),
            '≥' => out.push_str("$\\geq$"),
            '−' => out.push_str("$-$"),
            '–' => out.push_str("--"),
            '\t' | '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
