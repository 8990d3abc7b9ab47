//! Probes: one execution of a check against one target, and what came of it.

mod advice;
mod body;
mod by_hand;
pub(crate) mod checks;
mod combination;
mod connect;
mod datagrams;
mod early_answer;
mod fix;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod live;
mod own_tasks;
mod pace;
mod probing;
mod progress;
mod schedule;
mod targets;
mod task;
mod tls;
mod tls_fix;
mod verdict;
pub(crate) mod vip_path;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::diagnosis::{Fix, Sight};
use crate::model::ProbeResult;

pub(crate) use advice::Advice;
pub(crate) use pace::{Pace, PaceCell};
pub(crate) use probing::Prober;
pub(crate) use targets::{Identity, ProbeTarget, probe_targets};
pub(crate) use task::{Probe, ProbeId, ProbeSpec, Probes, Report, Route};
pub(crate) use verdict::OUT_OF_DESCRIPTORS;

#[cfg(test)]
pub(crate) mod fixture;

/// What came of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The class of the result.
    pub(crate) result: ProbeResult,
    /// What was seen, for people: `HTTP 503`, `connection refused`.
    pub(crate) detail: String,
    /// From the start of the connection to the verdict.
    pub(crate) duration: Duration,
    /// What the real server, or somebody for it, says of its share.
    pub(crate) advice: Option<Advice>,
    /// When the certificate ends that the real server showed; `None` without TLS.
    pub(crate) certificate_expiry: Option<SystemTime>,
    /// What was seen at the real server's own address, if it was asked there.
    pub(crate) plain: Option<Sight>,
    /// What was seen through the VIP, if it was asked there.
    pub(crate) vip: Option<Sight>,
    /// What to do about a failure, as far as the probe can say.
    pub(crate) fix: Option<Arc<Fix>>,
}
