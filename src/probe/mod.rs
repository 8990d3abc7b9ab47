//! Probes: one execution of a check against one target, and what came of it.

mod agent_reply;
mod agent_states;
#[cfg(benchmarking)]
pub(crate) mod benchmarking;
mod body;
mod check_scope;
pub(crate) mod checks;
mod combination;
mod connect;
mod datagrams;
mod detail;
mod dispatch;
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
mod spec;
mod targets;
mod task;
mod tls;
mod tls_fix;
mod verdict;
pub(crate) mod vip_path;
mod watch;
mod weight_advice;

pub(crate) use outcome::Outcome;
pub(crate) use probe_rate::{ProbeRate, SharedProbeRate};
pub(crate) use prober::Prober;
pub(crate) use spec::{ProbeId, ProbeSpec, Route};
pub(crate) use targets::{Identity, ProbeTarget, probe_targets};
pub(crate) use task::{Probe, ProbeReport, Probes};
pub(crate) use verdict::OUT_OF_DESCRIPTORS;
pub(crate) use watch::watched_connections;
pub(crate) use weight_advice::WeightAdvice;

#[cfg(test)]
pub(crate) mod fixture;
