//! Plugins that misbehave on purpose, compiled from `tests/hostile`.

use std::path::{Path, PathBuf};
use std::process::Command;

const FLAGS: &str = "-std=c11 -O1 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden";

/// Compiles `tests/hostile/<name>.c` to `lib<name>.so` in the folder `into`, with the compiler `cc`.
///
/// # Panics
/// There is no C compiler, or it does not accept the file.
pub fn compile(name: &str, into: &Path) -> PathBuf {
    let root = crate::root();
    let library = into.join(format!("lib{name}.so"));
    let output = Command::new("cc")
        .args(FLAGS.split(' '))
        .arg("-I")
        .arg(root.join("core/include"))
        .arg("-o")
        .args([&library, &root.join("tests/hostile").join(format!("{name}.c"))])
        .output()
        .unwrap_or_else(|e| panic!("the C compiler `cc` does not start: {e}; install gcc or clang"));
    assert!(output.status.success(), "{name}.c: {}", String::from_utf8_lossy(&output.stderr));
    library
}
