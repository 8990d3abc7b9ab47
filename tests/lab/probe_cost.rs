//! The processor time of a probe: beside keepalived, and through the VIP beside the plain one.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::cluster::add_vip;
use crate::support::{Lan, Namespace, PATIENCE, Process, Site, nginx, until};
use crate::watch::number_of_rounds;

/// How often each side is measured, unless `ROUNDS` says something else.
const ROUNDS: usize = 5;
/// Of one measurement.
const LENGTH: Duration = Duration::from_secs(20);

/// The real servers, all of them addresses of rs1 behind its address on the LAN.
fn addresses(number: usize) -> Vec<String> {
    let address = |place| format!("10.9.{}.{}", place / 200, 1 + place % 200);
    (0..number).map(address).collect()
}

fn lan() -> Lan {
    let lan = Lan::new();
    add_vip(&lan.rs1);
    lan.rs1.run("ip route add local 10.9.0.0/16 dev lo");
    let route = "ip route add 10.9.0.0/16 via 192.168.11.21";
    lan.director.run(route);
    lan
}

fn of_agent(number: usize, via: &str) -> String {
    let mut text = format!(
        "http: {{ listen: 127.0.0.1:9477 }}\n\
         director: {{ interface: eth0 }}\n\
         virtual_services:\n\
         \x20 - name: web\n\
         \x20   address: 192.168.11.200:80\n\
         \x20   check: {{ http: {{}}, {via}interval: 1s, timeout: 5s, rise: 1, fall: 3 }}\n\
         \x20   real_servers:\n"
    );
    for (place, address) in addresses(number).iter().enumerate() {
        let _ = writeln!(text, "      - {{ name: rs{place}, address: {address} }}");
    }
    text
}

fn of_keepalived(number: usize) -> String {
    let mut text =
        "virtual_server 192.168.11.200 80 {\n delay_loop 1\n lb_algo wlc\n lb_kind DR\n \
                    protocol TCP\n"
            .to_owned();
    for address in addresses(number) {
        let _ = writeln!(
            text,
            " real_server {address} 80 {{\n weight 1\n HTTP_GET {{\n url {{\n path /\n \
             status_code 200\n }}\n connect_timeout 5\n retry 0\n delay_before_retry 1\n }}\n }}"
        );
    }
    text + "}\n"
}

/// keepalived's checker alone.
fn keepalived(director: &Namespace, text: &str) -> Process {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    fs::write(file("keepalived.conf"), text).unwrap();
    let mut command = Command::new("keepalived");
    command.args(["-C", "-n", "-l", "-f"]);
    command.arg(file("keepalived.conf"));
    command.arg("-p").arg(file("keepalived.pid"));
    command.arg("-c").arg(file("checkers.pid"));
    director.spawn_with(command, directory)
}

/// The time for which the threads of a process and of its children have run. `schedstat` counts
/// nanoseconds; `stat` would count the ticks at which a thread was found running, which are at
/// the same instants as its timers.
fn processor_time(pid: &str) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let threads = threads.map(|thread| {
        let statistics = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
        let nanoseconds = statistics.split(' ').next().unwrap();
        Duration::from_nanos(nanoseconds.parse().unwrap())
    });
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children = children.split_whitespace().map(processor_time);
    threads.chain(children).sum()
}

/// How many connections rs1 has accepted.
fn accepted(real_server: &Namespace) -> u64 {
    let counters = real_server.run("cat /proc/net/snmp");
    let mut lines = counters.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let place = names.split(' ').position(|name| name == "PassiveOpens");
    values
        .split(' ')
        .nth(place.unwrap())
        .unwrap()
        .parse()
        .unwrap()
}

/// Processor time of a probe, in microseconds, once every real server has been probed
/// twice.
#[expect(clippy::disallowed_methods, reason = "the time that is measured")]
fn measure(lan: &Lan, number: usize, side: &Process) -> f64 {
    let number = u64::try_from(number).unwrap();
    let begun = accepted(&lan.rs1);
    until(PATIENCE, "two probes of each real server", || {
        let more = accepted(&lan.rs1) - begun;
        if more >= 2 * number {
            Ok(())
        } else {
            Err(more)
        }
    });
    let now = || (processor_time(&side.pid().to_string()), accepted(&lan.rs1));
    let before = now();
    thread::sleep(LENGTH);
    let after = now();
    let probes = after.1 - before.1;
    let time = after.0.saturating_sub(before.0);
    let each = time.as_secs_f64() * 1e6 / f64::from(u32::try_from(probes).unwrap());
    eprintln!("  {probes} probes in {LENGTH:?}, {each:.0} µs each");
    each
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Measures both sides one after the other in each round; the order turns with the round.
fn compare(names: [&str; 2], measure: [&dyn Fn() -> f64; 2]) {
    let mut figures = [Vec::new(), Vec::new()];
    for round in 0..number_of_rounds(ROUNDS) {
        for turn in 0..2 {
            let side = (round + turn) % 2;
            eprintln!("{}:", names[side]);
            figures[side].push(measure[side]());
        }
    }
    let ratios = figures[0]
        .iter()
        .zip(&figures[1])
        .map(|(one, other)| one / other);
    let ratio = median(ratios.collect());
    let [one, other] = figures.map(median);
    eprintln!(
        "{}: {one:.0} µs a probe; {}: {other:.0} µs; ratio {ratio:.2} (medians)",
        names[0], names[1]
    );
}

/// Prints figures, and fails by none.
#[test]
#[ignore = "measures for minutes, and proves nothing: see tests/README.md"]
fn processor_time_of_a_probe_beside_keepalived() {
    const NUMBER: usize = 500;
    let lan = lan();
    let _server = nginx(&lan.rs1, "rs1");
    let site = Site::new(&of_agent(NUMBER, ""));
    let agent = || {
        let agent = site.start(&lan.director, &[]);
        let figure = measure(&lan, NUMBER, &agent);
        drop(agent);
        lan.director.run("ipvsadm -C");
        figure
    };
    let keepalived = || {
        let mut keepalived = keepalived(&lan.director, &of_keepalived(NUMBER));
        let figure = measure(&lan, NUMBER, &keepalived);
        // At its end it empties the table itself.
        keepalived.signal(Signal::SIGTERM);
        keepalived.wait(PATIENCE);
        figure
    };
    compare(["lvs-agent", "keepalived"], [&agent, &keepalived]);
}

/// Prints figures, and fails by none.
#[test]
#[ignore = "measures for minutes, and proves nothing: see tests/README.md"]
fn processor_time_of_a_probe_through_the_vip_beside_a_plain_one() {
    const NUMBER: usize = 200;
    let lan = lan();
    let _server = nginx(&lan.rs1, "rs1");
    let side = |via: &str| {
        let site = Site::new(&of_agent(NUMBER, via));
        let agent = site.start(&lan.director, &[]);
        let figure = measure(&lan, NUMBER, &agent);
        drop(agent);
        lan.director.run("ipvsadm -C");
        figure
    };
    let (through_vip, plain) = (|| side("via: vip, "), || side(""));
    compare(["through the VIP", "plain"], [&through_vip, &plain]);
}
