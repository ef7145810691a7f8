//! Runs whose k-th call on a file fails, for every k; runs on a full disk; runs on a damaged cache.
//!
//! `cargo run --release -p ichor-tests --example faults -- [EIO|ENOSPC|EINTR|short]...`; the tables go into
//! docs/benchmarks/kill.md. Ends with exit code 1 when a rule was broken. The calls fail by tests/faults/fail.c; a
//! full disk needs the right to mount.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark for developers"
)]

use ichor_tests::{Case, bin, contents_under, ichor, output_sums, root, run_ok};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A head of 96 x 96 x 20 voxels, and what is done with it.
const HEAD: &str = "ichor: 1
seed: 5
stages:
  head: { use: phantom-head, with: { shape: [96, 96, 20], spacing: [2.4, 2.4, 8.0], haematoma_ml: 40 } }
  save: { use: save-nifti, in: { image: head.ct } }
outputs: { ct: save.file }
";
const PIPELINE: &str = "ichor: 1
inputs:
  ct: { kind: volume, unit: HU }
stages:
  load:    { use: load-nifti, with: { source: $inputs.ct, unit: HU } }
  cavity:  { use: cavity-threshold, in: { ct: load.image } }
  segment: { use: segment-threshold, in: { ct: load.image, cavity: cavity.mask } }
  clean:   { use: filter-clusters, in: { mask: segment.mask }, with: { min_volume_ml: 0.1 } }
  volume:  { use: measure-volume, in: { mask: clean.mask } }
outputs:
  mask: clean.mask
  volume: volume.table
";
/// Results that differ from the pipeline's, to lie in the folder before.
const OTHER: &str = "clean.min_volume_ml=1000";

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn is_temporary(path: &Path) -> bool {
    path.iter().any(|part| [".tmp-", ".ichor-tmp-"].iter().any(|t| part.to_str().unwrap().starts_with(t)))
}

/// Files of the results, without records, the cache and what is temporary.
fn results(out: &Path) -> Files {
    let mut found = contents_under(out);
    found.retain(|p, _| p.parent() == Some(Path::new("")) && !p.to_str().unwrap().ends_with("run.json"));
    found
}

fn cache(out: &Path) -> Files {
    let mut found = contents_under(&out.join(".ichor-cache"));
    found.retain(|path, _| !is_temporary(path));
    found
}

fn restore(out: &Path, all: &Files) {
    let _ = fs::remove_dir_all(out);
    for (path, bytes) in all {
        fs::create_dir_all(out.join(path).parent().unwrap()).unwrap();
        fs::write(out.join(path), bytes).unwrap();
    }
}

struct Went {
    code: i32,
    said: String,
    /// How many calls there were, and the one that failed.
    calls: usize,
    failed: String,
}

struct Bench {
    case: Case,
    fail: PathBuf,
    pipeline: String,
    broken: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let case = Case::new();
        let fail = case.dir.path().join("fail");
        let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        cc.args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror"]).arg(root().join("tests/faults/fail.c"));
        assert!(cc.arg("-o").arg(&fail).status().unwrap().success());
        let head = case.write("head.yaml", HEAD);
        run_ok(["run", &head, "-o", &case.path("head"), "--no-cache"]);
        // The head lies in the folder whose calls fail, too.
        fs::create_dir(case.dir.path().join("here")).unwrap();
        fs::rename(case.path("head/ct.nii.gz"), case.path("here/ct.nii.gz")).unwrap();
        let pipeline = case.write("pipeline.yaml", PIPELINE);
        Self { case, fail, pipeline, broken: Vec::new() }
    }

    fn arguments(&self, out: &Path, more: &[&str]) -> Vec<String> {
        let ct = format!("ct={}", self.case.path("here/ct.nii.gz"));
        let mut all = vec!["run", &self.pipeline, "-i", &ct, "-o", out.to_str().unwrap(), "--threads", "1"];
        all.extend(more);
        all.into_iter().map(str::to_owned).collect()
    }

    /// A run whose `k`-th call fails; none for `k` 0.
    fn run_failing(&self, out: &Path, k: usize, how: &str, more: &[&str]) -> Went {
        let report = self.case.dir.path().join("report");
        let mut command = Command::new(&self.fail);
        command.arg(self.case.path("here")).arg(k.to_string()).arg(how).arg(&report).arg(bin().join("ichor"));
        command.args(self.arguments(out, more)).stdout(Stdio::null()).env_remove("ICHOR_PLUGIN_PATH");
        let ended = command.output().unwrap();
        let report = fs::read_to_string(report).unwrap();
        let (calls, failed) = report.trim_end().split_once(' ').unwrap();
        Went {
            code: ended.status.code().unwrap_or(-1),
            said: String::from_utf8_lossy(&ended.stderr).into_owned(),
            calls: calls.parse().unwrap(),
            failed: failed.replace(&self.case.path("here/"), ""),
        }
    }

    fn run(&self, out: &Path, more: &[&str]) -> Went {
        let ended = ichor(self.arguments(out, more)).stdout(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        Went { code: ended.status.code().unwrap_or(-1), said, calls: 0, failed: String::new() }
    }

    fn broken(&mut self, what: &str, went: &Went) {
        self.broken.push(format!("{what}: exit code {}, failed: {}\n{}", went.code, went.failed, went.said));
    }
}

