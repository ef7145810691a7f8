//! `kill -9` at drawn moments of a run, again and again, and a resume after each.
//!
//! `cargo run --release -p ichor-tests --example kill -- [KILLS] [SEED]`; the table goes into
//! docs/benchmarks/kill.md. Ends with exit code 1 when something was lost, left or different.
//!
//! Only the main process is killed. Where its stages run takes turns: in it, in workers. A moment is drawn over the
//! whole length of an undisturbed run; one in ten falls into its first twentieth, and three in ten into the few
//! milliseconds in which results are written and put in place. The run that resumes is itself killed with a
//! probability of a third.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark for developers"
)]

use ichor_image::random::Random;
use ichor_tests::{Case, contents_under, ichor, output_sums};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The head: small, so that a run takes less than a second.
const HEAD: &str = "ichor: 1
seed: 5
stages:
  head: { use: phantom-head, with: { shape: [192, 192, 32], spacing: [1.2, 1.2, 5.0], haematoma_ml: 40 } }
  save: { use: save-nifti, in: { image: head.ct } }
outputs: { ct: save.file }
";

/// How long a process may be seen after the one that it depends on was killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// About how long it takes to write the results, in seconds.
const WRITING: f64 = 0.012;

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Every file under a folder by its path in it; those of hidden folders only when `hidden` is set.
fn files(root: &Path, hidden: bool) -> Files {
    let mut out = contents_under(root);
    let is_hidden = |part: &std::ffi::OsStr| part.to_str().unwrap().starts_with('.');
    out.retain(|path, _| hidden || !path.parent().unwrap().iter().any(is_hidden));
    out
}

/// The files of a run's results without its record, which tells the time.
fn results(out: &Path) -> Files {
    let mut found = files(out, false);
    found.remove(Path::new("run.json"));
    found
}

fn cache(out: &Path) -> Files {
    files(&out.join(".ichor-cache"), true)
}

fn is_temporary(path: &Path) -> bool {
    path.iter().any(|part| [".tmp-", ".ichor-tmp-"].iter().any(|t| part.to_str().unwrap().starts_with(t)))
}

/// Temporary files and folders under an output folder.
fn temporary(out: &Path) -> usize {
    let (mut count, mut pending) = (0, vec![out.to_owned()]);
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            count += usize::from(is_temporary(Path::new(path.file_name().unwrap())));
            if path.is_dir() {
                pending.push(path);
            }
        }
    }
    count
}

/// Processes that carry a worker's mark of the host process `pid`, zombies not counted.
fn marked(pid: u32) -> usize {
    let mark = format!("ICHOR_WORKER={pid}.");
    let is_marked = |path: PathBuf| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        let status = fs::read_to_string(path.join("status")).unwrap_or_default();
        environment.split(|&b| b == 0).any(|v| v.starts_with(mark.as_bytes()))
            && !status.is_empty()
            && !status.lines().any(|l| l.starts_with("State:\tZ"))
    };
    fs::read_dir("/proc").unwrap().flatten().filter(|entry| is_marked(entry.path())).count()
}

/// Whether a run has begun to write its results.
fn is_writing(out: &Path) -> bool {
    let staging = fs::read_dir(out)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .filter(|p| is_temporary(p.strip_prefix(out).unwrap()));
    staging.flat_map(fs::read_dir).flatten().next().is_some()
}

/// Whether a result is in place.
fn is_publishing(out: &Path) -> bool {
    let names =
        fs::read_dir(out).into_iter().flatten().flatten().map(|e| e.file_name().into_string().unwrap());
    names.into_iter().any(|name| !name.starts_with('.') && name != "run.json")
}

/// When a run is killed.
#[derive(Clone, Copy)]
enum Moment {
    /// Seconds after its beginning.
    At(f64),
    /// Seconds after it has begun to write its results.
    Writing(f64),
    /// When the first of its results is in place.
    Publishing,
}

/// How a run went.
struct Went {
    /// Exit code, or `None` when it was killed.
    code: Option<i32>,
    /// Stages that it said were done, and reused.
    done: BTreeSet<String>,
    reused: BTreeSet<String>,
    said: String,
    seconds: f64,
    /// Workers that were alive right after the kill, that still were when patience ended, and how long they took.
    workers: usize,
    orphans: usize,
    last_seen: f64,
}

struct Trial {
    pipeline: PathBuf,
    ct: String,
    case: Case,
}

