//! `kill -9` of `ichor batch` at drawn moments, and the same command again after each.
//!
//! `cargo run --release -p ichor-tests --example kill_batch -- [KILLS] [SEED]`; the table goes into
//! docs/benchmarks/batch.md. Ends with exit code 1 when something was lost, done twice, left or different.
//!
//! Every kill is of a batch into a new folder, at a moment that is uniform over the length of an undisturbed one. Only
//! the batch's own process is killed: its shards have to notice. It is resumed at once, and then run a third time, when
//! nothing is left to do.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark for developers"
)]

use ichor_image::random::Random;
use ichor_tests::{Case, contents_under, ichor};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Phantoms that are quick to make, and what is found in them.
const STUDY: &str = "ichor: 1
name: study
inputs: { head-seed: { kind: number } }
stages:
  head: { use: phantom-head, with: { shape: [64, 64, 16], spacing: [3.4, 3.4, 9], seed: $inputs.head-seed } }
  segment: { use: segment-threshold, in: { ct: head.ct, cavity: head.cavity } }
  evaluate: { use: evaluate-segmentation, in: { mask: segment.mask, reference: head.haematoma } }
outputs: { mask: segment.mask }
group:
  stages: { summary: { use: summarise-cohort, in: { tables: [evaluate.table] } } }
  outputs: { summary: summary.tsv }
";
const CASES: usize = 40;
const JOBS: usize = 2;

/// How long a process may be seen after the batch that it belongs to was killed.
const PATIENCE: Duration = Duration::from_secs(5);

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Results of cases and of all together, without records, which tell the time.
fn results(out: &Path) -> Files {
    let mut all = contents_under(out);
    let is_hidden = |path: &Path| path.iter().any(|part| part.to_str().unwrap().starts_with('.'));
    all.retain(|path, _| {
        !is_hidden(path) && path.extension().is_none_or(|e| e != "json") && path != Path::new("status.tsv")
    });
    all
}

/// Records of cases by their path.
fn records(out: &Path) -> Files {
    let mut all = contents_under(&out.join("cases"));
    all.retain(|path, _| path.file_name().unwrap() == "run.json");
    all
}

/// Stages that a record says were run, not taken from the cache.
fn ran(record: &[u8]) -> usize {
    let record: serde_json::Value = serde_json::from_slice(record).unwrap();
    assert_eq!(record["status"], "done");
    record["stages"].as_array().unwrap().iter().filter(|stage| stage["state"] == "done").count()
}

fn is_temporary(path: &Path) -> bool {
    path.iter().any(|part| [".tmp-", ".ichor-tmp-"].iter().any(|t| part.to_str().unwrap().starts_with(t)))
}

/// Entries of stages in the cache.
fn entries(out: &Path) -> usize {
    contents_under(&out.join(".ichor-cache/stages")).keys().filter(|path| !is_temporary(path)).count()
}

/// Processes whose command line names the folder.
fn alive(out: &Path) -> usize {
    let name = out.to_str().unwrap().as_bytes();
    let is_it = |dir: PathBuf| {
        let line = fs::read(dir.join("cmdline")).unwrap_or_default();
        line.windows(name.len()).any(|part| part == name)
    };
    fs::read_dir("/proc").unwrap().flatten().filter(|entry| is_it(entry.path())).count()
}

struct Trial {
    case: Case,
    study: String,
    table: String,
}

impl Trial {
    /// One batch, killed after so many seconds if it is still there; whether it was, and how long it took.
    fn run(&self, out: &Path, after: Option<f64>) -> (Option<i32>, bool, f64, String) {
        let said = self.case.path("said");
        let jobs = JOBS.to_string();
        let mut command = ichor([
            "batch",
            &self.study,
            "--cases",
            &self.table,
            "-o",
            out.to_str().unwrap(),
            "--jobs",
            &jobs,
        ]);
        let log = fs::File::create(&said).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command.stdin(Stdio::null());
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        if let Some(seconds) = after {
            std::thread::sleep(Duration::from_secs_f64((seconds - begun.elapsed().as_secs_f64()).max(0.0)));
            let _ = child.kill(); // it may have come to its end
        }
        let status = child.wait().unwrap();
        let text = fs::read_to_string(&said).unwrap();
        (status.code(), status.signal() == Some(9), begun.elapsed().as_secs_f64(), text)
    }
}

#[derive(Default)]
struct Count {
    kills: usize,
    too_late: usize,
    recorded: usize,
    begun: usize,
    untouched: usize,
    made_again: usize,
    stored: usize,
    twice: usize,
    resumed: usize,
    identical: usize,
    idle: usize,
    temporary: usize,
    lingering: usize,
    last_seen: f64,
    failures: Vec<String>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let kills: usize = arguments.next().map_or(10, |n| n.parse().unwrap());
    let seed: u64 = arguments.next().map_or(1, |n| n.parse().unwrap());
    let mut random = Random::new(seed);

