//! Names of temporary files, so that what a killed run left can be told from what a living one needs.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// `<prefix><machine>-<process>-`, the beginning of a temporary name of this process.
pub(crate) fn mine(prefix: &str) -> String {
    format!("{prefix}{}-{}-", machine(), std::process::id())
}

/// Whether a file of this name was left by a process of this machine that is gone. That of a run which is
/// alive, or on another machine that shares the folder, is not.
pub(crate) fn is_left(name: &str, prefix: &str) -> bool {
    let owner = name.strip_prefix(&format!("{prefix}{}-", machine())).and_then(|n| n.split('-').next());
    owner.is_some_and(|process| !is_alive(process))
}

/// Whether the process runs; one that has ended and waits for its parent to ask how does not.
fn is_alive(process: &str) -> bool {
    let Ok(stat) = fs::read_to_string(Path::new("/proc").join(process).join("stat")) else { return false };
    // `PID (NAME) STATE ...`, and a name may hold anything.
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    !matches!(state, Some('Z' | 'X'))
}

/// The machine's name, as far as it can stand in a file name.
fn machine() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        name.chars().filter(char::is_ascii_alphanumeric).take(32).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_dead_left_is_left() {
        let alive = format!("{}x", mine(".tmp-"));
        assert!(!is_left(&alive, ".tmp-"));
        // Process numbers end at 2^22 on Linux.
        let dead = alive.replace(&format!("-{}-", std::process::id()), "-4194305-");
        assert!(is_left(&dead, ".tmp-"));
        assert!(!is_left(&dead, ".other-"));
        // Ended, but not yet waited for.
        let mut ended =
            std::process::Command::new("true").stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut ended.stdout.take().unwrap(), &mut rest).unwrap();
        let process = ended.id().to_string();
        while is_alive(&process) {
            std::thread::yield_now(); // between its last word and its end
        }
        assert!(Path::new("/proc").join(process).exists());
        ended.wait().unwrap();
        assert!(!is_left(".tmp-elsewhere.org-4194305-x", ".tmp-"));
    }
}
