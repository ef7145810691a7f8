//! `ichor plugins check`: the conformance kit on one plugin, as text, JSON and JUnit.

use crate::console;
use crate::project::worker_command;
use crate::{Failure, STAGE_FAILED};
use ichor_host::conformance::{Check, CheckOptions, Verdict, check_plugin};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    /// The plugin's library
    file: PathBuf,
    /// Check this stage alone
    #[arg(long, value_name = "ID")]
    stage: Option<String>,
    /// Give a parameter for all runs, for instance one without a default
    #[arg(long, value_name = "STAGE.PARAM=VALUE")]
    set: Vec<String>,
    /// Seconds that one run may take
    #[arg(long, value_name = "N", default_value_t = 30.0, value_parser = positive)]
    seconds: f64,
    /// Memory in MiB that a stage may use besides its outputs
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(16..1 << 24))]
    memory: u64,
    /// Write the result as JUnit XML, too
    #[arg(long, value_name = "PATH")]
    junit: Option<PathBuf>,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|n| (0.01..=86_400.0).contains(n));
    number.ok_or_else(|| "give seconds from 0.01 to 86400".to_owned())
}

pub fn run(args: &Args, as_json: bool) -> Result<(), Failure> {
    let (exe, worker_args) = worker_command()?;
    let in_process = ["plugins", "in-process"].map(Into::into).to_vec();
    let mut options = CheckOptions::new(exe, worker_args, in_process);
    options.stage.clone_from(&args.stage);
    (options.seconds, options.bytes) = (args.seconds, args.memory << 20);
    for set in &args.set {
        let parts = set.split_once('=').and_then(|(name, value)| Some((name.split_once('.')?, value)));
        let Some(((stage, param), value)) = parts else {
            return Err(Failure::usage(format!("--set {set} does not have the form STAGE.PARAM=VALUE")));
        };
        options.set.push((stage.into(), param.into(), value.into()));
    }
    let mut checks: Vec<Check> = Vec::new();
    let mut hear = |check: Check| {
        if !as_json {
            console::print(&line(&check)); // some stages take minutes: one wants to see it go on
        }
        checks.push(check);
    };
    check_plugin(&args.file, &options, &mut hear).map_err(Failure::usage)?;
    if let Some(path) = &args.junit {
        std::fs::write(path, junit(&args.file, &checks))
            .map_err(|e| Failure::usage(format!("--junit {}: cannot write it: {e}", path.display())))?;
    }
    let [passed, failed, skipped] = counts(&checks);
    if as_json {
        console::print_json(&json!({
            "plugin": args.file, "passed": passed, "failed": failed, "skipped": skipped,
            "checks": checks.iter().map(as_value).collect::<Vec<_>>(),
        }));
    } else {
        console::print(&format!("{passed} passed, {failed} failed, {skipped} skipped"));
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure {
            code: STAGE_FAILED,
            message: format!("{} does not conform: see the checks that failed", args.file.display()),
        }),
    }
}

/// The child of a check, which loads the plugin. Nobody reads more of it than its answers.
pub fn in_process() -> Result<(), Failure> {
    match ichor_host::conformance::in_process_main() {
        0 => Ok(()),
        code => std::process::exit(code.into()),
    }
}

fn counts(checks: &[Check]) -> [usize; 3] {
    let count = |word| checks.iter().filter(|c| words(c).0 == word).count();
    ["passed", "failed", "skipped"].map(count)
}

/// The verdict in a word, and what is said with it.
fn words(check: &Check) -> (&'static str, &str) {
    match &check.verdict {
        Verdict::Passed(remark) => ("passed", remark.as_deref().unwrap_or("")),
        Verdict::Failed(why) => ("failed", why),
        Verdict::Skipped(why) => ("skipped", why),
    }
}

fn line(check: &Check) -> String {
    let (word, text) = words(check);
    let word = if word == "failed" { "FAILED" } else { word };
    let stage = check.stage.as_ref().map(|stage| format!("{stage}: ")).unwrap_or_default();
    let mut line = format!("{word:<8}{stage}{}", check.name);
    if !text.is_empty() {
        // One line a check, whatever a plugin puts into its errors.
        let _ = write!(line, " - {}", text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    line
}

fn as_value(check: &Check) -> Value {
    let (word, text) = words(check);
    json!({ "stage": check.stage, "name": check.name, "verdict": word, "text": text })
}

/// In the form that CI systems read: a test case a check, its class the stage.
fn junit(file: &Path, checks: &[Check]) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let [_, failed, skipped] = counts(checks);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" \
         errors=\"0\" skipped=\"{skipped}\">\n",
        escaped(&name),
        checks.len()
    );
    for check in checks {
        let class = check.stage.as_deref().unwrap_or("plugin");
        let _ = write!(xml, "<testcase classname=\"{}\" name=\"{}\"", escaped(class), escaped(check.name));
        let (word, text) = words(check);
        let _ = match word {
            "failed" => writeln!(xml, "><failure message=\"{}\"/></testcase>", escaped(text)),
            "skipped" => writeln!(xml, "><skipped message=\"{}\"/></testcase>", escaped(text)),
            _ => writeln!(xml, "/>"),
        };
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

/// Text in an attribute. XML 1.0 has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junit_says_the_same() {
        let check = |name, verdict| Check { stage: Some("s".into()), name, verdict };
        let checks = [
            check("good", Verdict::Passed(Some("3 runs".into()))),
            check("bad", Verdict::Failed("it says \"<no>\"\u{1b}\nand more".into())),
            check("open", Verdict::Skipped("a & b".into())),
        ];
        let xml = junit(Path::new("/tmp/lib<x>.so"), &checks);
        assert!(
            xml.contains("name=\"lib&lt;x&gt;.so\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""),
            "{xml}"
        );
        assert!(
            xml.contains("<failure message=\"it says &quot;&lt;no&gt;&quot;\u{fffd}&#10;and more\"/>"),
            "{xml}"
        );
        assert!(
            xml.contains(
                "<testcase classname=\"s\" name=\"open\"><skipped message=\"a &amp; b\"/></testcase>"
            )
        );
        assert_eq!(line(&checks[1]), "FAILED  s: bad - it says \"<no>\"\u{1b} and more");
    }
}
