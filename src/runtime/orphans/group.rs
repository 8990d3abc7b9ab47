//! A program with its process group.

use std::io;
use std::process::ExitStatus;

use rustix::process::{Signal, kill_process_group};
use tokio::process::{Child, ChildStdin, Command};

use super::{Children, Mark, Own, spawn_marked};

/// A program and all that it has started, which is killed when this is dropped.
pub(crate) struct Group {
    child: Child,
    own: Own,
    leads: bool,
    mark: Mark,
}

impl Group {
    /// The command has to ask for a process group.
    pub(crate) async fn spawn(command: &mut Command, children: Children) -> io::Result<Self> {
        let (child, own, mark) = spawn_marked(command, children).await?;
        Ok(Self {
            child,
            own,
            leads: true,
            mark,
        })
    }

    /// The program's standard input, where the command asked for a pipe; once.
    pub(crate) fn take_input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Waits for the program, and kills what it leaves in its group, unless that may
    /// outlive the program.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        if self.mark.children_may_outlive() {
            self.mark.release();
        } else {
            // The group has its number as long as anybody is in it. If nobody is,
            // the number is free since a moment ago, and the kernel gives the other
            // numbers first.
            self.kill_group();
        }
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
