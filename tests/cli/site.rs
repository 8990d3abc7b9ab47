use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::{Deref, DerefMut};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;
use tempfile::TempDir;

use super::{AMPLE, Answer, Process, exchange, until};

/// Each test has a third octet of 127.0.0.0/8 to itself, and by its process
/// id each run of the tests a second one.
static NETWORKS: AtomicU8 = AtomicU8::new(1);

/// What one test works with: a network, a configuration file, and the place
/// of an agent's socket, state and HTTP endpoints.
pub(crate) struct Site {
    directory: TempDir,
    network: [u8; 3],
    /// `http.listen`
    pub(crate) listen: SocketAddr,
    /// The port that is free on every address of the network.
    pub(crate) port: u16,
}

/// The program under test, with nothing of this process's environment.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lvs-agent"));
    command.env_clear().args(arguments);
    command
}

/// What a program that has ended left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code, or the negated number of the signal.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program to its end, for which it is given half a minute.
pub(crate) fn end(mut command: Command) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    let file = |name| directory.path().join(name);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(file("stdout")).unwrap())
        .stderr(File::create(file("stderr")).unwrap())
        .spawn()
        .unwrap();
    let status = until(AMPLE, "end of the program", || {
        let ended = child.try_wait().unwrap();
        ended.ok_or_else(|| fs::read_to_string(file("stderr")).unwrap())
    });
    let code = status.code().or(status.signal().map(|signal| -signal));
    Ended {
        code: code.unwrap(),
        stdout: fs::read_to_string(file("stdout")).unwrap(),
        stderr: fs::read_to_string(file("stderr")).unwrap(),
    }
}

/// Makes a FIFO, to which nobody writes.
pub(crate) fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

impl Site {
    pub(crate) fn new() -> Self {
        let run = u8::try_from(1 + std::process::id() % 250).unwrap();
        let network = [127, run, NETWORKS.fetch_add(1, Ordering::Relaxed)];
        let [a, b, c] = network;
        let free = |host| {
            let listener = TcpListener::bind((Ipv4Addr::new(a, b, c, host), 0)).unwrap();
            listener.local_addr().unwrap()
        };
        Self {
            directory: tempfile::tempdir().unwrap(),
            network,
            listen: free(254),
            port: free(1).port(),
        }
    }

    /// An address of this test alone.
    pub(crate) fn ip(&self, host: u8) -> IpAddr {
        let [a, b, c] = self.network;
        Ipv4Addr::new(a, b, c, host).into()
    }

    /// The same with the port on which this test's servers listen.
    pub(crate) fn server(&self, host: u8) -> SocketAddr {
        (self.ip(host), self.port).into()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("control.sock")
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.path("config.yaml")
    }

    /// One virtual service as YAML, with real servers rs1 and so on at `hosts`.
    pub(crate) fn service(&self, name: &str, vip: u8, check: &str, hosts: &[u8]) -> String {
        let port = self.port;
        let head = format!(
            "  - name: {name}\n    address: 192.0.2.{vip}:80\n    \
             check: {{ http: {{ path: /, host: site, port: {port} }}, {check} }}\n    \
             real_servers:\n"
        );
        let real_servers = hosts.iter().map(|&host| {
            let ip = self.ip(host);
            format!("      - {{ name: rs{host}, address: {ip} }}\n")
        });
        head + &real_servers.collect::<String>()
    }

    /// Writes the configuration file.
    pub(crate) fn configure(&self, services: &str) {
        self.configure_with(&self.path("state").display().to_string(), services);
    }

    /// The same with a state directory elsewhere.
    pub(crate) fn configure_with(&self, state_dir: &str, services: &str) {
        let listen = self.listen;
        let socket = self.socket();
        let socket = socket.display();
        let text = format!(
            "http: {{ listen: \"{listen}\" }}\ncontrol: {{ socket: \"{socket}\" }}\n\
             state_dir: \"{state_dir}\"\nvirtual_services:\n{services}"
        );
        fs::write(self.configuration(), text).unwrap();
    }

    /// A subcommand with this configuration.
    pub(crate) fn command(&self, subcommand: &str, arguments: &[&str]) -> Command {
        let mut command = program(&[subcommand, "--config"]);
        command.arg(self.configuration()).args(arguments);
        command
    }

    /// `run` with the table inside the agent.
    pub(crate) fn run(&self) -> Command {
        self.command("run", &["--table", "memory"])
    }

    /// A running agent that answers.
    pub(crate) fn agent(&self) -> Agent {
        Self::start(self.run())
    }

    /// The agent that `command` makes, when it answers.
    pub(crate) fn start(command: Command) -> Agent {
        let mut agent = Agent {
            process: Process::start(command, tempfile::tempdir().unwrap()),
        };
        agent.wait_for_line(AMPLE, |line| line.contains("director: "));
        agent
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        exchange(self.listen, "GET", path, AMPLE).unwrap()
    }

    /// `GET /status`
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status").body).unwrap()
    }

    /// A real server's part of `GET /status`, by place.
    pub(crate) fn real_server(&self, service: usize, real_server: usize) -> Value {
        self.status()["virtual_services"][service]["real_servers"][real_server].clone()
    }

    /// Waits until the first virtual service's real servers have these healths.
    pub(crate) fn wait_for(&self, wanted: &[&str]) {
        until(AMPLE, "such verdicts", || {
            let status = self.status();
            let real_servers = status["virtual_services"][0]["real_servers"]
                .as_array()
                .unwrap();
            let seen: Vec<_> = real_servers.iter().map(|one| &one["health"]).collect();
            if seen == wanted { Ok(()) } else { Err(status) }
        });
    }

    /// The value of a series, or `None` if `/metrics` has none of that name.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics").body;
        text.lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    /// The sum of the series that begin so.
    pub(crate) fn sum(&self, prefix: &str, contains: &str) -> f64 {
        let text = self.get("/metrics").body;
        text.lines()
            .filter(|line| line.starts_with(prefix) && line.contains(contains))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            // `sum` of none is -0.0.
            .fold(0.0, |sum, value| sum + value)
    }
}

/// A running agent.
pub(crate) struct Agent {
    process: Process,
}

impl Deref for Agent {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Agent {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