/// Whether the record in a folder, if there is one, tells the truth about the files beside it.
fn record_is_true(out: &Path, sums: &BTreeMap<Vec<u8>, String>) -> bool {
    let Ok(text) = fs::read(out.join("run.json")) else { return true };
    let Ok(record) = serde_json::from_slice(&text) else { return false };
    output_sums(&record)
        .iter()
        .all(|(file, sum)| fs::read(out.join(file)).is_ok_and(|bytes| sums.get(&bytes) == Some(sum)))
}

fn sums_of(out: &Path, into: &mut BTreeMap<Vec<u8>, String>) {
    let record = serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap();
    for (file, sum) in output_sums(&record) {
        into.insert(fs::read(out.join(file)).unwrap(), sum);
    }
}

/// Every k of one error, into an empty folder or one with other results.
fn every_call(bench: &mut Bench, (name, how): (&str, &str), over: bool) {
    let out = bench.case.dir.path().join("here/out");
    let (undisturbed, other) =
        (bench.case.dir.path().join("undisturbed"), bench.case.dir.path().join("other"));
    let (want, want_cache) = (results(&undisturbed), cache(&undisturbed));
    let (before, before_cache) = (contents_under(&other), cache(&other));
    let old = results(&other);
    let mut sums = BTreeMap::new();
    sums_of(&undisturbed, &mut sums);
    sums_of(&other, &mut sums);
    let (mut k, mut ok, mut refused, mut named) = (0, 0, 0, 0);
    let mut kinds = BTreeMap::<String, (usize, usize)>::new();
    loop {
        k += 1;
        let _ = fs::remove_dir_all(&out);
        if over {
            restore(&out, &before);
        }
        let went = bench.run_failing(&out, k, how, &[]);
        if went.failed == "nothing failed" {
            break;
        }
        let call = went.failed.split(' ').next().unwrap().to_owned();
        let kind = kinds.entry(call.clone()).or_default();
        if went.code == 0 {
            ok += 1;
            kind.0 += 1;
            if results(&out) != want || !out.join("run.json").exists() {
                bench.broken("success without the results", &went);
            }
        } else {
            refused += 1;
            kind.1 += 1;
            let text = ["os error", "Input/output error", "No space left", "Interrupted"];
            named += usize::from(text.iter().any(|t| went.said.contains(t)));
            if !(1..=2).contains(&went.code) || !went.said.contains("error: ") {
                bench.broken("it ended in no known way", &went);
            }
            // A call that does half of it, or is interrupted where POSIX lets it be, is made again.
            let again = ["read", "pread64", "write", "pwrite64", "openat", "fsync"];
            let is_folder =
                bench.case.dir.path().join("here").join(went.failed.split(' ').nth(1).unwrap()).is_dir();
            if ["EINTR", "short"].contains(&name) && again.contains(&&*call) && !is_folder {
                bench.broken("it did not go on", &went);
            }
        }
        if went.said.contains("panicked") {
            bench.broken("panic", &went);
        }
        if !record_is_true(&out, &sums) {
            bench.broken("the record vouches for what is not there", &went);
        }
        if results(&out).iter().any(|(p, b)| want.get(p) != Some(b) && (!over || old.get(p) != Some(b))) {
            bench.broken("a result is not whole", &went);
        }
        if cache(&out).iter().any(|(p, b)| want_cache.get(p) != Some(b) && before_cache.get(p) != Some(b)) {
            bench.broken("the cache has what is not whole", &went);
        }
        let after = bench.run(&out, &[]);
        if after.code != 0 || results(&out) != want || !record_is_true(&out, &sums) {
            bench.broken(&format!("the run after ({}) differs", went.failed), &after);
        }
        if after.said.contains("damaged") {
            bench.broken(&format!("the run after ({}) met damage", went.failed), &after);
        }
        if out.join("failed-run.json").exists() || contents_under(&out).keys().any(|p| is_temporary(p)) {
            bench.broken(&format!("left after the next run ({})", went.failed), &after);
        }
    }
    let folder = if over { "other results" } else { "empty" };
    let kinds: Vec<String> = kinds.iter().map(|(c, (ok, bad))| format!("{c} {ok}+{bad}")).collect();
    println!("| {name} | {folder} | {} | {ok} | {refused} | {named} | {} |", k - 1, kinds.join(", "));
}

