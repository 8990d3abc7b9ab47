//! A full disk under `state_dir`: a file system of one page, in a mount
//! namespace of the agent's own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Lan, Process, Site, until};
use crate::witness::DEADLINE;

const CONFIGURATION: &str = "\
real_server: { resync_interval: 1s }
virtual_services:
  - name: web
    address: 192.168.11.200:80
    real_servers: [{ name: rs1, address: 192.168.11.21 }]
";

/// Starts the agent of a real server whose state directory is full.
fn start(lan: &Lan, site: &Site) -> Process {
    let inner = site.command("run");
    let state = site.state_directory();
    fs::create_dir(&state).unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c"])
        .arg(
            "mount -t tmpfs -o size=4k tmpfs \"$1\" && head -c 4096 /dev/zero >\"$1/filler\" && \
             shift && exec \"$@\"",
        )
        .arg("sh")
        .arg(&state)
        .arg(inner.get_program())
        .args(inner.get_args())
        .arg("--real-server");
    lan.rs1.spawn(command)
}

/// The state directory as the agent sees it.
fn seen_by(agent: &Process, site: &Site) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", agent.pid()));
    root.join(site.state_directory().strip_prefix("/").unwrap())
}

#[test]
fn full_disk_prevents_no_vip_and_state_is_written_when_space_is_free() {
    let lan = Lan::new();
    let site = Site::new(CONFIGURATION);
    let mut agent = start(&lan, &site);
    agent.wait_for_line(DEADLINE, |line| {
        line.contains("real server: 192.168.11.200")
    });
    let addresses = lan.rs1.run("ip -o address show dev lo");
    assert!(addresses.contains("192.168.11.200/32"), "{addresses}");
    let log_line = agent.wait_for_line(DEADLINE, |line| line.contains("is not remembered"));
    assert!(log_line.contains("no storage space"), "{log_line}");
    let state = seen_by(&agent, &site);
    let mut left: Vec<_> = fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["filler", "real_server.lock"],
        "no half-written file stays"
    );

    // It goes on: what another program takes away comes back.
    lan.rs1.run("ip address del 192.168.11.200/32 dev lo");
    until(DEADLINE, "the VIP", || {
        let addresses = lan.rs1.run("ip -o address show dev lo");
        if addresses.contains("192.168.11.200/32") {
            Ok(())
        } else {
            Err(addresses)
        }
    });

    fs::remove_file(state.join("filler")).unwrap();
    agent.wait_for_line(DEADLINE, |line| {
        line.contains("cleared: state file not written")
    });
    let remembered = fs::read_to_string(state.join("real_server.json")).unwrap();
    assert!(remembered.contains("192.168.11.200"), "{remembered}");
    let output = agent.output();
    let is_reported = |line: &&str| line.contains("ERROR") && line.contains("is not remembered");
    let reported = output.lines().filter(is_reported).count();
    assert_eq!(reported, 1, "{output}");
}
