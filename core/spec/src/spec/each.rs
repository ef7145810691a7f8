//! `each:`, a stage that stands for one stage a row.
//!
//! ```yaml
//! head: { each: 24, use: phantom-head, with: { seed: $each.n } }           # head-1 to head-24, n from 1
//! load: { each: cases.tsv, use: load-nifti, with: { source: $each.ct } }   # a stage a row of a table
//! train: { use: build-atlas, in: { cts: [load.image] }, with: { names: $each.load.case } }   # of all, in order
//! ```

use super::read::{Entry, Fields, Reader};
use crate::diagnostic::{quote, suggest};
use crate::yaml::{Node, Position, Spanned};
use std::collections::BTreeMap;

/// Most rows of an `each`: a stage a row, all in memory; more are for `ichor batch`.
const MAX_ROWS: usize = 2000;
/// What stands for a cell.
const CELL: &str = "$each.";
/// The column that counts rows from 1.
const NUMBER: &str = "n";
/// The column whose cells name the rows.
const CASE: &str = "case";

/// A row: its name, and its cells by column.
struct Row {
    name: String,
    cells: Cells,
    /// The input whose table it would be in.
    table: Option<String>,
}

type Cells = BTreeMap<String, Spanned<Node>>;

/// A stage with `each`: of what, and its rows.
struct Many {
    of: serde_json::Value,
    rows: Vec<Row>,
}

