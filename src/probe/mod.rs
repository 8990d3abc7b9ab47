//! Probes: one execution of a check against one target, and what came of it.

mod agent_reply;
mod body;
mod by_hand;
pub(crate) mod checks;
mod combination;
mod connect;
mod datagrams;
mod early;
mod early_answer;
mod fix;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod http1;
mod live;
mod outcome;
mod own_tasks;
mod probe_rate;
mod prober;
mod probing;
mod progress;
mod schedule;
mod targets;
mod task;
mod tls;
mod tls_fix;
mod verdict;
pub(crate) mod vip_path;
mod watch;

pub(crate) use agent_reply::WeightAdvice;
pub(crate) use outcome::Outcome;
pub(crate) use probe_rate::{ProbeRate, SharedProbeRate};
pub(crate) use prober::Prober;
pub(crate) use targets::{Identity, ProbeTarget, probe_targets};
pub(crate) use task::{Probe, ProbeId, ProbeReport, ProbeSpec, Probes, Route};
pub(crate) use verdict::OUT_OF_DESCRIPTORS;
pub(crate) use watch::watched_connections;

#[cfg(test)]
pub(crate) mod fixture;
