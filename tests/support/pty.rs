//! A program in a pseudo-terminal, and its screen as another terminal emulator shows it.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::num::NonZeroU16;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::time::Duration;

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{self, Signal};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;
use rustix::fs::{OFlags, fcntl_setfl};

use super::until;

/// A running program whose terminal this is. It is killed when dropped.
pub(crate) struct Terminal {
    child: Child,
    /// What the program writes is read here, and keys are written.
    master: File,
    /// Keeps the terminal alive, and tells its mode.
    slave: OwnedFd,
    emulator: vt100::Parser,
    /// All that the program wrote.
    written: Vec<u8>,
}

impl Terminal {
    /// Starts the program in a session of its own, whose terminal has so many columns and rows.
    pub(crate) fn start(program: &Command, columns: u16, rows: u16) -> Self {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let OpenptyResult { master, slave } = openpty(Some(&size), None).unwrap();
        fcntl_setfl(&master, OFlags::NONBLOCK).unwrap();
        // The terminal of whoever runs the tests must not be the program's.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program.get_program());
        command.args(program.get_args()).env_clear();
        for (name, value) in program.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.env("PATH", "/usr/bin:/bin");
        let end = || slave.try_clone().unwrap();
        let child = command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let size = |number| NonZeroU16::new(number).unwrap();
        Self {
            child,
            master: master.into(),
            slave,
            emulator: vt100::Parser::new(size(rows), size(columns), 0),
            written: Vec::new(),
        }
    }

    /// Types these keys.
    pub(crate) fn enter(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        signal::kill(pid, signal).unwrap();
    }

    /// Waits for a screen that satisfies `wanted`, and returns its text.
    pub(crate) fn wait_for(
        &mut self,
        deadline: Duration,
        wanted: impl Fn(&vt100::Screen) -> bool,
    ) -> String {
        until(deadline, "such screen", || {
            self.read();
            let screen = self.emulator.screen();
            let text = screen.contents();
            if wanted(screen) { Ok(text) } else { Err(text) }
        })
    }

    /// Waits for a text on the screen.
    pub(crate) fn wait_for_text(&mut self, deadline: Duration, text: &str) -> String {
        self.wait_for(deadline, |screen| screen.contents().contains(text))
    }

    /// Waits for the end of the program: its exit code, or the negated number of the signal.
    pub(crate) fn wait(&mut self, deadline: Duration) -> i32 {
        let status = until(deadline, "end of the program", || {
            self.read();
            let ended = self.child.try_wait().unwrap();
            ended.ok_or_else(|| self.emulator.screen().contents())
        });
        self.read();
        let code = status.code().or(status.signal().map(|signal| -signal));
        code.unwrap()
    }

    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.emulator.screen()
    }

    /// All that the program wrote so far.
    pub(crate) fn written(&self) -> String {
        String::from_utf8_lossy(&self.written).into_owned()
    }

    /// How the kernel treats what is typed and written.
    pub(crate) fn mode(&self) -> Termios {
        tcgetattr(self.slave.as_fd()).unwrap()
    }

    fn read(&mut self) {
        let mut bytes = [0; 4096];
        loop {
            match self.master.read(&mut bytes) {
                Ok(0) => return,
                Ok(length) => {
                    self.emulator.process(&bytes[..length]);
                    self.written.extend_from_slice(&bytes[..length]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("cannot read the terminal: {error}"),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It fails only for a program that has already been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
