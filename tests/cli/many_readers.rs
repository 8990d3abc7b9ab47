//! 20,000 real servers, each probed every second, and 20 readers of `/metrics` at the
//! same time. Prints figures, and holds only that no real server goes down:
//!
//! ```text
//! cargo test --release --test cli many_readers -- --ignored --nocapture
//! ```
//!
//! `READERS_SERVERS`, `READERS_SECONDS` and `READERS` make the measurement shorter;
//! `READERS_FORM` is `metrics.per_real_server`. The
//! servers run in this process, beside the agent: an idle machine is needed, and more
//! than two processors for figures of the agent alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, recv};
use rustix::process::setpriority_process;
use rustix::thread::gettid;

use super::hostile::processor_time;
use super::many::raise_file_limit;
use super::readers::most_memory;
use super::scrapes::ask;
use super::zoo::number;
use super::{AMPLE, Agent, Behaviour, Server, Site, until};

/// Real servers of one virtual service.
const EACH: usize = 20;
const INTERVAL: Duration = Duration::from_secs(1);
/// How long the agent may take until all real servers have a verdict.
const START: Duration = Duration::from_mins(5);

/// The address of a real server: all are of 127.0.0.0/8, and of one port.
fn address(network: u8, place: usize) -> IpAddr {
    let octets = [place / 250, 1 + place % 250].map(|octet| u8::try_from(octet).unwrap());
    Ipv4Addr::new(127, network, octets[0], octets[1]).into()
}

fn configuration(servers: &[SocketAddr]) -> String {
    let mut text = String::new();
    for (service, real_servers) in servers.chunks(EACH).enumerate() {
        let port = real_servers[0].port();
        writeln!(
            text,
            "  - name: s{service}\n    address: 192.0.{}.{}:80\n    \
             check: {{ http: {{ path: /, port: {port} }}, interval: 1s, timeout: 1s, rise: 1, fall: 3 }}\n    \
             real_servers:",
            2 + service / 200,
            1 + service % 200
        )
        .unwrap();
        for (place, server) in real_servers.iter().enumerate() {
            writeln!(
                text,
                "      - {{ name: rs{place}, address: {} }}",
                server.ip()
            )
            .unwrap();
        }
    }
    text
}

/// The number of probes in a window of time, and of those that came more than 10 % of
/// the interval late after the one before, as the servers see them.
fn late(arrivals: &[(IpAddr, Instant)], window: (Instant, Instant)) -> (usize, usize) {
    let mut before = BTreeMap::new();
    let (mut all, mut late) = (0, 0);
    for (ip, at) in arrivals {
        let last = before.insert(*ip, *at);
        if let Some(last) = last
            && (window.0..window.1).contains(at)
        {
            all += 1;
            late += usize::from(*at - last > INTERVAL + INTERVAL / 10);
        }
    }
    (all, late)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the agent's clock is not for tests"
)]
fn now() -> Instant {
    Instant::now()
}

/// Waits, as a window of the measurement.
fn window(long: Duration) -> (Instant, Instant) {
    let begun = now();
    thread::park_timeout(long);
    until(AMPLE, "the end of the window", || {
        if now() - begun >= long {
            Ok(())
        } else {
            Err(())
        }
    });
    (begun, now())
}

/// The size of a scrape, and the processor time that it takes beside all other work of the
/// agent, which took `other` seconds in each second.
fn measured(site: &Site, agent: &Agent, other: f64, accept: &str) -> String {
    const SCRAPES: u32 = 20;
    let (begun, before) = (now(), processor_time(agent));
    let mut length = 0;
    for _ in 0..SCRAPES {
        let (status, body) = ask(site.listen, "/metrics", accept);
        assert!(status.starts_with("http/1.1 200"), "{status}");
        length = body.len();
    }
    let took = (now() - begun).as_secs_f64();
    let spent = processor_time(agent) - before - other * took;
    format!(
        "{length} bytes, {:.0} ms of one core, {:.0} ms in all",
        1000.0 * spent / f64::from(SCRAPES),
        1000.0 * took / f64::from(SCRAPES)
    )
}

/// Reads `/metrics` again and again. Returns how long each scrape took.
///
/// A reader stands for another host, whose work takes no time of the processors here: its thread
/// has the lowest priority, and the kernel discards what it receives.
fn read(listen: SocketAddr, ended: &AtomicBool) -> Vec<Duration> {
    setpriority_process(Some(gettid()), 19).unwrap();
    let mut took = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        let begun = now();
        discard(listen);
        took.push(now() - begun);
    }
    took
}

