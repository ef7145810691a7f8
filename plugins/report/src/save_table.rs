//! Writes tables as TSV and JSON.

use crate::{merge::merge, table_json::to_json, tsv::to_tsv};
use ichor_sdk::prelude::*;

/// Writes tables as tab-separated values and as JSON.
///
/// Several tables become one: columns are matched by name, and a row is empty under columns that its table
/// does not have. In the TSV a missing value is `n/a` (BIDS), and tabs, line breaks and backslashes inside a
/// cell are `\t`, `\n`, `\r` and `\\`. The JSON keeps every number exactly, and the units and definitions
/// of columns.
#[derive(Stage)]
#[stage(id = "save-table", version = "1.0.0")]
#[input(tables, kind = "table", many, doc = "tables to write, one below the other")]
#[output(tsv, kind = "doc", doc = "text/tab-separated-values")]
#[output(json, kind = "doc", doc = "application/json: columns with units and definitions, and rows")]
pub struct SaveTable {
    /// Digits after the decimal point in the TSV; without it, numbers are written so that they read back
    /// exactly.
    #[param(min = 0, max = 17)]
    decimals: Option<u32>,
    /// A name for each table: adds a first column `source` that tells from which table a row comes.
    #[param(default = [])]
    sources: Vec<String>,
}

impl Run for SaveTable {
    fn run(&self, run: &Context) -> Result<()> {
        let tables: Vec<Table> = run.many(Self::TABLES)?.iter().map(Input::table).collect::<Result<_>>()?;
        let table = merge(&tables, &self.sources)?;
        run.emit_doc(Self::TSV, "text/tab-separated-values", "tsv", &to_tsv(&table, self.decimals))?;
        run.emit_doc(Self::JSON, "application/json", "json", &to_json(&table))
    }
}
