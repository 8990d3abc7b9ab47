//! Events that reach programs and webhooks, as they really run. Nothing here
//! needs root.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends by panicking, and says why on standard error"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use support::{PATIENCE, Process, Site, loopback, until};

#[path = "support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the tests in network namespaces use the rest of it"
)]
mod support;

/// A request as a server saw it: its head in lower case, and its body.
type Request = (String, String);

/// An HTTP server whose every answer is made by `answer`, or none at all; and
/// the requests that it got.
fn server<A>(answer: A) -> (SocketAddr, Arc<Mutex<Vec<Request>>>)
where
    A: Fn(usize) -> Option<u16> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
            thread::spawn(move || serve(&stream.unwrap(), &seen, &*answer));
        }
    });
    (SocketAddr::from(([127, 0, 0, 1], port)), requests)
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<Request>>, answer: &dyn Fn(usize) -> Option<u16>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or_default() == 0 {
            return;
        }
    }
    head.make_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push((head, String::from_utf8(body).unwrap()));
        seen.len()
    };
    if let Some(status) = answer(number) {
        let response =
            format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let _ = (&*stream).write_all(response.as_bytes());
    } else {
        // Until the other side gives up.
        let _ = reader.read(&mut [0]);
    }
}

/// `lvs-agent run` with one real server for each of `addresses`, all of them
/// checked at `port`.
fn agent(
    site: &Site,
    listen: SocketAddr,
    port: u16,
    addresses: impl Iterator<Item = String>,
    notify: &str,
) -> Process {
    let real_servers: Vec<_> = (1..)
        .zip(addresses)
        .map(|(n, address)| format!("  - {{ name: rs{n}, address: {address} }}\n"))
        .collect();
    let real_servers = real_servers.concat();
    site.write_configuration(&format!(
        "http: {{ listen: '{listen}' }}\n\
         notify:\n{notify}\n\
         virtual_services:\n\
         - name: web\n  \
           address: 192.168.11.200:80\n  \
           flap_damping: false\n  \
           check: {{ http: {{ port: {port} }}, interval: 100ms, timeout: 1s, rise: 1, fall: 1 }}\n  \
           real_servers:\n{real_servers}"
    ));
    let mut command = site.command("run");
    command.args(["--table", "memory"]);
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    Process::start(command, tempfile::tempdir().unwrap())
}

fn one() -> impl Iterator<Item = String> {
    std::iter::once("127.0.0.1".to_owned())
}

fn nothing() -> Site {
    Site::new("")
}

/// The value of one series.
fn metric(listen: SocketAddr, series: &str) -> u64 {
    until(PATIENCE, "metrics", || {
        let mut stream = TcpStream::connect(listen).map_err(|error| error.to_string())?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            .map_err(|error| error.to_string())?;
        let mut text = String::new();
        stream
            .read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
        let value = text.lines().find_map(|line| line.strip_prefix(series));
        value
            .and_then(|value| value.trim().parse().ok())
            .ok_or(text)
    })
}

fn notifications(listen: SocketAddr, target: usize, result: &str) -> u64 {
    let series = format!("lvs_notifications_total{{result=\"{result}\",target=\"{target}\"}}");
    metric(listen, &series)
}

