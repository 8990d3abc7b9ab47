//! The check `exec`: a program on the director.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use nix::unistd::User;
use rustix::io::Errno;
use rustix::process::{Signal, getegid, geteuid};
use rustix::thread::{CapabilitySet, capabilities};
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::config::ExecCheck;
use crate::model::ProbeResult;
use crate::probe::detail::printable;
use crate::probe::exchange_result::{ExchangeResult, Failure, MORE_DESCRIPTORS, Pass};
use crate::probe::haproxy_reply::{ADVICE, HaproxyReply};
use crate::probe::probing::Probing;
use crate::probe::progress::Activity;
use crate::runtime::error_chain::error_chain;
use crate::runtime::file_work::{self, FileUse, FileWorkError};
use crate::runtime::orphans::{Children, Group, Output};
use crate::runtime::program_file;

/// The whole environment, but for what the program is given as arguments.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What it takes to become another user (setuid(2), setgid(2)), and to end
/// that user's programs (kill(2)).
const TO_BE_ANOTHER: [(CapabilitySet, &str); 3] = [
    (CapabilitySet::SETUID, "CAP_SETUID"),
    (CapabilitySet::SETGID, "CAP_SETGID"),
    (CapabilitySet::KILL, "CAP_KILL"),
];

/// A program on this host, without a shell. Exit code 0 passes and every other
/// one fails, also those by which shells, ssh(1) and env(1) say that they could
/// not run something. Only a program that cannot be started is this host's own
/// fault: execve(2) reports such a fault to the agent, and no exit code does.
///
/// The end of the program is the end of the probe, and of all that the program
/// has started.
pub(in crate::probe) async fn probe(probing: Probing<'_>, check: &ExecCheck) -> ExchangeResult {
    let (program, arguments) = check
        .command
        .split_first()
        .ok_or_else(|| Failure::internal("no program"))?;
    let user = check.user.as_deref();
    let mut command = Command::new(program);
    command.args(arguments.iter().map(|word| probing.fill_in(word)));
    confine(&mut command, user, probing.own_deadline()).await?;
    let mut output = redirect(&mut command, check.advice)?;
    let killed_before = memory_kills();
    let mut group = spawn(program, command, probing.own_deadline())
        .await?
        .map_err(|error| {
            let user = user.map_or_else(String::new, |name| format!(" as the user `{name}`"));
            Failure::internal(format!("cannot run {program}{user}: {error}"))
                .with_director_fix(not_started(program, &error))
        })?;
    probing.begin(Activity::Program);
    let ended = timeout_at(probing.deadline, output.read_until_end(&mut group)).await;
    let last_line = printable(output.last_line().trim());
    let judged = if let Ok(status) = ended {
        let status = status?;
        if status.success() && check.advice {
            return advised(output.first_line(), program, user);
        }
        let memory_ran_out = status.code().is_none() && memory_kills() > killed_before;
        exchange_result(status, &last_line, memory_ran_out)
    } else {
        let late = probing.late();
        Err(Failure {
            detail: because(late.detail, &last_line),
            ..late
        })
    };
    judged.map_err(|failure| failure.with_director_fix(by_hand(program, user)))
}

/// Gives the program nothing of the agent's own, and the user that it runs as.
async fn confine(
    command: &mut Command,
    name: Option<&str>,
    deadline: Instant,
) -> Result<(), Failure> {
    command
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .process_group(0);
    let Some(name) = name else {
        return Ok(());
    };
    let user = user(name, deadline).await?;
    let [uid, gid] = [user.uid.as_raw(), user.gid.as_raw()];
    if [uid, gid] != [geteuid().as_raw(), getegid().as_raw()] {
        may_be_another(name)?;
        // The standard library drops the supplementary groups with the user id.
        command.uid(uid).gid(gid);
    }
    Ok(())
}

/// Starts the program. Until the kernel has its first page, the thread that
/// starts it waits (`vfork(2)`), so that is none of the runtime's. The inner
/// error is the program's own.
async fn spawn(
    program: &str,
    mut command: Command,
    deadline: Instant,
) -> Result<io::Result<Group>, Failure> {
    let runtime = Handle::current();
    let file = PathBuf::from(program);
    let start = move || {
        program_file::touch(&file);
        // With the command its ends of the pipes go, so that reading them ends.
        runtime.block_on(Group::spawn(&mut command, Children::EndWithIt))
    };
    let started = file_work::run(FileUse::Programs, Path::new(program), deadline, start).await;
    started.map_err(|error| {
        Failure::internal(format!("cannot run {program}: {}", error_chain(&error)))
    })
}

/// Where advice is taken from standard output, standard error is apart from it;
/// else both are one, in the order in which they are written.
fn redirect(command: &mut Command, advice: bool) -> io::Result<Output> {
    let (sender, receiver) = pipe::pipe()?;
    let sender = sender.into_blocking_fd()?;
    if !advice {
        command.stdout(sender.try_clone()?).stderr(sender);
        return Ok(Output::new(receiver, None));
    }
    let (error_sender, error_receiver) = pipe::pipe()?;
    command
        .stdout(sender)
        .stderr(error_sender.into_blocking_fd()?);
    Ok(Output::new(receiver, Some(error_receiver)))
}

