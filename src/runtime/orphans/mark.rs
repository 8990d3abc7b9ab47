//! A mark that a process and all that it starts bear, whatever sessions they
//! open, users they become and environments they clear.
//!
//! The mark is the soft limit `RLIMIT_LOCKS`, which the kernel passes on and has not
//! heeded since Linux 2.4.25 (getrlimit(2)); everybody may read it in
//! `/proc/PID/limits`, while `/proc/PID/environ` of another user's process
//! takes `CAP_SYS_PTRACE`.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getpid, getrlimit, kill_process, pidfd_open,
    pidfd_send_signal, setrlimit,
};

use super::{tree, waited_for};

/// The most processes that are ended at a time; the next look takes more.
const MOST: usize = 10_000;

/// How often it is looked at once for what a program has left; the next regular
/// look finds what these miss.
const LOOKS: usize = 3;

/// What the marks of this agent begin with: another agent of this host has another.
static FAMILY: LazyLock<u64> = LazyLock::new(|| {
    const BITS: u64 = (1 << 30) - 1;
    ((RandomState::new().hash_one(getpid()) & BITS) | 1) << u32::BITS
});

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Of the probes that are not over.
static RUNNING: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

fn running() -> MutexGuard<'static, BTreeSet<u64>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Of one probe's program. What bears it is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Mark(u64);

impl Mark {
    pub(super) fn new() -> Self {
        let mark = *FAMILY | u64::from(NEXT.fetch_add(1, Ordering::Relaxed));
        running().insert(mark);
        Self(mark)
    }

    pub(super) const fn value(&self) -> u64 {
        self.0
    }

    /// What this process starts bears the mark until what is returned is dropped.
    pub(super) fn bear(&self) -> SavedLimit {
        let before = getrlimit(Resource::Locks);
        let current = Some(self.0);
        // A lower hard limit refuses it: then the program's group is all that is ended.
        let _ = setrlimit(Resource::Locks, Rlimit { current, ..before });
        SavedLimit(before)
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        running().remove(&self.0);
        // The children of a process that ends meanwhile come to the agent.
        for _ in 0..LOOKS {
            let mut children = tree::own_children();
            {
                let known = waited_for();
                children.retain(|child| {
                    let mark = known.get(&child.as_raw_pid());
                    mark.is_none_or(|mark| *mark == Some(self.0))
                });
            }
            if end(&children, |mark| mark == self.0) == 0 {
                break;
            }
        }
    }
}

/// The limit as it was.
pub(super) struct SavedLimit(Rlimit);

impl Drop for SavedLimit {
    fn drop(&mut self) {
        // The limit was the same before.
        let _ = setrlimit(Resource::Locks, self.0);
    }
}

/// Ends those of these processes, and of what they have started, that bear the
/// mark of a probe that is over.
pub(super) fn end_those_that_are_over(processes: &[Pid]) {
    let family = |mark: u64| mark & !u64::from(u32::MAX) == *FAMILY;
    end(processes, |mark| family(mark) && !running().contains(&mark));
}

/// Tells how many there were.
fn end(roots: &[Pid], is_over: impl Fn(u64) -> bool) -> usize {
    let mut processes: VecDeque<Pid> = roots.iter().copied().collect();
    let mut ended = 0;
    while let Some(process) = processes.pop_front() {
        // What bears no such mark has started nothing that does.
        if mark_of(process).is_some_and(&is_over) && ended < MOST {
            ended += 1;
            let children = tree::children(process);
            kill(process, &is_over);
            processes.extend(children);
        }
    }
    ended
}

/// Kills the process of this number if it bears such a mark: looked at once
/// more when the number can no longer become another's.
fn kill(process: Pid, is_over: &impl Fn(u64) -> bool) {
    let held = pidfd_open(process, PidfdFlags::empty());
    if !mark_of(process).is_some_and(is_over) {
        return;
    }
    // The signal fails only if the process has ended, or is another user's that the
    // agent may not end.
    let _ = match held {
        Ok(held) => pidfd_send_signal(held, Signal::KILL),
        // Before Linux 5.3.
        Err(Errno::NOSYS) => kill_process(process, Signal::KILL),
        Err(error) => Err(error),
    };
}

/// `None` where there is none, and where the process has ended.
pub(super) fn mark_of(process: Pid) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.as_raw_pid())).ok()?;
    let mut lines = limits.lines();
    let locks = lines.find_map(|line| line.strip_prefix("Max file locks"))?;
    locks.split_whitespace().next()?.parse().ok()
}
