//! `watch: true`: how soon a server whose process dies has weight 0 in the kernel.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Lan, Namespace, PATIENCE, Site, here, http_get_path, nginx, until};

/// How often each side is measured, unless `ROUNDS` says something else.
const ROUNDS: usize = 100;

fn configuration(check: &str) -> String {
    format!(
        "http: {{ listen: 127.0.0.1:9477 }}\n\
         director: {{ interface: eth0 }}\n\
         virtual_services:\n\
         \x20 - name: web\n\
         \x20   address: 192.168.11.200:80\n\
         \x20   flap_damping: false\n\
         \x20   check: {{ http: {{}}, timeout: 1s, {check} }}\n\
         \x20   real_servers: [{{ name: rs1, address: 192.168.11.21 }}]\n"
    )
}

/// The weight of rs1 by `ipvsadm`.
fn weight(director: &Namespace) -> Option<u32> {
    let table = director.run("ipvsadm -Sn");
    let line = table
        .lines()
        .find(|line| line.contains("-r 192.168.11.21:80"))?;
    line.rsplit_once("-w ")?.1.trim().parse().ok()
}

pub(crate) fn wait_for_weight(director: &Namespace, wanted: u32) {
    until(PATIENCE, &format!("weight {wanted}"), || {
        match weight(director) {
            Some(weight) if weight == wanted => Ok(()),
            other => Err(other),
        }
    });
}

fn wait_until_watched(director: &Namespace) {
    until(PATIENCE, "the connection", || {
        let listens = SocketAddr::from((Ipv4Addr::LOCALHOST, 9477));
        let answer = http_get_path(director, listens, "/status", Duration::from_secs(5));
        let status: Value = answer
            .ok()
            .and_then(|answer| serde_json::from_str(&answer).ok())
            .unwrap_or_default();
        let real_server = &status["virtual_services"][0]["real_servers"][0];
        if real_server["watch"] == "connected" && real_server["weight"]["kernel"] == 1 {
            Ok(())
        } else {
            Err(status.to_string())
        }
    });
}

#[test]
fn a_web_server_that_is_killed_has_weight_0_long_before_its_next_probe_is_due() {
    let lan = Lan::new();
    let server = nginx(&lan.rs1, "rs1");
    let check = "interval: 1h, down_interval: 200ms, rise: 1, fall: 3, watch: true";
    let site = Site::new(&configuration(check));
    let _agent = site.start(&lan.director, &[]);
    wait_for_weight(&lan.director, 1);
    wait_until_watched(&lan.director);

    drop(server);
    wait_for_weight(&lan.director, 0);
    let _server = nginx(&lan.rs1, "rs1");
    wait_for_weight(&lan.director, 1);
    wait_until_watched(&lan.director);
}

/// The kernel's own list, which costs no program: every few hundred microseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the agent's clock is not for tests"
)]
fn when_weight_0(director: &Namespace) -> Instant {
    director.enter(|| {
        let end = Instant::now() + here(PATIENCE);
        loop {
            let table = fs::read_to_string("/proc/thread-self/net/ip_vs").unwrap();
            let now = Instant::now();
            let line = table.lines().find(|line| line.contains("-> C0A80B15:0050"));
            let weight = line.and_then(|line| line.split_whitespace().nth(3));
            if weight.is_none_or(|weight| weight == "0") {
                return now;
            }
            assert!(now < end, "{table}");
            thread::sleep(Duration::from_micros(200));
        }
    })
}

/// From the failure that `fail` makes to weight 0, once.
#[expect(
    clippy::disallowed_methods,
    reason = "the agent's clock is not for tests"
)]
pub(crate) fn measure(director: &Namespace, fail: impl FnOnce()) -> Duration {
    thread::scope(|scope| {
        let seen = scope.spawn(|| when_weight_0(director));
        // The reader is at work by then, and the failure is at no fixed phase of any interval.
        let phase = u64::from(Instant::now().elapsed().subsec_nanos() % 300);
        thread::sleep(Duration::from_millis(300 + phase));
        let failed = Instant::now();
        fail();
        seen.join().unwrap().saturating_duration_since(failed)
    })
}

pub(crate) fn print(side: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    eprintln!(
        "{side}: p50 {:?}, p99 {:?}, longest {:?}, of {}",
        at(50),
        at(99),
        at(100),
        times.len()
    );
}

fn rounds(lan: &Lan, ready: impl Fn()) -> Vec<Duration> {
    let once = |_| {
        let server = nginx(&lan.rs1, "rs1");
        wait_for_weight(&lan.director, 1);
        ready();
        measure(&lan.director, || drop(server))
    };
    (0..number_of_rounds(ROUNDS)).map(once).collect()
}

/// What `ROUNDS` says, or this number.
pub(crate) fn number_of_rounds(usual: usize) -> usize {
    let number = std::env::var("ROUNDS").ok();
    number.map_or(usual, |number| number.parse().expect("a number"))
}

fn agent(lan: &Lan, check: &str, ready: impl Fn()) -> Vec<Duration> {
    let site = Site::new(&configuration(check));
    let _agent = site.start(&lan.director, &[]);
    let times = rounds(lan, ready);
    lan.director.run("ipvsadm -C");
    times
}

/// keepalived's checker alone, which connects every `delay`.
fn keepalived(lan: &Lan, delay: &str) -> Vec<Duration> {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let text = format!(
        "virtual_server 192.168.11.200 80 {{\n delay_loop {delay}\n lb_algo wlc\n lb_kind DR\n \
         protocol TCP\n real_server 192.168.11.21 80 {{\n weight 1\n inhibit_on_failure\n \
         TCP_CHECK {{\n connect_timeout 1\n retry 0\n delay_before_retry {delay}\n }}\n }}\n}}\n"
    );
    fs::write(file("keepalived.conf"), text).unwrap();
    let mut command = Command::new("keepalived");
    command
        .args(["-C", "-n", "-l", "-f"])
        .arg(file("keepalived.conf"));
    command.arg("-p").arg(file("keepalived.pid"));
    command.arg("-c").arg(file("checkers.pid"));
    let _keepalived = lan.director.spawn(command);
    let times = rounds(lan, || {});
    lan.director.run("ipvsadm -C");
    times
}

/// Prints figures, and fails by none.
#[test]
#[ignore = "measures for minutes, and proves nothing: see tests/README.md"]
fn time_from_a_killed_server_to_weight_0_beside_keepalived() {
    let lan = Lan::new();
    let watched = "interval: 1s, down_interval: 100ms, rise: 1, fall: 3, watch: true";
    let times = agent(&lan, watched, || wait_until_watched(&lan.director));
    print("lvs-agent, watch: true, interval 1s, fall 3", times);
    let fast = "interval: 100ms, rise: 1, fall: 1";
    print(
        "lvs-agent, interval 100ms, fall 1",
        agent(&lan, fast, || {}),
    );
    for delay in ["0.1", "0.01"] {
        let side = format!("keepalived, delay_loop {delay}, retry 0");
        print(&side, keepalived(&lan, delay));
    }
}
