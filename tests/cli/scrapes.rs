//! Scrapes of `/metrics`, with the readers of the formats as witnesses: promtool, the
//! OpenMetrics parser of `prometheus_client`, gzip, and Prometheus itself.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use super::prometheus::Prometheus;
use super::{AMPLE, Behaviour, Process, Server, Site, exchange, until};

const CHECK: &str = "interval: 200ms, timeout: 1s, rise: 1, fall: 1";
const OPENMETRICS: &str = "Accept: application/openmetrics-text; version=1.0.0\r\n";

/// What is printed for each sample: the type of its family, its name and its labels.
const PARSER: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
for family in parse(sys.stdin.read()):
    for sample in family.samples:
        print(family.type, sample.name, sorted(sample.labels.items()))
";

/// A director with a sorry server, one real server that is up and one that is down.
fn director(site: &Site, more: &str) {
    let rest = format!(
        "    sorry_server: {{ address: {} }}\n\
         director: {{ interface: lo }}\nnotify: [{{ exec: [/bin/true] }}]\n{more}",
        site.ip(9)
    );
    site.configure(&(site.service("web", 1, CHECK, &[1, 2]) + &rest));
}

/// The head and the body of an answer to a request with these headers.
pub(crate) fn ask(listen: SocketAddr, path: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect_timeout(&listen, AMPLE).unwrap();
    stream.set_read_timeout(Some(AMPLE)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n{headers}\r\n"
    )
    .unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let mut body = Vec::new();
    stream.read_to_end(&mut body).unwrap();
    (head.to_lowercase(), body)
}

/// Runs a program to its end with this input.
fn run(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output
}

/// The lines that the parser of OpenMetrics prints.
fn parsed(text: &[u8]) -> BTreeSet<String> {
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", PARSER]);
    let output = run(python, text);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(str::to_owned).collect()
}

fn assert_formats_are_right(site: &Site) {
    let (head, text) = ask(site.listen, "/metrics", "");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4\r\n"),
        "{head}"
    );
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]);
    let output = run(promtool, &text);
    let output_text = [output.stdout, output.stderr].concat();
    let output_text = String::from_utf8(output_text).unwrap();
    assert!(
        output.status.success() && output_text.is_empty(),
        "{output_text}"
    );

    let (head, open) = ask(site.listen, "/metrics", OPENMETRICS);
    let media_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(head.contains(media_type), "{head}");
    let found = parsed(&open);
    let samples = |text: &[u8]| {
        let text = String::from_utf8(text.to_vec()).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    assert_eq!(
        found.len(),
        samples(&open),
        "each sample is read, and has a series of its own"
    );
    assert_eq!(
        samples(&text),
        samples(&open),
        "both formats have the same series"
    );
    let types: BTreeSet<_> = found
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(types, ["counter", "gauge", "histogram"].into());
}

fn has_sample(exposition: &str, begins: &str) -> bool {
    exposition.lines().any(|line| line.starts_with(begins))
}

#[test]
fn readers_of_both_formats_find_nothing_wrong() {
    for form in ["full", "compact", "off"] {
        let site = Site::new();
        director(&site, &format!("metrics: {{ per_real_server: {form} }}\n"));
        let _server = Server::start(&[site.server(1)], Behaviour::good());
        let _agent = site.agent();
        site.wait_for(&["up", "down"]);
        // The sorry server is down as well: no result of a probe is new after that.
        until(AMPLE, "the sorry server's verdict", || {
            match site.metric("lvs_sorry_server_up{service=\"web\"}") {
                Some(_) => Ok(()),
                None => Err(()),
            }
        });
        assert_formats_are_right(&site);
        let text = site.get("/metrics").body;
        let of_rs1 = text
            .lines()
            .filter(|line| line.contains("real_server=\"rs1\""));
        let of_rs1: Vec<_> = of_rs1.collect();
        let most = match form {
            "full" => 20,
            "compact" => 7,
            _ => 0,
        };
        assert!(of_rs1.len() <= most, "{form}: {of_rs1:#?}");
        let up = of_rs1
            .iter()
            .filter(|line| line.starts_with("lvs_real_server_up{"));
        assert_eq!(up.count(), usize::from(form != "off"), "{form}");
    }
    let site = Site::new();
    site.configure(&(site.service("web", 1, CHECK, &[1]) + "real_server: { vips: [192.0.2.1] }\n"));
    let command = site.command("run", &["--real-server", "--dry-run"]);
    let _agent = Process::start(command, tempfile::tempdir().unwrap());
    // Neither the first pass nor the first inspection adds a series after that.
    let late = [
        "lvs_reconcile_last_success_timestamp_seconds ",
        "lvs_sysctl_ok{",
        "lvs_vip_configured{",
        "lvs_arp_sysctl{",
        "lvs_real_server_listening{",
        "lvs_real_server_ready{",
    ];
    until(
        AMPLE,
        "the series of the real server's agent",
        || match exchange(site.listen, "GET", "/metrics", AMPLE) {
            Ok(answer) if late.iter().all(|series| has_sample(&answer.body, series)) => Ok(()),
            other => Err(other),
        },
    );
    assert_formats_are_right(&site);
}

