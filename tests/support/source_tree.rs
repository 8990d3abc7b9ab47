//! What the manual installs from without a package: the files of the repository, with the
//! program as the tests have built it.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::PROGRAM;

/// A copy of the files that the manual names. What is not copied, nothing installs.
pub(crate) struct SourceTree(TempDir);

impl SourceTree {
    pub(crate) fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        let source = env!("CARGO_MANIFEST_DIR");
        let [deploy, config] = ["deploy", "config"].map(|name| format!("{source}/{name}"));
        run(Command::new("cp")
            .args(["-r", &deploy, &config])
            .arg(tree.path()));
        let program = tree.path().join("target/release/lvs-agent");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        run(Command::new("strip")
            .args(["--strip-debug", "-o"])
            .arg(&program)
            .arg(PROGRAM));
        tree
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
