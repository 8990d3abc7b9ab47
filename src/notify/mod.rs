//! Events: what operators and their programs are told, by running a program
//! or posting to a URL.
//!
//! Whoever has news calls [`Events::emit`], which never waits. Each target has
//! a queue and a task of its own, which delivers one message after the other,
//! so that every target sees the events in their order and none holds up
//! another, or the agent.

mod event;
mod exec;
mod queue;
mod webhook;
mod worker;

use std::future::Future;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) use event::{Event, EventKind};

use self::event::Message;
use self::queue::Queue;
use crate::clock;
use crate::config::{Notify, NotifyTarget};
use crate::metrics::{Metrics, NotificationCounters};
use crate::snapshot::{Latest, Mode};

/// Tells the targets of the section `notify` what happens.
#[derive(Debug)]
pub(crate) struct Events {
    host: Arc<str>,
    mode: Mode,
    /// In the configuration's order.
    targets: Latest<Vec<Target>>,
}

#[derive(Debug)]
struct Target {
    queue: Arc<Queue>,
    counters: NotificationCounters,
    worker: JoinHandle<()>,
}

impl Drop for Target {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

/// Events cannot be told.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    #[error("the HTTP client of the webhooks cannot be set up")]
    Client(#[from] reqwest::Error),
    #[error("the metrics of the notifications cannot be set up")]
    Metrics(#[from] prometheus::Error),
}

/// A message was not delivered.
#[derive(Debug, Error)]
enum DeliveryError {
    #[error("not done within {}", humantime::format_duration(*.0))]
    TimedOut(Duration),
    #[error("the program cannot be run")]
    Start(#[source] io::Error),
    #[error("the program ended with {0}")]
    Exit(ExitStatus),
    #[error("no answer")]
    Exchange(#[source] reqwest::Error),
    #[error("the answer was HTTP {0}")]
    Status(u16),
    #[error("the event cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
}

impl DeliveryError {
    /// Whether another attempt may do better. Any other status than these says
    /// that the request itself is not wanted (RFC 9110, section 15).
    fn may_pass(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::Start(_) | Self::Exit(_) | Self::Exchange(_) => true,
            Self::Status(status) => matches!(status, 408 | 429 | 500..=599),
            Self::Encode(_) => false,
        }
    }
}

impl Events {
    /// Nobody is told anything.
    pub(crate) fn none() -> Arc<Self> {
        Arc::new(Self {
            host: Arc::default(),
            mode: Mode::Director,
            targets: Latest::default(),
        })
    }

    /// Starts a task for each of the targets; to be called within a runtime.
    /// What waits in their queues when this is dropped is not delivered.
    pub(crate) fn start(
        configured: &[Notify],
        mode: Mode,
        metrics: &Metrics,
    ) -> Result<Arc<Self>, StartError> {
        let host = rustix::system::uname().nodename().to_string_lossy().into();
        let events = Self {
            host,
            mode,
            targets: Latest::default(),
        };
        events.configure(configured, metrics)?;
        Ok(Arc::new(events))
    }

    /// Starts anew with these targets, at the start and when a reload changed
    /// them. What waits for the earlier ones is not delivered.
    pub(crate) fn configure(
        &self,
        configured: &[Notify],
        metrics: &Metrics,
    ) -> Result<(), StartError> {
        let client = webhook::client()?;
        let mut targets = Vec::with_capacity(configured.len());
        for (place, notify) in configured.iter().enumerate() {
            let counters = metrics.notifications(place)?;
            targets.push(Target::start(place, notify, counters, client.clone()));
        }
        metrics.forget_notifications(configured.len());
        *self.targets.lock() = targets;
        Ok(())
    }

    /// Tells all targets, some time. Never waits, and counts what had to go.
    pub(crate) fn emit(&self, event: Event) {
        let targets = self.targets.lock();
        if targets.is_empty() {
            return;
        }
        let message = Arc::new(Message {
            event,
            at: clock::wall(),
            host: Arc::clone(&self.host),
            mode: self.mode,
        });
        for target in &*targets {
            if target.queue.push(Arc::clone(&message)).is_some() {
                target.counters.dropped.inc();
            }
        }
    }
}

impl Target {
    fn start(
        place: usize,
        notify: &Notify,
        counters: NotificationCounters,
        client: Client,
    ) -> Self {
        let queue = Arc::new(Queue::default());
        // No more than this: a URL or an argument may hold a secret.
        let name = format!("notify[{place}]");
        let limit = notify.timeout;
        let work = (name, Arc::clone(&queue), counters.clone());
        let worker = match notify.target.clone() {
            NotifyTarget::Exec { program, arguments } => {
                let command = Arc::new((program, arguments));
                spawn(work, limit, move |message| {
                    let command = Arc::clone(&command);
                    async move { exec::run(&command.0, &command.1, &message).await }
                })
            }
            NotifyTarget::Webhook(webhook) => {
                let headers = webhook::headers(&webhook);
                let webhook = Arc::new(webhook);
                spawn(work, limit, move |message| {
                    let (client, webhook) = (client.clone(), Arc::clone(&webhook));
                    let headers = headers.clone();
                    async move { webhook::post(&client, &webhook, headers, &message).await }
                })
            }
        };
        Self {
            queue,
            counters,
            worker,
        }
    }
}

/// The task of one target, whose every attempt ends within `limit`.
fn spawn<D, F>(
    (name, queue, counters): (String, Arc<Queue>, NotificationCounters),
    limit: Duration,
    deliver: D,
) -> JoinHandle<()>
where
    D: Fn(Arc<Message>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), DeliveryError>> + Send + 'static,
{
    let deliver = move |message| {
        let attempt = timeout(limit, deliver(message));
        async move { attempt.await.unwrap_or(Err(DeliveryError::TimedOut(limit))) }
    };
    tokio::spawn(async move { match worker::work(name, queue, counters, deliver).await {} })
}
