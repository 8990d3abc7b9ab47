//! The addresses of the director's interface.

use nix::sys::signal::Signal;

use crate::cluster::metric;
use crate::support::{Lan, Namespace, PATIENCE, Process, Site, until};

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

/// Family, address and all that `ip -o` says of it before the lifetimes.
fn addresses(host: &Namespace, interface: &str) -> Vec<String> {
    let shown = host.run(&format!("ip -o addr show dev {interface}"));
    let address = |line: &str| {
        let (address, _) = line.split_once('\\').unwrap();
        let words: Vec<_> = address.split_whitespace().skip(2).collect();
        words.join(" ")
    };
    shown.lines().map(address).collect()
}

fn drift(host: &Namespace) -> f64 {
    metric(host, "lvs_drift_total{kind=\"address_missing\"}")
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
    let mut agent = site.run(host, &[]);
    agent.wait_for_line(PATIENCE, |line| line.contains("director: "));
    agent
}

fn stop(mut agent: Process) {
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(PATIENCE).code(), Some(0), "{}", agent.output());
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
        assert!(metric(&lan.director, &series) > 0.5, "{series}");
    }

    stop(agent);
    assert_eq!(sorted(on_eth0(&lan.director)), with_vips([DIP]));
    let mut agent = start(&site, &lan.director);
    agent.signal(Signal::SIGKILL);
    agent.wait(PATIENCE);
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
fn every_vip_deleted_by_another_program_is_restored() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let _agent = start(&site, &lan.director);
    for (count, vip) in [1.0, 2.0, 3.0].into_iter().zip([
        "192.168.11.200/32",
        "192.168.11.201/32",
        "2001:db8::200/128",
    ]) {
        lan.director.run(&format!("ip address del {vip} dev eth0"));
        until(PATIENCE, "deleted VIP", || {
            let held = sorted(on_eth0(&lan.director));
            if held == with_vips([DIP]) {
                Ok(())
            } else {
                Err(held)
            }
        });
        until(PATIENCE, "such count of drift", || {
            let seen = drift(&lan.director);
            if seen > count - 0.5 {
                Ok(())
            } else {
                Err(seen)
            }
        });
        assert!(drift(&lan.director) < count + 0.5);
    }
}

#[test]
fn a_dry_run_gives_the_director_no_vip() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let mut agent = site.run(&lan.director, &["--dry-run"]);
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("would do: + address 192.168.11.200/32 on eth0")
    });
    agent.wait_for_line(PATIENCE, |line| line.contains("director: "));
    assert_eq!(on_eth0(&lan.director), [DIP]);
    assert!(!site.state_directory().exists());
}

#[test]
fn refuses_interface_that_the_director_does_not_have() {
    let lan = Lan::new();
    let site = Site::new(&configuration("").replace("eth0", "nope0"));
    let mut agent = site.run(&lan.director, &[]);
    assert_eq!(agent.wait(PATIENCE).code(), Some(1));
    let output = agent.output();
    assert!(output.contains("there is no interface `nope0`"), "{output}");
    assert_eq!(on_eth0(&lan.director), [DIP]);
}

#[test]
fn a_second_director_is_refused() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let first = start(&site, &lan.director);
    let other =
        Site::new(&(configuration("  on_exit: remove") + "http:\n  listen: 127.0.0.1:19477\n"));
    let mut second = other.run(&lan.director, &[]);
    assert_eq!(second.wait(PATIENCE).code(), Some(1));
    let expected = format!(
        "another lvs-agent (process {}) already runs here",
        first.pid()
    );
    assert!(second.output().contains(&expected), "{}", second.output());
    assert_eq!(sorted(on_eth0(&lan.director)), with_vips([DIP]));
}
