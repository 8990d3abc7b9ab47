use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal::{Signal, killpg};

use crate::support::{Namespace, Process};

/// A program with a process group of its own, in which its children stay: what
/// is done to it is done to all of them.
pub(super) struct Server(Process);

impl Server {
    /// Starts a command line, split at blanks and without a shell.
    pub(super) fn start(host: &Namespace, line: &str) -> Self {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().expect("a command line"));
        command.args(words).process_group(0);
        Self(host.spawn(command))
    }

    pub(super) fn signal(&self, signal: Signal) {
        killpg(self.0.pid(), signal).expect("a signal to a group of ours");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It fails only if all of the group have ended.
        let _ = killpg(self.0.pid(), Signal::SIGKILL);
    }
}
