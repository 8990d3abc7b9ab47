use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::agent::{PROGRAM, configuration_file, write_configuration};
use super::{Namespace, Process};

/// What outlives one agent: its configuration, its state and the place of its
/// control socket. Several agents use it, one after the other.
pub(crate) struct Site {
    directory: TempDir,
}

impl Site {
    /// `configuration` says nothing of `state_dir` and `control`.
    pub(crate) fn new(configuration: &str) -> Self {
        let site = Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
        };
        site.write_configuration(configuration);
        site
    }

    /// Replaces the configuration file.
    pub(crate) fn write_configuration(&self, configuration: &str) {
        write_configuration(self.directory(), configuration);
    }

    /// The directory that all of it is in.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The configured `state_dir`, which exists once an agent has made it.
    pub(crate) fn state_directory(&self) -> PathBuf {
        self.directory().join("state")
    }

    /// `lvs-agent SUBCOMMAND --config FILE`.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .arg(subcommand)
            .arg("--config")
            .arg(configuration_file(self.directory()));
        command
    }

    /// Starts `lvs-agent run --config FILE ARGS`.
    pub(crate) fn run(&self, namespace: &Namespace, args: &[&str]) -> Process {
        let mut command = self.command("run");
        command.args(args);
        namespace.spawn(command)
    }
}
