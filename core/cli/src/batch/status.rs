//! How the cases stand, on disk.

use super::layout::Layout;
use super::{State, Study};
use crate::Failure;
use ichor_exec::write_whole;
use std::fmt::Write;

/// Writes `status.tsv`: a row a case with how it ended and why.
pub fn write(study: &Study, layout: &Layout, states: &[(State, String, f64)]) -> Result<(), Failure> {
    let has_variants = !study.variants.is_empty();
    let mut text = String::from(if has_variants { "case\tvariant\t" } else { "case\t" });
    text.push_str("status\tseconds\treason\n");
    for (index, (state, reason, seconds)) in states.iter().enumerate() {
        let item = study.item(index);
        let variant = item.variant().map(|v| format!("{v}\t")).unwrap_or_default();
        let word = match state {
            State::Open => "open",
            State::Done | State::Kept => "done",
            State::Failed => "failed",
            State::SetAside => "set-aside",
        };
        let seconds =
            if matches!(state, State::Done | State::Failed) { format!("{seconds:.3}") } else { "n/a".into() };
        let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = writeln!(text, "{}\t{variant}{word}\t{seconds}\t{reason}", item.case.name); // a String takes it
    }
    write_whole(&layout.status(), text.as_bytes()).map_err(|e| {
        Failure::usage(format!(
            "cannot write to {}: {e}; choose another folder with -o",
            layout.out.display()
        ))
    })
}