fn script(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("tell");
    fs::write(
        &path,
        format!("#!/bin/sh\ncd {}\n{text}\n", directory.display()),
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_program_gets_the_event_on_its_input_and_in_its_environment() {
    let (web, _) = server(|_| Some(200));
    let directory = tempfile::tempdir().unwrap();
    let program = script(
        directory.path(),
        "{ cat; echo \"$# $1\"; env | grep ^LVS_ | sort; } >told.new\n\
         mv told.new told",
    );
    let notify = format!("- exec: [{}, 'two words; $HOME']", program.display());
    let site = nothing();
    let listen = loopback();
    let _agent = agent(&site, listen, web.port(), one(), &notify);
    let told = until(PATIENCE, "event", || {
        fs::read_to_string(directory.path().join("told"))
    });
    let mut lines = told.lines();

    let json: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(json["event"], "real_server_up");
    assert_eq!(json["mode"], "director");
    assert_eq!(json["service"], "web");
    assert_eq!(json["service_address"], "tcp 192.168.11.200:80");
    assert_eq!(json["real_server"], "rs1");
    assert_eq!(json["real_server_address"], "127.0.0.1:80");
    assert_eq!(json["detail"], "1 probe passed");

    assert_eq!(lines.next().unwrap(), "1 two words; $HOME");
    let environment: Vec<_> = lines.collect();
    let mut expected: Vec<_> = json
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| format!("LVS_{}={}", key.to_uppercase(), value.as_str().unwrap()))
        .collect();
    expected.sort();
    assert_eq!(environment, expected);
    until(PATIENCE, "count of it", || {
        match notifications(listen, 0, "delivered") {
            1 => Ok(()),
            other => Err(other),
        }
    });
}

#[test]
fn a_program_that_hangs_is_killed_with_all_that_it_started() {
    let (web, _) = server(|_| Some(200));
    let directory = tempfile::tempdir().unwrap();
    let program = script(
        directory.path(),
        "sleep 1000 &\necho $$ $! >pids.new\nmv pids.new pids\nwait",
    );
    let notify = format!("- {{ exec: [{}], timeout: 500ms }}", program.display());
    let site = nothing();
    let listen = loopback();
    let _agent = agent(&site, listen, web.port(), one(), &notify);
    let pids = until(PATIENCE, "process ids", || {
        fs::read_to_string(directory.path().join("pids"))
    });
    for pid in pids.split_whitespace() {
        until(PATIENCE, "end of the program", || {
            match fs::read_to_string(format!("/proc/{pid}/stat")) {
                // A zombie waits for whoever adopted it.
                Ok(state) if !state.contains(") Z ") => Err(state),
                _ => Ok(()),
            }
        });
    }
    until(PATIENCE, "end of the attempts", || {
        match notifications(listen, 0, "failed") {
            1 => Ok(()),
            other => Err(other),
        }
    });
}

#[test]
fn a_webhook_gets_every_event_in_order_and_again_after_a_failure() {
    // Up for three probes, down for three, and so on.
    let (web, _) = server(|request| {
        let passes = (request - 1) / 3 % 2 == 0;
        Some(if passes { 200 } else { 503 })
    });
    let (hook, requests) = server(|request| Some(if request == 2 { 500 } else { 204 }));
    let notify = format!(
        "- webhook: {{ url: 'http://{hook}/lvs?key=1', headers: {{ Authorization: Bearer 12345 }} }}"
    );
    let site = nothing();
    let listen = loopback();
    let _agent = agent(&site, listen, web.port(), one(), &notify);
    let requests = until(PATIENCE, "six requests", || {
        let requests = requests.lock().unwrap().clone();
        if requests.len() < 6 {
            return Err(requests);
        }
        Ok(requests)
    });
    let (head, _) = &requests[0];
    assert!(head.starts_with("post /lvs?key=1 http/1.1\r\n"), "{head}");
    assert!(
        head.contains("\r\nauthorization: bearer 12345\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\ncontent-type: application/json\r\n"),
        "{head}"
    );
    let events: Vec<_> = requests
        .iter()
        .take(6)
        .map(|(_, body)| {
            let json: Value = serde_json::from_str(body).unwrap();
            json["event"].as_str().unwrap().to_owned()
        })
        .collect();
    let (up, down) = ("real_server_up", "real_server_down");
    let (lost, gained) = ("quorum_lost", "quorum_gained");
    assert_eq!(events, [up, lost, lost, down, gained, up]);
    assert_eq!(
        requests[1].1, requests[2].1,
        "the same event, not the next one"
    );
    assert!(notifications(listen, 0, "delivered") >= 4);
    assert_eq!(notifications(listen, 0, "failed"), 0);
}

#[test]
fn a_target_that_hangs_holds_up_nobody_and_what_it_misses_is_counted() {
    const REAL_SERVERS: usize = 100;
    let passes = AtomicUsize::new(0);
    let (web, _) = server(move |_| {
        let round = passes.fetch_add(1, Ordering::SeqCst) / REAL_SERVERS;
        Some(if round.is_multiple_of(2) { 200 } else { 503 })
    });
    let (hanging, _) = server(|_| None);
    let (hook, told) = server(|_| Some(200));
    let notify = format!(
        "- {{ webhook: {{ url: 'http://{hanging}/' }}, timeout: 1m }}\n\
         - {{ webhook: {{ url: 'http://{hook}/' }} }}"
    );
    let site = nothing();
    let listen = loopback();
    let addresses = (1..=REAL_SERVERS).map(|n| format!("127.0.0.{n}"));
    let mut agent = agent(&site, listen, web.port(), addresses, &notify);
    until(PATIENCE, "events that had to go", || {
        match notifications(listen, 0, "dropped") {
            0 => Err(()),
            _ => Ok(()),
        }
    });
    assert_eq!(notifications(listen, 0, "delivered"), 0);
    assert!(!told.lock().unwrap().is_empty(), "the other target is told");

    let series = "lvs_probes_total{service=\"web\",real_server=\"rs1\",result=\"ok\"}";
    let before = metric(listen, series);
    until(PATIENCE, "further probes", || {
        let now = metric(listen, series);
        if now >= before + 3 { Ok(()) } else { Err(now) }
    });
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(agent.wait(PATIENCE).success(), "and the end is not held up");
}
