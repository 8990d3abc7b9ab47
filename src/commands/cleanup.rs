use std::io::{self, Write};
use std::sync::Arc;

use super::{CommandError, Done, load};
use crate::cli::Cleanup;
use crate::kernel::{Kernel, KernelIpvs};
use crate::plan::{State, Step};
use crate::reconcile::{ReconcileError, Remover, RoleLock, StateFile};
use crate::snapshot::Mode;
use crate::{config::Config, desired};

/// Takes the agent's lock, so that it cannot undo what a running agent would
/// put back at once.
pub(super) async fn run(arguments: Cleanup) -> Result<Done, CommandError> {
    let config = load(&arguments.config.path)?;
    todo!()
}
