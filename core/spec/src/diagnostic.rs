//! What is wrong with a pipeline, where, and what to do about it: one clear line each.

use crate::yaml::{Fault, Position};
use std::fmt;
use std::path::Path;

/// No more than this many errors are collected: the rest would be noise.
const MAX_ERRORS: usize = 50;

/// One thing that is wrong (or suspicious, when it is a warning), at one place.
///
/// Displayed on one line as `FILE:LINE:COLUMN: message; help`, whatever the texts contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The pipeline file, or the command-line argument (such as `--set clean.size=3`) that is wrong.
    pub file: String,
    /// Line in the file, from 1; 0 when the place is not in a file.
    pub line: usize,
    /// Column in characters, from 1; 0 when the place is not in a file.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub help: String,
}

impl Diagnostic {
    /// The one-line form followed by the line of `text` (the file that is meant) and a caret below it.
    #[must_use]
    pub fn render(&self, text: &str) -> String {
        let Some(line) = self.line.checked_sub(1).and_then(|n| text.lines().nth(n)) else {
            return self.to_string();
        };
        // A line may be as long as the document: show the part around the column.
        let column = self.column.saturating_sub(1);
        let first = column.saturating_sub(60);
        let shown: String = line
            .chars()
            .skip(first)
            .take(100)
            .map(|c| if c.is_control() || is_format(c) { ' ' } else { c })
            .collect();
        if shown.trim().is_empty() {
            return self.to_string();
        }
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(column - first);
        format!("{self}\n {number} | {}\n {margin} | {indent}^", shown.trim_end())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", printable(&self.file))?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", printable(&self.message))?;
        if !self.help.is_empty() {
            write!(f, "; {}", printable(&self.help))?;
        }
        Ok(())
    }
}

/// All that is wrong with a pipeline: never empty, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// The errors, at least one.
    #[must_use]
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.0
    }

    /// The errors one after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, one) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{one}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// `path`, relative to the folder of `file`.
pub(crate) fn beside(file: &str, path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    match Path::new(file).parent() {
        Some(folder) => folder.join(path).display().to_string(),
        None => path.to_owned(),
    }
}

/// Collects errors and warnings while a pipeline is read.
pub(crate) struct Found {
    /// Names of the files and arguments that positions index.
    files: Vec<String>,
    /// How many of them are files.
    read: usize,
    errors: Vec<(Position, Diagnostic)>,
    warnings: Vec<(Position, Diagnostic)>,
}

impl Found {
    /// `files` are those that are read already; the first is the pipeline.
    pub(crate) fn new(files: Vec<String>) -> Found {
        Found { read: files.len(), files, errors: Vec::new(), warnings: Vec::new() }
    }

    /// The names of the files, without arguments.
    pub(crate) fn read(&self) -> &[String] {
        self.files.get(..self.read).unwrap_or(&[])
    }

    /// Index of a file for [`Position::file`].
    pub(crate) fn file(&mut self, name: &str) -> usize {
        self.files.iter().position(|known| known == name).unwrap_or_else(|| {
            self.files.push(name.to_owned());
            self.files.len() - 1
        })
    }

    /// The place of what is wrong with a command-line argument, such as `--set clean.size=3`.
    pub(crate) fn argument(&mut self, argument: &str) -> Position {
        Position { file: self.file(argument), ..Position::NONE }
    }

    /// `path`, relative to the folder of the file that says so at `at`.
    pub(crate) fn beside(&self, at: Position, path: &str) -> String {
        self.files.get(at.file).map_or_else(|| path.to_owned(), |file| beside(file, path))
    }

    pub(crate) fn files(&self) -> &[String] {
        &self.files
    }

    fn diagnostic(&self, at: Position, message: String, help: String) -> (Position, Diagnostic) {
        let file = self.files.get(at.file).cloned().unwrap_or_default();
        (at, Diagnostic { file, line: at.line, column: at.column, message, help })
    }

    /// Records an error. The texts are made only while there is room for them, so that a hostile file with a
    /// million mistakes costs no million searches for the nearest name.
    pub(crate) fn error<M: Into<String>, H: Into<String>>(
        &mut self,
        at: Position,
        texts: impl FnOnce() -> (M, H),
    ) {
        if self.errors.len() < MAX_ERRORS {
            let (message, help) = texts();
            let error = self.diagnostic(at, message.into(), help.into());
            // What is copied, by `each`, is wrong once.
            if !self.errors.contains(&error) {
                self.errors.push(error);
            }
        }
    }

