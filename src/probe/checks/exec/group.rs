use std::io;
use std::process::ExitStatus;

use rustix::process::{Signal, kill_process_group};
use tokio::process::{Child, Command};

use crate::runtime::orphans::{self, Mark, Own};

/// A program and all that it has started, which is killed when this is dropped.
pub(super) struct Group {
    child: Child,
    own: Own,
    leads: bool,
    _mark: Mark,
}

impl Group {
    /// The command has to ask for a process group.
    pub(super) async fn spawn(command: &mut Command) -> io::Result<Self> {
        let (child, own, mark) = orphans::spawn_marked(command).await?;
        Ok(Self {
            child,
            own,
            leads: true,
            _mark: mark,
        })
    }

    /// Waits for the program, and kills what it leaves in its group.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        // The group has its number as long as anybody is in it. If nobody is,
        // the number is free since a moment ago, and the kernel gives the other
        // numbers first.
        self.kill_group();
        self.leads = false;
        Ok(status)
    }

    fn kill_group(&self) {
        if let (Some(id), true) = (self.own.pid(), self.leads) {
            // It fails only if all of the group have ended.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill_group();
    }
}
