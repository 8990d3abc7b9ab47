//! The delivery of events to a program.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::process::{ChildStdin, Command};
use tokio::runtime::Handle;
use tracing::debug;

use super::DeliveryError;
use crate::runtime::file_work::{self, FileUse};
use crate::runtime::orphans::{Children, Group, Output};
use crate::runtime::printable::printable;
use crate::runtime::program_file;

/// What the service manager gave the agent and nobody else.
const NOT_INHERITED: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Runs `program` with `arguments`, without a shell and in a process group of
/// its own, and waits for it. It gets `input` on standard input, and
/// `environment` beside the agent's own. All that it writes to standard error is taken;
/// the last line is part of the error, if the program fails.
///
/// When this is dropped before the program has ended, the program is killed, and all that
/// it has started. What it leaves when it ends goes on, as the delivery of a mail does.
pub(super) async fn run(
    program: &str,
    arguments: &[String],
    environment: Vec<(String, String)>,
    input: Vec<u8>,
) -> Result<(), DeliveryError> {
    let (sender, receiver) = pipe::pipe().map_err(DeliveryError::Start)?;
    let sender = sender.into_blocking_fd().map_err(DeliveryError::Start)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(sender)
        .process_group(0);
    for variable in NOT_INHERITED {
        command.env_remove(variable);
    }
    let runtime = Handle::current();
    // The thread that starts a program waits for the file system that has it.
    let file = PathBuf::from(program);
    let start = move || {
        program_file::touch(&file);
        // With the command its end of the pipe goes, so that reading it ends.
        runtime.block_on(Group::spawn(&mut command, Children::MayOutlive))
    };
    let started = file_work::run_patiently(FileUse::Programs, Path::new(program), start).await;
    let started = started.unwrap_or_else(|error| Err(error.into()));
    let mut group = started.map_err(DeliveryError::Start)?;
    let mut output = Output::new(receiver, None);
    let ended = until_end(&mut group, &mut output, &input).await;
    let status = ended.map_err(DeliveryError::Start)?;
    let last_line = printable(&output.last_line()).trim().to_owned();
    if !status.success() {
        return Err(DeliveryError::Exit { status, last_line });
    }
    if !last_line.is_empty() {
        debug!(
            program,
            said = last_line,
            "the program wrote to standard error"
        );
    }
    Ok(())
}

/// Writes the input while it reads what the program writes: a program may do both at once,
/// or end without a look at its input.
async fn until_end(group: &mut Group, output: &mut Output, input: &[u8]) -> io::Result<ExitStatus> {
    let stdin = group.take_input();
    let ended = output.read_until_end(group);
    tokio::pin!(ended);
    tokio::select! {
        ended = &mut ended => return ended,
        () = write(stdin, input) => {}
    }
    ended.await
}

/// A program that does not read its input has the environment.
async fn write(stdin: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(input).await;
    }
}

#[cfg(test)]
mod tests;
