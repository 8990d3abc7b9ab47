use std::io;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::wait::now;
use super::{PATIENCE, Process, until};

/// A stand-in for systemd: it starts a program of `Type=notify` with a
/// watchdog, listens to what it says (`sd_notify(3)`), and ends it as systemd
/// does when it is silent for too long.
pub(crate) struct ServiceManager {
    directory: TempDir,
    socket: UnixDatagram,
    watchdog: Duration,
}

impl ServiceManager {
    /// `watchdog` is the unit's `WatchdogSec=`.
    pub(crate) fn new(watchdog: Duration) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
        Self {
            directory,
            socket,
            watchdog,
        }
    }

    /// Starts `command`, and waits until it says that it is ready.
    pub(crate) fn start(&self, mut command: Command) -> Process {
        self.forget();
        command
            .env("NOTIFY_SOCKET", self.path())
            .env("WATCHDOG_USEC", self.watchdog.as_micros().to_string())
            .env_remove("WATCHDOG_PID");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let process = Process::start(command, directory);
        while !self
            .hear(PATIENCE)
            .is_some_and(|message| message.contains("READY=1"))
        {}
        process
    }

    /// Whether the next sign of life comes in time.
    pub(crate) fn is_fed(&self) -> bool {
        let end = now() + self.watchdog;
        loop {
            let left = end.saturating_duration_since(now());
            if left.is_zero() {
                return false;
            }
            match self.hear(left) {
                Some(message) if message.contains("WATCHDOG=1") => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    /// Waits until the line of `systemctl status` contains this.
    pub(crate) fn wait_for_status(&self, wanted: &str) {
        until(PATIENCE, wanted, || {
            let Some(message) = self.hear(PATIENCE) else {
                return Err("silence".to_owned());
            };
            let status = message
                .lines()
                .find_map(|line| line.strip_prefix("STATUS="));
            match status {
                Some(status) if status.contains(wanted) => Ok(()),
                _ => Err(message),
            }
        });
    }

    /// What systemd does after `WatchdogSec=` of silence.
    pub(crate) fn end(&self, mut process: Process) {
        assert!(!self.is_fed(), "it is alive");
        process.signal(Signal::SIGABRT);
        let status = process.wait(PATIENCE);
        assert_eq!(status.signal(), Some(Signal::SIGABRT as i32));
    }

    /// The next message; `None` if there is none for so long.
    fn hear(&self, patience: Duration) -> Option<String> {
        let mut message = [0; 4096];
        self.socket
            .set_read_timeout(Some(patience))
            .expect("a time-out");
        match self.socket.recv(&mut message) {
            Ok(length) => Some(String::from_utf8_lossy(&message[..length]).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("the notification socket: {error}"),
        }
    }

    /// Drops what an earlier process said.
    fn forget(&self) {
        while self.hear(Duration::from_millis(1)).is_some() {}
    }

    fn path(&self) -> std::path::PathBuf {
        Path::join(self.directory.path(), "notify")
    }
}
