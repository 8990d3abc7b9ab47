use std::io;
use std::process::Stdio;

use nix::unistd::User;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getegid, geteuid, kill_process_group};
use rustix::thread::{CapabilitySet, capabilities};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use super::ProbeResult;
use super::advice::Said;
use super::probing::Probing;
use super::progress::Doing;
use super::verdict::{Failure, MORE_DESCRIPTORS, Pass, Verdict};
use crate::config::ExecCheck;

/// The whole environment, but for what the program is given as arguments.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The most that is read of the output.
const LINE: u64 = 1024;
/// What it takes to become another user (setuid(2), setgid(2)), and to end
/// that user's programs (kill(2)).
const TO_BE_ANOTHER: [(CapabilitySet, &str); 3] = [
    (CapabilitySet::SETUID, "CAP_SETUID"),
    (CapabilitySet::SETGID, "CAP_SETGID"),
    (CapabilitySet::KILL, "CAP_KILL"),
];

/// A program on this host, without a shell. Exit code 0 passes, 1 to 125
/// fail; what keeps it from running (codes 126 and 127 as shells have them
/// among it) is this host's own trouble.
///
/// It has a process group of its own, which is killed at the time-out, with
/// all that the program has started in it.
pub(super) async fn probe(probing: Probing<'_>, check: &ExecCheck) -> Verdict {
    let (program, arguments) = check
        .command
        .split_first()
        .ok_or_else(|| Failure::internal("no program"))?;
    let output = if check.advice {
        Stdio::piped()
    } else {
        Stdio::null()
    };
    let mut command = Command::new(program);
    command
        .args(arguments.iter().map(|word| probing.fill_in(word)))
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::null())
        .process_group(0);
    if let Some(name) = &check.user {
        let user = user(name).await?;
        let [uid, gid] = [user.uid.as_raw(), user.gid.as_raw()];
        if [uid, gid] != [geteuid().as_raw(), getegid().as_raw()] {
            may_be_another(name)?;
            // The standard library drops the supplementary groups with the user id.
            command.uid(uid).gid(gid);
        }
    }
    let mut group = Group::spawn(&mut command).map_err(|error| {
        let user = check
            .user
            .iter()
            .map(|name| format!(" as the user `{name}`"));
        let user: String = user.collect();
        Failure::internal(format!("cannot run {program}{user}: {error}"))
            .fixed_here(not_started(program, &error))
    })?;
    probing.begin(Doing::Program);
    let mut line = Vec::new();
    if let Some(output) = group.child.stdout.take() {
        output.take(LINE).read_to_end(&mut line).await?;
    }
    let status = group.wait().await?;
    match status.code() {
        Some(0) if check.advice => Said::read(&line)?.verdict(),
        Some(0) => Ok(Pass::new("exit code 0")),
        Some(code @ 126..) => {
            let failure = Failure::internal(format!("exit code {code}"));
            Err(failure.fixed_here(by_hand(program, check.user.as_deref())))
        }
        Some(code) => {
            let failure = Failure::new(ProbeResult::Status, format!("exit code {code}"));
            Err(failure.fixed_here(by_hand(program, check.user.as_deref())))
        }
        None => {
            let failure = Failure::new(ProbeResult::Status, status.to_string());
            Err(failure.fixed_here(by_hand(program, check.user.as_deref())))
        }
    }
}

/// How a person runs the program as the check does. Its arguments may hold
/// secrets, and stay in the configuration.
fn by_hand(program: &str, user: Option<&str>) -> String {
    let user = user.map_or_else(String::new, |user| format!("sudo -u {user} "));
    format!(
        "see why the program fails: run it as the agent does, with the arguments of the check's \
         `command`: `cd /; {user}env -i PATH={PATH} {program} ...`"
    )
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

/// Looking a user up may ask the network (nsswitch.conf(5)), so not on the runtime.
async fn user(name: &str) -> Result<User, Failure> {
    let asked = name.to_owned();
    let found = tokio::task::spawn_blocking(move || User::from_name(&asked))
        .await
        .map_err(|error| Failure::internal(error.to_string()))?
        .map_err(|error| Failure::internal(format!("the user `{name}`: {error}")))?;
    found.ok_or_else(|| {
        Failure::internal(format!("there is no user `{name}`")).fixed_here(format!(
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

/// A program and its process group, which is killed when this is dropped
/// before the program has ended.
struct Group {
    child: Child,
    /// `None` once the program was waited for: the id may be another's then.
    id: Option<Pid>,
}

impl Group {
    fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Ok(Self { child, id })
    }

    async fn wait(&mut self) -> io::Result<std::process::ExitStatus> {
        let status = self.child.wait().await?;
        self.id = None;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // It fails only if all of the group have ended.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests;
