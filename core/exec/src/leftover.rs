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
    owner.is_some_and(|process| !Path::new("/proc").join(process).exists())
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
        assert!(!is_left(".tmp-elsewhere.org-4194305-x", ".tmp-"));
    }
}
