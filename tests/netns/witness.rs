//! What a host's kernel holds, asked without the program under test, and what
//! the program says of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Namespace, Process, Site, http_get_path, until};

/// For all that takes a running agent one resync, or a start.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The how-to's VIP.
pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(192, 168, 11, 200);

/// The VIP on lo as `ip -o` shows what the how-to's own command makes.
pub(crate) const VIP_ON_LO: &str = "inet 192.168.11.200/32 scope global lo:0";

/// The how-to's service; `real_server` is that section's further keys.
pub(crate) fn configuration(real_server: &str) -> String {
    format!(
        "real_server:\n  resync_interval: 1s\n{real_server}\n\
         virtual_services:\n  - name: web\n    address: 192.168.11.200:80\n    real_servers:\n      \
         - {{ name: rs1, address: 192.168.11.21 }}\n      - {{ name: rs2, address: 192.168.11.22 }}\n"
    )
}

/// The how-to's sysctls, with its values.
pub(crate) const OURS: [(&str, &str); 5] = [
    ("net.ipv4.conf.all.arp_announce", "2"),
    ("net.ipv4.conf.all.arp_ignore", "1"),
    ("net.ipv4.conf.default.rp_filter", "1"),
    ("net.ipv4.conf.lo.arp_announce", "2"),
    ("net.ipv4.conf.lo.arp_ignore", "1"),
];

/// Values that are neither the kernel's defaults nor the agent's.
pub(crate) const BEFORE: [(&str, &str); 5] = [
    ("net.ipv4.conf.all.arp_announce", "1"),
    ("net.ipv4.conf.all.arp_ignore", "0"),
    ("net.ipv4.conf.default.rp_filter", "2"),
    ("net.ipv4.conf.lo.arp_announce", "0"),
    ("net.ipv4.conf.lo.arp_ignore", "3"),
];

/// Sets sysctls by hand.
pub(crate) fn set_sysctls<'a>(
    host: &Namespace,
    values: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    for (key, value) in values {
        host.run(&format!("sysctl -q -w {key}={value}"));
    }
}

/// The how-to's five sysctls as `sysctl -n` shows them.
pub(crate) fn sysctls(host: &Namespace) -> Vec<(&'static str, String)> {
    let value = |key| host.run(&format!("sysctl -n {key}")).trim().to_owned();
    OURS.map(|(key, _)| (key, value(key))).into()
}

/// Panics unless the five sysctls have these values.
pub(crate) fn assert_sysctls(host: &Namespace, values: [(&'static str, &str); 5]) {
    let values = values.map(|(key, value)| (key, value.to_owned()));
    assert_eq!(sysctls(host), values);
}

/// The addresses of an interface: family, address and all that `ip -o addr`
/// says of it before the lifetimes.
pub(crate) fn addresses(host: &Namespace, interface: &str) -> Vec<String> {
    let shown = host.run(&format!("ip -o addr show dev {interface}"));
    let address = |line: &str| {
        let (address, _) = line.split_once('\\').unwrap();
        let words: Vec<_> = address.split_whitespace().skip(2).collect();
        words.join(" ")
    };
    shown.lines().map(address).collect()
}

/// Whether the VIP is on lo, as the how-to has it.
pub(crate) fn has_vip(host: &Namespace) -> bool {
    addresses(host, "lo").iter().any(|line| line == VIP_ON_LO)
}

/// Waits until the VIP is on lo.
pub(crate) fn wait_for_vip(host: &Namespace) {
    until(DEADLINE, "VIP on lo", || {
        let held = addresses(host, "lo");
        if has_vip(host) { Ok(()) } else { Err(held) }
    });
}

/// Starts the agent of a real server that has something to do, and returns
/// when it says that all is in place.
pub(crate) fn start(site: &Site, host: &Namespace) -> Process {
    let mut agent = site.run(host, &["--real-server"]);
    agent.wait_for_line(DEADLINE, |line| {
        line.contains("real server: 192.168.11.200")
    });
    agent
}

/// Runs `lvs-agent SUBCOMMAND --real-server`.
pub(crate) fn of_real_server(site: &Site, host: &Namespace, subcommand: &str) -> Finished {
    let mut command = site.command(subcommand);
    command.arg("--real-server");
    finish(host, command)
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end.
pub(crate) fn finish(host: &Namespace, command: Command) -> Finished {
    let Output {
        status,
        stdout,
        stderr,
    } = host.output(command);
    Finished {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// Fetches a page of the agent.
pub(crate) fn page(host: &Namespace, path: &str) -> String {
    let agent = SocketAddr::from((Ipv4Addr::LOCALHOST, 9477));
    http_get_path(host, agent, path, DEADLINE).unwrap()
}

/// `/status` of the agent.
pub(crate) fn status(host: &Namespace) -> Value {
    serde_json::from_str(&page(host, "/status")).unwrap()
}

/// The value of a series of `/metrics`, written as it is there; a whole number.
pub(crate) fn metric(host: &Namespace, series: &str) -> Option<u64> {
    let metrics = page(host, "/metrics");
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map(|value| value.parse().unwrap())
}

/// How often drift of this kind was counted.
pub(crate) fn drift(host: &Namespace, kind: &str) -> u64 {
    let series = format!("lvs_drift_total{{kind=\"{kind}\"}}");
    metric(host, &series).unwrap_or_else(|| panic!("no series {series}"))
}
