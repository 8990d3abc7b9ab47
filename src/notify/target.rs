//! One target of events: the messages that it takes, and the task that delivers them as a program,
//! a mail or a webhook.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::warn;

use super::event::Message;
use super::format::EventBody;
use super::identity::Identity;
use super::queue::{Group, Queue};
use super::repeats::{ActiveConditions, Repeats};
use super::webhook::Poster;
use super::worker::Work;
use super::{DeliveryError, alertmanager, exec, mail};
use crate::config::{Notify, NotifyTarget, Webhook, WebhookFormat};
use crate::net::tls::TlsConfigs;
use crate::runtime::shared::Shared;

#[derive(Debug)]
pub(super) struct Target {
    pub(super) identity: Arc<Shared<Identity>>,
    pub(super) configured: Notify,
    pub(super) queue: Arc<Queue>,
    pub(super) worker: JoinHandle<()>,
}

impl Drop for Target {
    /// What has not been delivered is counted, and said.
    fn drop(&mut self) {
        self.worker.abort();
        let left = self.queue.abandon();
        if left > 0 {
            let Identity { name, counters, .. } = &*self.identity.lock();
            counters.dropped.inc_by(left as u64);
            warn!(
                to = name,
                left, "notifications were not delivered and are given up"
            );
        }
    }
}

impl Target {
    /// Starts the task of a target.
    pub(super) fn start(
        identity: Identity,
        notify: &Notify,
        tls: &Arc<TlsConfigs>,
        active: &Arc<ActiveConditions>,
    ) -> Self {
        let queue = Arc::new(Queue::default());
        let identity = Arc::new(Shared::new(identity));
        let repeats = notify.repeat_interval;
        let work = Work {
            identity: Arc::clone(&identity),
            queue: Arc::clone(&queue),
            active: Arc::clone(active),
            group_wait: notify.group_wait,
            repeats: repeats.map(|interval| Repeats::new(interval, Arc::clone(active))),
        };
        Self {
            worker: spawn(work, notify, tls),
            identity,
            configured: notify.clone(),
            queue,
        }
    }

    /// Queues a message that the target is told of.
    pub(super) fn enqueue(&self, message: &Arc<Message>) {
        if self.takes(message) {
            self.remind(Arc::clone(message));
        }
    }

    /// Queues a message that every target is told of: a condition that goes on has begun
    /// without an event for this one.
    pub(super) fn remind(&self, message: Arc<Message>) {
        if self.queue.push(message).is_some() {
            self.identity.lock().counters.dropped.inc();
        }
    }

    /// Whether a condition is an alert there, and nothing else is. The others
    /// are told of a condition unless an event of its source says the same.
    pub(super) fn takes_alerts(&self) -> bool {
        match &self.configured.target {
            NotifyTarget::Webhook(webhook) => webhook.format != WebhookFormat::Event,
            NotifyTarget::Exec { .. } | NotifyTarget::Mail(_) => false,
        }
    }

    fn takes(&self, message: &Message) -> bool {
        if self.takes_alerts() {
            message.event.condition().is_some()
        } else {
            !message.event.is_reported_by_source()
        }
    }
}

/// The task of one target, whose every attempt ends within its `timeout`.
fn spawn(work: Work, notify: &Notify, tls: &Arc<TlsConfigs>) -> JoinHandle<()> {
    let limit = notify.timeout;
    let is_grouped = notify.group_wait.is_some();
    match notify.target.clone() {
        NotifyTarget::Exec { program, arguments } => {
            let command = Arc::new((program, arguments));
            spawn_beside(std::future::pending(), work, limit, move |group| {
                let command = Arc::clone(&command);
                async move {
                    let event = EventBody::of(&group, is_grouped);
                    let mut json = serde_json::to_vec(&event)?;
                    json.push(b'\n');
                    exec::run(&command.0, &command.1, event.environment(), json).await
                }
            })
        }
        NotifyTarget::Mail(configured) => {
            let configured = Arc::new(configured);
            spawn_beside(std::future::pending(), work, limit, move |group| {
                let configured = Arc::clone(&configured);
                async move { mail::send(&configured, &group).await }
            })
        }
        NotifyTarget::Webhook(webhook) => {
            let body = body_of(&webhook, notify, Arc::clone(&work.identity));
            let poster = Arc::new(Poster::new(webhook, Arc::clone(tls), limit));
            let reader = Arc::clone(&poster);
            let reading = async move { reader.keep_tls_read().await };
            spawn_beside(reading, work, limit, move |group| {
                let (poster, body) = (Arc::clone(&poster), body(&group));
                async move { poster.post(body?).await }
            })
        }
    }
}

/// What a webhook is posted.
fn body_of(
    webhook: &Webhook,
    notify: &Notify,
    identity: Arc<Shared<Identity>>,
) -> impl Fn(&Group) -> Result<Vec<u8>, serde_json::Error> + Send + Sync + 'static {
    let is_grouped = notify.group_wait.is_some();
    let repeat_interval = notify.repeat_interval.unwrap_or_default();
    let format = webhook.format;
    move |group| match format {
        WebhookFormat::Event => serde_json::to_vec(&EventBody::of(group, is_grouped)),
        WebhookFormat::AlertmanagerWebhook => {
            alertmanager::notification(group, &identity.lock().name)
        }
        WebhookFormat::AlertmanagerApi => alertmanager::alerts(group, repeat_interval),
    }
}

/// Delivers what is queued and does `beside` until the task ends.
fn spawn_beside<D, F>(
    beside: impl Future<Output = Infallible> + Send + 'static,
    work: Work,
    limit: Duration,
    deliver: D,
) -> JoinHandle<()>
where
    D: Fn(Group) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), DeliveryError>> + Send + 'static,
{
    let deliver = move |group| {
        let attempt = timeout(limit, deliver(group));
        async move { attempt.await.unwrap_or(Err(DeliveryError::TimedOut(limit))) }
    };
    let work = work.run(deliver);
    tokio::spawn(async move {
        tokio::select! {
            () = work => {}
            never = beside => match never {},
        }
    })
}
