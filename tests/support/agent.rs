use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Namespace, Process};

/// The path of the program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_lvs-agent");

/// A running `lvs-agent run`, with state and control socket of its own.
pub(crate) struct Agent {
    process: Process,
}

/// Starts `lvs-agent run --config FILE ARGS`. `configuration` says nothing of
/// `state_dir` and `control`: they lie in a directory that goes with the agent.
pub(crate) fn agent(namespace: &Namespace, configuration: &str, args: &[&str]) -> Agent {
    start(namespace, Command::new(PROGRAM), configuration, args)
}

/// The same, with the agent started by another program, which must become it:
/// `wrapper` and its arguments, to which the agent's command line is added.
pub(crate) fn agent_under(
    wrapper: &[&str],
    namespace: &Namespace,
    configuration: &str,
    args: &[&str],
) -> Agent {
    let (program, options) = wrapper.split_first().expect("a program");
    let mut command = Command::new(program);
    command.args(options).arg(PROGRAM);
    start(namespace, command, configuration, args)
}

fn start(namespace: &Namespace, mut command: Command, configuration: &str, args: &[&str]) -> Agent {
    let directory = tempfile::tempdir().expect("a temporary directory");
    write_configuration(directory.path(), configuration);
    command
        .arg("run")
        .arg("--config")
        .arg(configuration_file(directory.path()))
        .args(args);
    Agent {
        process: namespace.spawn_with(command, directory),
    }
}

impl Agent {
    /// Replaces the configuration file; the agent reads it when told to.
    pub(crate) fn write_configuration(&self, configuration: &str) {
        write_configuration(self.directory(), configuration);
    }

    /// A subcommand with `--config` of this agent, such as `status`.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .arg(subcommand)
            .arg("--config")
            .arg(configuration_file(self.directory()));
        command
    }
}

impl Deref for Agent {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Agent {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

pub(super) fn configuration_file(directory: &Path) -> PathBuf {
    directory.join("config.yaml")
}

pub(super) fn write_configuration(directory: &Path, configuration: &str) {
    let at = directory.display();
    let whole =
        format!("{configuration}\nstate_dir: {at}/state\ncontrol:\n  socket: {at}/control.sock\n");
    fs::write(configuration_file(directory), whole).expect("the agent's configuration");
}
