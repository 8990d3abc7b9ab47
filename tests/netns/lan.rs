//! The LAN that the other tests stand on.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Lan, Namespace, until};

#[test]
fn hosts_reach_each_other_over_the_bridge() {
    let lan = Lan::new();
    for (host, address) in [
        (&lan.client, "192.168.11.1:80"),
        (&lan.director, "192.168.11.10:80"),
        (&lan.rs1, "192.168.11.21:80"),
        (&lan.rs2, "192.168.11.22:80"),
    ] {
        let listener = host.enter(|| TcpListener::bind(address)).unwrap();
        for from in [&lan.client, &lan.director, &lan.rs1, &lan.rs2] {
            let mut outgoing = from.enter(|| TcpStream::connect(address)).unwrap();
            let (mut incoming, _) = listener.accept().unwrap();
            outgoing.write_all(b"hello").unwrap();
            drop(outgoing);
            let mut received = String::new();
            incoming.read_to_string(&mut received).unwrap();
            assert_eq!(received, "hello");
        }
    }
}

#[test]
fn a_process_sees_the_sysctls_of_its_own_host() {
    let lan = Lan::new();
    let key = "net.ipv4.conf.all.arp_ignore";
    lan.rs1.run(&format!("sysctl -q -w {key}=1"));
    assert_eq!(lan.rs1.run(&format!("sysctl -n {key}")), "1\n");
    assert_eq!(lan.rs2.run(&format!("sysctl -n {key}")), "0\n");
}

#[test]
fn output_of_a_process_is_read_and_a_signal_ends_it() {
    let lan = Lan::new();
    let mut command = Command::new("sh");
    command.args(["-c", "echo one; echo two >&2; exec sleep 1000"]);
    let mut process = lan.rs1.spawn(command);
    let line = process.wait_for_line(Duration::from_secs(10), |line| line.starts_with("tw"));
    assert_eq!(line, "two");
    process.signal(Signal::SIGTERM);
    let status = process.wait(Duration::from_secs(10));
    assert_eq!(status.signal(), Some(Signal::SIGTERM as i32));
}

#[test]
fn two_lans_are_separate_and_are_removed() {
    let lan = Lan::new();
    let other = Lan::new();
    let names: Vec<String> = [&lan, &other]
        .iter()
        .flat_map(|lan| [&lan.bridge, &lan.client, &lan.director, &lan.rs1, &lan.rs2])
        .map(|namespace| namespace.name().to_owned())
        .collect();

    // Its parent ends at once, so that nothing but the namespace still names it.
    let orphan = start_orphan(&lan.rs2);
    let refused = other.client.enter(|| {
        TcpStream::connect_timeout(&"192.168.11.22:80".parse().unwrap(), Duration::from_secs(5))
    });
    assert_eq!(
        refused.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );

    drop((lan, other));
    for name in names {
        assert!(
            !Path::new("/run/netns").join(&name).exists(),
            "{name} is still there"
        );
    }
    until(Duration::from_secs(10), "end of the orphan", || {
        let state = std::fs::read_to_string(format!("/proc/{orphan}/stat"));
        match state {
            // A zombie waits for whoever adopted it.
            Ok(state) if !state.contains(") Z ") => Err(state),
            _ => Ok(()),
        }
    });
}

/// Starts a process whose parent has ended, and returns its id.
fn start_orphan(host: &Namespace) -> i32 {
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 1000 >/dev/null 2>&1 & echo $!"]);
    let output = host.output(command);
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}
