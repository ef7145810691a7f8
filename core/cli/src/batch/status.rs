//! How the cases stand: on disk and on the terminal.

use super::layout::Layout;
use super::{State, Study};
use crate::Failure;
use crate::console::{self, duration};
use ichor_exec::write_whole;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

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

/// On a terminal, a bar for the whole and one for each case at work, with the time left; elsewhere a line now and then.
/// A line for what went wrong.
pub struct Shown {
    bars: Option<MultiProgress>,
    whole: ProgressBar,
    at_work: BTreeMap<usize, ProgressBar>,
    begin: Instant,
    last_line: Instant,
    /// Cases that ended, of them those that were done before, and all.
    ended: usize,
    kept: usize,
    count: usize,
}

/// Not on a terminal, a line is printed at most this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Shown {
    pub fn new(count: usize) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        let style = ProgressStyle::with_template("{pos}/{len} {bar:24} {elapsed} passed, {eta} left");
        let whole = bars.as_ref().map_or_else(ProgressBar::hidden, |b| b.add(ProgressBar::new(count as u64)));
        whole.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        whole.enable_steady_tick(Duration::from_millis(200));
        let (begin, last_line) = (Instant::now(), Instant::now());
        Self { bars, whole, at_work: BTreeMap::new(), begin, last_line, ended: 0, kept: 0, count }
    }

    pub fn begun(&mut self, index: usize, name: &str) {
        let Some(bars) = &self.bars else { return };
        let style =
            ProgressStyle::with_template("  {prefix:>18} {bar:24} {elapsed} passed, {eta} left  {msg}");
        let bar = bars.add(ProgressBar::new(1000));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(name.to_owned());
        if let Some(old) = self.at_work.insert(index, bar) {
            old.finish_and_clear(); // its process died, and it begins again
        }
    }

    pub fn at(&mut self, index: usize, fraction: f64, stage: &str) {
        if let Some(bar) = self.at_work.get(&index) {
            bar.set_position((fraction.clamp(0.0, 1.0) * 1000.0) as u64);
            bar.set_message(stage.to_owned());
        }
    }

    pub fn ended(&mut self, index: usize, name: &str, state: State, reason: &str, seconds: f64) {
        if let Some(bar) = self.at_work.remove(&index) {
            bar.finish_and_clear();
        }
        self.whole.inc(1);
        self.ended += 1;
        self.kept += usize::from(state == State::Kept);
        let how = match state {
            State::Failed => "failed",
            State::SetAside => "set aside",
            State::Open | State::Done | State::Kept => {
                if self.bars.is_none() && self.last_line.elapsed() > LINE_EVERY {
                    self.last_line = Instant::now();
                    console::note(&self.line());
                }
                return;
            }
        };
        let text = format!("{name}: {how} after {}: {reason}", duration(seconds));
        self.whole.suspend(|| console::warn(&text));
    }

    /// `12 of 100, about 3 min 05 s left`; cases that were done before took no time.
    fn line(&self) -> String {
        let each = self.begin.elapsed().as_secs_f64() / (self.ended - self.kept).max(1) as f64;
        let left = each * (self.count - self.ended) as f64;
        format!("{} of {}, about {} left", self.ended, self.count, duration(left))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.at_work.values().for_each(ProgressBar::finish_and_clear);
        self.whole.finish_and_clear();
    }
}
