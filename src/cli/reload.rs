//! The subcommand `reload`, which asks the running agent for a reload.

use super::{CommandFailure, ExitStatus, operate, socket};
use crate::cli::arguments::ControlSocket;
use crate::control::Operation;

pub(super) async fn run(arguments: ControlSocket) -> Result<ExitStatus, CommandFailure> {
    operate(&socket(arguments)?, &Operation::Reload).await?;
    Ok(ExitStatus::Success)
}
