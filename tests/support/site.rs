use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::agent::PROGRAM;
use super::{Namespace, Process};

/// Configuration and state of an agent that outlive its process, as on a host
/// whose agent is started again and again.
pub(crate) struct Site {
    directory: TempDir,
}

impl Site {
    /// `configuration` says nothing of `state_dir` and `control`.
    pub(crate) fn new(configuration: &str) -> Self {
        let site = Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
        };
        site.configure(configuration);
        site
    }

    /// Replaces the configuration; the next agent reads it.
    pub(crate) fn configure(&self, configuration: &str) {
        let at = self.directory.path().display();
        let whole = format!(
            "{configuration}\nstate_dir: {at}/state\ncontrol:\n  socket: {at}/control.sock\n"
        );
        fs::write(self.file(), whole).expect("the configuration");
    }

    /// The state directory.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Starts `lvs-agent run ARGS` and waits until it is set up.
    pub(crate) fn start(&self, namespace: &Namespace, args: &[&str]) -> Process {
        let mut agent = self.spawn(namespace, args);
        agent.wait_for_line(super::PATIENCE, |line| {
            line.contains(" director: ") || line.contains(" real server: ")
        });
        agent
    }

    /// Starts `lvs-agent run ARGS`.
    pub(crate) fn spawn(&self, namespace: &Namespace, args: &[&str]) -> Process {
        let mut command = self.command("run");
        command.args(args);
        namespace.spawn(command)
    }

    /// A subcommand with this configuration.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg(subcommand).arg("--config").arg(self.file());
        command
    }

    /// Runs a subcommand to its end; its exit code, and what it printed to
    /// standard output and standard error.
    pub(crate) fn run(&self, namespace: &Namespace, words: &[&str]) -> (i32, String) {
        let (subcommand, args) = words.split_first().expect("a subcommand");
        let mut command = self.command(subcommand);
        command.args(args);
        let output = namespace.output(command);
        let printed = [output.stdout, output.stderr].concat();
        let code = output.status.code().expect("an exit code");
        (code, String::from_utf8(printed).expect("output in UTF-8"))
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("config.yaml")
    }
}
