//! A wrong clock of the agent's own host, by libfaketime: what certificates
//! are then is no fault of theirs.

use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use super::{AMPLE, Behaviour, Process, Server, Site, until};

/// Debian's package `libfaketime`.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Two servers with a certificate each, and one without.
struct Servers {
    _tls: Vec<Process>,
    plain: Option<Server>,
}

fn start(site: &Site, check: &str) -> Servers {
    let mut services = String::new();
    let mut tls = Vec::new();
    for host in [1, 2] {
        let directory = site.path("");
        let mut command = Command::new("openssl");
        command.current_dir(&directory).args(
            format!(
                "req -x509 -nodes -newkey rsa:2048 -days 30 -subj /CN=www.example.com \
                 -keyout {host}.key -out {host}.crt"
            )
            .split_whitespace(),
        );
        assert!(command.output().unwrap().status.success());
        let listener = TcpListener::bind((site.ip(host), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut command = Command::new("openssl");
        command.current_dir(&directory).args(
            format!("s_server -www -accept {address} -cert {host}.crt -key {host}.key")
                .split_whitespace(),
        );
        tls.push(Process::start(command, tempfile::tempdir().unwrap()));
        until(AMPLE, "a server that listens", || {
            TcpStream::connect(address)
        });
        let (ip, port) = (address.ip(), address.port());
        let ca = site.path(&format!("{host}.crt"));
        let ca = ca.display();
        write!(
            services,
            "  - name: tls{host}\n    address: 192.0.2.{host}:443\n    check: {{ \
             https: {{ port: {port}, host: www.example.com, ca: {ca} }}, {check} }}\n    \
             real_servers: [{{ name: rs, address: {ip} }}]\n"
        )
        .unwrap();
    }
    services.push_str(&site.service("plain", 3, check, &[3]));
    site.configure(&services);
    Servers {
        _tls: tls,
        plain: Some(Server::start(&[site.server(3)], Behaviour::good())),
    }
}

/// `run` with a clock that the file `clock` sets.
fn run(site: &Site) -> Command {
    let mut command = site.run();
    command
        .env("LD_PRELOAD", LIBRARY)
        .env("FAKETIME_TIMESTAMP_FILE", site.path("clock"))
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command
}

fn set(site: &Site, offset: &str) {
    // In one step: the file is read at any time.
    fs::write(site.path("new-clock"), offset).unwrap();
    fs::rename(site.path("new-clock"), site.path("clock")).unwrap();
}

fn wait_for(site: &Site, what: &str, wanted: [(&str, &str); 3]) {
    until(AMPLE * 2, what, || {
        let found = [0, 1, 2].map(|service| {
            let real_server = site.real_server(service, 0);
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            (
                text(&real_server["health"]),
                text(&real_server["last_probe"]["result"]),
            )
        });
        let wanted = wanted.map(|(health, result)| (health.to_owned(), result.to_owned()));
        if found == wanted {
            Ok(())
        } else {
            Err(site.status().to_string())
        }
    });
}

fn internal(site: &Site, service: &str) -> f64 {
    let labels = format!("service=\"{service}\",real_server=\"rs\",result=\"internal\"");
    site.metric(&format!("lvs_probes_total{{{labels}}}"))
        .unwrap_or_default()
}

#[test]
fn a_clock_that_is_set_wrong_takes_no_real_server_down() {
    let site = Site::new();
    let check = "interval: 200ms, timeout: 20s, rise: 1, fall: 3";
    let mut servers = start(&site, check);
    set(&site, "+0");
    let mut agent = Site::start(run(&site));
    wait_for(&site, "three that are up", [("up", "ok"); 3]);

    for (offset, side) in [("+20y", "after"), ("-20y", "before")] {
        set(&site, offset);
        agent.wait_for_line(AMPLE, |line| {
            line.contains(&format!(
                "own clock is {side} the validity of every certificate"
            ))
        });
        let before = internal(&site, "tls1") + internal(&site, "tls2");
        until(AMPLE, "more probes than take a server down", || {
            match internal(&site, "tls1") + internal(&site, "tls2") {
                now if now >= before + 12.0 => Ok(()),
                now => Err(now),
            }
        });
        let states = [("up", "internal"), ("up", "internal"), ("up", "ok")];
        wait_for(&site, "no change", states);
        // What has nothing to do with certificates is judged as ever.
        servers.plain = None;
        let states = [("up", "internal"), ("up", "internal"), ("down", "refused")];
        wait_for(&site, "one that is down", states);
        servers.plain = Some(Server::start(&[site.server(3)], Behaviour::good()));
        set(&site, "+0");
        wait_for(&site, "three that are up again", [("up", "ok"); 3]);
    }
    let output = agent.output();
    let mut downs = output
        .lines()
        .filter(|line| line.contains("real server down"));
    assert!(
        downs.all(|line| line.contains("service=\"plain\"")),
        "{output}"
    );
}

#[test]
fn a_clock_that_is_wrong_at_the_start_leaves_the_verdict_open() {
    let site = Site::new();
    let check = "interval: 200ms, timeout: 20s, rise: 1, fall: 1";
    let _servers = start(&site, check);
    set(&site, "-40y");
    let _agent = Site::start(run(&site));
    let states = [
        ("unknown", "internal"),
        ("unknown", "internal"),
        ("up", "ok"),
    ];
    wait_for(&site, "no verdict by certificates", states);
    set(&site, "+0");
    wait_for(&site, "three that are up", [("up", "ok"); 3]);
}