impl Trial {
    /// One run, killed at `moment` if that comes first.
    fn run(&self, out: &Path, isolate: &str, moment: Option<Moment>) -> Went {
        let (folder, pipeline, ct) =
            (out.to_str().unwrap(), self.pipeline.to_str().unwrap(), format!("ct={}", self.ct));
        let said = self.case.dir.path().join("said");
        let mut command = ichor(["run", pipeline, "-i", &ct, "-o", folder, "--isolate", isolate]);
        command.stdout(Stdio::null()).stderr(fs::File::create(&said).unwrap());
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        if let Some(moment) = moment {
            let wait = match moment {
                Moment::At(seconds) => seconds - begun.elapsed().as_secs_f64(),
                Moment::Writing(seconds) => {
                    while !is_writing(out) && child.try_wait().unwrap().is_none() {
                        std::thread::yield_now();
                    }
                    seconds
                }
                Moment::Publishing => {
                    while !is_publishing(out) && child.try_wait().unwrap().is_none() {
                        std::thread::yield_now();
                    }
                    0.0
                }
            };
            std::thread::sleep(Duration::from_secs_f64(wait.max(0.0)));
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        let (mut workers, mut orphans, mut last_seen) = (0, 0, 0.0);
        if status.signal() == Some(9) {
            let killed = Instant::now();
            workers = marked(child.id());
            orphans = workers;
            while orphans > 0 && killed.elapsed() < PATIENCE {
                last_seen = killed.elapsed().as_secs_f64();
                orphans = marked(child.id());
            }
        }
        let said = fs::read_to_string(said).unwrap();
        let stages = |how: &str| -> BTreeSet<String> {
            said.lines().filter_map(|l| l.find(how).map(|at| l[..at].to_owned())).collect()
        };
        Went {
            code: status.code(),
            done: stages(": done in"),
            reused: stages(": reused"),
            said,
            seconds,
            workers,
            orphans,
            last_seen,
        }
    }
}

#[derive(Default)]
struct Count {
    kills: usize,
    too_late: usize,
    before_any: usize,
    published: usize,
    between: usize,
    resumed: usize,
    identical: usize,
    caches_whole: usize,
    all_reused: usize,
    finished: usize,
    stored: usize,
    kept: usize,
    lost: usize,
    unstored: usize,
    workers: usize,
    orphans: usize,
    last_seen: f64,
    temporary: usize,
    failures: Vec<String>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let kills: usize = arguments.next().map_or(200, |n| n.parse().unwrap());
    let seed: u64 = arguments.next().map_or(1, |n| n.parse().unwrap());
    let mut random = Random::new(seed);

    let case = Case::new();
    let head = case.write("head.yaml", HEAD);
    ichor_tests::run_ok(["run", &head, "-o", &case.path("head"), "--no-cache"]);
    let ct = case.path("head/ct.nii.gz");
    let pipeline = ichor_tests::root().join("pipelines/ich-classical.yaml");
    let trial = Trial { pipeline, ct, case };

    // Undisturbed: what to expect, and how long it takes; the middle of three, by place.
    let mut lengths = BTreeMap::new();
    let mut expected = None;
    for isolate in ["in-process", "worker"] {
        let mut seconds = Vec::new();
        for n in 0..3 {
            let out = trial.case.dir.path().join(format!("undisturbed-{isolate}-{n}"));
            let went = trial.run(&out, isolate, None);
            assert_eq!(went.code, Some(0), "{}", went.said);
            seconds.push(went.seconds);
            let made = (results(&out), cache(&out), sums(&out));
            assert!(*expected.get_or_insert_with(|| made.clone()) == made, "undisturbed runs differ");
            let listed =
                Command::new("sha256sum").arg("--").args(made.0.keys()).current_dir(&out).output().unwrap();
            let listed = String::from_utf8(listed.stdout).unwrap();
            for (file, sum) in &made.2 {
                assert!(listed.contains(&format!("{sum}  {file}\n")), "{file} is not what its record says");
            }
        }
        seconds.sort_by(f64::total_cmp);
        lengths.insert(isolate, seconds[1]);
    }
    let (want, want_cache, want_sums) = expected.unwrap();
    let stages = want_cache.keys().filter(|p| p.starts_with("stages")).count();

