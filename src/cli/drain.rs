//! `drain`, `undrain` and `weight`: asks the agent, and waits for the end of a drain.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use humantime::format_duration;

use super::status::cut;
use super::terminal::{Canvas, can_rewrite_line};
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

/// The same where a line shows how long the drain has taken.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Of a terminal that does not know its width.
const FEWEST_COLUMNS: usize = 80;

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
    let started = clock::monotonic();
    let operation = Operation::Drain {
        targets: targets.clone(),
        // Rounded up: a deadline is not over too early.
        deadline: deadline.as_secs() + u64::from(deadline.subsec_nanos() > 0),
        reason,
    };
    operate(&at, &operation).await?;
    if wait {
        let progress = Progress::new(started, deadline);
        wait_until_drained(&at, &targets, progress).await?;
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

/// What is shown of the drain while the command waits: on a terminal one line that is
/// replaced each second, elsewhere a line for each change.
struct Progress {
    started: Instant,
    deadline: Duration,
    /// The columns of the terminal; `None` where lines stay.
    rewrites: Option<usize>,
    shown: String,
}

impl Progress {
    fn new(started: Instant, deadline: Duration) -> Self {
        let columns = || Canvas::stdout().width.unwrap_or(FEWEST_COLUMNS);
        Self {
            started,
            deadline,
            rewrites: can_rewrite_line().then(columns),
            shown: String::new(),
        }
    }

    fn left(&self) -> Duration {
        let until = self.started + self.deadline;
        until.saturating_duration_since(clock::monotonic())
    }

    /// For how long the agent may wait before it answers.
    fn interval(&self) -> Duration {
        let longest = if self.rewrites.is_some() {
            PROGRESS_INTERVAL
        } else {
            LONGEST_WAIT
        };
        (self.left() + GRACE).min(longest)
    }

    fn show_pending(&mut self, message: &str) -> io::Result<()> {
        let Some(columns) = self.rewrites else {
            return self.show_change(message);
        };
        let seconds = |duration: Duration| format_duration(Duration::from_secs(duration.as_secs()));
        let line = format!(
            "{} of {}: {message}",
            seconds(clock::monotonic().saturating_duration_since(self.started)),
            seconds(self.deadline)
        );
        let mut stdout = io::stdout();
        // ECMA-48, erase in line. A line as wide as the terminal may wrap.
        write!(stdout, "\r{}\x1b[K", cut(&line, columns.saturating_sub(1)))?;
        stdout.flush()
    }

    fn show_change(&mut self, message: &str) -> io::Result<()> {
        if message != self.shown {
            writeln!(io::stdout(), "{message}")?;
            message.clone_into(&mut self.shown);
        }
        Ok(())
    }

    /// Removes the line that would be replaced, before an error is printed in its place.
    fn clear(&self) -> io::Result<()> {
        let mut stdout = io::stdout();
        if self.rewrites.is_some() {
            write!(stdout, "\r\x1b[K")?;
        }
        stdout.flush()
    }
}

async fn wait_until_drained(
    at: &Path,
    targets: &[Target],
    mut progress: Progress,
) -> Result<(), CommandFailure> {
    loop {
        let millis = u64::try_from(progress.interval().as_millis());
        let operation = Operation::AwaitDrain {
            targets: targets.to_vec(),
            millis: millis.unwrap_or_default(),
        };
        let answer = control::operate(at, &operation).await;
        let is_waiting = answer
            .as_ref()
            .is_ok_and(|answer| answer.ok && answer.pending)
            && progress.left() > Duration::ZERO;
        if !is_waiting {
            progress.clear()?;
        }
        let answer = answer.map_err(|error| out_of_sight(at, targets, &error))?;
        if !answer.ok {
            return Err(CommandFailure::Operation(answer.message));
        }
        if !answer.pending {
            return Ok(progress.show_change(&answer.message)?);
        }
        if !is_waiting {
            return Err(CommandFailure::Operation(format!(
                "deadline passed; the drain continues in the background: {}",
                answer.message
            )));
        }
        progress.show_pending(&answer.message)?;
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
