//! Reads a table from a file.

use crate::table_file::parse;
use ichor_sdk::prelude::*;

/// Reads a table of tab-separated or comma-separated values.
///
/// UTF-8, a row a line, the column names first. A file whose name ends with `.csv` has commas and double quotes
/// (RFC 4180); every other has tabs, in the form of save-table and BIDS. Cells become whole numbers, numbers, `true` or
/// `false` where they look like such; `n/a`, `NA` and nothing are undefined; all else is text.
#[derive(Stage)]
#[stage(id = "load-table", version = "1.0.0")]
#[output(table, kind = "table", doc = "the table")]
pub struct LoadTable {
    /// Path of the file.
    #[param(input_file)]
    source: String,
    /// Columns whose cells are text, also where they look like numbers, as names of cases may.
    #[param(default = ["case", "participant_id", "session_id", "lesion", "name", "unit", "definition"])]
    text_columns: Vec<String>,
}

/// Bytes of the largest table that is read.
const LARGEST: u64 = 1 << 30;

impl Run for LoadTable {
    fn run(&self, run: &Context) -> Result<()> {
        run.emit_table(Self::TABLE, &self.read()?)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let bytes = self.check()?;
        run.emit_table(Self::TABLE, &Table::default())?;
        Ok(Need { scratch_bytes: 8 * bytes, device_bytes: 0 })
    }
}

impl LoadTable {
    fn check(&self) -> Result<u64> {
        let source = &self.source;
        let meta = std::fs::metadata(source).map_err(|e| Error::io(format!("cannot read {source}: {e}")))?;
        if !meta.is_file() {
            return Err(Error::io(format!("{source} is no file")));
        }
        match meta.len() {
            bytes if bytes > LARGEST => {
                Err(Error::unsupported(format!("{source} has {bytes} bytes; no table is so large")))
            }
            bytes => Ok(bytes),
        }
    }

    fn read(&self) -> Result<Table> {
        self.check()?;
        let source = &self.source;
        let bytes = std::fs::read(source).map_err(|e| Error::io(format!("cannot read {source}: {e}")))?;
        let text =
            String::from_utf8(bytes).map_err(|_| Error::bad_input(format!("{source} is no UTF-8 text")))?;
        let commas = source.to_ascii_lowercase().ends_with(".csv");
        parse(&text, commas, &self.text_columns).map_err(|why| Error::bad_input(format!("{source}: {why}")))
    }
}
