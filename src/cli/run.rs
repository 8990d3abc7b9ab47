//! The subcommand `run`: the log, the configuration and the kernel of an agent, which then runs in
//! its role.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;

use super::{CommandFailure, ExitStatus, block_on};
use crate::agent::lifecycle::AgentError;
use crate::agent::{director, real_server};
use crate::cli::arguments::{RunArguments, Table};
use crate::config::{Config, is_handed_over};
use crate::kernel::{Kernel, KernelIpvs, MemoryIpvs};
use crate::model::Role;
use crate::reconcile::Writing;
use crate::runtime::error_chain::error_chain;
use crate::runtime::file_work::{self, FileUse};
use crate::runtime::logging;
use crate::runtime::logging::LogFormat;
use crate::runtime::own_command;
use crate::runtime::resting_worker::RestingWorker;
use crate::status::agent_options;
use crate::status::document::IN_MEMORY;

pub(super) fn run(arguments: RunArguments) -> Result<ExitStatus, CommandFailure> {
    let role = if arguments.real_server {
        Role::RealServer
    } else {
        Role::Director
    };
    // Shown as it is, wherever those are who look.
    let path = std::path::absolute(&arguments.config.path);
    let path = path.unwrap_or_else(|_| arguments.config.path.clone());
    let options = agent_options(role, &path);
    let check = options.command_line("check-config");
    own_command::set_options(options);
    let format = arguments.log_format;
    let format = format.unwrap_or_else(LogFormat::of_standard_error);
    let mut log = logging::init(format)?;
    let result = block_on(agent(arguments, &path));
    result.map_err(|failure| {
        // Others read a log, which has no excerpts of the configuration.
        let public = if let CommandFailure::Config(errors) = &failure {
            Some(format!("{}: `{check}` shows the lines", errors.public()))
        } else {
            None
        };
        // On a terminal is whoever reads the configuration; elsewhere is a log.
        let plain = public.clone().filter(|_| !io::stderr().is_terminal());
        log.message(
            &public.unwrap_or_else(|| error_chain(&failure)),
            &plain.unwrap_or_else(|| failure.message()),
        );
        CommandFailure::AlreadyReported(Box::new(failure))
    })
}

async fn agent(arguments: RunArguments, path: &Path) -> Result<ExitStatus, CommandFailure> {
    // Before any other task; a real server needs no more than the other worker.
    let second_worker = RestingWorker::rest().await;
    if arguments.real_server && arguments.table == Table::Memory {
        return Err(CommandFailure::Usage(
            "--table memory is for a director: a real server has no table, and its VIPs and \
             sysctls would be real; --dry-run shows what `run --real-server` would do",
        ));
    }
    let config = if is_handed_over(&arguments.config.path) {
        Config::load(&arguments.config.path)?
    } else {
        let file = arguments.config.path.clone();
        let reading = move || Config::load(&file);
        let read = file_work::run_with_accesses(FileUse::Configuration, path, reading).await;
        read.map_err(AgentError::from)??
    };
    let config = Arc::new(config);
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
            let kernel = Kernel::with_table(table);
            Box::pin(director::run(config, path, writing, kernel, second_worker)).await?;
        }
        (false, Table::Memory) => {
            tracing::warn!("{IN_MEMORY}");
            if let Some(interface) = &config.director.interface {
                tracing::warn!("--table memory: no VIP is put on {interface}");
            }
            let kernel = Kernel::in_memory(MemoryIpvs::default());
            Box::pin(director::run(config, path, writing, kernel, second_worker)).await?;
        }
    }
    Ok(ExitStatus::Success)
}
