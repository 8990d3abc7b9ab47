use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::Unverified;
use crate::clock;
use crate::model::Family;

/// For how long a canary's word holds.
const GOOD_FOR: Duration = Duration::from_secs(10);
/// How long a canary is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether IPVS takes the packets of probes, by what the canary last found.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    last: watch::Sender<BTreeMap<Family, Word>>,
    asked: Notify,
}

/// What a canary found, and when it was sent.
type Word = (Result<(), Unverified>, Instant);

impl Guard {
    /// Takes in what the canary found that was sent then.
    pub(super) fn note(&self, family: Family, found: Result<(), Unverified>, sent: Instant) {
        self.last.send_modify(|last| {
            last.insert(family, (found, sent));
        });
    }

    /// Whether it does, by a word that is not too old.
    pub(super) fn holds(&self, family: Family, now: Instant) -> Result<(), Unverified> {
        match self.last.borrow().get(&family) {
            Some((found, at)) if now.saturating_duration_since(*at) <= GOOD_FOR => found.clone(),
            _ => Err(Unverified::NoCanary),
        }
    }

    /// Whether it does, by a canary that is sent from now on.
    pub(super) async fn holds_from_now(&self, family: Family) -> Result<(), Unverified> {
        let now = clock::monotonic();
        let mut last = self.last.subscribe();
        self.asked.notify_one();
        let sent_since = last.wait_for(|last| last.get(&family).is_some_and(|(_, at)| *at >= now));
        match timeout(PATIENCE, sent_since).await {
            Ok(Ok(last)) => last
                .get(&family)
                .map_or(Err(Unverified::NoCanary), |(found, _)| found.clone()),
            Ok(Err(_)) | Err(_) => Err(Unverified::NoCanary),
        }
    }

    /// Waits until somebody wants a canary.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }
}

#[cfg(test)]
mod tests;
