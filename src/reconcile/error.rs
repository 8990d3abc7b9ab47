//! Errors of a pass.

use thiserror::Error;

use super::StepFailure;
use crate::kernel::KernelError;
use crate::model::with_noun;
use crate::runtime::error_chain::error_chain;

/// The kernel could not be brought to the desired state.
#[derive(Debug, Error)]
pub(crate) enum ReconcileError {
    /// The kernel could not be read, or its answer cannot be trusted: nothing was written.
    #[error(transparent)]
    Observe(#[from] KernelError),
    /// Some steps failed; all others are done.
    #[error("{} not done: {}", with_noun(.0.len(), "step"), list(.0))]
    Steps(Vec<StepFailure>),
}

fn list(failures: &[StepFailure]) -> String {
    let texts: Vec<_> = failures
        .iter()
        .take(3)
        .map(|failure| error_chain(&failure.error))
        .collect();
    let more = failures.len().saturating_sub(texts.len());
    let more = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    format!("{}{more}", texts.join("; "))
}
