//! Ends a program, and removes its folder with the patient's voxels, when the process that runs it dies.

use rustix::process::Pid;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A shell that waits until nobody holds the other end of its input any more: until this process is gone, killed
/// without a chance to tidy up.
pub struct Guard(Child);

/// `$0` is the group, `$1` the folder.
const SCRIPT: &str = "read -r _; kill -s KILL -- \"-$0\"; rm -rf -- \"$1\"";

impl Guard {
    /// Watches over a process group and its folder.
    ///
    /// # Errors
    /// There is no shell.
    pub fn over(group: Pid, folder: &Path) -> io::Result<Self> {
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, &group.as_raw_nonzero().to_string()])
            .arg(folder)
            // Whoever ends what a stage has left behind would end the guard first.
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self(shell))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Before its input closes: it shall do nothing any more.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::test_kill_process_group;
    use std::time::Instant;

    /// A group of one that sleeps, and a folder with a file.
    fn asleep() -> (Child, Pid, tempfile::TempDir) {
        let child = Command::new("/bin/sleep").arg("600").process_group(0).spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("voxels"), "x").unwrap();
        (child, pid, folder)
    }

    #[test]
    fn whoever_dies_takes_the_program_and_its_folder_along() {
        let (mut child, pid, folder) = asleep();
        let mut guard = Guard::over(pid, folder.path()).unwrap();
        drop(guard.0.stdin.take()); // as the system does for the dead
        assert!(!child.wait().unwrap().success());
        let begun = Instant::now();
        while folder.path().exists() {
            assert!(begun.elapsed().as_secs() < 60, "the folder stays");
            std::thread::yield_now();
        }
    }

    #[test]
    fn whoever_lives_on_keeps_both() {
        let (mut child, pid, folder) = asleep();
        drop(Guard::over(pid, folder.path()).unwrap());
        assert!(test_kill_process_group(pid).is_ok() && folder.path().join("voxels").exists());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
