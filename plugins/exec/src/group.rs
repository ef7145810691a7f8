//! Memory of a process group.

use std::fs::read_to_string;

/// Memory that belongs to the processes of a group and not to a file, in bytes: anonymous and shared memory.
/// What several processes share is counted for each.
pub fn memory(group: i32) -> u64 {
    let mut sum = 0;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().filter(|n| n.bytes().all(|b| b.is_ascii_digit())) else { continue };
        // A process that ends meanwhile has no memory.
        let stat = read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if group_of(&stat) == Some(group) {
            sum += own(&read_to_string(format!("/proc/{pid}/status")).unwrap_or_default());
        }
    }
    sum
}

/// The process group in a line of /proc/PID/stat: `PID (NAME) STATE PARENT GROUP ...`, where the name may
/// hold anything.
fn group_of(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(2)?.parse().ok()
}

fn own(status: &str) -> u64 {
    let kib = |line: &str| {
        let value = line.strip_prefix("RssAnon:").or_else(|| line.strip_prefix("RssShmem:"))?;
        value.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    status.lines().filter_map(kib).sum::<u64>() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_hold_anything() {
        assert_eq!(group_of("12 (a) b) R 7 99 12 0 -1"), Some(99));
        assert_eq!(group_of(""), None);
        assert_eq!(
            own("Name:\tx\nRssAnon:\t     100 kB\nRssFile:\t 5 kB\nRssShmem:\t       2 kB\n"),
            102 << 10
        );
    }

    #[test]
    fn this_process_has_memory() {
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        assert!(memory(group) > 1 << 16);
    }
}
