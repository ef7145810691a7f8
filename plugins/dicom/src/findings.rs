//! What was found about a CT: the table that `load-dicom` and `inspect-ct` share.

use ichor_sdk::prelude::*;

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    /// It was wrong and is right in the volume.
    Repaired,
    /// It may matter.
    Warn,
    /// The volume is not what later stages need.
    Fail,
}

impl Verdict {
    /// As tables have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Repaired => "repaired",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub name: &'static str,
    pub value: Option<f64>,
    pub unit: &'static str,
    pub verdict: Verdict,
    pub text: String,
}

/// All of them, in the order in which they were found.
#[derive(Clone, Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Adds one.
    pub fn add(
        &mut self,
        name: &'static str,
        value: impl Into<Option<f64>>,
        unit: &'static str,
        verdict: Verdict,
        text: impl Into<String>,
    ) {
        self.0.push(Finding { name, value: value.into(), unit, verdict, text: text.into() });
    }

    /// Says in the log what has one of these verdicts.
    pub fn log(&self, run: &Context, verdicts: &[Verdict]) {
        for f in self.0.iter().filter(|f| verdicts.contains(&f.verdict)) {
            let value =
                f.value.map(|v| format!(" {} {}", (v * 100.0).round() / 100.0, f.unit)).unwrap_or_default();
            run.warn(&format!("{}{} ({}): {}", f.name, value.trim_end(), f.verdict.name(), f.text));
        }
    }

    /// The failures in one sentence; `None` when there is none.
    pub fn failures(&self) -> Option<String> {
        let texts: Vec<String> = self
            .0
            .iter()
            .filter(|f| f.verdict == Verdict::Fail)
            .map(|f| format!("{}: {}", f.name, f.text))
            .collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    /// Columns finding, value, unit, verdict and text.
    pub fn table(&self) -> Table {
        let mut table = empty();
        for f in &self.0 {
            // Digits beyond are of arithmetic, not of the scanner.
            let value = f.value.map(|v| (v * 1e6).round() / 1e6);
            table.rows.push(vec![
                f.name.into(),
                value.into(),
                f.unit.into(),
                f.verdict.name().into(),
                f.text.as_str().into(),
            ]);
        }
        table
    }
}

/// The table without rows.
pub fn empty() -> Table {
    let mut table = Table::new(&["finding", "value", "unit", "verdict", "text"]);
    let definitions = [
        "what was looked at",
        "its number, in the row's unit",
        "unit of the value",
        "ok, repaired, warn or fail",
        "what it means",
    ];
    for (column, definition) in table.columns.iter_mut().zip(definitions) {
        column.definition = Some(definition.into());
    }
    table
}