impl Reader<'_> {
    /// Puts stages in the place of those with `each`, and lists of them where they are connected.
    pub(super) fn expand(&mut self, root: &mut Spanned<Node>) {
        let Node::Map(sections) = &mut root.value else { return };
        let defaults = defaults(sections);
        let many = match section(sections, "stages") {
            Some(stages) => self.many(stages, &defaults),
            None => return,
        };
        if many.is_empty() {
            return;
        }
        if let Some(stages) = section(sections, "stages") {
            let old = std::mem::take(stages);
            for (name, mut node) in old {
                let Some(this) = many.get(&name.value) else {
                    if let Node::Map(fields) = &mut node.value {
                        if let Some(inputs) = section(fields, "in") {
                            inputs.iter_mut().for_each(|(_, node)| connect(node, None, &many));
                        }
                        for (_, node) in section(fields, "with").into_iter().flatten() {
                            self.column(node, &many);
                        }
                    }
                    stages.push((name, node));
                    continue;
                };
                for row in &this.rows {
                    let label = Spanned { value: format!("{}-{}", name.value, row.name), at: name.at };
                    let mut node = node.clone();
                    if let Node::Map(fields) = &mut node.value {
                        fields.retain(|(key, _)| key.value != "each");
                        if let Some(inputs) = section(fields, "in") {
                            inputs.iter_mut().for_each(|(_, node)| connect(node, Some((this, row)), &many));
                        }
                    }
                    self.fill(&mut node, row);
                    self.row_of.insert(label.value.clone(), name.value.clone());
                    stages.push((label, node));
                }
            }
        }
        if let Some(outputs) = section(sections, "outputs") {
            let old = std::mem::take(outputs);
            for (name, node) in old {
                let of = match &node.value {
                    Node::Text(text) => many.get(stage_of(text)).map(|this| (this, text)),
                    _ => None,
                };
                let Some((this, text)) = of else {
                    outputs.push((name, node));
                    continue;
                };
                for row in &this.rows {
                    let label = Spanned { value: format!("{}-{}", name.value, row.name), at: name.at };
                    let from = Spanned { value: Node::Text(renamed(text, row)), at: node.at };
                    outputs.push((label, from));
                }
            }
        }
    }

    fn many(&mut self, stages: &[Entry], defaults: &Cells) -> BTreeMap<String, Many> {
        let mut many = BTreeMap::new();
        for (name, node) in stages {
            let Node::Map(fields) = &node.value else { continue };
            let Some(each) = Fields(fields).get("each") else { continue };
            // With a mistake it has no rows, so that stages connected to it are not called unknown.
            let rows = self.rows(each, defaults).unwrap_or_default();
            many.insert(name.value.clone(), Many { of: each.value.to_json(), rows });
        }
        many
    }

    fn rows(&mut self, each: &Spanned<Node>, defaults: &Cells) -> Option<Vec<Row>> {
        let rows = match &each.value {
            Node::Number(n) if n.as_u64().is_some_and(|n| n > 0) => {
                let count = n.as_u64().map_or(0, |n| n.min(MAX_ROWS as u64 + 1)) as usize;
                vec![Cells::new(); count]
            }
            Node::Seq(rows) if !rows.is_empty() => rows
                .iter()
                .map(|row| {
                    let cells = self.map(row, "a row of `each`")?;
                    Some(cells.iter().map(|(name, cell)| (name.value.clone(), cell.clone())).collect())
                })
                .collect::<Option<_>>()?,
            Node::Text(text) => match self.table_file(text, each.at, defaults) {
                Some(file) => self.table(&file, each.at)?,
                // Checked without its table, it has one row, of which nothing is known.
                None => {
                    let name = "1".to_owned();
                    return Some(vec![Row { name, cells: Cells::new(), table: Some(text.clone()) }]);
                }
            },
            other => {
                self.found.error(each.at, || {
                    (
                        format!("`each` is {}", other.describe()),
                        "give a number of rows, a list of maps, or a table: its path, or $inputs.NAME",
                    )
                });
                return None;
            }
        };
        if rows.len() > MAX_ROWS {
            self.found.error(each.at, || {
                (
                    format!("`each` has more than {MAX_ROWS} rows"),
                    "run many cases one by one, with `ichor batch`",
                )
            });
            return None;
        }
        let mut names = BTreeMap::new();
        let mut list = Vec::new();
        for (number, mut cells) in (1u64..).zip(rows) {
            let node = Spanned { value: Node::Number(number.into()), at: each.at };
            cells.entry(NUMBER.to_owned()).or_insert(node);
            let (name, at) = match cells.get(CASE) {
                Some(Spanned { value: Node::Text(text), at }) => (text.clone(), *at),
                Some(Spanned { value: Node::Number(n), at }) => (n.to_string(), *at),
                _ => (number.to_string(), each.at),
            };
            let name: String =
                name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
            if let Some(other) = names.insert(name.clone(), number) {
                self.found.error(at, || {
                    (
                        format!("rows {other} and {number} of `each` are both called {}", quote(&name)),
                        "give each row its own `case`",
                    )
                });
                continue;
            }
            list.push(Row { name, cells, table: None });
        }
        Some(list)
    }

    /// The table's path; `None` for an input that has no value.
    fn table_file(&mut self, text: &str, at: Position, defaults: &Cells) -> Option<String> {
        let Some(name) = text.strip_prefix("$inputs.") else { return Some(self.found.beside(at, text)) };
        self.reads.push(name.to_owned());
        // The values of the command line are for the pipeline that it names, not for one within.
        if let Some(path) = self.given.get(name).filter(|_| self.open.len() == 1) {
            return Some(path.clone());
        }
        match defaults.get(name) {
            Some(Spanned { value: Node::Text(path), at }) => Some(self.found.beside(*at, path)),
            _ => None,
        }
    }

    /// The rows of a table of tab-separated values; cells stand where they stand in the file.
    fn table(&mut self, file: &str, at: Position) -> Option<Vec<Cells>> {
        let content = match (self.read)(file) {
            Ok(content) => content,
            Err(why) => {
                self.found.error(at, || (format!("the table {} cannot be read: {why}", quote(file)), ""));
                return None;
            }
        };
        let index = self.found.file(file);
        let content = content.strip_prefix('\u{feff}').unwrap_or(&content);
        let mut lines = (1..).zip(content.lines()).filter(|(_, line)| !line.trim().is_empty());
        let (first, head) = lines.next().unwrap_or((1, ""));
        let columns: Vec<&str> = head.split('\t').map(str::trim).collect();
        if columns.iter().any(|name| name.is_empty()) {
            self.found.error(Position { file: index, line: first, column: 1 }, || {
                ("the table has no names of columns", "name its columns in the first line, separated by tabs")
            });
            return None;
        }
        let mut rows = Vec::new();
        for (line, text) in lines {
            let cells: Vec<&str> = text.split('\t').collect();
            if cells.len() != columns.len() {
                self.found.error(Position { file: index, line, column: 1 }, || {
                    (
                        format!("this row has {} cells under {} columns", cells.len(), columns.len()),
                        "separate cells by one tab each",
                    )
                });
                return None;
            }
            let mut column = 1;
            let mut row = Cells::new();
            for (name, cell) in columns.iter().zip(&cells) {
                let at = Position { file: index, line, column };
                row.insert((*name).to_owned(), Spanned { value: scalar(cell.trim()), at });
                column += cell.chars().count() + 1;
            }
            rows.push(row);
        }
        if rows.is_empty() {
            self.found.error(Position::start(index), || ("the table has no rows", "a row makes a stage"));
            return None;
        }
        Some(rows)
    }

    /// Puts the list of the cells of all rows in the place of `$each.STAGE.COLUMN`.
    fn column(&mut self, node: &mut Spanned<Node>, many: &BTreeMap<String, Many>) {
        let Node::Text(text) = &node.value else { return };
        let Some((stage, column)) = text.strip_prefix(CELL).and_then(|rest| rest.split_once('.')) else {
            return;
        };
        let Some(this) = many.get(stage) else { return };
        let text = Spanned { value: Node::Text(format!("{CELL}{column}")), at: node.at };
        let mut cells = vec![text; this.rows.len()];
        cells.iter_mut().zip(&this.rows).for_each(|(cell, row)| self.fill(cell, row));
        node.value = Node::Seq(cells);
    }

    /// Puts a row's cells in the place of `$each.COLUMN`.
    fn fill(&mut self, node: &mut Spanned<Node>, row: &Row) {
        match &mut node.value {
            Node::Seq(list) => list.iter_mut().for_each(|node| self.fill(node, row)),
            Node::Map(entries) => entries.iter_mut().for_each(|(_, node)| self.fill(node, row)),
            Node::Text(text) => {
                let Some(column) = text.strip_prefix(CELL) else { return };
                match (row.cells.get(column), &row.table) {
                    (Some(cell), _) => *node = cell.clone(),
                    (None, Some(input)) => node.value = Node::Text(input.clone()),
                    (None, None) => self.found.error(node.at, || {
                        (
                            format!("`each` has no column {}", quote(column)),
                            suggest(column, row.cells.keys().map(String::as_str), "its columns are"),
                        )
                    }),
                }
            }
            Node::Null | Node::Bool(_) | Node::Number(_) => {}
        }
    }
}

