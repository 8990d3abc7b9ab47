//! Health: how results of probes become verdicts, and verdicts weights.
//!
//! ```text
//! Input ──▶ Core ──▶ Effect            driver: channels, clock, carries effects out
//!            │
//!            ├ machine (rise, fall) ─▶ pool (quorum, fail-open, sorry server) ─▶ weights
//!            │   ▲ damping: rise         ▲ slow start: share by time
//!            └ mass failure, link ─▶ freeze: no weight changes
//! ```
//!
//! Everything but the driver and [`weight_updates`] is pure: a function of state, input and time.

mod announcer;
mod core;
mod damping;
mod drains;
mod driver;
mod effect;
mod freeze;
mod input;
mod inventory;
mod line_kind;
mod log_line;
mod machine;
mod mass_failure;
mod pool;
mod probe_errors;
mod probe_loops;
mod slow_start;
mod symptoms;
mod timers;
mod unresponsive;
pub(crate) mod weight_updates;

#[cfg(benchmarking)]
pub(crate) use driver::benchmarking;
pub(crate) use driver::{
    Driver, HealthReload, HealthRequest, LinkInputs, ReloadResult, Subscriptions,
};
pub(crate) use effect::WeightChange;
pub(crate) use input::{DrainDeadline, Loads};
pub(crate) use machine::weight;
use machine::{Machine, Transition};
pub(crate) use pool::Handling;
