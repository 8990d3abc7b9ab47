//! A zoo of hostile servers beside healthy ones: whatever the hostile do, the
//! others are asked in time, and the agent stays small and ends when told to.
//!
//! `cargo test --test cli zoo` has one of each kind for some seconds. The long
//! form, five minutes with 500 of them, takes both processors of a small host:
//!
//! ```text
//! ZOO_SECONDS=300 ZOO_SERVERS=500 cargo test --test cli zoo -- --nocapture
//! ```

mod animals;
mod keeper;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::many::raise_file_limit;
use super::{AMPLE, Agent, Behaviour, Server, Site, here, until};

/// From one probe of a server to the next.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many servers are healthy.
const HEALTHY: u8 = 20;
/// Hosts of one network of the zoo.
const EACH: usize = 200;
/// Of the agent's memory: what it begins with, and for each hostile server.
const MEMORY_KIB: usize = 64 * 1024;
const MEMORY_EACH_KIB: usize = 256;
/// The threads of the runtime, those for files, and few more.
const THREADS: usize = 32;
/// Descriptors: the agent's own, and a probe's.
const DESCRIPTORS: usize = 64;
const DESCRIPTORS_EACH: usize = 2;
/// How long the end may take.
const END: Duration = Duration::from_secs(5);

pub(super) fn number(name: &str, usual: u64) -> u64 {
    env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// Of the agent now: KiB of memory, threads and descriptors.
pub(super) fn size(agent: &Agent) -> [usize; 3] {
    let process = format!("/proc/{}", agent.pid());
    let status = fs::read_to_string(format!("{process}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let word = line.unwrap().split_whitespace().next();
        word.unwrap().parse::<usize>().unwrap()
    };
    let descriptors = fs::read_dir(format!("{process}/fd")).unwrap().count();
    [field("VmRSS:"), field("Threads:"), descriptors]
}

/// The names of services and real servers of this health; the healthy ones are
/// in the first service.
fn of_health(status: &Value, health: &str) -> BTreeSet<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = BTreeSet::new();
    for service in status["virtual_services"].as_array().unwrap() {
        for one in service["real_servers"].as_array().unwrap() {
            if one["health"] == health {
                let (name, last) = (text(&one["name"]), text(&one["last_probe"]["detail"]));
                found.insert((text(&service["name"]), name, last));
            }
        }
    }
    found
}

/// The longest time without a probe that a healthy server saw.
fn longest_gap(arrivals: &[(IpAddr, Instant)], from: Instant) -> (Duration, IpAddr) {
    let mut times: BTreeMap<IpAddr, Vec<Instant>> = BTreeMap::new();
    for (ip, at) in arrivals {
        times.entry(*ip).or_default().push(*at);
    }
    assert_eq!(times.len(), usize::from(HEALTHY));
    let gaps = times.iter().flat_map(|(ip, times)| {
        let later: Vec<_> = times.iter().filter(|at| **at >= from).collect();
        let gaps = later.windows(2).map(|pair| (*pair[1] - *pair[0], *ip));
        gaps.collect::<Vec<_>>()
    });
    gaps.max().unwrap()
}

/// A thread that only sleeps: what delays it, delays every process of this machine.
struct Lateness {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Lateness {
    #[expect(
        clippy::disallowed_methods,
        reason = "the agent's clock is not for tests"
    )]
    fn measure() -> Self {
        const SLEEP: Duration = Duration::from_millis(50);
        let ended = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            let mut longest = Duration::ZERO;
            while !until.load(Ordering::Relaxed) {
                let begun = Instant::now();
                thread::sleep(SLEEP);
                longest = longest.max(begun.elapsed().saturating_sub(SLEEP));
            }
            longest
        });
        Self { ended, thread }
    }

    fn longest(self) -> Duration {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// The counters of probes that could not be made.
fn internal(site: &Site) -> BTreeSet<String> {
    let text = site.get("/metrics").body;
    let series = text.lines().filter(|line| {
        line.starts_with("lvs_probes_total")
            && line.contains("result=\"internal\"")
            && !line.ends_with(" 0")
    });
    series.map(str::to_owned).collect()
}

/// The details of the last probes with this result.
fn details(status: &Value, result: &str) -> Vec<String> {
    let services = status["virtual_services"].as_array().unwrap().iter();
    let real_servers = services.flat_map(|service| service["real_servers"].as_array().unwrap());
    real_servers
        .filter(|real_server| real_server["last_probe"]["result"] == result)
        .map(|real_server| real_server["last_probe"].to_string())
        .collect()
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the agent's clock is not for tests"
)]
fn nobody_suffers_from_a_hostile_server() {
    raise_file_limit();
    let seconds = number("ZOO_SECONDS", 10);
    let animals = animals::all();
    let hostile = usize::try_from(number("ZOO_SERVERS", 0)).unwrap();
    let hostile = hostile.max(animals.len());

    let site = Site::new();
    let healthy: Vec<_> = (1..=HEALTHY).map(|host| site.server(host)).collect();
    let healthy = Server::start(&healthy, Behaviour::good());
    let timing = "interval: 1s, timeout: 10s, rise: 1, fall: 2";
    let hosts: Vec<_> = (1..=HEALTHY).collect();
    let mut services = site.service("healthy", 1, timing, &hosts);
    let networks: Vec<_> = (0..hostile.div_ceil(EACH)).map(|_| Site::new()).collect();
    let zoo = keeper::Zoo::new();
    for place in 0..hostile {
        let animal = &animals[place % animals.len()];
        let ip = networks[place / EACH].ip(u8::try_from(1 + place % EACH).unwrap());
        zoo.keep((ip, site.port).into(), animal);
        let check = animal.check.replace("PORT", &site.port.to_string());
        let (high, low) = (3 + place / 250, 1 + place % 250);
        let protocol = if check.starts_with("udp") {
            "udp"
        } else {
            "tcp"
        };
        writeln!(
            services,
            "  - name: {}.{place}\n    address: 192.0.{high}.{low}:80\n    protocol: {protocol}\n    \
             check: {{ {check}, interval: 1s, timeout: 1s, rise: 1, fall: 2 }}\n    \
             real_servers: [{{ name: h{place}, address: {ip} }}]",
            animal.name.replace([' ', ','], "-")
        )
        .unwrap();
    }
    site.configure(&services);
    let mut agent = site.agent();
    until(AMPLE * 2, "a verdict on every server", || {
        let status = site.status();
        let (up, down) = (of_health(&status, "up"), of_health(&status, "down"));
        if up.len() == usize::from(HEALTHY) && down.len() == hostile {
            Ok(())
        } else {
            Err((up, down.len()))
        }
    });

    let most = [
        MEMORY_KIB + MEMORY_EACH_KIB * hostile,
        THREADS,
        DESCRIPTORS + DESCRIPTORS_EACH * (hostile + usize::from(HEALTHY)),
    ];
    // On a busy machine the first probe of a service may end before the files
    // of TLS are read for the first time.
    let internal_before = internal(&site);
    let lateness = Lateness::measure();
    let (begun, mut largest) = (Instant::now(), [0; 3]);
    let long = Duration::from_secs(seconds);
    until(long * 2 + AMPLE, "the end of the visit", || {
        let now = size(&agent);
        largest = std::array::from_fn(|place| largest[place].max(now[place]));
        let within = now.iter().zip(&most).all(|(now, most)| now <= most);
        assert!(within, "KiB, threads and descriptors: {now:?} of {most:?}");
        if begun.elapsed() > long {
            Ok(())
        } else {
            Err(now)
        }
    });
    let status = site.status();
    let names = of_health(&status, "up").into_iter();
    let up: BTreeSet<_> = names.map(|(service, ..)| service).collect();
    assert_eq!(up, BTreeSet::from(["healthy".to_owned()]));
    let wrong = site.sum("lvs_transitions_total{service=\"healthy\"", "to=\"down\"");
    assert_eq!(wrong.to_bits(), 0, "{}", agent.output());
    // A machine without processor time for the agent is no hostile server's work.
    let stood_still = agent
        .output()
        .contains("cannot be made: this host stood still");
    let internal = internal(&site);
    let new: Vec<_> = internal.difference(&internal_before).collect();
    assert!(
        stood_still || new.is_empty(),
        "{new:#?} {:#?}",
        details(&status, "internal")
    );
    let late = lateness.longest();

    let (gap, ip) = longest_gap(&healthy.arrivals(), begun);
    println!(
        "{hostile} hostile servers of {} kinds for {seconds} s: at most {} KiB, {} threads and {} \
         descriptors; a healthy one waited {gap:?} for its probe",
        animals.len(),
        largest[0],
        largest[1],
        largest[2]
    );
    let allowed = here(INTERVAL * 2) + late;
    assert!(
        gap <= allowed,
        "{ip} was not asked for {gap:?}; this machine was late by {late:?}"
    );

    let told = Instant::now();
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(AMPLE).code(), Some(0));
    let took = told.elapsed();
    assert!(took <= here(END), "it ended after {took:?}");
}
