use super::{Done, Failure, block_on, load};
use crate::cli::{RunArguments, Table};
use crate::error_chain::error_chain;
use crate::kernel::{KernelIpvs, MemoryIpvs};
use crate::reconcile::Writing;
use crate::{director, real_server, telemetry};

pub(super) fn run(arguments: RunArguments) -> Result<Done, Failure> {
    let mut log = telemetry::init(arguments.log_format)?;
    let result = block_on(agent(arguments));
    result.map_err(|failure| {
        log.last_words(&error_chain(&failure), &failure.last_words());
        Failure::Told(Box::new(failure))
    })
}

async fn agent(arguments: RunArguments) -> Result<Done, Failure> {
    let path = &arguments.config.path;
    let config = load(path)?;
    let writing = if arguments.dry_run {
        Writing::DryRun
    } else {
        Writing::Real
    };
    match (arguments.real_server, arguments.table) {
        (true, _) => real_server::run(config, path, writing).await?,
        (false, Table::Kernel) => {
            let mut table = KernelIpvs::new();
            tracing::info!("{}", table.info().await?);
            director::run(config, path, writing, table).await?;
        }
        (false, Table::Memory) => {
            tracing::warn!("--table memory: the weights stay in this process and forward nothing");
            director::run(config, path, writing, MemoryIpvs::default()).await?;
        }
    }
    Ok(Done::Well)
}
