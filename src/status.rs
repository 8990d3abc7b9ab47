//! The latest value of everything that is shown: written in place by health
//! and reconcile, read by `/metrics`, `/status` and the control socket.
//!
//! Each real server has a record and a lock of its own, so that neither a
//! probe's result nor a scrape costs more than what it touches.

mod arp;
mod command_line;
mod conditions;
mod configuration;
mod counters;
pub(crate) mod document;
mod examiner;
mod kernel;
mod process;
mod readiness;
mod real_server;
mod reconcile;
mod service;
mod snapshot;
mod transitions;

pub(crate) use arp::{ArpRecord, ConflictRecord};
pub(crate) use command_line::{agent_options, command_line};
pub(crate) use conditions::{ConditionChange, Conditions, SharedConditions};
pub(crate) use configuration::{LoadedRecord, ReloadRecord};
pub(crate) use counters::Counters;
pub(crate) use examiner::Examiner;
pub(crate) use kernel::{SysctlRecord, TableRecord, TimeoutRecord};
pub(crate) use process::ProcessRecord;
pub(crate) use readiness::ReadinessRecord;
pub(crate) use real_server::{LastProbe, RealServerLive, RealServerRecord};
pub(crate) use reconcile::{LeavingRecord, ReconcileRecord};
pub(crate) use service::{PoolRecord, ServiceRecord};
pub(crate) use snapshot::Snapshot;
pub(crate) use transitions::{TransitionRecord, Transitions};

#[cfg(test)]
pub(crate) mod fixture;
