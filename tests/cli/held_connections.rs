//! `watch: true`: the idle connection that the agent holds to each real server.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{AMPLE, Agent, Behaviour, Server, Site, end, until};

/// Once there is a verdict, no probe is due for an hour; nor are two, while there is doubt.
const SELDOM: &str = "interval: 1h, down_interval: 200ms, timeout: 10s, rise: 1, watch: true";

fn wait_for_watch(site: &Site, real_server: usize, wanted: &str) {
    until(AMPLE, wanted, || {
        let shown = site.real_server(0, real_server);
        if shown["watch"] == wanted {
            Ok(())
        } else {
            Err(shown)
        }
    });
}

fn descriptors(agent: &Agent) -> usize {
    let directory = format!("/proc/{}/fd", agent.pid());
    fs::read_dir(directory).unwrap().count()
}

fn transitions_down(site: &Site) -> f64 {
    site.sum("lvs_transitions_total", "to=\"down\"")
}

#[test]
fn a_server_that_dies_is_down_long_before_its_interval_and_is_watched_again() {
    let site = Site::new();
    let addresses = [site.server(1)];
    let server = Server::start(&addresses, Behaviour::good());
    let steady = Server::start(&[site.server(2)], Behaviour::good());
    let check = format!("{SELDOM}, fast_interval: 1h, fall: 3");
    site.configure(&site.service("web", 1, &check, &[1, 2]));
    let _agent = site.agent();
    // The first probes of two are half an hour apart; the end of a connection is not.
    wait_for_watch(&site, 0, "connected");

    drop(server);
    until(AMPLE, "the verdict", || {
        let shown = site.real_server(0, 0);
        let found = (
            &shown["health"],
            &shown["weight"]["kernel"],
            &shown["watch"],
        );
        if found == (&"down".into(), &0.into(), &"not_connected".into()) {
            Ok(())
        } else {
            Err(shown)
        }
    });
    // The first of them may still reach the server as it dies, and is refused by nobody.
    let failures = site.sum("lvs_probe_failures_total{", "real_server=\"rs1\"");
    assert!(failures >= 3.0, "fall is 3, and {failures} failed");

    let server = Server::start(&addresses, Behaviour::good());
    wait_for_watch(&site, 0, "connected");
    assert_eq!(site.real_server(0, 0)["health"], "up");
    drop((server, steady));
}

/// Its probe fails by the same death, often before the agent sees that the connection has ended.
#[test]
fn a_server_that_dies_while_it_is_asked_is_down_long_before_its_interval() {
    let site = Site::new();
    let hosts: Vec<u8> = (1..=5).collect();
    let addresses: Vec<_> = hosts.iter().map(|host| site.server(*host)).collect();
    let server = Server::start(&addresses, Behaviour::good());
    let check = "interval: 20s, timeout: 1m, rise: 1, fall: 3, watch: true";
    site.configure(&site.service("web", 1, check, &hosts));
    let _agent = site.agent();
    for real_server in 0..hosts.len() {
        wait_for_watch(&site, real_server, "connected");
    }
    server.set(Behaviour::Hang);
    let asked = || addresses.iter().map(|to| server.connections(to.ip()));
    let before: Vec<_> = asked().collect();
    until(AMPLE, "a probe of each that waits for its answer", || {
        let now: Vec<_> = asked().collect();
        if now.iter().zip(&before).all(|(now, before)| now > before) {
            Ok(())
        } else {
            Err(now)
        }
    });
    drop(server);
    // Two further probes of the schedule would take longer.
    site.wait_for(&vec!["down"; hosts.len()]);
}

/// Closes a connection over which nothing came for 100 ms, as with its own time-out, and else
/// answers. Returns the number of those that it closed.
fn impatient(address: SocketAddr) -> Arc<AtomicUsize> {
    let closed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&closed);
    let listener = TcpListener::bind(address).unwrap();
    let serve = move |mut stream: TcpStream, count: &AtomicUsize| {
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let mut request = [0; 1024];
        match stream.read(&mut request) {
            Ok(0) => {}
            Ok(_) => {
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                // The agent may have ended, which is its good right.
                let _ = stream.write_all(answer.as_bytes());
            }
            Err(_) => {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let count = Arc::clone(&count);
            thread::spawn(move || serve(stream, &count));
        }
    });
    closed
}

