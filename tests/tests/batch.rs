//! `ichor batch`: many cases, some of them bad, killed and resumed, then all of them together.

use ichor_tests::{Case, Ended, contents_under, files_under, hostile, ichor, run};
use std::collections::BTreeMap;

/// Phantoms that are quick to make, a segmentation, and a summary of all.
const STUDY: &str = "
ichor: 1
name: study
inputs:
  head-seed: { kind: number }
  lower: { kind: number, default: 45 }
stages:
  head:
    use: phantom-head
    with: { shape: [48, 48, 12], spacing: [4.5, 4.5, 12], seed: $inputs.head-seed }
  segment:
    use: segment-threshold
    in: { ct: head.ct, cavity: head.cavity }
    with: { lower: $inputs.lower }
  evaluate: { use: evaluate-segmentation, in: { mask: segment.mask, reference: head.haematoma } }
outputs:
  mask: segment.mask
group:
  stages:
    summary: { use: summarise-cohort, in: { tables: [evaluate.table] } }
  outputs:
    summary: summary.tsv
";

fn cases(count: usize) -> String {
    let rows = (1..=count).map(|n| format!("s{n}\t{n}\n"));
    format!("case\thead-seed\n{}", rows.collect::<String>())
}

fn arguments(case: &Case, out: &str, more: &[&str]) -> Vec<String> {
    let mut list: Vec<String> = ["batch", &case.path("study.yaml"), "--cases", &case.path("cases.tsv"), "-o"]
        .map(str::to_owned)
        .into();
    list.push(case.path(out));
    list.extend(more.iter().map(|s| (*s).to_owned()));
    list
}

fn batch(case: &Case, out: &str, more: &[&str]) -> Ended {
    run(arguments(case, out, more))
}

/// Case, and what `status.tsv` says of it: status and reason.
fn status(case: &Case, out: &str) -> BTreeMap<String, (String, String)> {
    let text = String::from_utf8(case.read(&format!("{out}/status.tsv"))).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        (cells[0].to_owned(), (cells[1].to_owned(), cells[3].to_owned()))
    };
    text.lines().skip(1).map(row).collect()
}

/// Results by name, without what says when and how long.
fn results(case: &Case, out: &str) -> BTreeMap<String, Vec<u8>> {
    let all = contents_under(&case.dir.path().join(out).join("cases"));
    let is_result = |name: &str| !name.ends_with(".json");
    all.into_iter()
        .map(|(path, bytes)| (path.display().to_string(), bytes))
        .filter(|(n, _)| is_result(n))
        .collect()
}

