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

/// So many of those that were given up last are known: each look ends what bears
/// their marks, so more are needed only if a look ends none of them.
const MOST_GIVEN_UP: usize = 1024;

/// What becomes of the processes that a program has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Children {
    /// They are ended with the program.
    EndWithIt,
    /// They go on after the end of the program. They are ended if the program does not
    /// end by itself.
    MayOutlive,
}

/// What the marks of this agent begin with: another agent of this host has another.
/// The lowest bit tells what becomes of the children.
static FAMILY: LazyLock<u64> = LazyLock::new(|| {
    const BITS: u64 = (1 << 29) - 1;
    ((RandomState::new().hash_one(getpid()) & BITS) | 1) << (u32::BITS + 1)
});

/// Set in the mark of a program whose children may outlive it.
const MAY_OUTLIVE: u64 = 1 << u32::BITS;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Of the probes that are not over.
static RUNNING: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

fn running() -> MutexGuard<'static, BTreeSet<u64>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Of the programs that were given up, whose children might have outlived them.
static GIVEN_UP: Mutex<VecDeque<u64>> = Mutex::new(VecDeque::new());

fn given_up() -> MutexGuard<'static, VecDeque<u64>> {
    GIVEN_UP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Of one program. What bears it is ended when this is dropped, unless it is released.
#[derive(Debug)]
pub(crate) struct Mark {
    value: u64,
    released: bool,
}

impl Mark {
    pub(super) fn new(children: Children) -> Self {
        let number = u64::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let value = *FAMILY
            | number
            | match children {
                Children::EndWithIt => 0,
                Children::MayOutlive => MAY_OUTLIVE,
            };
        if children == Children::EndWithIt {
            running().insert(value);
        }
        Self {
            value,
            released: false,
        }
    }

    pub(super) const fn value(&self) -> u64 {
        self.value
    }

    /// Whether what the program has started may go on after the program.
    pub(super) const fn children_may_outlive(&self) -> bool {
        self.value & MAY_OUTLIVE != 0
    }

    /// From now on, what bears the mark is not ended.
    pub(super) const fn release(&mut self) {
        self.released = true;
    }

    /// What this process starts bears the mark until what is returned is dropped.
    pub(super) fn bear(&self) -> SavedLimit {
        let before = getrlimit(Resource::Locks);
        let current = Some(self.value);
        // A lower hard limit refuses it: then the program's group is all that is ended.
        let _ = setrlimit(Resource::Locks, Rlimit { current, ..before });
        SavedLimit(before)
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        if self.released {
            return;
        }
        if self.children_may_outlive() {
            give_up(self.value);
        } else {
            running().remove(&self.value);
        }
        // The children of a process that ends meanwhile come to the agent.
        for _ in 0..LOOKS {
            let mut children = tree::own_children();
            {
                let known = waited_for();
                children.retain(|child| {
                    let mark = known.get(&child.as_raw_pid());
                    mark.is_none_or(|mark| *mark == self.value)
                });
            }
            if end(&children, |mark| mark == self.value) == 0 {
                break;
            }
        }
    }
}

/// From now on, each look ends what bears the mark.
pub(super) fn give_up(mark: u64) {
    let mut given_up = given_up();
    given_up.push_back(mark);
    if given_up.len() > MOST_GIVEN_UP {
        given_up.pop_front();
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
/// mark of a probe that is over, or of a program that was given up.
pub(super) fn end_those_that_are_over(processes: &[Pid]) {
    let family = |mark: u64| mark & !u64::from(u32::MAX) & !MAY_OUTLIVE == *FAMILY;
    end(processes, |mark| {
        family(mark)
            && if mark & MAY_OUTLIVE == 0 {
                !running().contains(&mark)
            } else {
                given_up().contains(&mark)
            }
    });
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
