//! A program that makes a table.

use crate::tsv;
use ichor_sdk::prelude::*;

exec_stage! {
    /// Runs a program that makes a table.
    ///
    /// As exec-image, with a table at `{output}`: tab-separated values with the column names in the first
    /// line and `n/a` for missing ones, or, when the name of `output` ends with `.json`, an object of
    /// `columns` and `rows` as save-table writes it.
    #[stage(id = "exec-table", version = "1.0.0")]
    #[output(table, kind = "table", doc = "what the program wrote")]
    pub struct ExecTable {
        /// Columns of a TSV file whose cells are text, also where they look like numbers. Other cells become
        /// whole numbers, numbers, `true` or `false` where they look like such.
        #[param(default = ["lesion", "name", "unit", "definition"])]
        text_columns: Vec<String>,
        /// Name of the file that the program writes, in its folder.
        #[param(default = "output.tsv")]
        output: String,
    }
}

impl Run for ExecTable {
    fn run(&self, run: &Context) -> Result<()> {
        let done = self.task().run(run, &run.many(Self::IMAGES)?, &run.many(Self::TABLES)?)?;
        let bytes = done.bytes()?;
        let table = if self.output.ends_with(".json") {
            Table::from_json(&bytes).map_err(|e| done.wrong(&format!("is {e}")))?
        } else {
            tsv::from_tsv(&bytes, &self.text_columns).map_err(|why| done.wrong(&why))?
        };
        run.emit_table(Self::TABLE, &table)?;
        run.set_meta(Self::TABLE, &done.meta)?;
        done.close(run);
        Ok(())
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        run.emit_table(Self::TABLE, &Table::default())?;
        self.task().plan(run, &run.many(Self::IMAGES)?, &run.many(Self::TABLES)?)
    }
}