    /// Records what is wrong with a YAML text.
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.error(fault.at, || (fault.message, fault.help));
    }

    pub(crate) fn warn(&mut self, at: Position, message: impl Into<String>, help: impl Into<String>) {
        self.warnings.push(self.diagnostic(at, message.into(), help.into()));
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// The warnings so far, in the order of the files.
    pub(crate) fn take_warnings(&mut self) -> Vec<Diagnostic> {
        in_order(std::mem::take(&mut self.warnings))
    }

    /// The value, if nothing is wrong; else all errors, arguments first, then in the order of the files.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, Diagnostics> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => {
                if self.errors.is_empty() {
                    // Not reached: a missing value always comes with its error. Never claim success here.
                    self.error(Position::NONE, || ("the pipeline could not be read", ""));
                }
                Err(Diagnostics(in_order(self.errors)))
            }
        }
    }
}

fn in_order(mut found: Vec<(Position, Diagnostic)>) -> Vec<Diagnostic> {
    found.sort_by_key(|(at, _)| (at.line > 0, *at));
    found.into_iter().map(|(_, diagnostic)| diagnostic).collect()
}

/// `text` in backticks, cropped: what a user or plugin wrote, fit to stand in a message.
pub(crate) fn quote(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{short}`")
}

/// What to say about a name that does not exist: the nearest one that does, or all there are.
///
/// `of_all` introduces the list, such as "its parameters are".
pub(crate) fn suggest<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
    of_all: &str,
) -> String {
    if let Some(near) = nearest(name, known.clone()) {
        return format!("did you mean {}?", quote(near));
    }
    let mut names: Vec<String> = known.into_iter().take(13).map(quote).collect();
    if names.len() == 13 {
        names.pop();
        names.push("…".to_owned());
    }
    if names.is_empty() { String::new() } else { format!("{of_all} {}", names.join(", ")) }
}

/// The known name that is most like `name`, if one is like it enough to be a slip of the pen.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    let wanted = name.to_lowercase();
    if wanted.len() > LONGEST {
        return None;
    }
    let length = wanted.chars().count();
    known
        .into_iter()
        .filter(|k| k.len() <= LONGEST)
        .map(|k| (strsim::osa_distance(&wanted, &k.to_lowercase()), k))
        .filter(|(distance, k)| *distance <= (length.max(k.len()) / 3).max(1) && *distance < length)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// `text` with everything escaped that would break the line or command the terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_format(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// Line and paragraph separators, and the marks that reorder text on a terminal.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, column: usize) -> Position {
        Position { file: 0, line, column }
    }

    fn diagnostic(file: &str, at: Position, message: &str, help: &str) -> Diagnostic {
        Found::new(vec![file.to_owned()]).diagnostic(at, message.into(), help.into()).1
    }

    #[test]
    fn a_diagnostic_is_printable_whatever_it_quotes() {
        let d = diagnostic("a\nb.yaml", at(3, 7), "no \u{1b}[31mstage\r\n\u{2028}\u{202e}", "do\tthis");
        assert_eq!(d.to_string(), "a\\nb.yaml:3:7: no \\u{1b}[31mstage\\r\\n\\u{2028}\\u{202e}; do\\tthis");
        let argument = diagnostic("--set a.b=1", Position::NONE, "no stage `a`", "");
        assert_eq!(argument.to_string(), "--set a.b=1: no stage `a`");
    }

    #[test]
    fn render_points_at_the_column_in_characters() {
        let d = diagnostic("p.yaml", at(2, 5), "wrong", "help");
        assert_eq!(d.render("a: 1\né:\tü: 2\n"), "p.yaml:2:5: wrong; help\n 2 | é: ü: 2\n   |     ^");
        assert_eq!(d.render("only one line"), "p.yaml:2:5: wrong; help");
        let far = diagnostic("p.yaml", at(1, 1001), "wrong", "");
        let rendered = far.render(&format!("{}X{}", "y".repeat(1000), "z".repeat(1000)));
        let lines: Vec<&str> = rendered.lines().collect();
        assert_eq!(lines[1].find('X'), lines[2].find('^'));
        assert!(lines[1].len() < 120);
    }

    #[test]
    fn nearest_finds_slips_and_refuses_strangers() {
        let known = ["spacing", "order", "reference"];
        assert_eq!(nearest("spacng", known), Some("spacing"));
        assert_eq!(nearest("Order", known), Some("order"));
        assert_eq!(nearest("odrer", known), Some("order"));
        assert_eq!(nearest("lower", ["mask"]), None);
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest(&"x".repeat(10_000), known), None);
        assert_eq!(suggest("zzz", known, "known are"), "known are `spacing`, `order`, `reference`");
        assert_eq!(suggest("zzz", [], "known are"), "");
    }

    #[test]
    fn errors_come_in_file_order_and_stop_at_a_limit() {
        let mut found = Found::new(vec!["p.yaml".to_owned()]);
        for n in 0..1000 {
            found.error(at(1000 - n, 1), || ("x", ""));
        }
        let all = found.finish(Some(())).unwrap_err();
        assert_eq!(all.as_slice().len(), MAX_ERRORS);
        assert!(all.as_slice().windows(2).all(|w| w[0].line < w[1].line));
    }
}
