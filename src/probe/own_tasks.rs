//! The tasks that a library starts for one probe, which end with the probe.

use std::future::Future;
use std::sync::Arc;

use hyper::rt::Executor;
use tokio::task::JoinSet;

use crate::runtime::shared::Shared;

/// Ends its tasks when it is dropped.
#[derive(Debug)]
pub(super) struct OwnTasks(OwnExecutor);

/// Starts tasks for as long as the probe goes on.
///
/// A task may keep a clone of it, so that its own end cannot end the tasks.
#[derive(Debug, Clone)]
pub(super) struct OwnExecutor(Arc<Shared<Option<JoinSet<()>>>>);

impl OwnTasks {
    pub(super) fn new() -> Self {
        Self(OwnExecutor(Arc::new(Shared::new(Some(JoinSet::new())))))
    }

    pub(super) fn executor(&self) -> OwnExecutor {
        self.0.clone()
    }
}

impl Drop for OwnTasks {
    fn drop(&mut self) {
        let tasks = self.0.0.lock().take();
        drop(tasks);
    }
}

impl<F> Executor<F> for OwnExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        if let Some(tasks) = &mut *self.0.lock() {
            tasks.spawn(async {
                task.await;
            });
        }
    }
}

#[cfg(test)]
mod tests;
