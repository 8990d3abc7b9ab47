//! The identity of a target of events in the log and in the metrics.

use crate::config::Notify;
use crate::metrics::NotificationCounters;

/// What a target is called, and how its messages are counted. A reload changes it for a
/// target without a name that gets another index in `notify`.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// As the metric calls it.
    pub(super) label: String,
    /// As the log calls it: its name or its index, as a URL or an argument may
    /// hold a secret.
    pub(super) name: String,
    pub(super) counters: NotificationCounters,
}

impl Identity {
    pub(super) fn new(index: usize, notify: &Notify, counters: NotificationCounters) -> Self {
        Self {
            label: notify.label(index),
            name: match &notify.name {
                Some(name) => name.to_string(),
                None => format!("notify[{index}]"),
            },
            counters,
        }
    }
}