#[test]
fn a_bad_case_stops_no_other_and_the_group_has_the_rest() {
    let case = Case::new();
    case.write("study.yaml", STUDY);
    case.write("cases.tsv", cases(4) + "bad\t-1\n");
    let ended = batch(&case, "out", &["--jobs", "2"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("1 of 5 failed") && ended.stderr.contains("status.tsv says why"));
    let status = status(&case, "out");
    assert_eq!(status["s1"], ("done".into(), String::new()));
    assert!(status["bad"].0 == "failed" && status["bad"].1.contains("parameter `seed`"), "{status:?}");
    // A row a case that is done, in the table that the group gets.
    let table = String::from_utf8(case.read("out/tables/evaluate-table.tsv")).unwrap();
    let named: Vec<&str> = table.lines().skip(1).filter_map(|l| l.split('\t').next()).collect();
    assert!(table.starts_with("case\t"));
    for name in ["s1", "s2", "s3", "s4"] {
        assert!(named.contains(&name));
    }
    assert!(!named.contains(&"bad"));
    assert!(String::from_utf8(case.read("out/group/summary.tsv")).unwrap().contains("n=4"));
    // Nothing is done twice: the second time, all records are as they were.
    let before = case.read("out/cases/s1/run.json");
    assert_eq!(batch(&case, "out", &[]).code, 1);
    assert!(case.read("out/cases/s1/run.json") == before);
    // Mended, it joins the others.
    case.write("cases.tsv", cases(4) + "bad\t9\n");
    let ended = batch(&case, "out", &[]);
    assert!(ended.code == 0 && ended.stdout.contains("5 of 5 done"), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("(4 before)"), "{}", ended.stdout);
    assert!(String::from_utf8(case.read("out/group/summary.tsv")).unwrap().contains("n=5"));
}

#[test]
fn one_job_or_two_make_the_same_bytes() {
    let case = Case::new();
    case.write("study.yaml", STUDY);
    case.write("cases.tsv", cases(5));
    assert_eq!(batch(&case, "one", &[]).code, 0);
    assert_eq!(batch(&case, "two", &["--jobs", "2", "--threads", "16", "--no-cache"]).code, 0);
    let one = results(&case, "one");
    assert_eq!(one.len(), 10);
    assert!(one == results(&case, "two"));
    // Nor does the order of the cases.
    case.write("cases.tsv", "case\thead-seed\ns4\t4\ns2\t2\ns5\t5\ns1\t1\ns3\t3\n");
    assert_eq!(batch(&case, "shuffled", &["--threads", "1", "--no-cache"]).code, 0);
    assert!(one == results(&case, "shuffled"));
    case.write("cases.tsv", cases(5));
    assert!(case.read("one/group/summary.tsv") == case.read("two/group/summary.tsv"));
}

#[test]
fn killed_at_any_moment_it_goes_on() {
    let case = Case::new();
    case.write("study.yaml", STUDY);
    case.write("cases.tsv", cases(6));
    assert_eq!(batch(&case, "whole", &["--no-cache"]).code, 0);
    let whole = results(&case, "whole");
    // At once, when something is on the disk, and after more and more cases.
    let folder = case.dir.path().join("cut");
    let files = || if folder.exists() { files_under(&folder) } else { Vec::new() };
    let records = || files().iter().filter(|f| f.ends_with("run.json")).count();
    let moments: [&dyn Fn() -> bool; 5] =
        [&|| true, &|| !files().is_empty(), &|| folder.join("cases").exists(), &|| records() >= 1, &|| {
            records() >= 4
        }];
    for reached in moments {
        let mut child = ichor(arguments(&case, "cut", &["--jobs", "2"])).spawn().unwrap();
        while !reached() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill(); // it may have come to its end
        child.wait().unwrap();
    }
    let ended = batch(&case, "cut", &["--jobs", "2"]);
    assert!(ended.code == 0 && ended.stdout.contains("6 of 6 done"), "{}{}", ended.stdout, ended.stderr);
    let cut = results(&case, "cut");
    let differ: Vec<_> = whole.keys().chain(cut.keys()).filter(|n| whole.get(*n) != cut.get(*n)).collect();
    assert!(differ.is_empty(), "differ: {differ:?}");
    assert!(
        contents_under(&case.dir.path().join("cut"))
            .keys()
            .all(|p| !p.display().to_string().contains("-tmp-"))
    );
}

#[test]
fn a_case_that_takes_its_process_along_is_set_aside() {
    let case = Case::new();
    hostile::compile("hostile", case.dir.path());
    case.write(
        "study.yaml",
        "
ichor: 1
inputs: { count: { kind: number } }
stages:
  head: { use: phantom-head, with: { shape: [32, 32, 8], spacing: [6, 6, 18], seed: 1 } }
  edge: { use: hostile-edge, in: { ct: head.ct }, with: { count: $inputs.count }, isolate: false }
outputs: { mask: edge.mask }
",
    );
    // With 0 the plugin aborts, here in the process of the shard.
    let rows = (1..50).map(|n| format!("s{n}\t3\n")).collect::<String>();
    case.write("cases.tsv", format!("case\tcount\na\t3\nb\t0\n{rows}"));
    let plugins = case.path("");
    let ended = batch(&case, "out", &["--plugin-path", &plugins]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let found = status(&case, "out");
    assert_eq!(found.values().filter(|(status, _)| status == "done").count(), 50);
    assert!(ended.stderr.contains("1 of 51 failed"), "{}", ended.stderr);
    assert_eq!(found["b"], ("set-aside".into(), "its process died of signal 6, 3 times".into()));
}

#[test]
fn variants_are_compared() {
    let case = Case::new();
    let study = STUDY.to_owned().replace(
        "  outputs:\n    summary: summary.tsv",
        "    compare: { use: compare-methods, in: { tables: evaluate.table } }\n  outputs:\n    summary: summary.tsv\n    \
         comparison: compare.tsv",
    );
    case.write("study.yaml", study);
    case.write("cases.tsv", cases(5));
    for (name, lower) in [("low", 40), ("high", 60)] {
        let text = format!("ichor: 1\noverlay: true\ninputs: {{ lower: {{ default: {lower} }} }}\n");
        case.write(&format!("{name}.yaml"), text);
    }
    let (low, high) = (case.path("low.yaml"), case.path("high.yaml"));
    let ended = batch(&case, "out", &["--variant", &low, "--variant", &high]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let text = |name: &str| String::from_utf8(case.read(name)).unwrap();
    let comparison = text("out/group/comparison.tsv");
    assert!(
        comparison.contains("low") && comparison.contains("high") && comparison.contains("DSC"),
        "{comparison}"
    );
    assert!(text("out/status.tsv").starts_with("case\tvariant\tstatus"));
    // What they have in common was made once.
    let record = case.record("out/cases/s1/high/run.json");
    let head = record["stages"].as_array().unwrap().iter().find(|s| s["name"] == "head").unwrap();
    assert_eq!(head["state"], "reused");
}

#[test]
fn a_group_is_checked_with_its_pipeline() {
    let case = Case::new();
    let check = |study: &str| {
        case.write("study.yaml", study);
        run(["check", &case.path("study.yaml")])
    };
    assert_eq!(check(STUDY).code, 0);
    for (from, to, why) in [
        ("tables: [evaluate.table]", "tables: [evaluate.tabel]", "tabel"),
        ("tables: [evaluate.table]", "tables: [segment.mask]", "mask"),
        (
            "summary: { use: summarise-cohort",
            "head: { use: summarise-cohort",
            "has the name of a stage of a case",
        ),
        ("summary: summary.tsv", "summary: summary.tvs", "tvs"),
    ] {
        let ended = check(&STUDY.replace(from, to));
        assert!(ended.code == 2 && ended.stderr.contains(why), "{to}: {}", ended.stderr);
    }
}

#[test]
fn what_is_wrong_is_said_before_anything_runs() {
    let case = Case::new();
    case.write("study.yaml", STUDY);
    for (table, more, why) in [
        ("case\tx\n1\t2\n", &[][..], "input `head-seed` has no value"),
        ("name\n1\n", &[], "it has no column `case`"),
        ("case\thead-seed\n../up\t1\n", &[], "line 2: the case `../up`"),
        ("case\thead-seed\n1\t1\n", &["-i", "head-seed=3"], "input head-seed is a column"),
        ("case\thead-seed\n1\t1\n", &["--variant", "x.yaml"], "one --variant is nothing to compare"),
    ] {
        case.write("cases.tsv", table);
        let ended = batch(&case, "out", more);
        assert!(ended.code == 2 && ended.stderr.contains(why), "{table:?}: {}", ended.stderr);
        assert!(!case.dir.path().join("out").exists(), "{table:?}");
    }
}

/// Names of temporary files and locks under a folder.
fn left_behind(case: &Case, out: &str) -> Vec<String> {
    let all = contents_under(&case.dir.path().join(out));
    let names = all.keys().map(|path| path.display().to_string());
    names.filter(|name| name.contains("tmp-") || name.ends_with(".lock")).collect()
}

#[test]
fn two_batches_at_once_make_what_one_makes() {
    let case = Case::new();
    case.write("study.yaml", STUDY);
    case.write("cases.tsv", cases(6));
    assert_eq!(batch(&case, "one", &["--no-cache"]).code, 0);
    let start = || ichor(arguments(&case, "both", &["--jobs", "2"])).output();
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(start);
        (start().unwrap(), first.join().unwrap().unwrap())
    });
    for ended in [&first, &second] {
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    assert!(results(&case, "one") == results(&case, "both"));
    assert!(case.read("one/group/summary.tsv") == case.read("both/group/summary.tsv"));
    assert_eq!(left_behind(&case, "both"), [""; 0]);
}

#[test]
fn a_signal_lets_cases_end_and_a_second_one_does_not() {
    let case = Case::new();
    case.write("study.yaml", STUDY);
    case.write("cases.tsv", cases(12));
    assert_eq!(batch(&case, "whole", &["--no-cache"]).code, 0);
    let folder = case.dir.path().join("cut");
    let records = || files_under(&folder).iter().filter(|f| f.ends_with("run.json")).count();
    for (count, signals) in [(1, &["TERM"][..]), (3, &["INT", "INT"])] {
        let mut child = ichor(arguments(&case, "cut", &["--jobs", "2"])).spawn().unwrap();
        while records() < count && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        for signal in signals {
            let pid = child.id().to_string();
            let _ = std::process::Command::new("kill").args(["-s", signal, &pid]).status(); // gone is as good
        }
        let code = child.wait().unwrap().code();
        assert!(code == Some(130) || code == Some(0), "{code:?}");
        if signals.len() == 1 {
            assert_eq!(left_behind(&case, "cut"), [""; 0]);
        }
    }
    let ended = batch(&case, "cut", &["--jobs", "2"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(results(&case, "whole") == results(&case, "cut"));
    assert_eq!(left_behind(&case, "cut"), [""; 0]);
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_anything_runs() {
    let case = Case::new();
    case.write("study.yaml", STUDY);
    case.write("cases.tsv", cases(2));
    case.write("file", "no folder");
    let ended = batch(&case, "file/out", &[]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("file/out") && ended.stderr.contains("choose another folder with -o"));
}

/// Runs a shell script in name spaces of its own, where it may mount; `None` where the system does not let it.
fn with_mounts(script: &str) -> Option<Ended> {
    let shell =
        |script: &str| std::process::Command::new("unshare").args(["-rm", "sh", "-c", script]).output().ok();
    let probe = shell("mount -t tmpfs -o size=1m none /mnt")?;
    if !probe.status.success() {
        return None;
    }
    let ended = shell(script)?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let code = ended.status.code().unwrap_or(-1);
    Some(Ended { code, stdout: text(&ended.stdout), stderr: text(&ended.stderr) })
}

#[test]
fn a_full_disk_and_one_that_is_read_only() {
    let case = Case::new();
    case.write("study.yaml", STUDY);
    case.write("cases.tsv", cases(3));
    assert_eq!(batch(&case, "whole", &["--no-cache"]).code, 0);
    std::fs::create_dir(case.path("disk")).unwrap();
    let list = arguments(&case, "disk/out", &[]);
    let words: Vec<String> = list.iter().map(|word| format!("'{word}'")).collect();
    let command = format!("'{}' {}", ichor_tests::bin().join("ichor").display(), words.join(" "));
    let (disk, kept) = (case.path("disk"), case.path("kept"));
    let script = format!(
        "mount -t tmpfs -o size=1m none '{disk}' || exit 90
         head -c 1020k /dev/zero >'{disk}/filler'
         {command}; echo \"full: $?\"
         find '{disk}/out' -name run.json | wc -l
         rm '{disk}/filler'; mount -o remount,size=64m '{disk}' || exit 91
         {command}; echo \"enlarged: $?\"
         cp -r '{disk}/out' '{kept}'
         mount -o remount,ro '{disk}' || exit 92
         {command}; echo \"read-only: $?\""
    );
    // Not run where nobody but an administrator may mount.
    let Some(ended) = with_mounts(&script) else { return };
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, 0, "{said}");
    assert!(!said.contains("full: 0") && said.contains("full: ") && said.contains("No space left"), "{said}");
    assert!(said.contains("\n0\n"), "no record of what could not be written: {said}");
    assert!(said.contains("enlarged: 0") && said.contains("3 of 3 done"), "{said}");
    assert!(said.contains("read-only: 2") && said.contains("Read-only file system"), "{said}");
    assert!(results(&case, "whole") == results(&case, "kept"));
}

#[test]
fn it_says_how_far_it_is_without_filling_a_log() {
    let case = Case::new();
    case.write("study.yaml", STUDY);
    case.write("cases.tsv", cases(3) + "bad\t-1\n");
    let ended = batch(&case, "out", &[]);
    // The first that ends, with how many there are and how long the rest takes; all that went wrong.
    assert!(ended.stderr.contains("s1: done in ") && ended.stderr.contains("(1 of 4, "), "{}", ended.stderr);
    assert!(ended.stderr.contains(" left)") && ended.stderr.contains("warning: bad: failed after "));
    // A line a case at most, however slow the machine is, two of the group's stages, and the end.
    assert!(ended.stderr.lines().count() <= 4 + 2 + 1, "{}", ended.stderr);
    assert!(!ended.stderr.contains('\u{1b}') && !ended.stderr.contains('\r'), "{:?}", ended.stderr);
}
