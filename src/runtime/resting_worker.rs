//! A worker of the runtime that rests until it is needed.

use std::convert::Infallible;
use std::sync::mpsc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// One worker of this runtime, which takes no tasks and is woken by none. From when this is
/// dropped on, the worker does its share.
#[must_use = "the worker rests until this is dropped"]
pub(crate) struct RestingWorker {
    _rests_while_kept: mpsc::Sender<Infallible>,
}

impl RestingWorker {
    /// Lets one worker rest, by a task that blocks the thread of the worker. `None` on a runtime
    /// without a second worker.
    ///
    /// No other task may be waiting for a worker at that time: it might wait as long.
    pub(crate) async fn rest() -> Option<Self> {
        let runtime = Handle::current();
        if runtime.metrics().num_workers() < 2 {
            return None;
        }
        let (rests_while_kept, dropped) = mpsc::channel();
        let (begins, begun) = oneshot::channel();
        runtime.spawn(async move {
            // Who waits for the beginning may have gone away.
            let _ = begins.send(());
            // Nothing is ever sent: this is an error once the sender is dropped.
            let _ = dropped.recv();
        });
        // An error is a task that has ended, as when the runtime is ending.
        begun.await.ok()?;
        Some(Self {
            _rests_while_kept: rests_while_kept,
        })
    }
}

#[cfg(test)]
mod tests;
