//! Health: how outcomes become verdicts, and verdicts weights. Pure, but for
//! its one owner task.
//!
//! ```text
//! outcome ─▶ machine (rise, fall) ─▶ pool (quorum, fail-open, sorry server) ─▶ weights
//!              ▲ damping: rise         ▲ slow start: share by time
//! own fault, own link ─▶ hold: nothing of this moves
//! ```

mod announce;
mod damping;
mod diagnose;
mod line_kind;
mod machine;
mod own_fault;
mod pool;
mod probe_loops;
mod ramp;
mod task;
mod timers;
mod unmade;
pub(crate) mod weight_updates;

pub(crate) use machine::weight;
use machine::{Machine, Transition};
pub(crate) use pool::Handling;
pub(crate) use task::{
    Change, DrainDeadline, Handover, HealthTask, Outlook, Request, Subscriptions, ends_by_itself,
};
