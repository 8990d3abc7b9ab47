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

    /// Puts what the first stage of the Dockerfile builds into the place of that stage. The
    /// program of the tests needs libraries, which the static one of the Dockerfile does not.
    pub(crate) fn build_image_from_files(&self) {
        let root = self.path().join("root-of-image");
        for directory in [
            "etc/lvs-agent",
            "run/lvs-agent",
            "var/lib/lvs-agent",
            "usr/bin",
        ] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        let program = root.join("usr/bin/lvs-agent");
        fs::copy(self.path().join("target/release/lvs-agent"), program).unwrap();
        let libraries = Command::new("ldd").arg(PROGRAM).output().unwrap();
        let libraries = String::from_utf8(libraries.stdout).unwrap();
        let words = libraries.split_whitespace();
        for library in words.filter(|word| word.starts_with('/')) {
            let copy = root.join(library.trim_start_matches('/'));
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(library, copy).unwrap();
        }
        let file = self.path().join("deploy/container/Dockerfile");
        let text = fs::read_to_string(&file).unwrap();
        let (_, image) = text.split_once("\nFROM scratch\n").expect("a last stage");
        let text = format!(
            "FROM scratch AS build\nCOPY root-of-image /root-of-image\nFROM scratch\n{image}"
        );
        fs::write(file, text).unwrap();
        fs::remove_file(self.path().join("deploy/container/Dockerfile.dockerignore")).unwrap();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
