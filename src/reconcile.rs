//! The only writer of the kernel: observe, diff, apply, and observe again.
//!
//! Both roles share [`Reconciler`]. [`DirectorLoop`] adds the fast path,
//! which writes a new weight without a dump; [`RealServerLoop`] adds the search
//! for this host's VIPs.

mod adopt;
mod apply;
#[cfg(test)]
pub(crate) mod captured_log;
mod conditions;
mod director;
mod drift;
mod dry_run;
mod error;
mod failed_steps;
mod foreign_marks;
mod host_watch;
mod instrumented;
mod lock;
mod observe;
mod ownership;
mod pass;
mod publish;
mod real_server;
mod reconciler;
mod removal;
mod retry;
#[cfg(not(fuzzing))]
mod state_file;
#[cfg(fuzzing)]
pub(crate) mod state_file;
mod stored_ownership;

pub(crate) use self::adopt::adopt;
use self::apply::StepError;
pub(crate) use self::apply::StepFailure;
pub(crate) use self::director::{DirectorLoop, ReconcileReload, ReconcileRequest};
pub(crate) use self::error::ReconcileError;
pub(crate) use self::foreign_marks::{more_marks, not_remembered};
pub(crate) use self::instrumented::InstrumentedIpvs;
pub(crate) use self::lock::{LockError, RoleLock, StateLock};
pub(crate) use self::real_server::{HostChange, NOTHING_LISTED, RealServerLoop, find_desired};
pub(crate) use self::reconciler::Reconciler;
pub(crate) use self::state_file::StateFile;
use crate::kernel::{Cause, KernelError};
use crate::runtime::stored_file::IfDamaged;

/// Above this many steps, each step is logged at DEBUG and their number at INFO.
const STEPS_AT_INFO: usize = 64;

/// Whether steps are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// The kernel is written.
    Real,
    /// The steps are only logged.
    DryRun,
}

impl Writing {
    /// The suffix of the agent's description.
    pub(crate) const fn mark(self) -> &'static str {
        match self {
            Self::Real => "",
            Self::DryRun => "; dry run: nothing is written",
        }
    }

    /// What happens to a damaged file.
    pub(crate) const fn if_damaged(self) -> IfDamaged {
        match self {
            Self::Real => IfDamaged::SetAside,
            Self::DryRun => IfDamaged::Leave,
        }
    }
}

/// The cause of the differences that a pass finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeCause {
    /// The desired state is new: a start, a reload, a changed VIP.
    Wanted,
    /// The kernel was as desired before: another program changed the kernel.
    Drift,
}

/// Whether the kernel's answer means that it is not what it was last seen to be.
fn calls_for_another_look(error: &StepError) -> bool {
    matches!(
        error,
        StepError::Kernel(KernelError {
            cause: Cause::Exists | Cause::Missing,
            ..
        })
    )
}

fn is_missing(error: &StepError) -> bool {
    matches!(
        error,
        StepError::Kernel(KernelError {
            cause: Cause::Missing,
            ..
        })
    )
}
