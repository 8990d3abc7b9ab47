//! Ends and starts of the agent that nobody notices.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::{Lan, Namespace, Process, Site};
use crate::witness::{
    BEFORE, DEADLINE, OURS, VIP_ON_LO, addresses, assert_sysctls, configuration, has_vip,
    of_real_server, set_sysctls, start,
};

/// Tells of every change of an address of lo.
struct AddressMonitor<'a> {
    host: &'a Namespace,
    ip: Process,
}

impl<'a> AddressMonitor<'a> {
    const MARK: &'static str = "192.0.2.1/32";

    fn start(host: &'a Namespace) -> Self {
        let mut command = Command::new("ip");
        // The link-local address of eth0 changes by itself, as it settles.
        command.args(["-o", "monitor", "address", "dev", "lo"]);
        let ip = host.spawn(command);
        let mut monitor = Self { host, ip };
        monitor.mark();
        monitor
    }

    /// Makes a change and waits until it has been told of.
    fn mark(&mut self) {
        let seen = self.ip.output().len();
        let host = self.host;
        crate::support::until(DEADLINE, "address in `ip monitor`", || {
            host.run(&format!("ip address add {} dev lo", Self::MARK));
            host.run(&format!("ip address del {} dev lo", Self::MARK));
            let output = self.ip.output();
            let reported = output.as_bytes().get(seen..).unwrap_or_default();
            if String::from_utf8_lossy(reported).contains(Self::MARK) {
                Ok(())
            } else {
                Err(output)
            }
        });
    }

    /// All changes but the marks.
    fn changes(mut self) -> Vec<String> {
        self.mark();
        let output = self.ip.output();
        // ip complains of links to namespaces that another test is taking down.
        let of_lo = output.lines().filter(|line| line.contains(": lo "));
        let changes = of_lo.filter(|line| !line.contains(Self::MARK));
        changes.map(str::to_owned).collect()
    }
}

#[test]
fn the_monitor_sees_a_vip_that_goes_and_comes() {
    let lan = Lan::new();
    let site = Site::new(&configuration("  on_exit: remove"));
    let mut agent = start(&site, &lan.rs1);
    let monitor = AddressMonitor::start(&lan.rs1);
    agent.signal(Signal::SIGTERM);
    agent.wait(DEADLINE);
    let _agent = start(&site, &lan.rs1);
    let changes = monitor.changes();
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(changes[0].starts_with("Deleted "), "{changes:?}");
    assert!(changes[1].contains("192.168.11.200/32"), "{changes:?}");
}

#[test]
fn stop_and_start_change_nothing() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    let mut agent = start(&site, &lan.rs1);
    let monitor = AddressMonitor::start(&lan.rs1);
    for _ in 0..3 {
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait(DEADLINE).code(), Some(0));
        assert!(has_vip(&lan.rs1));
        assert_sysctls(&lan.rs1, OURS);
        agent = start(&site, &lan.rs1);
    }
    assert_eq!(monitor.changes(), [""; 0]);
}

#[test]
fn kill_and_start_change_nothing_and_forget_nothing() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    let mut agent = start(&site, &lan.rs1);
    let monitor = AddressMonitor::start(&lan.rs1);
    for _ in 0..10 {
        agent.signal(Signal::SIGKILL);
        agent.wait(DEADLINE);
        assert!(has_vip(&lan.rs1));
        assert_sysctls(&lan.rs1, OURS);
        agent = start(&site, &lan.rs1);
        let log = agent.output();
        assert!(
            !log.contains(" sysctl ") && !log.contains(" address "),
            "{log}"
        );
    }
    assert_eq!(monitor.changes(), [""; 0]);

    agent.signal(Signal::SIGKILL);
    agent.wait(DEADLINE);
    let done = of_real_server(&site, &lan.rs1, "cleanup");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!has_vip(&lan.rs1));
    assert_sysctls(&lan.rs1, BEFORE);
}

#[test]
fn a_vip_that_is_no_longer_configured_goes_at_the_next_start() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    let mut agent = start(&site, &lan.rs1);
    agent.signal(Signal::SIGKILL);
    agent.wait(DEADLINE);

    site.write_configuration(&configuration("").replace("192.168.11.200", "192.168.11.201"));
    let mut agent = site.run(&lan.rs1, &["--real-server"]);
    agent.wait_for_line(DEADLINE, |line| {
        line.contains("real server: 192.168.11.201")
    });
    let held = addresses(&lan.rs1, "lo");
    assert!(!held.iter().any(|line| line == VIP_ON_LO), "{held:?}");
    assert!(
        held.iter().any(|line| line.contains("192.168.11.201/32")),
        "{held:?}"
    );
    assert_sysctls(&lan.rs1, OURS);
    agent.signal(Signal::SIGKILL);
    agent.wait(DEADLINE);

    // The host is taken out of every service: nothing of the agent's is left.
    site.write_configuration(&configuration("").replace("192.168.11.21 ", "192.168.11.31 "));
    lan.rs1.run("ip address flush dev eth0");
    let mut agent = site.run(&lan.rs1, &["--real-server"]);
    agent.wait_for_line(DEADLINE, |line| line.contains("real server: no VIP"));
    assert_eq!(addresses(&lan.rs1, "lo").len(), 2);
    assert_sysctls(&lan.rs1, BEFORE);
}

#[test]
fn a_damaged_state_file_is_set_aside_and_the_host_stays_as_it_is() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let mut agent = start(&site, &lan.rs1);
    agent.signal(Signal::SIGKILL);
    agent.wait(DEADLINE);
    let file = site.state_directory().join("real_server.json");
    fs::write(&file, b"{ \"version\": 1, \0").unwrap();

    let monitor = AddressMonitor::start(&lan.rs1);
    let mut agent = start(&site, &lan.rs1);
    assert_eq!(monitor.changes(), [""; 0]);
    assert_sysctls(&lan.rs1, OURS);
    assert!(file.with_extension("json.damaged").exists());
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .contains("192.168.11.200")
    );
    let log = agent.output();
    let unknown = log.lines().find(|line| line.contains("values from before"));
    let unknown = unknown.unwrap_or_else(|| panic!("{log}"));
    for (key, _) in OURS {
        assert!(unknown.contains(key), "{unknown}");
    }

    // The next start still has no such values.
    agent.signal(Signal::SIGKILL);
    agent.wait(DEADLINE);
    let mut agent = start(&site, &lan.rs1);
    agent.signal(Signal::SIGKILL);
    agent.wait(DEADLINE);
    let done = of_real_server(&site, &lan.rs1, "cleanup");
    assert_eq!(done.code, Some(0), "{done:?}");
    let expected = OURS.map(|(key, ours)| {
        format!(
            "# sysctl {key} stays {ours}: its value from before the agent is not known, because \
             the state file was damaged"
        )
    });
    let mut lines = done.stdout.lines();
    assert_eq!(lines.next(), Some("- address 192.168.11.200/32 on lo"));
    // What the damaged file named is not removed: the note says where to look.
    let aside = file.with_extension("json.damaged");
    let damage = format!(
        "# `{}` is damaged (found at an earlier start) and was set aside as `{}`: ",
        file.display(),
        aside.display()
    );
    let note = lines.next().unwrap_or_default();
    assert!(note.starts_with(&damage), "{note}");
    let fix = format!("; then remove `{}`", aside.display());
    assert!(note.ends_with(&fix), "{note}");
    assert_eq!(lines.collect::<Vec<_>>(), expected);
}
