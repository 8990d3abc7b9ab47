//! Tasks with a name, which is logged when they panic.

use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt as _;
use tokio::task::{JoinHandle, JoinSet};
use tracing::error;

use crate::runtime::panics;

/// Spawns a task of the set that returns its name when it ends.
pub(crate) fn spawn_named(
    tasks: &mut JoinSet<&'static str>,
    name: &'static str,
    task: impl Future + Send + 'static,
) {
    tasks.spawn(async move {
        log_panic(name, task).await;
        name
    });
}

/// Spawns a task outside the set, whose output its caller needs.
pub(crate) fn spawn_joinable<T: Send + 'static>(
    name: &'static str,
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(log_panic(name, task))
}

async fn log_panic<F: Future>(name: &'static str, task: F) -> F::Output {
    match AssertUnwindSafe(task).catch_unwind().await {
        Ok(output) => output,
        Err(panic) => {
            let message = panics::message(&*panic);
            error!("the task `{name}` panicked, and the agent ends: {message}");
            resume_unwind(panic)
        }
    }
}

#[cfg(test)]
mod tests;
