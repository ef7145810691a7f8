//! The terminal: results on standard output, everything else on standard error.

use ichor_exec::Observer;
use ichor_host::StageError;
use ichor_spec::{Plan, printable};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Prints a result whose text may come from a plugin, a pipeline or a file name.
pub fn print(text: &str) {
    print_raw(&printable_lines(text));
}

/// Prints a result as it is. A reader that has gone away (`| head`) ends the program quietly.
pub fn print_raw(text: &str) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints a result for a machine.
pub fn print_json(value: &impl serde::Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print_raw(&text),
        Err(e) => error(&e.to_string()),
    }
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", printable_lines(text)); // nobody to tell when stderr is gone
}

/// Nothing that commands the terminal gets through, whoever wrote it; line ends do.
fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// Prints an error.
pub fn error(message: &str) {
    say(&format!("error: {message}"));
}

/// Says how something goes.
pub fn note(message: &str) {
    say(message);
}

/// Prints a warning.
pub fn warn(message: &str) {
    say(&format!("warning: {message}"));
}

/// `0.31 s`, `12.4 s`, `3 min 05 s`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 0.0995 => format!("{:.0} ms", s * 1e3),
        s if s < 9.95 => format!("{s:.2} s"),
        s if s < 120.0 => format!("{s:.1} s"),
        s => {
            let whole = s.round() as u64;
            format!("{} min {:02} s", whole / 60, whole % 60)
        }
    }
}

/// `36 B`, `1.5 KiB`, `200 MiB`.
pub fn bytes(n: u64) -> String {
    let mut size = n as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1023.5 {
            return if size < 9.95 && unit != "B" {
                format!("{size:.1} {unit}")
            } else {
                format!("{size:.0} {unit}")
            };
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

/// Shows a run: a bar a stage on a terminal, plain lines elsewhere.
pub struct Progress {
    names: Vec<String>,
    bars: Option<MultiProgress>,
    stages: Vec<Mutex<Shown>>,
    quiet: bool,
}

#[derive(Default)]
struct Shown {
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

/// Piped output gets a line about a running stage at most this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Progress {
    pub fn new(plan: &Plan, quiet: bool) -> Self {
        let names: Vec<String> = plan.stages.iter().map(|s| s.name.clone()).collect();
        let stages = names.iter().map(|_| Mutex::default()).collect();
        let bars = (!quiet && std::io::stderr().is_terminal()).then(MultiProgress::new);
        Self { names, bars, stages, quiet }
    }

    fn line(&self, text: &str) {
        match &self.bars {
            _ if self.quiet => {}
            Some(bars) => {
                let _ = bars.println(printable_lines(text));
            }
            None => say(text),
        }
    }

    fn with(&self, index: usize, change: impl FnOnce(&mut Shown)) {
        if let Ok(mut shown) = self.stages[index].lock() {
            change(&mut shown);
        }
    }
}

impl Observer for Progress {
    fn started(&self, index: usize) {
        self.with(index, |shown| {
            shown.last_line = Some(Instant::now());
            if let Some(bars) = &self.bars {
                let style =
                    ProgressStyle::with_template("{prefix:>18} {bar:24} {percent:>3}% {elapsed:>4} {msg}");
                let bar = bars.add(ProgressBar::new(1000));
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.set_prefix(self.names[index].clone());
                bar.enable_steady_tick(Duration::from_millis(200));
                shown.bar = Some(bar);
            }
        });
    }

    fn reused(&self, index: usize) {
        self.line(&format!("{}: reused", self.names[index]));
    }

    fn progress(&self, index: usize, fraction: f64, what: &str) {
        self.with(index, |shown| {
            if let Some(bar) = &shown.bar {
                bar.set_position((fraction.clamp(0.0, 1.0) * 1000.0) as u64);
                bar.set_message(printable(what));
            } else if shown.last_line.is_some_and(|t| t.elapsed() > LINE_EVERY) {
                shown.last_line = Some(Instant::now());
                self.line(&format!("{}: {:.0}% {what}", self.names[index], fraction * 100.0));
            }
        });
    }

    fn log(&self, index: usize, level: i32, message: &str) {
        let word = match level {
            ..=1 => "error: ",
            2 => "warning: ",
            3 => "",
            _ => return,
        };
        self.line(&format!("{}: {word}{message}", self.names[index]));
    }

    fn ended(&self, index: usize, seconds: f64, error: Option<&StageError>) {
        self.with(index, |shown| {
            if let (Some(bars), Some(bar)) = (&self.bars, shown.bar.take()) {
                bar.finish_and_clear();
                bars.remove(&bar);
            }
        });
        let how = match error {
            None => "done in",
            Some(error) if error.is_cancelled() => "stopped after",
            Some(_) => "failed after",
        };
        self.line(&format!("{}: {how} {}", self.names[index], duration(seconds)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let shown = [0.0004, 0.0994, 0.31, 9.949, 12.44, 119.9, 179.7, 3605.0].map(duration);
        assert_eq!(
            shown,
            ["0 ms", "99 ms", "0.31 s", "9.95 s", "12.4 s", "119.9 s", "3 min 00 s", "60 min 05 s"]
        );
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(
            [0, 36, 1536, 209_715_200, 3 << 30].map(bytes),
            ["0 B", "36 B", "1.5 KiB", "200 MiB", "3.0 GiB"]
        );
    }

    #[test]
    fn nothing_commands_the_terminal() {
        assert_eq!(printable_lines("a\u{1b}[2J\r\nb\u{202e}"), "a\\u{1b}[2J\nb\\u{202e}");
    }
}
