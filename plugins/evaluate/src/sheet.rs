//! A table for print: text in rows and columns.

mod latex;
mod markdown;
mod tsv;

pub use latex::latex;
pub use markdown::markdown;
pub use tsv::tsv;

/// A table for print.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Sheet {
    /// What it shows.
    pub caption: String,
    /// Heads of the columns.
    pub head: Vec<String>,
    /// Rows, each with a cell a column.
    pub rows: Vec<Vec<String>>,
    /// What stands below it.
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        let text = |list: &[&str]| list.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        Sheet {
            caption: "A_B & 95%".into(),
            head: text(&["", "all (n=25)"]),
            rows: vec![text(&["95% HD (mm)", "0.79 [0.48–1.83]"]), text(&["a|b\tc", "≤ 0.91 ± 0.05"])],
            notes: text(&["Mean ± SD, else median [IQR]."]),
        }
    }

    #[test]
    fn markdown_is_a_pipe_table() {
        let want = "A_B & 95%\n\n|  | all (n=25) |\n|---|---|\n| 95% HD (mm) | 0.79 [0.48–1.83] |\n\
                    | a\\|b c | ≤ 0.91 ± 0.05 |\n\nMean ± SD, else median [IQR].\n";
        assert_eq!(markdown(&[sheet()]), want);
        assert_eq!(markdown(&[sheet(), sheet()]), format!("{want}\n{want}"));
    }

    #[test]
    fn latex_escapes_what_it_must() {
        let text = latex(&[sheet()]);
        for part in [
            "\\caption{A\\_B \\& 95\\%}",
            "\\begin{tabular}{ll}\n\\toprule\n & all (n=25) \\\\\n\\midrule\n",
            "95\\% HD (mm) & 0.79 [0.48--1.83] \\\\\n",
            "a|b c & $\\leq$ 0.91 $\\pm$ 0.05 \\\\\n\\bottomrule",
            "Mean $\\pm$ SD",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn tsv_has_no_tab_inside() {
        assert_eq!(tsv(&sheet()), "n/a\tall (n=25)\n95% HD (mm)\t0.79 [0.48–1.83]\na|b\\tc\t≤ 0.91 ± 0.05\n");
    }
}
