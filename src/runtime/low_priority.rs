//! Threads with a lower priority than the probes: what many readers ask for takes only the
//! time of the processors that the probes leave.

use std::future::Future;
use std::io;
use std::thread::{self, JoinHandle};

use rustix::process::setpriority_process;
use rustix::thread::gettid;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::runtime::panics;

/// `setpriority(2)`: a tenth of the weight of a thread with the usual priority (`sched(7)`).
const NICE: i32 = 10;

/// The work on a thread of its own was not begun, or has failed.
#[derive(Debug, Error)]
pub(crate) enum LowPriorityError {
    /// There is no thread, or no runtime for it.
    #[error("cannot start a thread")]
    Start(#[source] io::Error),
    /// The code of the agent failed.
    #[error("it panicked: {0}")]
    Panicked(String),
    /// The thread ended without a word.
    #[error("its thread ended")]
    Ended,
}

/// Starts a thread with the low priority, whose name has 15 bytes at the most (`prctl(2)`).
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(|| {
        // The priority of a thread is its own, in spite of the name of the call.
        if let Err(error) = setpriority_process(Some(gettid()), NICE) {
            tracing::debug!(%error, "a thread has the priority of the probes");
        }
        work()
    })
}

/// Runs the future that `work` makes on a thread with the low priority and with a runtime of its
/// own, which has all tasks that the future spawns. They end when this future is dropped.
pub(crate) async fn run<F>(
    name: &str,
    work: impl FnOnce() -> F + Send + 'static,
) -> Result<F::Output, LowPriorityError>
where
    F: Future<Output: Send + 'static>,
{
    let (mut done, ended) = oneshot::channel();
    spawn(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let result = match runtime {
            Ok(runtime) => runtime.block_on(async {
                tokio::select! {
                    output = panics::caught(async { work().await }) => {
                        Some(output.map_err(LowPriorityError::Panicked))
                    }
                    () = done.closed() => None,
                }
            }),
            Err(error) => Some(Err(LowPriorityError::Start(error))),
        };
        if let Some(result) = result {
            // Whoever waited may have gone away meanwhile.
            let _ = done.send(result);
        }
    })
    .map_err(LowPriorityError::Start)?;
    ended.await.unwrap_or(Err(LowPriorityError::Ended))
}

#[cfg(test)]
mod tests;
