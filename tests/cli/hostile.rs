//! Servers whose answers never end and never pause: their own probes fail in
//! time, and nobody else's probes are late or put down to this host.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use super::{AMPLE, Agent, Behaviour, Server, Site, until};

/// How many hostile servers there are of each kind.
const EACH: u8 = 10;
/// How many datagrams follow one.
const DATAGRAMS: usize = 2_000;

/// Answers whatever comes with `first`, and then with `piece` without end.
fn flood(address: SocketAddr, first: &'static [u8], piece: &'static [u8]) {
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || pour(stream, first, piece));
        }
    });
}

/// Ends when the client does.
fn pour(mut stream: TcpStream, first: &[u8], piece: &[u8]) {
    let bytes = piece.repeat(64 * 1024 / piece.len());
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let _ = stream.read(&mut [0; 4096]);
    if stream.write_all(first).is_ok() {
        while stream.write_all(&bytes).is_ok() {}
    }
}

/// Answers each datagram with many.
fn spray(address: SocketAddr, datagram: &'static [u8]) {
    let socket = UdpSocket::bind(address).unwrap();
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((_, peer)) = socket.recv_from(&mut question) {
            for _ in 0..DATAGRAMS {
                if socket.send_to(datagram, peer).is_err() {
                    break;
                }
            }
        }
    });
}

/// A check, by `PORT`, and what the servers of that kind do.
struct Kind {
    check: &'static str,
    hostile: Hostile,
}

