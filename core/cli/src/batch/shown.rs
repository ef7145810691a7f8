//! How the cases stand, for the person who waits.
//!
//! On a terminal: a live line for the whole, and one for each case at work, with the time left. There and in a log file: a
//! line for each case as it ends, at most one a second unless it went wrong, so that a log of many small cases stays
//! short.

use super::State;
use crate::console::{self, duration};
use ichor_spec::printable;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Cases that end well within this time of the last line are counted and not named.
const EVERY: Duration = Duration::from_secs(1);

/// Follows a batch.
pub struct Shown {
    bars: Option<Bars>,
    tally: Tally,
    last: Option<Instant>,
}

struct Bars {
    all: MultiProgress,
    whole: ProgressBar,
    /// Cases at work by number.
    cases: BTreeMap<usize, ProgressBar>,
}

/// What tells how long the rest takes.
struct Tally {
    count: usize,
    at_once: usize,
    /// Cases that ended, those done before among them.
    ended: usize,
    /// Cases that ended now, and the seconds that they took together.
    worked: usize,
    seconds: f64,
}

impl Tally {
    /// Seconds until all have ended, if the rest take what those took that ended; `None` before one did.
    fn left(&self) -> Option<f64> {
        let each = (self.worked > 0).then(|| self.seconds / self.worked as f64)?;
        let rest = self.count - self.ended;
        Some(rest as f64 * each / self.at_once.clamp(1, rest.max(1)) as f64)
    }

    /// `3 of 10, 1 min 20 s left`.
    fn text(&self) -> String {
        let left = self.left().map(|s| format!(", {} left", duration(s))).unwrap_or_default();
        format!("{} of {}{left}", self.ended, self.count)
    }
}

impl Shown {
    pub fn new(count: usize, at_once: usize) -> Self {
        let bars = std::io::stderr().is_terminal().then(|| {
            let all = MultiProgress::new();
            let whole = bar(&all, count as u64, "{bar:24} {elapsed} passed, {msg}");
            Bars { all, whole, cases: BTreeMap::new() }
        });
        let tally = Tally { count, at_once, ended: 0, worked: 0, seconds: 0.0 };
        Self { bars, tally, last: None }
    }

    pub fn begun(&mut self, index: usize, name: &str) {
        if let Some(bars) = &mut self.bars {
            let case = bar(&bars.all, 1000, "  {prefix} {bar:24} {percent:>3}% {elapsed:>4} {msg}");
            case.set_prefix(printable(name));
            // Its process may have died before it could end.
            if let Some(old) = bars.cases.insert(index, case) {
                bars.all.remove(&old);
            }
        }
    }

    pub fn going(&mut self, index: usize, fraction: f64, left: Option<f64>, stage: &str) {
        if let Some(case) = self.bars.as_ref().and_then(|bars| bars.cases.get(&index)) {
            case.set_position((fraction.clamp(0.0, 1.0) * 1000.0) as u64);
            let left = left.map(|s| format!(", {} left", duration(s))).unwrap_or_default();
            case.set_message(printable(&format!("{stage}{left}")));
        }
    }

    pub fn ended(&mut self, index: usize, name: &str, state: State, reason: &str, seconds: f64) {
        self.tally.ended += 1;
        if matches!(state, State::Done | State::Failed) {
            self.tally.worked += 1;
            self.tally.seconds += seconds;
        }
        let text = self.tally.text();
        if let Some(bars) = &mut self.bars {
            bars.whole.set_position(self.tally.ended as u64);
            bars.whole.set_message(text.clone());
            if let Some(case) = bars.cases.remove(&index) {
                case.finish_and_clear();
                bars.all.remove(&case);
            }
        }
        let took = duration(seconds);
        match state {
            State::Failed => self.line(true, &format!("{name}: failed after {took}: {reason}")),
            State::SetAside => self.line(true, &format!("{name}: set aside: {reason}")),
            State::Done if self.last.is_none_or(|last| last.elapsed() >= EVERY) => {
                self.last = Some(Instant::now());
                self.line(false, &format!("{name}: done in {took} ({text})"));
            }
            State::Open | State::Done | State::Kept => {}
        }
    }

    fn line(&self, is_warning: bool, text: &str) {
        let say = || if is_warning { console::warn(text) } else { console::note(text) };
        match &self.bars {
            Some(bars) => bars.all.suspend(say),
            None => say(),
        }
    }
}

fn bar(all: &MultiProgress, length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = all.add(ProgressBar::new(length).with_style(style));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bars) = &self.bars {
            bars.cases.values().for_each(ProgressBar::finish_and_clear);
            bars.whole.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_what_the_others_took() {
        let tally = |ended, worked, seconds| Tally { count: 10, at_once: 2, ended, worked, seconds };
        assert_eq!(tally(0, 0, 0.0).text(), "0 of 10");
        // Those that were done before tell nothing.
        assert_eq!(tally(4, 0, 0.0).left(), None);
        assert_eq!(tally(4, 2, 40.0).text(), "4 of 10, 60.0 s left");
        // The last one has a place of its own, and another stays empty.
        assert_eq!(tally(9, 5, 100.0).left(), Some(20.0));
        assert_eq!(tally(10, 5, 100.0).left(), Some(0.0));
    }
}
