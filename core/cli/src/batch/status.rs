//! How the cases stand: on disk and on the terminal.

use super::layout::Layout;
use super::{State, Study};
use crate::Failure;
use crate::console::{self, duration};
use ichor_exec::write_whole;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Write;
use std::time::Duration;

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

/// A bar with the time left; a line for what went wrong.
pub struct Shown {
    bar: ProgressBar,
}

impl Shown {
    pub fn new(count: usize) -> Self {
        let bar = ProgressBar::new(count as u64);
        let style = ProgressStyle::with_template("{pos}/{len} {bar:24} {elapsed} passed, {eta} left  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    pub fn begun(&mut self, name: &str) {
        self.bar.set_message(name.to_owned());
    }

    pub fn ended(&mut self, name: &str, state: State, reason: &str, seconds: f64) {
        self.bar.inc(1);
        let how = match state {
            State::Failed => "failed",
            State::SetAside => "set aside",
            State::Open | State::Done | State::Kept => return,
        };
        let text = format!("{name}: {how} after {}: {reason}", duration(seconds));
        self.bar.suspend(|| console::warn(&text));
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
