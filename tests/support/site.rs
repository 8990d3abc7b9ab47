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

    /// Starts `lvs-agent run ARGS` and waits until it is set up.
    pub(crate) fn start(&self, namespace: &Namespace, args: &[&str]) -> Process {
        let mut agent = self.run(namespace, args);
        agent.wait_for_line(super::PATIENCE, |line| {
            line.contains(" director: ") || line.contains(" real server: ")
        });
        agent
    }

    /// Runs a subcommand to its end; its exit code, and what it printed to
    /// standard output and standard error.
    pub(crate) fn finish(&self, namespace: &Namespace, words: &[&str]) -> (i32, String) {
        let (subcommand, args) = words.split_first().expect("a subcommand");
        let mut command = self.command(subcommand);
        command.args(args);
        let output = namespace.output(command);
        let printed = [output.stdout, output.stderr].concat();
        let code = output.status.code().expect("an exit code");
        (code, String::from_utf8(printed).expect("output in UTF-8"))
    }
}
