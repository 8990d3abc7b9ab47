use super::{CommandError, Done, load};
use crate::cli::{Run, Table};
use crate::kernel::{KernelIpvs, MemoryIpvs};
use crate::reconcile::Writing;
use crate::{director, real_server, telemetry};

pub(super) async fn run(arguments: Run) -> Result<Done, CommandError> {
    telemetry::start(arguments.log_format)?;
    let path = &arguments.config.path;
    let config = load(path)?;
    let writing = if arguments.dry_run { Writing::DryRun } else { Writing::Real };
    match (arguments.real_server, arguments.table) {
        (true, _) => real_server::run(config, path, writing).await.map_err(Box::new)?,
        (false, Table::Kernel) => {
            director::run(config, path, writing, KernelIpvs::new()).await.map_err(Box::new)?;
        }
        (false, Table::Memory) => {
            tracing::warn!(
                "--table memory: weights are kept in this process, no packet is forwarded by them"
            );
            director::run(config, path, writing, MemoryIpvs::default()).await.map_err(Box::new)?;
        }
    }
    Ok(Done::Well)
}