#[test]
fn gzip_unpacks_what_is_compressed() {
    let site = Site::new();
    director(&site, "");
    let _agent = site.agent();
    for (path, contains) in [
        ("/metrics", "lvs_agent_info{"),
        ("/metrics?service=web", "lvs_virtual_service_info{"),
        ("/status", "\"mode\":\"director\""),
        ("/", ">web</span>"),
    ] {
        let (head, zipped) = ask(site.listen, path, "Accept-Encoding: gzip\r\n");
        assert!(
            head.contains("content-encoding: gzip\r\n"),
            "{path}: {head}"
        );
        let mut gzip = Command::new("gzip");
        gzip.arg("-dc");
        let output = run(gzip, &zipped);
        assert!(output.status.success(), "{path}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(contains), "{path}: {text}");
        let (head, _) = ask(site.listen, path, "Accept-Encoding: gzip;q=0\r\n");
        assert!(!head.contains("content-encoding"), "{path}: {head}");
    }
}

#[test]
fn scrape_of_one_service_has_only_that_service() {
    let site = Site::new();
    let both = site.service("web", 1, CHECK, &[1]) + &site.service("mail", 2, CHECK, &[2]);
    site.configure(&both);
    let _agent = site.agent();
    let text = site.get("/metrics?service=mail").body;
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples: Vec<_> = samples.collect();
    assert!(samples.len() > 20, "{text}");
    for sample in samples {
        assert!(sample.contains("{service=\"mail\""), "{sample}");
    }
    let answer = site.get("/metrics?service=news");
    let sentence = "There is no virtual service with the name \"news\".\n";
    assert_eq!((answer.status, &*answer.body), (404, sentence));
    assert_eq!(site.get("/metrics?servce=mail").status, 400);
}

/// A relay between Prometheus and an agent.
struct Relay {
    listen: SocketAddr,
    /// What was relayed on each connection: the requests, and the answers.
    seen: Arc<Mutex<Vec<[String; 2]>>>,
}

impl Relay {
    fn start(site: &Site, agent: SocketAddr) -> Self {
        let listener = TcpListener::bind((site.ip(252), 0)).unwrap();
        let listen = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<[String; 2]>>>::default();
        let all = Arc::clone(&seen);
        // Ends with the process.
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(agent).unwrap());
                let connection = {
                    let mut all = all.lock().unwrap();
                    all.push([String::new(), String::new()]);
                    all.len() - 1
                };
                for (way, mut from, mut to) in [
                    (0, client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (1, server, client),
                ] {
                    let all = Arc::clone(&all);
                    thread::spawn(move || -> io::Result<()> {
                        let mut bytes = vec![0; 65536];
                        loop {
                            let read = from.read(&mut bytes)?;
                            if read == 0 {
                                return to.shutdown(std::net::Shutdown::Write);
                            }
                            let text = String::from_utf8_lossy(&bytes[..read]).to_lowercase();
                            all.lock().unwrap()[connection][way].push_str(&text);
                            to.write_all(&bytes[..read])?;
                        }
                    });
                }
            }
        });
        Self { listen, seen }
    }
}

/// An endpoint that serves an agent's text format, whatever is asked for: Prometheus before
/// 2.49 always prefers OpenMetrics.
fn text_only(site: &Site, agent: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((site.ip(251), 0)).unwrap();
    let listen = listener.local_addr().unwrap();
    // Ends with the process.
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = BufReader::new(client.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && client.read_line(&mut head).unwrap() > 0 {}
            let body = exchange(agent, "GET", "/metrics", AMPLE).unwrap().body;
            let length = body.len();
            // Prometheus may have gone.
            let _ = write!(
                client.get_mut(),
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    listen
}

#[test]
fn prometheus_scrapes_both_formats_and_keeps_its_connection() {
    let site = Site::new();
    director(&site, "");
    let _server = Server::start(&[site.server(1)], Behaviour::good());
    let _agent = site.agent();
    site.wait_for(&["up", "down"]);
    let relay = Relay::start(&site, site.listen);
    let text = text_only(&site, site.listen);
    let prometheus = Prometheus::start(site.server(253), &[relay.listen, text], AMPLE);
    let names = |target: SocketAddr| {
        let query =
            format!("count by (__name__) ({{instance=\"{target}\", __name__=~\"lvs_.+\"}})");
        let series = prometheus.query(&query).unwrap_or_default();
        let names = series.into_iter().map(|series| {
            let name = series["metric"]["__name__"].as_str().unwrap().to_owned();
            (name, series["value"][1].as_str().unwrap().to_owned())
        });
        names.collect::<BTreeSet<_>>()
    };
    until(AMPLE, "the same series by both formats", || {
        let (open, text) = (names(relay.listen), names(text));
        let is_alike = open.len() > 40 && open == text;
        is_alike
            .then_some(())
            .ok_or_else(|| (open, text, prometheus.output()))
    });
    until(AMPLE, "five scrapes on one connection", || {
        let seen = relay.seen.lock().unwrap();
        let requests = |[requests, _]: &[String; 2]| requests.matches("get /metrics ").count();
        let most = seen.iter().map(requests).max().unwrap_or(0);
        if most < 5 {
            return Err((seen.len(), most));
        }
        for [_, answers] in &*seen {
            assert!(answers.contains("content-encoding: gzip\r\n"), "{answers}");
            assert!(answers.contains("content-type: application/openmetrics-text; version=1.0.0"));
        }
        assert_eq!(seen.len(), 1, "connections");
        Ok(())
    });
    // What is shown is right in the end, too.
    let up = prometheus.query("sum(lvs_real_server_up)").unwrap();
    assert_eq!(up[0]["value"][1], "2", "rs1 by each of the two formats");
}