#[test]
fn a_server_that_closes_idle_connections_stays_up_and_is_asked_a_bounded_number_of_times() {
    let site = Site::new();
    let closed = impatient(site.server(1));
    let check = "interval: 200ms, timeout: 10s, rise: 1, fall: 1, watch: true";
    site.configure(&site.service("web", 1, check, &[1]));
    let mut agent = site.agent();
    wait_for_watch(&site, 0, "ended_by_server");
    let shown = end(site.command("status", &[]));
    assert!(
        shown.stdout.contains("`watch` is of no use for rs1"),
        "{}",
        shown.stdout
    );

    // Each further connection waits twice as long as the one before: a second, two, four.
    let begin = closed.load(Ordering::Relaxed);
    let passed = |site: &Site| site.sum("lvs_probes_total", "result=\"ok\"");
    let first = passed(&site);
    until(AMPLE, "25 further probes, which take 5 s", || {
        let more = passed(&site) - first;
        if more >= 25.0 { Ok(()) } else { Err(more) }
    });
    let more = closed.load(Ordering::Relaxed) - begin;
    assert!(more <= 3, "{more} connections");
    assert_eq!(transitions_down(&site).to_bits(), 0);
    agent.wait_for_line(AMPLE, |line| line.contains("director: "));
}

#[test]
fn an_end_of_the_connection_alone_changes_no_verdict() {
    let site = Site::new();
    let closed = impatient(site.server(1));
    let check = format!("{SELDOM}, fall: 1");
    site.configure(&site.service("web", 1, &check, &[1]));
    let _agent = site.agent();
    // Two connections and two ends, with a passed probe after each; the next connection has to
    // wait for a probe that comes in an hour.
    until(AMPLE, "two ends", || match closed.load(Ordering::Relaxed) {
        0 | 1 => Err("fewer"),
        _ => Ok(()),
    });
    until(AMPLE, "the probe after each", || {
        let probes = site.sum("lvs_probes_total", "result=\"ok\"");
        if probes >= 3.0 { Ok(()) } else { Err(probes) }
    });
    assert_eq!(closed.load(Ordering::Relaxed), 2);
    let probes = site.sum("lvs_probes_total", "result=\"ok\"");
    assert!(probes < 3.5, "{probes} probes");
    assert_eq!(site.real_server(0, 0)["health"], "up");
    assert_eq!(transitions_down(&site).to_bits(), 0);
}

#[test]
fn a_reload_without_watch_closes_the_connections() {
    let site = Site::new();
    let hosts: Vec<u8> = (1..=20).collect();
    let addresses: Vec<_> = hosts.iter().map(|host| site.server(*host)).collect();
    let _servers = Server::start(&addresses, Behaviour::good());
    let with = |watch: bool| {
        let check = format!("interval: 200ms, timeout: 10s, rise: 1, fall: 1, watch: {watch}");
        // Services that check the same share the connection.
        site.configure(
            &(site.service("web", 1, &check, &hosts) + &site.service("shop", 2, &check, &hosts)),
        );
    };
    with(false);
    let agent = site.agent();
    site.wait_for(&vec!["up"; hosts.len()]);
    assert_eq!(site.real_server(0, 0)["watch"], serde_json::Value::Null);
    // Beside the probes that are in flight and the request for the status.
    let settled = |what: &str, wanted: &dyn Fn(usize) -> bool| {
        until(AMPLE, what, || {
            let found = descriptors(&agent);
            if wanted(found) { Ok(found) } else { Err(found) }
        })
    };
    let before = descriptors(&agent);
    for _ in 0..2 {
        with(true);
        let reloaded = end(site.command("reload", &[]));
        assert_eq!(reloaded.code, 0, "{}", reloaded.stderr);
        for real_server in 0..hosts.len() {
            wait_for_watch(&site, real_server, "connected");
        }
        settled("a connection each", &|found| found >= before + 10);
        assert!(
            descriptors(&agent) <= before + 40,
            "one connection for both services"
        );
        with(false);
        let reloaded = end(site.command("reload", &[]));
        assert_eq!(reloaded.code, 0, "{}", reloaded.stderr);
        settled("none", &|found| found <= before + 5);
    }
}
