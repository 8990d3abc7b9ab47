//! Probes: one execution of a check against one target, and what came of it.

#[cfg(benchmarking)]
pub(crate) mod benchmarking;
mod body;
mod brought_forward;
mod check_scope;
pub(crate) mod checks;
mod combination;
mod connect;
mod datagrams;
mod detail;
mod dispatch;
mod early_answer;
mod exchange_result;
mod fix;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod haproxy_reply;
mod haproxy_states;
mod http1;
mod live;
mod outcome;
mod own_tasks;
mod probe_rate;
mod prober;
mod probing;
mod processor_time;
mod progress;
mod schedule;
mod spec;
mod targets;
mod task;
mod tls;
mod tls_fix;
pub(crate) mod vip_path;
mod watch;
mod weight_advice;

pub(crate) use exchange_result::OUT_OF_DESCRIPTORS;
pub(crate) use outcome::Outcome;
pub(crate) use probe_rate::{ProbeRate, SharedProbeRate};
pub(crate) use prober::Prober;
pub(crate) use processor_time::processor_time;
pub(crate) use spec::{ProbeId, ProbeSpec, Route};
pub(crate) use targets::{ProbeIdentity, ProbeTarget, probe_targets};
pub(crate) use task::{ProbeHandle, ProbeReport, ProbeTasks};
pub(crate) use watch::watched_connections;
pub(crate) use weight_advice::WeightAdvice;

#[cfg(test)]
pub(crate) mod fixture;
