use std::collections::VecDeque;
use std::fs;
use std::io;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

/// The most processes outside of the group that are looked for.
const MOST: usize = 1000;

/// A program and its process group, which is killed when this is dropped.
pub(super) struct Group {
    child: Child,
    id: Option<Pid>,
    ended: bool,
}

impl Group {
    /// The command has to ask for a process group.
    pub(super) fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Ok(Self {
            child,
            id,
            ended: false,
        })
    }

    /// Waits for the program, and kills what it leaves in its group.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.ended = true;
        // The group has its number as long as anybody is in it. If nobody is,
        // the number is free since a moment ago, and the kernel gives the other
        // numbers first.
        self.kill_group();
        self.id = None;
        Ok(status)
    }

    fn kill_group(&self) {
        if let Some(id) = self.id {
            // It fails only if all of the group have ended.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        for process in self.id.map(descendants).unwrap_or_default() {
            // It fails only if the process has ended.
            let _ = kill_process(process, Signal::KILL);
        }
        self.kill_group();
    }
}

/// What a process has started and what this has started, in whatever group it
/// is now; what lost its parent is not found.
fn descendants(of: Pid) -> Vec<Pid> {
    let mut found = Vec::new();
    let mut parents = VecDeque::from([of]);
    while let Some(parent) = parents.pop_front() {
        for child in children(parent) {
            if found.len() == MOST {
                return found;
            }
            found.push(child);
            parents.push_back(child);
        }
    }
    found
}

/// Each thread has its own (`/proc/PID/task/TID/children`, proc(5)).
fn children(parent: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{}/task", parent.as_raw_pid()));
    let tasks = tasks.into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            let pids = list.split_whitespace();
            let pids = pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
            pids.collect::<Vec<_>>()
        })
        .collect()
}
