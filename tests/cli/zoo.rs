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
use std::time::{Duration, Instant, SystemTime};

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

/// The longest time without a probe that a healthy server saw, less what this
/// machine was late in that very time, with both of them.
fn longest_gap(
    arrivals: &[(IpAddr, Instant)],
    from: Instant,
    lateness: &[Late],
) -> (Duration, Duration, Duration, IpAddr) {
    let mut times: BTreeMap<IpAddr, Vec<Instant>> = BTreeMap::new();
    for (ip, at) in arrivals {
        times.entry(*ip).or_default().push(*at);
    }
    assert_eq!(times.len(), usize::from(HEALTHY));
    let gaps = times.iter().flat_map(|(ip, times)| {
        let later: Vec<_> = times.iter().filter(|at| **at >= from).collect();
        let gaps = later.windows(2).map(|pair| {
            let (gap, late) = (*pair[1] - *pair[0], late(lateness, *pair[0], *pair[1]));
            (gap.saturating_sub(late), gap, late, *ip)
        });
        gaps.collect::<Vec<_>>()
    });
    gaps.max().unwrap()
}

/// From when to when a thread slept longer than it should have.
type Late = (Instant, Instant);

/// How much of the time between two instants such a thread was late.
fn late(lateness: &[Late], from: Instant, to: Instant) -> Duration {
    let parts = lateness.iter();
    parts
        .map(|(start, end)| (*end).min(to).saturating_duration_since((*start).max(from)))
        .sum()
}

/// A thread that only sleeps: what delays it, delays every process of this machine.
struct Lateness {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Late>>,
}

impl Lateness {
    #[expect(
        clippy::disallowed_methods,
        reason = "the agent's clock is not for tests"
    )]
    fn measure() -> Self {
        const SLEEP: Duration = Duration::from_millis(20);
        let ended = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            let mut found = Vec::new();
            while !until.load(Ordering::Relaxed) {
                let due = Instant::now() + SLEEP;
                thread::sleep(SLEEP);
                found.push((due, Instant::now()));
            }
            found
        });
        Self { ended, thread }
    }

    fn end(self) -> Vec<Late> {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// The filter of the log, which has a line for each probe.
const EACH_PROBE: &str = "info,lvs_agent::health::driver::effects=debug";

/// A line of the log about a probe.
struct Probe<'l> {
    at: SystemTime,
    /// `service="…" real_server="…"`
    of: &'l str,
    is_internal: bool,
    line: &'l str,
}

impl<'l> Probe<'l> {
    fn parse(line: &'l str) -> Option<Self> {
        let (at, rest) = line.split_once(' ')?;
        let (_, rest) = rest.split_once(" lvs_agent::health::driver::effects: probe ")?;
        let (of, result) = rest.split_once(" result=")?;
        Some(Self {
            at: humantime::parse_rfc3339(at).ok()?,
            of,
            is_internal: result.starts_with("\"internal\""),
            line,
        })
    }

    /// For how long this host stood still while the probe was under way, and for
    /// how long it was, as the agent says.
    fn standstill(&self) -> Option<[Duration; 2]> {
        let (_, message) = self
            .line
            .split_once("reason=\"this host stood still for ")?;
        let (still, message) = message.split_once(" of the ")?;
        let (all, _) = message.split_once(" that the probe took")?;
        let duration = |text| humantime::parse_duration(text).ok();
        Some([duration(still)?, duration(all)?])
    }
}

/// How many probes could not be made, by service and real server.
fn internal(site: &Site) -> BTreeMap<String, usize> {
    let text = site.get("/metrics").body;
    let series = text.lines().filter_map(|line| {
        let (labels, value) = line.strip_prefix("lvs_probes_total{")?.split_once("} ")?;
        let label = |name: &str| {
            let mut labels = labels.split(',');
            labels.find(|label| label.starts_with(name))
        };
        let is_internal = label("result=")? == "result=\"internal\"";
        let of = format!("{} {}", label("service=")?, label("real_server=")?);
        is_internal.then(|| (of, value.parse().unwrap()))
    });
    series.collect()
}

/// A probe that could not be made is no hostile server's work in two cases only:
///
/// - Until the files of TLS are read for the first time, which may take longer
///   than the first probes of a service have: then no probe of the same real
///   server had another result before.
/// - This host stood still, and the sleeping thread of this test, in a process of
///   its own, was late in the time of that very probe, too.
fn assert_internal_probes_have_known_causes(
    log: &str,
    counted: &BTreeMap<String, usize>,
    lateness: &[Late],
    now: (Instant, SystemTime),
) {
    let mut others = BTreeSet::new();
    let mut explained: BTreeMap<&str, usize> = BTreeMap::new();
    for probe in log.lines().filter_map(Probe::parse) {
        if !probe.is_internal {
            others.insert(probe.of);
            continue;
        }
        let is_first = !others.contains(probe.of);
        let reads_files = probe
            .line
            .contains("reason=\"the files of TLS are not read in time: ");
        let stood_still = probe.standstill().is_some_and(|[still, all]| {
            let ago = now.1.duration_since(probe.at).unwrap();
            let end = now.0.checked_sub(ago).unwrap();
            let late = late(lateness, end.checked_sub(all).unwrap(), end);
            late >= still / 2
        });
        assert!(is_first && reads_files || stood_still, "{}", probe.line);
        *explained.entry(probe.of).or_default() += 1;
    }
    for (of, counted) in counted {
        let explained = explained.get(&**of).copied().unwrap_or_default();
        assert!(
            explained >= *counted,
            "{of}: {counted}, {explained} in the log"
        );
    }
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
    let lateness = Lateness::measure();
    let mut command = site.run();
    command.env("LVS_AGENT_LOG", EACH_PROBE);
    let mut agent = Site::start(command);
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
    let internal = internal(&site);
    let arrivals = healthy.arrivals();
    let signalled = Instant::now();
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(AMPLE).code(), Some(0));
    let took = signalled.elapsed();
    let now = (Instant::now(), SystemTime::now());
    let lateness = lateness.end();

    assert_internal_probes_have_known_causes(&agent.output(), &internal, &lateness, now);
    let (_, gap, late, ip) = longest_gap(&arrivals, begun, &lateness);
    println!(
        "{hostile} hostile servers of {} kinds for {seconds} s: at most {} KiB, {} threads and {} \
         descriptors; a healthy one waited {gap:?} for its probe, {late:?} of it for this machine",
        animals.len(),
        largest[0],
        largest[1],
        largest[2]
    );
    // Whoever waits for a processor is asked later by as much: no bound without
    // this machine's own lateness in this very gap holds on a busy machine.
    let allowed = here(INTERVAL * 2) + late;
    assert!(
        gap <= allowed,
        "{ip} was not asked for {gap:?}; this machine was late by {late:?} of it"
    );
    assert!(took <= here(END), "it ended after {took:?}");
}
