//! `drain`, `undrain` and `weight`: asks the agent, and waits for the end of a drain.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{CommandFailure, ExitStatus, operate, socket};
use crate::cli::arguments::{
    DrainArguments, Targets, UndrainArguments, WeightArgument, WeightArguments,
};
use crate::control::{self, ControlError, Operation, listed};
use crate::model::Target;
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::runtime::shell_word::quoted;

/// The longest time without a word of what is left.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A drain that ends with its deadline ends a moment after the client's.
const GRACE: Duration = Duration::from_secs(1);

pub(super) async fn run(arguments: DrainArguments) -> Result<ExitStatus, CommandFailure> {
    let DrainArguments {
        socket: at,
        targets: Targets { targets },
        wait,
        deadline,
        reason,
    } = arguments;
    let at = socket(at)?;
    let until = clock::monotonic() + deadline;
    let operation = Operation::Drain {
        targets: targets.clone(),
        // Rounded up: a deadline is not over too early.
        deadline: deadline.as_secs() + u64::from(deadline.subsec_nanos() > 0),
        reason,
    };
    operate(&at, &operation).await?;
    if wait {
        wait_until_drained(&at, &targets, until).await?;
    }
    Ok(ExitStatus::Success)
}

pub(super) async fn undo(arguments: UndrainArguments) -> Result<ExitStatus, CommandFailure> {
    let UndrainArguments {
        socket: at,
        targets,
    } = arguments;
    let Targets { targets } = targets;
    operate(&socket(at)?, &Operation::Undrain { targets }).await?;
    Ok(ExitStatus::Success)
}

pub(super) async fn set_weight(arguments: WeightArguments) -> Result<ExitStatus, CommandFailure> {
    let WeightArguments {
        socket: at,
        targets: Targets { targets },
        weight: WeightArgument(weight),
    } = arguments;
    operate(&socket(at)?, &Operation::SetWeight { targets, weight }).await?;
    Ok(ExitStatus::Success)
}

async fn wait_until_drained(
    at: &Path,
    targets: &[Target],
    until: Instant,
) -> Result<(), CommandFailure> {
    let mut shown = String::new();
    loop {
        let left = until.saturating_duration_since(clock::monotonic());
        let millis = u64::try_from((left + GRACE).min(LONGEST_WAIT).as_millis());
        let operation = Operation::AwaitDrain {
            targets: targets.to_vec(),
            millis: millis.unwrap_or_default(),
        };
        let answer = control::operate(at, &operation).await;
        let answer = answer.map_err(|error| out_of_sight(at, targets, &error))?;
        if !answer.ok {
            return Err(CommandFailure::Operation(answer.message));
        }
        if answer.pending && clock::monotonic() >= until {
            return Err(CommandFailure::Operation(format!(
                "deadline passed; the drain continues in the background: {}",
                answer.message
            )));
        }
        if answer.message != shown {
            writeln!(io::stdout(), "{}", answer.message)?;
            shown.clone_from(&answer.message);
        }
        if !answer.pending {
            return Ok(());
        }
    }
}

/// The agent does not answer, for it was stopped or is restarted.
fn out_of_sight(at: &Path, targets: &[Target], error: &ControlError) -> CommandFailure {
    CommandFailure::Operation(format!(
        "{}; the drain of {} goes on when the agent is back: see `lvs-agent status --socket {}`",
        error_chain(error),
        listed(targets),
        quoted(&at.display().to_string())
    ))
}