/// `said` is what the program wrote last.
fn exchange_result(status: ExitStatus, last_line: &str, memory_ran_out: bool) -> ExchangeResult {
    match status.code() {
        Some(0) => Ok(Pass::new("exit code 0")),
        None if memory_ran_out && status.signal() == Some(Signal::KILL.as_raw()) => {
            let what = "killed by the kernel, as this host was out of memory".to_owned();
            Err(Failure::internal(because(what, last_line)))
        }
        code => {
            let what = match code {
                Some(126) => "exit code 126, as of a program that could not be run".to_owned(),
                Some(127) => "exit code 127, as of a program that was not found".to_owned(),
                Some(code) => format!("exit code {code}"),
                None => format!("ended by {status}").replacen("signal: ", "signal ", 1),
            };
            Err(Failure::new(ProbeResult::Status, because(what, last_line)))
        }
    }
}

/// What the first line of the output says. Whatever is wrong with it, the program on this host
/// has written the line.
fn advised(first_line: &[u8], program: &str, user: Option<&str>) -> ExchangeResult {
    let reply = HaproxyReply::parse(first_line).map_err(|failure| {
        let run = as_the_agent(program, user);
        failure.with_director_fix(format!(
            "let the first line of the program's standard output be {ADVICE}, or nothing; or set \
             the check's `advice` to false; run the program as the agent does, with the arguments \
             of the check's `command`: {run}"
        ))
    })?;
    reply.exchange_result().map_err(|failure| {
        let run = as_the_agent(program, user);
        failure.with_director_fix(format!(
            "see why the program says so: somebody may have taken the real server out of service \
             on purpose; run the program as the agent does, with the arguments of the check's \
             `command`: {run}"
        ))
    })
}

/// How a person runs the program as the check does. Its arguments may hold
/// secrets, and stay in the configuration.
fn by_hand(program: &str, user: Option<&str>) -> String {
    let run = as_the_agent(program, user);
    format!(
        "see why the program fails: run it as the agent does, with the arguments of the check's \
         `command`: {run}"
    )
}

fn as_the_agent(program: &str, user: Option<&str>) -> String {
    let user = user.map_or_else(String::new, |user| format!("sudo -u {user} "));
    format!("`cd /; {user}env -i PATH={PATH} {program} ...`")
}

/// What to do where the program cannot be started.
fn not_started(program: &str, error: &io::Error) -> String {
    if let Some(Errno::MFILE | Errno::NFILE) = Errno::from_io_error(error) {
        return MORE_DESCRIPTORS.to_owned();
    }
    if let Some(Errno::AGAIN) = Errno::from_io_error(error) {
        return "let the agent start more processes: `TasksMax=` and `LimitNPROC=` in its unit \
                (`systemctl edit lvs-agent-director`), then restart the agent"
            .to_owned();
    }
    if error.kind() == io::ErrorKind::NotFound {
        return format!(
            "install {program}, or correct the first word of the check's `command` (`ls -l \
             {program}`; the interpreter that a script names must be there as well)"
        );
    }
    if error.kind() == io::ErrorKind::PermissionDenied {
        return format!(
            "let the agent run {program}: `chmod +x {program}`, `namei -l {program}`, and no mount \
             with noexec (`findmnt -T {program}`)"
        );
    }
    format!("see whether {program} is a program for this host: `file {program}`")
}

fn because(what: String, last_line: &str) -> String {
    if last_line.is_empty() {
        what
    } else {
        format!("{what}: {last_line}")
    }
}

/// How many processes of this host the kernel has killed for want of memory;
/// `None` where it does not tell (before Linux 4.13).
fn memory_kills() -> Option<u64> {
    let counters = std::fs::read_to_string("/proc/vmstat").ok()?;
    let mut lines = counters.lines();
    lines.find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok())
}

/// Looking a user up may ask the network (nsswitch.conf(5)), so not on the runtime.
async fn user(name: &str, deadline: Instant) -> Result<User, Failure> {
    let asked = name.to_owned();
    let look_up = move || User::from_name(&asked);
    let found = file_work::run(FileUse::Users, Path::new(name), deadline, look_up);
    let found = found
        .await
        .map_err(|error| match error {
            FileWorkError::Hangs(_) => Failure::internal(format!(
                "the user `{name}` is not looked up in time: see `getent passwd {name}`"
            )),
            FileWorkError::Busy { .. } | FileWorkError::Thread(_) | FileWorkError::Failed(_) => {
                Failure::internal(error_chain(&error))
            }
        })?
        .map_err(|error| Failure::internal(format!("the user `{name}`: {error}")))?;
    found.ok_or_else(|| {
        Failure::internal(format!("there is no user `{name}`")).with_director_fix(format!(
            "make the user (`useradd --system {name}`), or correct the check's `user`"
        ))
    })
}

/// Says what the agent lacks before a program runs that it could not end.
fn may_be_another(user: &str) -> Result<(), Failure> {
    let held = capabilities(None).map_err(io::Error::from)?.effective;
    let missing: Vec<_> = TO_BE_ANOTHER
        .iter()
        .filter(|(capability, _)| !held.contains(*capability))
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::internal(format!(
        "cannot run programs as the user `{user}`: the agent lacks {}, \
         which deploy/lvs-agent-director.service.d/exec-user.conf gives it",
        missing.join(", ")
    )))
}

#[cfg(test)]
mod tests;
