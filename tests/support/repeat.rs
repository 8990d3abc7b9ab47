//! What a client or a watcher does again and again while something else happens.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{PATIENCE, until};

/// The number of calls of what is done again and again.
#[derive(Debug, Default)]
pub(crate) struct Calls(AtomicUsize);

/// Calls `each` again and again on a thread of its own until `work` is done.
///
/// # Panics
///
/// When a call panics, and when `work` does.
pub(crate) fn while_repeating<T>(each: impl Fn() + Sync, work: impl FnOnce(&Calls) -> T) -> T {
    let over = AtomicBool::new(false);
    let calls = Calls::default();
    thread::scope(|scope| {
        let repeating = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                each();
                calls.0.fetch_add(1, Ordering::SeqCst);
            }
        });
        let end = Ending(&over);
        let done = work(&calls);
        drop(end);
        repeating.join().expect("no call that fails");
        done
    })
}

impl Calls {
    /// How many have ended.
    pub(crate) fn ended(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits until so many more have ended.
    pub(crate) fn wait_for(&self, more: usize) {
        let before = self.ended();
        until(PATIENCE, "further calls", || {
            let ended = self.ended() - before;
            if ended >= more { Ok(()) } else { Err(ended) }
        });
    }
}

/// Ends the repetition also when the test panics, which else would wait for ever.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
