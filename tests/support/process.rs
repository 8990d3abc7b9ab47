use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::until;

const OUTPUT: &str = "output";

/// A running program whose output goes to a file. It is killed when dropped.
pub(crate) struct Process {
    child: Child,
    name: String,
    directory: TempDir,
}

impl Process {
    /// Starts `command` in the network namespace of the calling thread. The
    /// process owns `directory`, and its output is written there.
    pub(crate) fn start(mut command: Command, directory: TempDir) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = File::create(directory.path().join(OUTPUT)).expect("an output file");
        command
            .stdin(Stdio::null())
            .stdout(
                output
                    .try_clone()
                    .expect("a second handle of the output file"),
            )
            .stderr(output);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self {
            child,
            name,
            directory,
        }
    }

    /// The directory that lives as long as the process.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The process id, which stays the process's own until it is dropped.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(
            self.child
                .id()
                .try_into()
                .expect("a process id is a positive i32"),
        )
    }

    /// All that it has written so far to standard output and standard error.
    pub(crate) fn output(&self) -> String {
        let bytes = fs::read(self.directory.path().join(OUTPUT)).expect("the output file");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for a whole line of the output that satisfies `wanted`; panics
    /// after `deadline`, or as soon as the process has ended without it.
    pub(crate) fn wait_for_line(
        &mut self,
        deadline: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> String {
        let what = format!("such line from {}", self.name);
        until(deadline, &what, || {
            // Asked first: what it wrote before it ended is then in the output.
            let ended = self.child.try_wait().expect("the state of a child");
            let output = self.output();
            let whole = output.rfind('\n').map_or("", |end| &output[..end]);
            if let Some(line) = whole.lines().find(|line| wanted(line)) {
                return Ok(line.to_owned());
            }
            assert!(
                ended.is_none(),
                "{} ended ({ended:?}); its output:\n{output}",
                self.name
            );
            Err(output)
        })
    }

    /// Sends `signal`.
    pub(crate) fn signal(&self, signal: Signal) {
        signal::kill(self.pid(), signal).expect("a signal to a child");
    }

    /// Waits for the process to end; panics after `deadline`.
    pub(crate) fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("end of {}", self.name);
        until(deadline, &what, || {
            self.child
                .try_wait()
                .expect("the state of a child")
                .ok_or_else(|| self.output())
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It fails only for a process that has already been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- output of {}:\n{}", self.name, self.output());
        }
    }
}