enum Hostile {
    Flood(&'static [u8], &'static [u8]),
    Spray(&'static [u8]),
    /// It is on this host.
    Local,
}

const HTTP: &str = "http: { port: PORT }";
const BODY: &str = "http: { port: PORT, expect: { body: never } }";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
/// The head of an HTTP/2 connection: an empty SETTINGS frame.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

fn kinds() -> Vec<Kind> {
    use Hostile::{Flood, Local, Spray};
    let kind = |check, hostile| Kind { check, hostile };
    vec![
        kind(HTTP, Flood(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n")),
        kind(HTTP, Flood(b"HTTP/1.1 200 ", b"OK")),
        kind(HTTP, Flood(OK, b"a: b\r\n")),
        kind(BODY, Flood(CHUNKED, b"1\r\nx\r\n")),
        kind(BODY, Flood(b"HTTP/1.1 200 OK\r\n\r\n", b"x")),
        kind("https: { port: PORT, verify: false }", Flood(b"", b"x")),
        // Handshake records of TLS with nothing in them, and with a part of a message.
        kind(
            "https: { port: PORT, verify: false }",
            Flood(b"", b"\x16\x03\x03\0\0"),
        ),
        kind(
            "tls: { port: PORT, verify: false }",
            Flood(b"", b"\x16\x03\x03\0\x05\x02\0\xff\xff\0"),
        ),
        kind(
            "tcp: { port: PORT, steps: [{ expect: never }] }",
            Flood(b"", b"x"),
        ),
        kind(
            "tcp: { port: PORT, steps: [{ expect: { regex: '(a|x)+never' } }] }",
            Flood(b"", b"x"),
        ),
        kind("haproxy_agent: { port: PORT }", Flood(b"", b"x")),
        kind("haproxy_agent: { port: PORT }", Flood(b"", b" ")),
        // A frame of WINDOW_UPDATE, of a kind that nobody knows, and a PING.
        kind(
            "grpc: { port: PORT }",
            Flood(SETTINGS, b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01"),
        ),
        kind(
            "grpc: { port: PORT }",
            Flood(SETTINGS, b"\0\0\x01\xee\0\0\0\0\0x"),
        ),
        kind(
            "grpc: { port: PORT }",
            Flood(SETTINGS, b"\0\0\x08\x06\0\0\0\0\x0012345678"),
        ),
        kind(
            "agent: { port: PORT }",
            Flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ),
        kind(
            "agent: { port: PORT }",
            Flood(b"HTTP/1.1 200 OK\r\n\r\n", b"["),
        ),
        kind("udp: { port: PORT, send: x, expect: never }", Spray(b"x")),
        kind(
            "dns: { port: PORT, name: example.com, type: A }",
            Spray(b"xxxxxxxxxxxxxxxx"),
        ),
        kind("exec: { command: [/usr/bin/yes], advice: true }", Local),
    ]
}

fn service(
    site: &Site,
    place: usize,
    check: &str,
    timing: &str,
    hosts: impl Iterator<Item = u8>,
) -> String {
    let check = check.replace("PORT", &site.port.to_string());
    let mut text = format!(
        "  - name: s{place}\n    address: 192.0.2.{}:80\n    check: {{ {check}, {timing} }}\n    real_servers:\n",
        place + 1
    );
    for host in hosts {
        let ip = site.ip(host);
        let _ = writeln!(text, "      - {{ name: rs{host}, address: {ip} }}");
    }
    text
}

#[test]
fn answers_that_never_pause_fail_in_time_and_make_no_other_probe_late() {
    let site = Site::new();
    let healthy = Server::start(
        &(1..=9).map(|host| site.server(host)).collect::<Vec<_>>(),
        Behaviour::good(),
    );
    let kinds = kinds();
    let mut text = service(
        &site,
        0,
        HTTP,
        "interval: 500ms, timeout: 10s, rise: 1, fall: 2",
        1..=9,
    );
    for (place, kind) in (1..).zip(&kinds) {
        let first = u8::try_from(place).unwrap() * EACH;
        let hosts = first..first + EACH;
        for host in hosts.clone() {
            match kind.hostile {
                Hostile::Flood(first, piece) => flood(site.server(host), first, piece),
                Hostile::Spray(datagram) => spray(site.server(host), datagram),
                Hostile::Local => {}
            }
        }
        // `yes` has the processor to itself for as long as nobody stops it.
        let hosts = hosts.take(if matches!(kind.hostile, Hostile::Local) {
            1
        } else {
            EACH.into()
        });
        let timing = "interval: 2s, timeout: 2s, rise: 1, fall: 2";
        text += &service(&site, place, kind.check, timing, hosts);
    }
    site.configure(&text);
    let agent = site.agent();

    let status = until(AMPLE, "a verdict on every server", || {
        let status = site.status();
        let services = status["virtual_services"].as_array().unwrap();
        let all = |service: usize, health: &str| {
            let real_servers = services[service]["real_servers"].as_array().unwrap();
            real_servers.iter().all(|one| one["health"] == health)
        };
        let decided = all(0, "up") && (1..services.len()).all(|service| all(service, "down"));
        if decided {
            Ok(status)
        } else {
            Err(summary(&status))
        }
    });
    println!("{}", summary(&status));

    // How late others are depends on the machine, what a probe costs does not.
    let of = |result| site.sum("lvs_probes_total", &format!("result=\"{result}\""));
    let spent = || (processor_time(&agent), of("ok") + of("failed"));
    let (time, probes) = spent();
    let (time, probes) = until(AMPLE, "some hundred more probes", || {
        let (now, made) = spent();
        let more = (now - time, made - probes);
        if more.1 >= 400.0 { Ok(more) } else { Err(more) }
    });
    let each = time / probes;
    assert!(each < 0.03, "{each} s of processor time for a probe");
    println!("{each} s of processor time for a probe");
    assert!(healthy.arrivals().len() > 9);
    assert_eq!(
        site.sum("lvs_transitions_total{service=\"s0\"", "to=\"down\"")
            .to_bits(),
        0
    );
    assert_eq!(
        site.sum("lvs_probes_total", "result=\"internal\"")
            .to_bits(),
        0,
        "{}",
        agent.output()
    );
}

/// In seconds, of all the agent's threads (`/proc/PID/stat` of proc(5)).
pub(crate) fn processor_time(agent: &Agent) -> f64 {
    const TICK: f64 = 0.01;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", agent.pid())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let times = fields.split(' ').skip(11).take(2);
    times
        .map(|ticks| ticks.parse::<f64>().unwrap() * TICK)
        .sum()
}

/// The newest probe of the first real server of each service.
fn summary(status: &serde_json::Value) -> String {
    let mut text = String::new();
    for service in status["virtual_services"].as_array().unwrap() {
        for one in service["real_servers"].as_array().unwrap() {
            let probe = &one["last_probe"];
            let _ = writeln!(
                text,
                "{} {} {}: {} in {} ms",
                service["name"],
                one["health"],
                probe["result"],
                probe["detail"],
                probe["duration_ms"]
            );
        }
    }
    text
}
