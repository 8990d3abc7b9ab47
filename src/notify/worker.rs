//! The task of one target: groups, attempts and repeated conditions.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, sleep_until};
use tracing::{debug, info, warn};

use super::DeliveryError;
use super::identity::Identity;
use super::queue::{Group, Queue};
use super::repeats::{ActiveConditions, Repeats};
use crate::runtime::error_chain::error_chain;
use crate::runtime::panics;
use crate::runtime::shared::Shared;

/// How often a message is tried before it is given up.
const ATTEMPTS: u32 = 4;

/// Before the second attempt; it doubles with each: a target that restarts is
/// back within the 7 seconds that this makes.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// What one target is told, and how that is counted.
pub(super) struct Work {
    pub(super) identity: Arc<Shared<Identity>>,
    pub(super) queue: Arc<Queue>,
    /// How long messages wait for others that go with them; without it, each
    /// goes alone.
    pub(super) group_wait: Option<Duration>,
    pub(super) active: Arc<ActiveConditions>,
    /// Tells of conditions that go on.
    pub(super) repeats: Option<Repeats>,
}

impl Work {
    /// Delivers what is queued, one group after the other, until the queue is
    /// closed and empty, or this is dropped.
    pub(super) async fn run<D, F>(mut self, deliver: D)
    where
        D: Fn(Group) -> F,
        F: Future<Output = Result<(), DeliveryError>>,
    {
        let mut failing = false;
        while let Some(group) = self.next().await {
            let number = group.len() as u64;
            let name = self.identity.lock().name.clone();
            let attempted = attempt(&name, &deliver, group).await;
            // A reload may have given the target another place meanwhile.
            let Identity { name, counters, .. } = self.identity.lock().clone();
            match attempted {
                Ok(()) => {
                    counters.delivered.inc_by(number);
                    if failing {
                        info!(to = name, "notifications are delivered again");
                    }
                    failing = false;
                }
                Err(error) => {
                    counters.failed.inc_by(number);
                    if !failing {
                        let fix = error.fix();
                        let error = error_chain(&error);
                        warn!(
                            to = name,
                            error, fix, "a notification was not delivered; more may follow"
                        );
                    }
                    failing = true;
                }
            }
        }
    }

    /// What is delivered next. Conditions that go on take their turn in the
    /// queue, whose bound holds for them as well.
    async fn next(&mut self) -> Option<Group> {
        loop {
            let group = self.queue.pop(self.group_wait);
            let group = if let Some(repeats) = &mut self.repeats {
                tokio::select! {
                    biased;
                    group = group => group,
                    () = sleep_until(repeats.next()) => {
                        let due = repeats.take_due().into_iter();
                        let dropped = due.filter_map(|message| self.queue.push(message));
                        let dropped = dropped.count() as u64;
                        self.identity.lock().counters.dropped.inc_by(dropped);
                        continue;
                    }
                }
            } else {
                group.await
            };
            let group = self.active.without_outdated(group?);
            if !group.is_empty() {
                return Some(group);
            }
        }
    }
}

/// Tries until it succeeds, cannot succeed, or has been tried often enough.
async fn attempt<D, F>(name: &str, deliver: &D, group: Group) -> Result<(), DeliveryError>
where
    D: Fn(Group) -> F,
    F: Future<Output = Result<(), DeliveryError>>,
{
    let mut wait = FIRST_WAIT;
    for _ in 1..ATTEMPTS {
        match once(deliver, Arc::clone(&group)).await {
            Err(error) if error.may_pass() => {
                let error = error_chain(&error);
                debug!(to = name, error, "a notification is tried again");
            }
            done => return done,
        }
        sleep(wait).await;
        wait *= 2;
    }
    once(deliver, group).await
}

/// One attempt; a panic ends it alone.
async fn once<D, F>(deliver: &D, group: Group) -> Result<(), DeliveryError>
where
    D: Fn(Group) -> F,
    F: Future<Output = Result<(), DeliveryError>>,
{
    let attempted = panics::caught(async { deliver(group).await }).await;
    attempted.unwrap_or_else(|message| Err(DeliveryError::Panicked(message)))
}

#[cfg(test)]
pub(super) mod tests;
