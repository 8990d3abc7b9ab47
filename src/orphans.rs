//! Processes that lost their parent, where the agent is the first process of
//! its PID namespace, as in a container: the kernel gives them to it, and
//! nobody else waits for them when they have ended.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, waitpid};
use tokio::time::{MissedTickBehavior, interval};

/// How long a child of the agent's own is waited for at the most by whoever
/// has started it.
const GRACE: Duration = Duration::from_secs(5);

/// Whether orphans come to this process.
pub(crate) fn come_here() -> bool {
    std::process::id() == 1
}

/// Waits for every child that nobody has waited for since the last look.
pub(crate) async fn reap() {
    let mut looks = interval(GRACE);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = BTreeSet::new();
    loop {
        looks.tick().await;
        let ended = ended_children(std::process::id());
        for Child { pid, .. } in ended.intersection(&before) {
            if let Some(pid) = Pid::from_raw(*pid) {
                // It fails only if somebody else has waited for it by now.
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
        before = ended;
    }
}

/// A process; the number alone may be another's later.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Child {
    pid: i32,
    /// In clock ticks since boot.
    started: u64,
}

/// The children of this process that have ended and still are in the table.
fn ended_children(parent: u32) -> BTreeSet<Child> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| {
            let pid: u32 = process.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(process.path().join("stat")).ok()?;
            ended_child(pid, &stat, parent)
        })
        .collect()
}

/// Reads `/proc/PID/stat` (proc(5)): after the name, which is in parentheses
/// and may have some itself, come the state, the parent, and at last the start.
fn ended_child(pid: u32, stat: &str, parent: u32) -> Option<Child> {
    const START: usize = 22 - 3;
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let is_ended = fields.first() == Some(&"Z");
    let is_child = fields.get(1)?.parse() == Ok(parent);
    (is_ended && is_child).then_some(Child {
        pid: pid.try_into().ok()?,
        started: fields.get(START)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests;
