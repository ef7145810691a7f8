//! The table of cases.

use crate::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names of the column that names a case: Ichor's, and that of BIDS.
const CASE: [&str; 2] = ["case", "participant_id"];

/// A case of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its name, and that of its folder.
    pub name: String,
    /// Values of the pipeline's inputs by name.
    pub inputs: BTreeMap<String, String>,
}

/// The cases of a table.
pub struct Cases {
    /// In the order of the table.
    pub list: Vec<Case>,
    /// Columns that are no inputs of the pipeline.
    pub others: Vec<String>,
}

/// An input of the pipeline: its name, and whether it is a path.
pub type Known<'a> = BTreeMap<&'a str, bool>;

/// Reads a table of tab-separated values: a row a case, with a column `case` (or `participant_id`), and one for each
/// input of the pipeline that differs between cases. Paths are relative to the table's folder; an empty cell or `n/a`
/// leaves an input out.
pub fn read(path: &Path, inputs: &Known) -> Result<Cases, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::usage(format!("cannot read the table of cases {shown}: {e}")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&text, folder, inputs).map_err(|why| Failure::usage(format!("{shown}: {why}")))
}

fn parse(text: &str, folder: &Path, inputs: &Known) -> Result<Cases, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (_, head) = lines.next().ok_or("it is empty; its first line names its columns")?;
    let columns: Vec<&str> = head.split('\t').map(str::trim).collect();
    let case = columns.iter().position(|c| CASE.contains(c)).ok_or_else(|| {
        let hint =
            if head.contains(',') && columns.len() == 1 { " (columns are separated by tabs)" } else { "" };
        format!("it has no column `case`{hint}; there are {}", columns.join(", "))
    })?;
    let mut seen = BTreeSet::new();
    if let Some(twice) = columns.iter().find(|c| !seen.insert(**c)) {
        return Err(format!("the column `{twice}` is there twice"));
    }
    let is_other = |n: usize| n != case && !inputs.contains_key(columns[n]);
    let others = (0..columns.len()).filter(|&n| is_other(n)).map(|n| columns[n].to_owned()).collect();
    let (mut list, mut names) = (Vec::new(), BTreeSet::new());
    for (number, line) in lines {
        let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
        let at = format!("line {}", number + 1);
        if cells.len() != columns.len() {
            return Err(format!("{at} has {} cells under {} columns", cells.len(), columns.len()));
        }
        let name = cells[case];
        check_name(name).map_err(|why| format!("{at}: the case `{}` {why}", name.escape_debug()))?;
        if !names.insert(name.to_ascii_lowercase()) {
            return Err(format!("{at}: the case `{name}` is there twice"));
        }
        let mut values = BTreeMap::new();
        for (column, cell) in columns.iter().zip(&cells) {
            if let (Some(&is_path), false) = (inputs.get(column), ["", "n/a"].contains(cell)) {
                let path: PathBuf = folder.join(cell);
                let value = if is_path { path.display().to_string() } else { (*cell).to_owned() };
                values.insert((*column).to_owned(), value);
            }
        }
        list.push(Case { name: name.to_owned(), inputs: values });
    }
    if list.is_empty() {
        return Err("it has no cases, only column names".into());
    }
    Ok(Cases { list, others })
}

/// A case is a folder of its name.
fn check_name(name: &str) -> Result<(), &'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > 100 || !name.chars().all(is_plain) || name.starts_with('.') {
        return Err(
            "needs a name of at most 100 letters, digits and `.`, `_`, `-` that does not begin with a dot",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Cases, String> {
        parse(text, Path::new("d"), &Known::from([("ct", true), ("age", false)]))
    }

    #[test]
    fn columns_are_inputs_or_set_aside() {
        let cases = read("case\tct\tage\tsite\ns1\ta.nii\t7\tx\n\ns2\t/b.nii\tn/a\ty\n").unwrap();
        assert_eq!(cases.others, ["site"]);
        let inputs =
            |n: usize| cases.list[n].inputs.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
        assert_eq!(inputs(0), ["age=7", "ct=d/a.nii"]);
        assert_eq!((cases.list[1].name.as_str(), inputs(1)), ("s2", vec!["ct=/b.nii".to_owned()]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, why) in [
            ("", "it is empty"),
            ("case,ct\n1,a", "separated by tabs"),
            ("case\tct", "it has no cases"),
            ("case\tct\n1", "line 2 has 1 cells under 2 columns"),
            ("case\tct\tct\n1\ta\tb", "`ct` is there twice"),
            ("case\n1\n1", "line 3: the case `1` is there twice"),
            ("case\n../x", "the case `../x` needs a name"),
            ("case\n..", "needs a name"),
            ("case\na\u{7}b", "needs a name"),
        ] {
            let found = read(text).map(|_| ()).unwrap_err();
            assert!(found.contains(why), "{text:?}: {found}");
        }
    }
}
