use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::DeliveryError;
use super::event::Message;
use super::queue::Queue;
use crate::metrics::NotificationCounters;
use crate::runtime::error_chain::error_chain;
use crate::runtime::panics;

/// How often a message is tried before it is given up.
const ATTEMPTS: u32 = 4;

/// Before the second attempt; it doubles with each: a target that restarts is
/// back within the 7 seconds that this makes.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Delivers what is queued, one message after the other, until the queue is
/// closed and empty, or this is dropped.
pub(super) async fn work<D, F>(
    name: String,
    queue: Arc<Queue>,
    counters: NotificationCounters,
    deliver: D,
) where
    D: Fn(Arc<Message>) -> F,
    F: Future<Output = Result<(), DeliveryError>>,
{
    let mut failing = false;
    while let Some(message) = queue.pop().await {
        match attempt(&name, &deliver, message).await {
            Ok(()) => {
                counters.delivered.inc();
                if failing {
                    info!(to = name, "notifications are delivered again");
                }
                failing = false;
            }
            Err(error) => {
                counters.failed.inc();
                if !failing {
                    let error = error_chain(&error);
                    warn!(
                        to = name,
                        error, "a notification was not delivered; more may follow"
                    );
                }
                failing = true;
            }
        }
    }
}

/// Tries until it succeeds, cannot succeed, or has been tried often enough.
async fn attempt<D, F>(name: &str, deliver: &D, message: Arc<Message>) -> Result<(), DeliveryError>
where
    D: Fn(Arc<Message>) -> F,
    F: Future<Output = Result<(), DeliveryError>>,
{
    let mut wait = FIRST_WAIT;
    for _ in 1..ATTEMPTS {
        match once(deliver, Arc::clone(&message)).await {
            Err(error) if error.may_pass() => {
                let error = error_chain(&error);
                debug!(to = name, error, "a notification is tried again");
            }
            done => return done,
        }
        sleep(wait).await;
        wait *= 2;
    }
    once(deliver, message).await
}

/// One attempt; a panic ends it alone.
async fn once<D, F>(deliver: &D, message: Arc<Message>) -> Result<(), DeliveryError>
where
    D: Fn(Arc<Message>) -> F,
    F: Future<Output = Result<(), DeliveryError>>,
{
    let attempted = panics::caught(async { deliver(message).await }).await;
    attempted.unwrap_or_else(|message| Err(DeliveryError::Panicked(message)))
}

#[cfg(test)]
pub(super) mod tests;