    let case = Case::new();
    let study = case.write("study.yaml", STUDY);
    let rows: String = (1..=CASES).map(|n| format!("s{n}\t{n}\n")).collect();
    let table = case.write("cases.tsv", format!("case\thead-seed\n{rows}"));
    let trial = Trial { case, study, table };

    let whole = trial.case.dir.path().join("whole");
    let (code, _, length, said) = trial.run(&whole, None);
    assert_eq!(code, Some(0), "{said}");
    let want = results(&whole);
    let stages: usize = records(&whole).values().map(|record| ran(record)).sum();
    let of_group = entries(&whole) - stages;

    let mut count = Count::default();
    while count.kills < kills {
        let out = trial.case.dir.path().join(format!("cut-{}", count.kills + count.too_late));
        let (_, killed, _, _) = trial.run(&out, Some(random.uniform() * length));
        if !killed {
            count.too_late += 1;
            continue;
        }
        count.kills += 1;
        // Its shards go at once, however they find out.
        let when = Instant::now();
        while alive(&out) > 0 && when.elapsed() < PATIENCE {
            count.last_seen = count.last_seen.max(when.elapsed().as_secs_f64());
        }
        count.lingering += alive(&out);
        let (before, stored) = (records(&out), entries(&out));
        let folders = fs::read_dir(out.join("cases")).map_or(0, Iterator::count);
        count.recorded += before.len();
        count.begun += folders - before.len();
        count.stored += stored;

        let (code, _, _, said) = trial.run(&out, None);
        if code != Some(0) {
            count.failures.push(said);
            continue;
        }
        count.resumed += 1;
        let after = records(&out);
        let kept: BTreeSet<&PathBuf> =
            before.iter().filter(|(path, record)| after.get(*path) == Some(record)).map(|(p, _)| p).collect();
        count.untouched += kept.len();
        count.made_again += before.len() - kept.len();
        let now: usize = after.iter().filter(|(path, _)| !kept.contains(path)).map(|(_, r)| ran(r)).sum();
        // What is in the cache and what ran now are all stages, unless some ran that were there. The group's stages
        // may have been there, too.
        count.twice += (stored + now).saturating_sub(stages + of_group);
        let same = results(&out);
        let differ: Vec<_> =
            want.keys().chain(same.keys()).filter(|p| want.get(*p) != same.get(*p)).collect();
        if differ.is_empty() {
            count.identical += 1;
        } else {
            count.failures.push(format!("differ: {differ:?}"));
        }
        count.temporary += contents_under(&out).keys().filter(|path| is_temporary(path)).count();
        let (code, _, _, said) = trial.run(&out, None);
        count.idle += usize::from(code == Some(0) && records(&out) == after && said.contains("before)"));
        fs::remove_dir_all(&out).unwrap();
    }

    println!(
        "seed {seed}; {CASES} cases, {JOBS} at once, {stages} stages; an undisturbed batch takes {length:.2} s"
    );
    println!("\n| what | how often |\n|---|---|");
    let of = |n: usize| format!("{n} of {kills}");
    for (what, n) in [
        ("kills that landed while the batch ran", count.kills.to_string()),
        ("batches that ended before the kill", count.too_late.to_string()),
        ("resumed to success", of(count.resumed)),
        ("results byte-identical to an undisturbed batch's", of(count.identical)),
        ("run once more: nothing left to do", of(count.idle)),
        ("cases that had a record when the batch was killed", count.recorded.to_string()),
        ("of them left alone by the resumed batch", count.untouched.to_string()),
        ("of them made again", count.made_again.to_string()),
        ("cases that were in flight (a folder, no record)", count.begun.to_string()),
        ("stages that killed batches had stored", count.stored.to_string()),
        ("stages stored and yet done again", count.twice.to_string()),
        ("processes alive 5 s after their batch was killed", count.lingering.to_string()),
        ("longest that one was seen, ms", format!("{:.0}", count.last_seen * 1e3)),
        ("temporary files left after success", count.temporary.to_string()),
    ] {
        println!("| {what} | {n} |");
    }
    count.failures.iter().for_each(|failure| eprintln!("{failure}"));
    let bad = count.failures.len() + count.made_again + count.twice + count.lingering + count.temporary;
    let all = [count.resumed, count.identical, count.idle].iter().all(|n| *n == kills);
    drop(trial);
    std::process::exit(i32::from(bad > 0 || !all));
}
