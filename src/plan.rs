//! Desired state, diff, and the safe order of steps. Pure.

pub(crate) mod desired;
mod diff;
mod order;
pub(crate) mod pending_removal;
pub(crate) mod probe_marks;
mod render;
mod state;
mod step;

pub use diff::diff;
pub use order::in_safe_order;
pub use state::{ServiceState, State};
pub use step::{Step, StepKind, Subject};