/// A disk of a megabyte.
fn full_disk(bench: &mut Bench) {
    let disk = bench.case.dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = |options: &str| {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&disk).stderr(Stdio::null());
        mount.status().is_ok_and(|s| s.success())
    };
    println!(
        "\n| disk | exit code | says | stages not cached | files of results | record |\n|---|---|---|---|---|---|"
    );
    if !mount("size=1m") {
        println!("| not run: nothing can be mounted here | | | | | |");
        return;
    }
    let undisturbed = bench.case.dir.path().join("undisturbed");
    let want = results(&undisturbed);
    let say = |what: &str, went: &Went, out: &Path| {
        let error = went.said.lines().find(|l| l.starts_with("error: ")).unwrap_or("-");
        let error = error.replace(disk.to_str().unwrap(), "DISK");
        let uncached = went.said.lines().filter(|l| l.contains("not put into the cache")).count();
        let record = if out.join("run.json").exists() { "run.json" } else { "none" };
        println!("| {what} | {} | {error} | {uncached} | {} | {record} |", went.code, results(out).len());
    };
    let out = disk.join("out");
    // From nothing left to just enough for some of it: results, a record and a cache take about 250 KiB.
    let mut refused = 0;
    for left in [0, 4, 8, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256] {
        let _ = fs::remove_dir_all(&out);
        fs::write(disk.join("filler"), vec![0; (1 << 20) - left * 1024]).unwrap_or(());
        let went = bench.run(&out, &[]);
        say(&format!("{left} KiB left"), &went, &out);
        refused += usize::from(went.code != 0);
        let is_right = match went.code {
            0 => results(&out) == want,
            1 | 2 => {
                results(&out).is_empty()
                    && !out.join("run.json").exists()
                    && went.said.contains("No space left")
            }
            _ => false,
        };
        if !is_right || went.said.contains("panicked") {
            bench.broken("full disk", &went);
        }
    }
    assert!(refused > 0, "the disk was never full");
    // Other results are there, and stay when the disk is full; once it is enlarged, the run goes through.
    fs::remove_file(disk.join("filler")).unwrap();
    restore(&out, &contents_under(&bench.case.dir.path().join("other")));
    let before = results(&out);
    let free = Command::new("df").args(["--output=avail", "-k"]).arg(&disk).output().unwrap();
    let free: usize = String::from_utf8_lossy(&free.stdout).lines().last().unwrap().trim().parse().unwrap();
    fs::write(disk.join("filler"), vec![0; (free - 4) * 1024]).unwrap();
    let went = bench.run(&out, &[]);
    say("4 KiB left, other results there", &went, &out);
    if went.code == 0 || results(&out) != before {
        bench.broken("full disk over other results", &went);
    }
    assert!(mount("remount,size=64m"));
    let went = bench.run(&out, &[]);
    say("enlarged to 64 MiB", &went, &out);
    if went.code != 0 || results(&out) != want || contents_under(&out).keys().any(|p| is_temporary(p)) {
        bench.broken("after the disk was enlarged", &went);
    }
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
}

