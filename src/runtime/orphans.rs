//! The programs that the agent starts, and the processes that lose their
//! parent and come to the agent: it waits for every one that has ended, and
//! ends what the program of a probe has left behind, and what belongs to a
//! program that was given up.

mod group;
mod mark;
mod output;
mod tree;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, getpid, waitpid};
use tokio::process::{Child, Command};
use tokio::time::{MissedTickBehavior, interval};

pub(crate) use group::Group;
pub(crate) use mark::{Children, Mark};
pub(crate) use output::Output;
#[cfg(fuzzing)]
pub(crate) use output::fuzzing::lines;

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(250);

/// Held while a program is started: the agent bears the program's mark then,
/// and the program is not known yet as one that somebody waits for.
static STARTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The children that whoever has started them waits for.
static WAITED_FOR: Mutex<BTreeMap<i32, u64>> = Mutex::new(BTreeMap::new());

fn waited_for() -> MutexGuard<'static, BTreeMap<i32, u64>> {
    WAITED_FOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child that is waited for by whoever has this.
#[derive(Debug)]
pub(crate) struct Own(Option<Pid>);

impl Own {
    pub(crate) const fn pid(&self) -> Option<Pid> {
        self.0
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            waited_for().remove(&pid.as_raw_pid());
        }
    }
}

/// Starts a program with a mark, by which all that it starts is known. What
/// loses its parent comes to the agent from the first of these on.
async fn spawn_marked(command: &mut Command, children: Children) -> io::Result<(Child, Own, Mark)> {
    let _starting = STARTING.lock().await;
    // Without it (before Linux 3.4), what is left in the group is ended at least.
    let _ = rustix::process::set_child_subreaper(Some(getpid()));
    let mark = Mark::new(children);
    let started = {
        let _borne = mark.bear();
        start(command, mark.value())
    };
    started.map(|(child, own)| (child, own, mark))
}

fn start(command: &mut Command, mark: u64) -> io::Result<(Child, Own)> {
    let child = command.spawn()?;
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    if let Some(pid) = pid {
        waited_for().insert(pid.as_raw_pid(), mark);
    }
    Ok((child, Own(pid)))
}

/// Waits for every child that nobody else waits for, and ends what is left of
/// the programs of probes that are over, and of those that were given up.
pub(crate) async fn reap() {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let _starting = STARTING.lock().await;
        let waited_for = waited_for().clone();
        let mut orphans = tree::own_children();
        orphans.retain(|child| !waited_for.contains_key(&child.as_raw_pid()));
        // Waiting fails only for a process that another caller has waited for.
        orphans.retain(|orphan| matches!(waitpid(Some(*orphan), WaitOptions::NOHANG), Ok(None)));
        mark::end_those_that_are_over(&orphans);
    }
}

/// One look of [`reap`] that waits for no child: other tests of the process
/// wait for theirs.
#[cfg(test)]
pub(crate) fn end_what_is_left() {
    let waited_for = waited_for().clone();
    let mut orphans = tree::own_children();
    orphans.retain(|child| !waited_for.contains_key(&child.as_raw_pid()));
    mark::end_those_that_are_over(&orphans);
}

#[cfg(test)]
mod tests;
