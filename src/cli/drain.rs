use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Done, Failure, operate, socket};
use crate::cli::arguments::{DrainArguments, UndrainArguments};
use crate::control::{self, ControlError, Operation};
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;

/// From one look at what is left to the next.
const LOOK: Duration = Duration::from_millis(500);

pub(super) async fn run(arguments: DrainArguments) -> Result<Done, Failure> {
    let DrainArguments {
        socket: at,
        target,
        wait,
        deadline,
    } = arguments;
    let at = socket(at)?;
    let until = clock::monotonic() + deadline;
    let operation = Operation::Drain {
        target: target.clone(),
        // Rounded up: a deadline is not over too early.
        deadline: deadline.as_secs() + u64::from(deadline.subsec_nanos() > 0),
    };
    operate(&at, &operation).await?;
    if wait {
        wait_until_drained(&at, &target, until).await?;
    }
    Ok(Done::Well)
}

pub(super) async fn undo(arguments: UndrainArguments) -> Result<Done, Failure> {
    let target = arguments.target;
    operate(&socket(arguments.socket)?, &Operation::Undrain { target }).await?;
    Ok(Done::Well)
}

async fn wait_until_drained(at: &Path, target: &str, until: Instant) -> Result<(), Failure> {
    let mut said = String::new();
    loop {
        let left = match left(at, target).await {
            Err(Failure::Control(error)) => return Err(out_of_sight(target, &error)),
            left => left?,
        };
        if left.is_empty() {
            writeln!(io::stdout(), "{target}: drained")?;
            return Ok(());
        }
        if left != said {
            writeln!(io::stdout(), "{left}")?;
            said.clone_from(&left);
        }
        if clock::monotonic() >= until {
            return Err(Failure::Operation(format!(
                "not drained in time, it goes on without you: {left}"
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The agent does not answer, for it was stopped or is restarted.
fn out_of_sight(target: &str, error: &ControlError) -> Failure {
    Failure::Operation(format!(
        "{}; the drain of {target} goes on when the agent is back: see `lvs-agent status`",
        error_chain(error)
    ))
}

/// What is not drained yet, on one line; nothing if all is.
async fn left(at: &Path, target: &str) -> Result<String, Failure> {
    let status = control::get_status(at).await?;
    let (service, real_server) = target.split_once('/').unwrap_or((target, ""));
    let mut left = Vec::new();
    let mut there = false;
    for found in status.virtual_services.iter().flatten() {
        if service != "*" && service != found.name {
            continue;
        }
        for real in found
            .real_servers
            .iter()
            .filter(|real| real.name == real_server)
        {
            there = true;
            if real.admin.state == "enabled" {
                let undrained = format!("{}/{} was undrained meanwhile", found.name, real.name);
                return Err(Failure::Operation(undrained));
            }
            if real.admin.state != "drained" {
                left.push(format!(
                    "{}/{}: {} active connections left",
                    found.name, real.name, real.connections.active
                ));
            }
        }
    }
    if !there {
        let gone = format!("{target} is no longer in the agent's configuration");
        return Err(Failure::Operation(gone));
    }
    Ok(left.join(", "))
}