/// Every file of a cache with a flipped bit, cut, and exchanged for another.
fn damaged_cache(bench: &mut Bench) {
    // Every value that a stage or the folder gets is asked for, so that no damage goes unseen: only
    // the labels of clusters and the table's JSON are read by nobody.
    const KEEP: [&str; 6] = ["--keep", "load.image", "--keep", "cavity.mask", "--keep", "segment.mask"];
    let base = bench.case.dir.path().join("undisturbed");
    let kept = bench.case.dir.path().join("kept");
    bench.pipeline =
        bench.case.write("more.yaml", format!("{PIPELINE}  mask-2: clean.mask\n  volume-2: volume.table\n"));
    let went = bench.run(&kept, &KEEP);
    assert_eq!(went.code, 0, "{}", went.said);
    let want = results(&kept);
    let all = contents_under(&base);
    let names: Vec<&PathBuf> = all.keys().filter(|p| p.starts_with(".ichor-cache")).collect();
    println!(
        "\n| in the cache | damage | files | reported | made again in silence | not asked for | \
         wrong results |\n|---|---|---|---|---|---|---|"
    );
    for part in ["values", "stages"] {
        let of: Vec<&PathBuf> =
            names.iter().copied().filter(|p| p.starts_with(Path::new(".ichor-cache").join(part))).collect();
        for damage in ["a bit flipped", "cut in half", "empty", "exchanged for another"] {
            let (mut reported, mut again, mut unasked, mut wrong) = (0, 0, 0, 0);
            for (n, name) in of.iter().enumerate() {
                let out = bench.case.dir.path().join("damaged");
                let mut files = all.clone();
                let bytes = files.get_mut(*name).unwrap();
                match damage {
                    "a bit flipped" => {
                        let place = bytes.len() * (2 * n + 1) / (2 * of.len());
                        bytes[place] ^= 1 << (n % 8);
                    }
                    "cut in half" => bytes.truncate(bytes.len() / 2),
                    "empty" => bytes.clear(),
                    _ => *bytes = all[of[(n + 1) % of.len()]].clone(),
                }
                restore(&out, &files);
                let went = bench.run(&out, &KEEP);
                let is_reported = went.said.contains("damaged");
                let is_again = ["load", "cavity", "segment", "clean", "volume", "save:mask", "save:volume"]
                    .iter()
                    .any(|s| went.said.contains(&format!("{s}: done in")));
                reported += usize::from(is_reported);
                again += usize::from(is_again && !is_reported);
                unasked += usize::from(!is_again && !is_reported);
                let is_wrong = went.code != 0 || results(&out) != want;
                wrong += usize::from(is_wrong);
                if is_wrong || went.said.contains("panicked") {
                    bench.broken(&format!("{} {damage}", name.display()), &went);
                }
            }
            println!("| {part} | {damage} | {} | {reported} | {again} | {unasked} | {wrong} |", of.len());
        }
    }
}

fn main() {
    let mut bench = Bench::new();
    let undisturbed = bench.case.dir.path().join("undisturbed");
    let went = bench.run(&undisturbed, &[]);
    assert_eq!(went.code, 0, "{}", went.said);
    let other = bench.case.dir.path().join("other");
    let went = bench.run(&other, &["--set", OTHER]);
    assert_eq!(went.code, 0, "{}", went.said);
    assert!(results(&other) != results(&undisturbed));

    let whole = bench.run_failing(&bench.case.dir.path().join("here/out"), 0, "5", &[]);
    println!("an undisturbed run makes {} calls\n", whole.calls);
    println!(
        "| error | folder | calls | success | refused | of it with the system's reason | \
         by call: success+refused |\n|---|---|---|---|---|---|---|"
    );
    let only: Vec<String> = std::env::args().skip(1).collect();
    for (error, over) in [
        (("EIO", "5"), false),
        (("ENOSPC", "28"), false),
        (("EINTR", "4"), false),
        (("short", "short"), false),
        (("EIO", "5"), true),
        (("ENOSPC", "28"), true),
    ] {
        if only.is_empty() || only.iter().any(|o| o == error.0) {
            every_call(&mut bench, error, over);
        }
    }
    full_disk(&mut bench);
    damaged_cache(&mut bench);
    println!("\nbroken rules: {}", bench.broken.len());
    for broken in &bench.broken {
        eprintln!("{broken}");
    }
    let is_well = bench.broken.is_empty();
    drop(bench);
    std::process::exit(i32::from(!is_well));
}