    let mut count = Count::default();
    let mut series = 0;
    while count.kills < kills {
        series += 1;
        let isolate = if series % 2 == 0 { "worker" } else { "in-process" };
        let out = trial.case.dir.path().join("killed");
        let mut attempt = 0;
        let last = loop {
            let draw = random.uniform();
            let moment = match random.below(10) {
                0 => Moment::At(draw * 0.05 * lengths[isolate]),
                1..=2 => Moment::Writing(draw * WRITING),
                3 => Moment::Publishing,
                _ => Moment::At(draw * lengths[isolate]),
            };
            let kill = count.kills < kills && (attempt == 0 || random.uniform() < 1.0 / 3.0);
            attempt += 1;
            let before: BTreeSet<PathBuf> = cache(&out).into_keys().filter(|p| is_entry(p)).collect();
            let went = trial.run(&out, isolate, kill.then_some(moment));
            // Whatever was stored before is reused as far as this run came.
            if went.code.is_some() {
                count.kept += went.reused.len();
                if went.reused.len() != before.len() {
                    count.lost += before.len().abs_diff(went.reused.len());
                    count.failures.push(format!(
                        "{} entries, {} reused: {}",
                        before.len(),
                        went.reused.len(),
                        went.said
                    ));
                }
                count.too_late += usize::from(kill);
                break went;
            }
            count.kills += 1;
            let after = cache(&out).into_keys().filter(|p| is_entry(p)).count();
            count.before_any += usize::from(!out.exists());
            count.published += usize::from(out.join("run.json").exists());
            count.between += usize::from(!out.join("run.json").exists() && !results(&out).is_empty());
            count.finished += went.done.len();
            count.stored += after - before.len();
            count.unstored += (went.done.len() + before.len()).saturating_sub(after);
            count.workers += went.workers;
            count.orphans += went.orphans;
            count.last_seen = f64::max(count.last_seen, went.last_seen);
            // What is there is whole, also now: files of the results, and values and entries of the cache.
            for (path, bytes) in results(&out).iter().filter(|(p, _)| !is_temporary(p)) {
                if want.get(path) != Some(bytes) {
                    count.failures.push(format!("{} is not whole after a kill", path.display()));
                }
            }
            for (path, bytes) in cache(&out).iter().filter(|(p, _)| !is_temporary(p)) {
                if want_cache.get(path) != Some(bytes) {
                    count.failures.push(format!("{} is not whole after a kill", path.display()));
                }
            }
        };
        count.resumed += 1;
        if last.code != Some(0) || last.said.contains("damaged") {
            count.failures.push(last.said);
        }
        count.temporary += temporary(&out);
        count.identical += usize::from(results(&out) == want && sums(&out) == want_sums);
        count.caches_whole += usize::from(
            cache(&out).into_iter().filter(|(p, _)| !is_temporary(p)).collect::<Files>() == want_cache,
        );
        // Once more: nothing is left to do, and the same comes out.
        let again = trial.run(&out, isolate, None);
        let is_well = again.code == Some(0) && again.done.is_empty() && again.reused.len() == stages;
        count.all_reused += usize::from(is_well && !again.said.contains("damaged") && results(&out) == want);
        fs::remove_dir_all(&out).unwrap();
        if series % 10 == 0 {
            eprintln!("{} kills", count.kills);
        }
    }

    let seconds = |isolate: &str| format!("{:.2} s", lengths[isolate]);
    println!(
        "seed {seed}; an undisturbed run takes {} in process, {} in workers",
        seconds("in-process"),
        seconds("worker")
    );
    println!("\n| what | how often |\n|---|---|");
    let series = count.resumed;
    for (what, n) in [
        ("kills that landed while the program ran", count.kills.to_string()),
        ("of them before it had made the output folder", count.before_any.to_string()),
        ("of them between the first result and the record", count.between.to_string()),
        ("of them when results and record were there already", count.published.to_string()),
        ("runs that ended before the kill", count.too_late.to_string()),
        ("series of kills, each resumed to success", series.to_string()),
        ("results byte-identical to an undisturbed run's", format!("{} of {series}", count.identical)),
        ("caches byte-identical to an undisturbed run's", format!("{} of {series}", count.caches_whole)),
        (
            "run once more: every stage from the cache, no entry damaged",
            format!("{} of {series}", count.all_reused),
        ),
        ("stages finished in killed runs", count.finished.to_string()),
        ("stages that killed runs stored in the cache", count.stored.to_string()),
        ("stages finished whose entry was not written yet: done again", count.unstored.to_string()),
        ("stages that the resumed runs took from the cache", count.kept.to_string()),
        ("stages stored and yet done again", count.lost.to_string()),
        ("workers still seen right after their host was killed", count.workers.to_string()),
        ("workers alive 5 s later", count.orphans.to_string()),
        ("longest that one was seen, ms", format!("{:.0}", count.last_seen * 1e3)),
        ("temporary files left after success", count.temporary.to_string()),
    ] {
        println!("| {what} | {n} |");
    }
    let bad = count.failures.len() + count.lost + count.orphans + count.temporary;
    for failure in &count.failures {
        eprintln!("{failure}");
    }
    drop(trial);
    let whole = [count.identical, count.caches_whole, count.all_reused].iter().all(|&n| n == series);
    std::process::exit(i32::from(bad > 0 || !whole));
}

/// A stage's entry in the cache, under its final name.
fn is_entry(path: &Path) -> bool {
    path.starts_with("stages") && !is_temporary(path)
}

fn sums(out: &Path) -> Vec<(String, String)> {
    output_sums(&serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap())
}