/// What a cell says: nothing, a number, or text.
fn scalar(cell: &str) -> Node {
    match cell {
        "" | "n/a" => Node::Null,
        "true" | "false" => Node::Bool(cell == "true"),
        // A number that is written as one writes numbers; `007` and `1_000` are text.
        _ => match serde_json::from_str(cell) {
            Ok(serde_json::Value::Number(number)) => Node::Number(number),
            _ => Node::Text(cell.to_owned()),
        },
    }
}

fn section<'a>(entries: &'a mut [Entry], key: &str) -> Option<&'a mut Vec<Entry>> {
    match entries.iter_mut().find(|(k, _)| k.value == key) {
        Some((_, Spanned { value: Node::Map(entries), .. })) => Some(entries),
        _ => None,
    }
}

/// The defaults of the pipeline's inputs.
fn defaults(sections: &mut [Entry]) -> Cells {
    let Some(inputs) = section(sections, "inputs") else { return BTreeMap::new() };
    let default = |(name, node): &Entry| match &node.value {
        Node::Map(fields) => Some((name.value.clone(), Fields(fields).get("default")?.clone())),
        _ => None,
    };
    inputs.iter().filter_map(default).collect()
}

fn stage_of(text: &str) -> &str {
    text.split('.').next().unwrap_or(text)
}

/// `STAGE.PORT` of one row.
fn renamed(text: &str, row: &Row) -> String {
    let stage = stage_of(text);
    format!("{stage}-{}{}", row.name, &text[stage.len()..])
}

/// Connects to the stages of the rows: of the same row, where both are of the same rows, else of all.
fn connect(node: &mut Spanned<Node>, here: Option<(&Many, &Row)>, many: &BTreeMap<String, Many>) {
    let at = node.at;
    let all = |text: &str| -> Option<Vec<String>> {
        let of = many.get(stage_of(text))?;
        Some(match here {
            Some((this, row)) if this.of == of.of => vec![renamed(text, row)],
            _ => of.rows.iter().map(|row| renamed(text, row)).collect(),
        })
    };
    let nodes = |texts: Vec<String>, at| {
        texts.into_iter().map(move |text| Spanned { value: Node::Text(text), at }).collect::<Vec<_>>()
    };
    match &mut node.value {
        Node::Text(text) => {
            if let Some(texts) = all(text) {
                let mut list = nodes(texts, at);
                *node = match (list.len(), list.pop()) {
                    (1, Some(one)) => one,
                    (_, last) => {
                        list.extend(last);
                        Spanned { value: Node::Seq(list), at }
                    }
                };
            }
        }
        Node::Seq(list) => {
            let old = std::mem::take(list);
            for item in old {
                let texts = match &item.value {
                    Node::Text(text) => all(text),
                    _ => None,
                };
                match texts {
                    Some(texts) => list.extend(nodes(texts, item.at)),
                    None => list.push(item),
                }
            }
        }
        _ => {}
    }
}
