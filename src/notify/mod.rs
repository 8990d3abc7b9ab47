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

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

pub(crate) use event::{Event, EventKind};

use self::event::Message;
use self::queue::Queue;
use self::webhook::Poster;
use crate::config::{Notify, NotifyTarget};
use crate::metrics::{Metrics, NotificationCounters};
use crate::net::tls::{StaleFiles, TlsConfigs, TlsError};
use crate::runtime::clock;
use crate::runtime::shared::Shared;
use crate::status::Mode;

/// Tells the targets of the section `notify` what happens.
#[derive(Debug)]
pub(crate) struct Events {
    host: Arc<str>,
    mode: Mode,
    tls: Arc<TlsConfigs>,
    /// In the configuration's order.
    targets: Shared<Vec<Target>>,
}

#[derive(Debug)]
struct Target {
    /// No more than its place: a URL or an argument may hold a secret.
    name: String,
    configured: Notify,
    queue: Arc<Queue>,
    counters: NotificationCounters,
    worker: JoinHandle<()>,
}

impl Drop for Target {
    /// What has not been delivered is counted, and said.
    fn drop(&mut self) {
        self.worker.abort();
        let left = self.queue.abandon();
        if left > 0 {
            self.counters.dropped.inc_by(left as u64);
            warn!(
                to = self.name,
                left, "notifications were not delivered and are given up"
            );
        }
    }
}

/// Events cannot be told.
#[derive(Debug, Error)]
pub(crate) enum StartError {
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
    #[error("the URL is not known")]
    Unknown,
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the answer was HTTP {0}")]
    Status(u16),
    #[error("the agent's own code failed: {0}")]
    Panicked(String),
    #[error("the event cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
}

impl DeliveryError {
    /// Whether another attempt may do better. Any other status than these says
    /// that the request itself is not wanted (RFC 9110, section 15).
    fn may_pass(&self) -> bool {
        match self {
            Self::TimedOut(_)
            | Self::Start(_)
            | Self::Exit(_)
            | Self::Exchange(_)
            | Self::Tls(_) => true,
            Self::Status(status) => matches!(status, 408 | 429 | 500..=599),
            Self::Client(_) | Self::Unknown | Self::Encode(_) | Self::Panicked(_) => false,
        }
    }
}

impl Events {
    /// Nobody is told anything.
    pub(crate) fn none() -> Arc<Self> {
        Arc::new(Self {
            host: Arc::default(),
            mode: Mode::Director,
            tls: Arc::new(TlsConfigs::new()),
            targets: Shared::default(),
        })
    }

    /// Starts a task for each of the targets; to be called within a runtime.
    /// What waits in their queues when this is dropped is given up. Files of TLS that
    /// cannot be read are shown in `stale`.
    pub(crate) fn start(
        configured: &[Notify],
        mode: Mode,
        metrics: &Metrics,
        stale: Arc<StaleFiles>,
    ) -> Result<Arc<Self>, StartError> {
        let host = rustix::system::uname().nodename().to_string_lossy().into();
        let events = Self {
            host,
            mode,
            tls: Arc::new(TlsConfigs::new().showing(stale).and_unread()),
            targets: Shared::default(),
        };
        events.configure(configured, metrics)?;
        Ok(Arc::new(events))
    }

    /// Goes on with these targets, at the start and when a reload changed
    /// them. One that stays as it was in its place keeps what waits for it;
    /// what waits for the others is given up.
    pub(crate) fn configure(
        &self,
        configured: &[Notify],
        metrics: &Metrics,
    ) -> Result<(), StartError> {
        let counters: Vec<_> = (0..configured.len())
            .map(|place| metrics.notifications(place))
            .collect::<Result<_, _>>()?;
        let mut targets = self.targets.lock();
        let mut before: Vec<_> = targets.drain(..).map(Some).collect();
        for ((place, notify), counters) in configured.iter().enumerate().zip(counters) {
            let same = before
                .get_mut(place)
                .and_then(|target| target.take_if(|target| target.configured == *notify));
            targets.push(same.unwrap_or_else(|| self.target(place, notify, counters)));
        }
        // Before their counters go.
        drop(before);
        metrics.forget_notifications(configured.len());
        Ok(())
    }

    /// Takes no further events, and delivers those that wait, for as long as
    /// `limit` allows; what is left then is given up.
    pub(crate) async fn finish(&self, limit: Duration) {
        let targets = std::mem::take(&mut *self.targets.lock());
        for target in &targets {
            target.queue.close();
        }
        let deadline = Instant::from_std(clock::monotonic()) + limit;
        for mut target in targets {
            // Whether its queue is empty is asked when it is dropped.
            let _ = timeout_at(deadline, &mut target.worker).await;
        }
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

impl Events {
    fn target(&self, place: usize, notify: &Notify, counters: NotificationCounters) -> Target {
        let queue = Arc::new(Queue::default());
        let name = format!("notify[{place}]");
        let limit = notify.timeout;
        let work = (name.clone(), Arc::clone(&queue), counters.clone());
        let worker = match notify.target.clone() {
            NotifyTarget::Exec { program, arguments } => {
                let command = Arc::new((program, arguments));
                spawn(work, limit, move |message| {
                    let command = Arc::clone(&command);
                    async move { exec::run(&command.0, &command.1, &message).await }
                })
            }
            NotifyTarget::Webhook(webhook) => {
                let poster = Arc::new(Poster::new(webhook, Arc::clone(&self.tls), limit));
                let reader = Arc::clone(&poster);
                let reading = async move { reader.keep_tls_read().await };
                spawn_beside(reading, work, limit, move |message| {
                    let poster = Arc::clone(&poster);
                    async move { poster.post(&message).await }
                })
            }
        };
        Target {
            name,
            configured: notify.clone(),
            queue,
            counters,
            worker,
        }
    }
}

/// The task of one target, whose every attempt ends within `limit`.
fn spawn<D, F>(
    work: (String, Arc<Queue>, NotificationCounters),
    limit: Duration,
    deliver: D,
) -> JoinHandle<()>
where
    D: Fn(Arc<Message>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), DeliveryError>> + Send + 'static,
{
    spawn_beside(std::future::pending(), work, limit, deliver)
}

/// The same, and `beside` until the task ends.
fn spawn_beside<D, F>(
    beside: impl Future<Output = Infallible> + Send + 'static,
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
    let work = worker::work(name, queue, counters, deliver);
    tokio::spawn(async move {
        tokio::select! {
            () = work => {}
            never = beside => match never {},
        }
    })
}
