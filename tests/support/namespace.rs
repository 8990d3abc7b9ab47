use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::panic;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::Process;

/// A network namespace made by `ip netns add`.
///
/// `/proc/sys/net` shows each process the sysctls of its own namespace, so
/// entering it needs no mount namespace.
pub(crate) struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Opens an existing namespace.
    pub(crate) fn open(name: String) -> Self {
        let path = Path::new("/run/netns").join(&name);
        let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { name, file }
    }

    /// Its name for `ip -n NAME`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` on a thread of its own inside the namespace. Sockets opened
    /// there stay in the namespace and can be used anywhere.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.file, CloneFlags::CLONE_NEWNET).expect("to enter a namespace as root");
                work()
            });
            inside
                .join()
                .unwrap_or_else(|cause| panic::resume_unwind(cause))
        })
    }

    /// Starts a program inside.
    pub(crate) fn spawn(&self, command: Command) -> Process {
        self.spawn_with(command, tempfile::tempdir().expect("a temporary directory"))
    }

    /// Starts a program inside that has files of its own in `directory`.
    pub(crate) fn spawn_with(&self, command: Command, directory: TempDir) -> Process {
        // A child is born in the namespace of the thread that starts it.
        self.enter(|| Process::start(command, directory))
    }

    /// Runs a program inside to its end, whatever that is.
    pub(crate) fn output(&self, mut command: Command) -> Output {
        self.enter(|| command.output())
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"))
    }

    /// Runs a command line, split at blanks and without a shell, and returns
    /// its standard output. Panics unless it succeeds.
    pub(crate) fn run(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().expect("a command line"));
        command.args(words);
        let output = self.output(command);
        assert!(
            output.status.success(),
            "{line}: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("output in UTF-8")
    }

    /// Starts a program that takes an address away whenever it is there: an
    /// agent soon puts it back no more often than once in 10 s.
    pub(crate) fn keep_removing(&self, address: &str, interface: &str) -> Process {
        let remove = format!("ip address del {address} dev {interface} 2>/dev/null");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("while :; do {remove}; sleep 0.05; done")]);
        self.spawn(command)
    }

    /// Kills every process that is inside, also those that left their parents.
    pub(crate) fn kill_all(&self) {
        let own = self.file.metadata().expect("the namespace's file").ino();
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            // A process that has ended meanwhile needs no signal.
            let inside = fs::metadata(entry.path().join("ns/net")).is_ok_and(|ns| ns.ino() == own);
            if inside {
                let _ = signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}
