//! Probes: one execution of a check against one target, and what came of it.

mod agent_reply;
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
mod probe_rate;
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

use crate::diagnosis::{Fix, PathResult};
use crate::model::ProbeResult;

pub(crate) use agent_reply::WeightAdvice;
pub(crate) use probe_rate::{ProbeRate, SharedProbeRate};
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
    pub(crate) advice: Option<WeightAdvice>,
    /// When the certificate ends that the real server showed; `None` without TLS.
    pub(crate) certificate_expiry: Option<SystemTime>,
    /// What was seen at the real server's own address, if it was asked there.
    pub(crate) plain: Option<PathResult>,
    /// What was seen through the VIP, if it was asked there.
    pub(crate) vip: Option<PathResult>,
    /// What to do about a failure, as far as the probe can say.
    pub(crate) fix: Option<Arc<Fix>>,
}
