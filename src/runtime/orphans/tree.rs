//! Which processes a process has started.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, getpid, waitid};

/// The agent's own, at one system call where there are none.
pub(super) fn own_children() -> Vec<Pid> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::All, look) {
        Err(Errno::CHILD) => Vec::new(),
        Ok(_) | Err(_) => children(getpid()),
    }
}

/// Its living children and those that nobody has waited for yet. Each of its
/// threads has its own (`/proc/PID/task/TID/children`, proc(5)); orphans are
/// one of the threads'. One that comes while this reads may be missing.
pub(super) fn children(parent: Pid) -> Vec<Pid> {
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
