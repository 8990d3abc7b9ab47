use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

use super::DeliveryError;
use crate::runtime::file_work::{self, FileUse};
use crate::runtime::orphans;

/// What the service manager gave the agent and nobody else.
const NOT_INHERITED: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Runs `program` with `arguments`, without a shell and in a process group of
/// its own, and waits for it. It gets `input` on standard input, and
/// `environment` beside the agent's own; what it says on standard error goes to
/// the log's.
///
/// When this is dropped before it has ended, the whole group is killed.
pub(super) async fn run(
    program: &str,
    arguments: &[String],
    environment: Vec<(String, String)>,
    input: Vec<u8>,
) -> Result<(), DeliveryError> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0);
    for variable in NOT_INHERITED {
        command.env_remove(variable);
    }
    let runtime = Handle::current();
    // The thread that starts a program waits for the file system that has it.
    let file = PathBuf::from(program);
    let start = move || {
        file_work::touch(&file);
        let started = runtime.block_on(orphans::spawn(&mut command));
        started.map(|(child, own)| (Group(child), own))
    };
    let started = file_work::run_patiently(FileUse::Programs, Path::new(program), start).await;
    let started = started.unwrap_or_else(|error| Err(error.into()));
    let (mut group, _own) = started.map_err(DeliveryError::Start)?;
    if let Some(mut stdin) = group.0.stdin.take() {
        // A program that does not read its input has the environment.
        let _ = stdin.write_all(&input).await;
    }
    let status = group.0.wait().await.map_err(DeliveryError::Start)?;
    if status.success() {
        Ok(())
    } else {
        Err(DeliveryError::Exit(status))
    }
}

/// A process group, which is killed when this is dropped before its leader was
/// waited for: until then its number cannot be another's.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let leader = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(leader) = leader {
            // It fails only when all of the group has ended.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
