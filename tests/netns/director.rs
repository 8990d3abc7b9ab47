//! The director's addresses on the host kernel; its table is in memory.

use std::path::Path;

use nix::sys::signal::Signal;

use crate::support::{Lan, Namespace, Process, Site, until};
use crate::witness::{DEADLINE, addresses, drift, metric, status};

const DIP: &str = "inet 192.168.11.10/24 scope global eth0";
const VIPS: [&str; 3] = [
    "inet 192.168.11.200/32 scope global eth0:0",
    "inet 192.168.11.201/32 scope global eth0:1",
    "inet6 2001:db8::200/128 scope global nodad deprecated",
];

fn configuration(director: &str) -> String {
    let service = |name: &str, vip: &str, real_server: &str| {
        format!(
            "  - name: {name}\n    address: \"{vip}\"\n    \
             real_servers: [{{ name: rs1, address: \"{real_server}\" }}]\n"
        )
    };
    format!("director:\n  interface: eth0\n  resync_interval: 1s\n{director}\nvirtual_services:\n")
        + &service("web", "192.168.11.200:80", "192.168.11.21")
        + &service("mail", "192.168.11.201:25", "192.168.11.21")
        + &service("web6", "[2001:db8::200]:80", "2001:db8::21")
}

/// Without the addresses that the kernel gives to every link by itself.
fn on_eth0(host: &Namespace) -> Vec<String> {
    let mut held = addresses(host, "eth0");
    held.retain(|line| !line.starts_with("inet6 fe80:"));
    held
}

fn with_vips<'a>(others: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut lines: Vec<_> = others.into_iter().chain(VIPS).collect();
    lines.sort_unstable();
    lines
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable();
    lines
}

fn start(site: &Site, host: &Namespace) -> Process {
    let mut agent = site.run(host, &["--table", "memory"]);
    agent.wait_for_line(DEADLINE, |line| line.contains("director: "));
    agent
}

fn stop(mut agent: Process) {
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(DEADLINE).code(), Some(0), "{}", agent.output());
}

#[test]
fn the_director_has_the_vips_on_its_interface_and_keeps_them() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let agent = start(&site, &lan.director);
    assert_eq!(sorted(on_eth0(&lan.director)), with_vips([DIP]));
    assert_eq!(addresses(&lan.director, "lo").len(), 2);
    for vip in ["192.168.11.200", "192.168.11.201", "2001:db8::200"] {
        let series = format!("lvs_vip_configured{{vip=\"{vip}\",interface=\"eth0\"}}");
        assert_eq!(metric(&lan.director, &series), Some(1), "{series}");
    }

    stop(agent);
    assert_eq!(sorted(on_eth0(&lan.director)), with_vips([DIP]));
    let mut agent = start(&site, &lan.director);
    agent.signal(Signal::SIGKILL);
    agent.wait(DEADLINE);
    assert_eq!(sorted(on_eth0(&lan.director)), with_vips([DIP]));
}

#[test]
fn on_exit_remove_takes_the_vips_and_nothing_else() {
    let lan = Lan::new();
    let foreign = "inet 192.168.99.1/32 scope global eth0:0";
    lan.director
        .run("ip address add 192.168.99.1/32 dev eth0 label eth0:0");
    let site = Site::new(&configuration("  on_exit: remove"));
    let agent = start(&site, &lan.director);
    let held = on_eth0(&lan.director);
    for line in [DIP, foreign, "inet 192.168.11.200/32 scope global eth0:1"] {
        assert!(
            held.iter().any(|held| held == line),
            "no {line:?} in {held:?}"
        );
    }
    stop(agent);
    assert_eq!(on_eth0(&lan.director), [DIP, foreign]);
}

#[test]
fn every_vip_that_another_hand_deletes_comes_back() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let _agent = start(&site, &lan.director);
    for (count, vip) in (1..).zip([
        "192.168.11.200/32",
        "192.168.11.201/32",
        "2001:db8::200/128",
    ]) {
        lan.director.run(&format!("ip address del {vip} dev eth0"));
        until(DEADLINE, "deleted VIP", || {
            let held = sorted(on_eth0(&lan.director));
            if held == with_vips([DIP]) {
                Ok(())
            } else {
                Err(held)
            }
        });
        until(DEADLINE, "such count of drift", || {
            let seen = drift(&lan.director, "address_missing");
            if seen >= count { Ok(()) } else { Err(seen) }
        });
        assert_eq!(drift(&lan.director, "address_missing"), count);
    }
}

#[test]
fn a_dry_run_gives_the_director_no_vip() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let mut agent = site.run(&lan.director, &["--table", "memory", "--dry-run"]);
    agent.wait_for_line(DEADLINE, |line| {
        line.contains("would do: + address 192.168.11.200/32 on eth0")
    });
    agent.wait_for_line(DEADLINE, |line| line.contains("director: "));
    assert_eq!(on_eth0(&lan.director), [DIP]);
    assert!(!site.state_directory().exists());
}

#[test]
fn an_interface_that_the_director_does_not_have() {
    let lan = Lan::new();
    let site = Site::new(&configuration("").replace("eth0", "nope0"));
    let mut agent = site.run(&lan.director, &["--table", "memory"]);
    assert_eq!(agent.wait(DEADLINE).code(), Some(1));
    let output = agent.output();
    assert!(output.contains("there is no interface `nope0`"), "{output}");
    assert_eq!(on_eth0(&lan.director), [DIP]);
}

#[test]
fn a_kernel_without_ipvs_is_named_and_gets_no_vip() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let mut agent = site.run(&lan.director, &[]);
    let refused = until(DEADLINE, "decision of the agent", || {
        let output = agent.output();
        if output.contains("lvs-agent: cannot ") {
            Ok(true)
        } else if output.contains("director: ") {
            Ok(false)
        } else {
            Err(output)
        }
    });
    // Where the kernel has IPVS, all is well, and the lab's tests say more.
    assert_eq!(refused, !Path::new("/proc/net/ip_vs").exists());
    if refused {
        assert_eq!(agent.wait(DEADLINE).code(), Some(1));
        let said = "this kernel has no IPVS: run `modprobe ip_vs`";
        assert!(agent.output().contains(said), "{}", agent.output());
        assert_eq!(on_eth0(&lan.director), [DIP]);
        assert!(!site.state_directory().exists());
    }
}

#[test]
fn a_second_director_is_refused() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let first = start(&site, &lan.director);
    let other =
        Site::new(&(configuration("  on_exit: remove") + "http:\n  listen: 127.0.0.1:19477\n"));
    let mut second = other.run(&lan.director, &["--table", "memory"]);
    assert_eq!(second.wait(DEADLINE).code(), Some(1));
    let said = format!(
        "another lvs-agent (process {}) already runs here",
        first.pid()
    );
    assert!(second.output().contains(&said), "{}", second.output());
    assert_eq!(sorted(on_eth0(&lan.director)), with_vips([DIP]));
    assert_eq!(status(&lan.director)["mode"], "director");
}
