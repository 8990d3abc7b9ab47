//! Events: what operators and their programs are told, by running a program,
//! by mail or by posting to a URL.
//!
//! Whoever has news calls [`Events::emit`], which never waits. Each target has
//! a queue and a task of its own, which delivers one group of messages after the
//! other, so that every target sees the events in their order and none holds up
//! another, or the agent.

mod alertmanager;
mod event;
mod exec;
mod format;
mod identity;
mod mail;
mod queue;
mod repeats;
mod target;
mod webhook;
mod worker;

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, timeout_at};

pub(crate) use event::{Event, EventKind};

use self::event::Message;
use self::identity::Identity;
use self::repeats::ActiveConditions;
use self::target::Target;
use crate::config::Notify;
use crate::metrics::Metrics;
use crate::model::Role;
use crate::net::tls::{StaleFiles, TlsConfigs, TlsError};
use crate::runtime::clock;
use crate::runtime::shared::Shared;

/// Tells the targets of the section `notify` what happens.
#[derive(Debug)]
pub(crate) struct Events {
    host: Arc<str>,
    role: Role,
    tls: Arc<TlsConfigs>,
    /// The conditions that hold, whoever was told of them.
    active: Arc<ActiveConditions>,
    /// In the configuration's order.
    targets: Shared<Vec<Target>>,
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
    #[error("the program ended with {status}{}", because(.last_line))]
    Exit {
        status: ExitStatus,
        /// The last line that it wrote to standard error.
        last_line: String,
    },
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
    /// that the request itself is not wanted, as Alertmanager takes it.
    fn may_pass(&self) -> bool {
        match self {
            Self::TimedOut(_)
            | Self::Start(_)
            | Self::Exit { .. }
            | Self::Exchange(_)
            | Self::Tls(_) => true,
            Self::Status(status) => matches!(status, 429 | 500..=599),
            Self::Client(_) | Self::Unknown | Self::Encode(_) | Self::Panicked(_) => false,
        }
    }

    /// What an operator does about it, where that is known.
    const fn fix(&self) -> Option<&'static str> {
        let Self::Status(status) = self else {
            return None;
        };
        match status {
            300..=399 => Some(
                "write the address that the answer names (`curl -i`) as the target's `url`: no \
                 redirect is followed",
            ),
            401 | 403 | 407 => {
                Some("correct the credentials in the target's `headers`, or in its `url`")
            }
            404 | 405 | 410 => Some("correct the target's `url`, which must take POST requests"),
            429 | 500..=599 => Some("see the log of the receiver"),
            _ => Some(
                "correct the target's `url`, `format` or `headers`: the receiver refuses the \
                 request (see its log)",
            ),
        }
    }
}

fn because(last_line: &str) -> String {
    if last_line.is_empty() {
        String::new()
    } else {
        format!(": {last_line}")
    }
}

impl Events {
    /// Nobody is told anything.
    pub(crate) fn none() -> Arc<Self> {
        Arc::new(Self {
            host: Arc::default(),
            role: Role::Director,
            tls: Arc::new(TlsConfigs::new()),
            active: Arc::default(),
            targets: Shared::default(),
        })
    }

    /// Starts a task for each of the targets; to be called within a runtime.
    /// What waits in their queues when this is dropped is given up. Files of TLS that
    /// cannot be read are shown in `stale`.
    pub(crate) fn start(
        configured: &[Notify],
        role: Role,
        metrics: &Metrics,
        stale: Arc<StaleFiles>,
    ) -> Result<Arc<Self>, StartError> {
        let host = rustix::system::uname().nodename().to_string_lossy().into();
        let events = Self {
            host,
            role,
            tls: Arc::new(TlsConfigs::new().showing(stale).and_unread()),
            active: Arc::default(),
            targets: Shared::default(),
        };
        events.configure(configured, metrics)?;
        Ok(Arc::new(events))
    }

    /// Goes on with these targets, at the start and when a reload changed
    /// them. One that stays as it was under its name keeps what waits for it, and so
    /// does one without a name that only has another place; what waits for the others
    /// is given up. A target that is new is told of the conditions that hold.
    pub(crate) fn configure(
        &self,
        configured: &[Notify],
        metrics: &Metrics,
    ) -> Result<(), StartError> {
        let labelled = configured.iter().enumerate();
        let counters: Vec<_> = labelled
            .map(|(place, notify)| metrics.notifications(&notify.label(place)))
            .collect::<Result<_, _>>()?;
        let mut targets = self.targets.lock();
        let mut before = std::mem::take(&mut *targets);
        let label = |target: &Target| target.identity.lock().label.clone();
        let labels: Vec<_> = before.iter().map(label).collect();
        let identities = configured.iter().enumerate().zip(counters);
        let wanted: Vec<_> = identities
            .map(|((place, notify), counters)| (notify, Identity::new(place, notify, counters)))
            .collect();
        let mut take = |such: &dyn Fn(&Target) -> bool| {
            let position = before.iter().position(such)?;
            Some(before.remove(position))
        };
        // Those whose place is the same come first, so that of two alike none is mixed up.
        let kept: Vec<_> = wanted
            .iter()
            .map(|(notify, identity)| {
                take(&|target| target.configured == **notify && label(target) == identity.label)
            })
            .collect();
        for ((notify, identity), kept) in wanted.into_iter().zip(kept) {
            let kept = kept.or_else(|| take(&|target| target.configured == *notify));
            targets.push(if let Some(target) = kept {
                *target.identity.lock() = identity;
                target
            } else {
                let target = Target::start(identity, notify, &self.tls, &self.active);
                for message in self.active.continuing() {
                    target.remind(message);
                }
                target
            });
        }
        // Before their counters go.
        drop(before);
        for label in labels {
            if !targets
                .iter()
                .any(|target| target.identity.lock().label == label)
            {
                metrics.forget_notifications(&label);
            }
        }
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
        if targets.is_empty() && event.condition().is_none() {
            return;
        }
        let message = Arc::new(Message {
            event,
            at: clock::wall(),
            host: Arc::clone(&self.host),
            role: self.role,
        });
        // An alert of another severity is another alert.
        let ended = self.active.note(&message).map(Arc::new);
        for target in &*targets {
            if let Some(ended) = ended.as_ref().filter(|_| target.takes_alerts()) {
                target.enqueue(ended);
            }
            target.enqueue(&message);
        }
    }
}

#[cfg(test)]
mod tests;
