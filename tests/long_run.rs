//! What an agent meets that runs for months: a process that stands still, a
//! state file that would hang, and a host without file descriptors. Nothing here needs root.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends by panicking, and says why on standard error"
)]

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use support::{PATIENCE, Recorder, ServiceManager, Site, exchange, loopback, until};

#[path = "support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the tests in network namespaces use the rest of it"
)]
mod support;

const WATCHDOG: Duration = Duration::from_secs(3);

/// A real server that passes its check for as long as the test runs.
fn web_server() -> SocketAddr {
    Recorder::start(|_| Some(200)).address
}

fn configuration(listen: SocketAddr, real_server: SocketAddr) -> String {
    format!(
        "http: {{ listen: '{listen}' }}\n\
         director: {{ resync_interval: 1s }}\n\
         virtual_services:\n\
         - name: web\n  \
           address: 192.168.11.200:80\n  \
           check: {{ http: {{ port: {} }}, interval: 100ms, timeout: 1s, rise: 1, fall: 2 }}\n  \
           real_servers: [{{ name: rs1, address: {} }}]\n",
        real_server.port(),
        real_server.ip()
    )
}

/// `lvs-agent run` with a table that needs no kernel.
fn run(site: &Site) -> Command {
    let mut command = site.command("run");
    command.args(["--table", "memory"]);
    command
}

#[test]
fn status_for_the_service_manager_follows_the_real_servers() {
    let passes = Arc::new(AtomicBool::new(true));
    let answer = Arc::clone(&passes);
    let real_server = Recorder::start(move |_| {
        let passes = answer.load(Ordering::SeqCst);
        Some(if passes { 200 } else { 503 })
    });
    let site = Site::new(&configuration(loopback(), real_server.address));
    let manager = ServiceManager::new(WATCHDOG);
    let mut agent = manager.start(run(&site));
    manager.wait_for_status("1 virtual service, 1 real server: 1 up; ");
    passes.store(false, Ordering::SeqCst);
    manager.wait_for_status("1 virtual service, 1 real server: 1 down; 2 problems");
    passes.store(true, Ordering::SeqCst);
    manager.wait_for_status(": 1 up; ");
    agent.signal(Signal::SIGTERM);
    manager.wait_for_status("ending");
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
}

/// A FIFO where the state file should be would hold up whoever opens it: the file takes
/// its place, and every loop turns.
#[test]
fn a_state_file_that_would_hang_holds_up_no_loop() {
    let listen = loopback();
    let site = Site::new(&configuration(listen, web_server()));
    // Nothing can be written there yet, so that it is tried in every pass.
    let elsewhere = site.directory().join("elsewhere");
    symlink(&elsewhere, site.state_directory()).unwrap();

    let manager = ServiceManager::new(WATCHDOG);
    let mut agent = manager.start(run(&site));
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("the agent owns is not remembered")
    });

    // In one step, or a pass between two would write the file and be done.
    let prepared = site.directory().join("prepared");
    fs::create_dir(&prepared).unwrap();
    let made = Command::new("mkfifo")
        .arg(prepared.join("director-memory.json"))
        .status()
        .unwrap();
    assert!(made.success());
    fs::rename(&prepared, &elsewhere).unwrap();
    let state = elsewhere.join("director-memory.json");
    let state = until(
        PATIENCE,
        "state in the place of the FIFO",
        || match fs::symlink_metadata(&state) {
            Ok(found) if found.is_file() => fs::read_to_string(&state),
            Ok(found) => Err(io::Error::other(format!("{found:?}"))),
            Err(error) => Err(error),
        },
    );
    assert!(state.contains("tcp 192.168.11.200:80"), "{state}");
    for _ in 0..5 {
        assert!(manager.is_fed(), "while every loop turns");
    }
    let alive = exchange(listen, "GET", "/livez", PATIENCE).unwrap();
    assert_eq!(alive.status, 200, "{alive:?}");
}

/// A process that is stopped as a whole is silent as well.
#[test]
fn a_stopped_process_feeds_no_watchdog() {
    let site = Site::new(&configuration(loopback(), web_server()));
    let manager = ServiceManager::new(WATCHDOG);
    let agent = manager.start(run(&site));
    assert!(manager.is_fed());
    agent.signal(Signal::SIGSTOP);
    until(PATIENCE, "silence", || {
        if manager.is_fed() { Err("fed") } else { Ok(()) }
    });
    // It goes on as if nothing had been: what is late is left out.
    agent.signal(Signal::SIGCONT);
    for _ in 0..3 {
        assert!(manager.is_fed(), "after it goes on");
    }
}

/// Seconds of processor time that a process has used.
fn processor_time(pid: nix::unistd::Pid) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u32 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u32>().unwrap())
        .sum();
    // USER_HZ, which is 100 wherever Linux runs (`asm-generic/param.h`).
    f64::from(ticks) / 100.0
}

fn up(listen: SocketAddr) -> Result<(), String> {
    let shown = exchange(listen, "GET", "/metrics", PATIENCE);
    let shown = shown.map_err(|error| error.to_string())?.body;
    if shown.contains("lvs_real_server_up{service=\"web\",real_server=\"rs1\"} 1") {
        Ok(())
    } else {
        Err(shown)
    }
}

#[test]
fn without_file_descriptors_verdicts_stay_and_the_log_says_so_once() {
    let listen = loopback();
    let site = Site::new(&configuration(listen, web_server()));
    let mut limited = Command::new("sh");
    let command = run(&site);
    limited
        .args(["-c", "ulimit -n 32; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    let directory = tempfile::tempdir().unwrap();
    let mut agent = support::Process::start(limited, directory);
    until(PATIENCE, "verdict", || up(listen));

    // More than it has descriptors for, half of them before it accepts no more.
    let held: Vec<_> = (0..60)
        .map(|_| TcpStream::connect(listen).unwrap())
        .collect();
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("probes cannot be made") && line.contains("out of file")
    });
    let before = processor_time(agent.pid());
    thread::park_timeout(Duration::from_secs(3));
    let spent = processor_time(agent.pid()) - before;
    assert!(spent < 1.5, "{spent} s of processor time in 3 s");
    drop(held);

    agent.wait_for_line(PATIENCE, |line| line.contains("probes can be made again"));
    until(PATIENCE, "the same verdict", || up(listen));
    let output = agent.output();
    assert_eq!(
        output.matches("probes cannot be made").count(),
        1,
        "{output}"
    );
    assert!(!output.contains("real server down"), "{output}");
}