/// Receives an answer, whole, and keeps its head alone.
fn discard(listen: SocketAddr) {
    let stream = TcpStream::connect(listen).unwrap();
    stream.set_read_timeout(Some(AMPLE)).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    (&stream).write_all(request.as_bytes()).unwrap();
    let mut buffer = vec![0; 1024 * 1024];
    let (mut head, mut body) = (Vec::new(), 0);
    let end = loop {
        let received = (&stream).read(&mut buffer[..1024]).unwrap();
        head.extend_from_slice(&buffer[..received]);
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        assert!(received > 0, "the connection ended within the head");
    };
    body += head.len() - (end + 4);
    let head = String::from_utf8_lossy(&head[..end]).to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    // With MSG_TRUNC, tcp(7) discards instead of copying.
    loop {
        match recv(stream.as_raw_fd(), &mut buffer, MsgFlags::MSG_TRUNC).unwrap() {
            0 => break,
            received => body += received,
        }
    }
    assert!(head.contains(&format!("content-length: {body}")), "{head}");
}

#[test]
#[ignore = "it measures, for minutes, on an idle machine"]
fn many_readers_of_many_real_servers_are_measured() {
    raise_file_limit();
    let count = usize::try_from(number("READERS_SERVERS", 20_000)).unwrap();
    let long = Duration::from_secs(number("READERS_SECONDS", 60));
    let readers = number("READERS", 20);
    let site = Site::new();
    let network = u8::try_from(1 + (std::process::id() + 100) % 250).unwrap();
    let servers: Vec<SocketAddr> = (0..count)
        .map(|place| (address(network, place), site.port).into())
        .collect();
    // One socket, since a process may have fewer descriptors than there are servers.
    let all = (Ipv4Addr::UNSPECIFIED, site.port).into();
    let listener = Server::start(&[all], Behaviour::good());
    let form = std::env::var("READERS_FORM").unwrap_or_else(|_| "full".to_owned());
    let form = format!("metrics: {{ per_real_server: {form} }}\n");
    site.configure(&(configuration(&servers) + &form));
    let agent = site.agent();
    until(START, "a verdict of each", || {
        let up = site.sum("lvs_virtual_service_real_servers", "health=\"up\"");
        if up < f64::from(u32::try_from(count).unwrap()) {
            Err(up)
        } else {
            Ok(())
        }
    });

    let spent = processor_time(&agent);
    let quiet = window(long);
    let spent = processor_time(&agent) - spent;
    let memory_before = most_memory(&agent);
    let seconds = (quiet.1 - quiet.0).as_secs_f64();
    for (name, accept) in [("plain", ""), ("gzip", "Accept-Encoding: gzip\r\n")] {
        let scrape = measured(&site, &agent, spent / seconds, accept);
        println!("a scrape, {name}: {scrape}");
    }
    let ended = Arc::new(AtomicBool::new(false));
    let reading: Vec<_> = (0..readers)
        .map(|_| {
            let (listen, ended) = (site.listen, Arc::clone(&ended));
            thread::spawn(move || read(listen, &ended))
        })
        .collect();
    let busy = window(long);
    ended.store(true, Ordering::Relaxed);
    let took = reading.into_iter().map(|reader| reader.join().unwrap());
    let mut took: Vec<_> = took.flatten().collect();
    took.sort();
    let memory = most_memory(&agent);
    let arrivals = listener.arrivals();
    for (name, window) in [("without readers", quiet), ("with readers", busy)] {
        let (all, late) = late(&arrivals, window);
        println!(
            "{name}: {late} of {all} probes late by more than 10 % of the interval ({:.2} %)",
            share(late, all)
        );
    }
    let down = site.sum("lvs_transitions_total", "to=\"down\"");
    println!(
        "{count} real servers, {readers} readers, {long:?} each: {down} went down; peak memory \
         {memory_before} KiB without readers, {memory} KiB with readers; {} scrapes, median \
         {:?}, slowest {:?}",
        took.len(),
        took.get(took.len() / 2).copied().unwrap_or_default(),
        took.last().copied().unwrap_or_default()
    );
    assert_eq!(down.to_bits(), 0, "{down} real servers went down");
}

fn share(part: usize, all: usize) -> f64 {
    let [part, all] = [part, all].map(|number| f64::from(u32::try_from(number).unwrap()));
    100.0 * part / all.max(1.0)
}
