use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use flate2::read::GzDecoder;

use super::readyz::missing;
use super::*;
use crate::config::PerRealServer;
use crate::metrics::Format;
use crate::model::{Condition, ConditionType, Diagnosis, Health, ProbeResult, Severity, Weight};
use crate::runtime::liveness::Loop;
use crate::status::{ProcessRecord, fixture};

const AMPLE: Duration = Duration::from_secs(20);

fn shown(snapshot: Snapshot) -> SharedState {
    SharedState::new(AppState {
        weight_updates: Arc::default(),
        snapshot: Arc::new(snapshot),
        metrics: Arc::new(Metrics::new(["web", "marked"]).unwrap()),
        liveness: Arc::new(Liveness::new(
            clock::monotonic(),
            Duration::from_secs(10),
            [Loop::Reconcile, Loop::Health],
        )),
    })
}

/// A server that ends with the test's runtime.
async fn served(shown: SharedState) -> SocketAddr {
    let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, shown));
    address
}

/// The whole response to a request, as bytes on the wire.
async fn ask(address: SocketAddr, request: &str) -> String {
    send(
        address,
        format!("{request} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    )
    .await
}

/// The same of a request whose whole head is given.
async fn send(address: SocketAddr, request: String) -> String {
    let exchange = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(AMPLE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    });
    exchange.await.unwrap()
}

fn head(response: &str) -> (&str, &str) {
    response.split_once("\r\n\r\n").unwrap()
}

#[tokio::test]
async fn every_endpoint_answers_and_closes() {
    let address = served(shown(fixture::director())).await;
    for (path, media_type, text) in [
        ("/status", "application/json", "\"mode\":\"director\","),
        ("/", "text/html; charset=utf-8", "<tbody data-key=\"web\">"),
        (
            "/page.css",
            "text/css; charset=utf-8",
            "prefers-color-scheme",
        ),
        ("/page.svg", "image/svg+xml", "<svg"),
        ("/page.js", "text/javascript; charset=utf-8", "DOMParser"),
        ("/livez", "text/plain; charset=utf-8", "alive"),
    ] {
        let response = ask(address, &format!("GET {path}")).await;
        let (head, body) = head(&response);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {head}");
        assert!(
            head.contains(&format!("content-type: {media_type}\r\n")),
            "{head}"
        );
        assert!(head.contains("connection: close"), "{head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        assert!(body.contains(text), "{body}");
    }
}

/// The host of the fixture is `lb1`.
#[tokio::test]
async fn foreign_host_names_are_accepted_only_for_machine_endpoints() {
    let snapshot = fixture::director();
    let process = ProcessRecord {
        host: "lb1".to_owned(),
        ..snapshot.process.clone()
    };
    let address = served(shown(snapshot.of_process(process))).await;
    let browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n";
    for (path, host, more, status) in [
        ("/status", "lb1:9477", browser, 200),
        ("/status", "192.0.2.1:9477", browser, 200),
        ("/status", "rebound.example:9477", "", 421),
        ("/", "rebound.example:9477", browser, 421),
        ("/nothing", "rebound.example", "", 421),
        (
            "/metrics",
            "lvs.example.com:9477",
            "User-Agent: Prometheus/3\r\n",
            200,
        ),
        ("/readyz", "lvs.example.com", "", 200),
        ("/metrics", "rebound.example", browser, 421),
        (
            "/metrics",
            "rebound.example",
            "Sec-Fetch-Site: same-origin\r\n",
            421,
        ),
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n");
        let response = send(address, request).await;
        let expected = if path == "/readyz" {
            "HTTP/1.1 503".to_owned()
        } else {
            format!("HTTP/1.1 {status}")
        };
        assert!(response.starts_with(&expected), "{path} {host}: {response}");
        assert!(
            response.contains("x-content-type-options: nosniff"),
            "{response}"
        );
    }
}

#[tokio::test]
async fn a_director_asks_for_one_service() {
    let snapshot = fixture::real_server();
    for readiness in snapshot.readiness.lock().iter_mut() {
        readiness.error = Some("no ".repeat(1_000_000));
    }
    let address = served(shown(snapshot)).await;
    let response = ask(address, "GET /readiness?service=tcp/192.168.11.200:80").await;
    let (head, body) = head(&response);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(body.starts_with("{\"mode\":\"real_server\",\"readiness\":{\"services\":[{"));
    assert!(body.len() < 2000, "{}", body.len());
    let response = ask(address, "GET /readiness?service=udp/192.168.11.200:80").await;
    assert!(response.ends_with("{\"services\":[]}}"), "{response}");
    for query in ["", "?service=tcp", "?service=tcp/nowhere"] {
        let response = ask(address, &format!("GET /readiness{query}")).await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    }
}

#[tokio::test]
async fn anything_else_is_refused_in_a_sentence() {
    let address = served(shown(fixture::director())).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let response = ask(address, &format!("{method} /status")).await;
        assert!(response.starts_with("HTTP/1.1 405 "), "{response}");
        assert!(
            response.to_lowercase().contains("\r\nallow: get,head\r\n"),
            "{response}"
        );
        assert!(response.contains("read-only"), "{response}");
    }
    for path in ["/nothing", "/status/", "/../etc/passwd"] {
        let response = ask(address, &format!("GET {path}")).await;
        assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
        assert!(response.contains("There is no such page"), "{response}");
    }
}

#[tokio::test]
async fn ready_is_a_reconcile_and_a_verdict_on_everyone() {
    let snapshot = Snapshot::director(&fixture::config(), "c".into(), fixture::start());
    snapshot.reconcile.lock().error = Some("this kernel has no IPVS".to_owned());
    let shown = shown(snapshot);
    let snapshot = shown.view().snapshot;
    let address = served(shown).await;

    let response = ask(address, "GET /readyz").await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert_eq!(
        head(&response).1,
        "the first reconcile is not done: this kernel has no IPVS\n\
         no verdict yet on 4 real servers: web/rs1, web/rs2, marked/rs6, \
         marked/sorry_server\n"
    );

    snapshot.reconcile.lock().last_success = Some(fixture::start());
    for service in &snapshot.services {
        for real_server in service.records() {
            let mut live = real_server.live.lock();
            live.health = Health::Down;
            live.kernel = Some(Weight::ZERO);
        }
    }
    let response = ask(address, "GET /readyz").await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert_eq!(
        head(&response).1,
        "the last reconcile failed: this kernel has no IPVS\n"
    );
    snapshot.reconcile.lock().error = None;
    let response = ask(address, "GET /readyz").await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert_eq!(head(&response).1, "ready\n");

    snapshot.conditions.raise(Condition {
        kind: ConditionType::DrainsNotSaved,
        subject: "drains.json".to_owned(),
        severity: Severity::Problem,
        message: "the disk is full".to_owned(),
        fix: "df -h".to_owned(),
        since: fixture::start(),
    });
    let response = ask(address, "GET /readyz").await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert_eq!(
        head(&response).1,
        "ready\nproblem drains_not_saved drains.json: the disk is full\n"
    );
}

#[tokio::test]
async fn dry_run_is_ready_only_while_no_step_is_pending() {
    let snapshot = settled();
    let process = ProcessRecord {
        dry_run: true,
        ..snapshot.process.clone()
    };
    let shown = shown(snapshot.of_process(process));
    let snapshot = shown.view().snapshot;
    let address = served(shown).await;
    snapshot.reconcile.lock().pending_steps = 1;
    let response = ask(address, "GET /readyz").await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    let pending = "not ready: dry run: 1 step is pending, which a dry run never makes (`lvs-agent \
                   plan --config c` lists them)\n";
    assert_eq!(head(&response).1, pending);
    snapshot.reconcile.lock().pending_steps = 0;
    let response = ask(address, "GET /readyz").await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

#[test]
fn of_many_without_a_verdict_some_are_named() {
    let mut config = fixture::config();
    let one = config.virtual_services[0].real_servers[0].clone();
    config.virtual_services[0].real_servers = vec![one; 25];
    let snapshot = Snapshot::director(&config, "c".into(), fixture::start());
    let missing = missing(&shown(snapshot).view());
    assert!(
        missing.contains("no verdict yet on 27 real servers: web/rs1, "),
        "{missing}"
    );
    assert!(missing.ends_with(" and 17 more\n"), "{missing}");
}

/// One whose real servers all have a verdict and the weight that is wanted.
fn settled() -> Snapshot {
    let snapshot = Snapshot::director(&fixture::config(), "c".into(), fixture::start());
    snapshot.reconcile.lock().last_success = Some(fixture::start());
    for service in &snapshot.services {
        for record in service.records() {
            let mut live = record.live.lock();
            live.health = Health::Up;
            live.desired = Weight::ONE;
            live.kernel = Some(Weight::ONE);
        }
    }
    snapshot
}

#[tokio::test]
async fn unwritten_weights_keep_readyz_from_ready() {
    let shown = shown(settled());
    let AppState {
        snapshot,
        weight_updates,
        ..
    } = shown.view();
    let address = served(shown).await;
    let ready = async || {
        let response = ask(address, "GET /readyz").await;
        let (head, body) = head(&response);
        let status = head.split(' ').nth(1).map(str::to_owned);
        (status.unwrap(), body.to_owned())
    };
    assert_eq!(ready().await, ("200".to_owned(), "ready\n".to_owned()));

    let change = crate::health::WeightChange {
        weight: Weight::ZERO,
        first_failure: None,
        handling: crate::health::Handling::Weight,
    };
    let id = crate::model::RealServerId {
        service: 0,
        real_server: 1,
    };
    weight_updates.set(vec![(id, change)]);
    let not_ready = |line: &str| ("503".to_owned(), line.to_owned());
    assert_eq!(
        ready().await,
        not_ready("1 changed weight not written yet\n")
    );
    weight_updates.take();
    snapshot.services[0].real_servers[1].live.lock().desired = Weight::ZERO;
    assert_eq!(
        ready().await,
        not_ready("the kernel does not have the weight wanted yet of 1 real server: web/rs2\n")
    );
    snapshot.services[0].real_servers[1].live.lock().kernel = Some(Weight::ZERO);
    assert_eq!(ready().await.0, "200");
}

#[tokio::test]
async fn ready_names_warnings_and_the_number_of_conditions_that_it_leaves_out() {
    let snapshot = settled();
    for number in 1..=12 {
        snapshot.conditions.raise(Condition {
            kind: ConditionType::SysctlWrong,
            subject: format!("net.ipv4.vs.parameter{number:02}"),
            severity: Severity::Warning,
            message: "cannot set it: read-only".to_owned(),
            fix: "mount -o remount,rw /proc/sys".to_owned(),
            since: fixture::start(),
        });
    }
    let response = ask(served(shown(snapshot)).await, "GET /readyz").await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    let named = (1..=10).map(|number| {
        format!("warning sysctl_wrong net.ipv4.vs.parameter{number:02}: cannot set it: read-only\n")
    });
    let named: String = named.collect();
    let expected = format!("ready\n{named}and 2 more: see `lvs-agent status --config c`\n");
    assert_eq!(head(&response).1, expected);
}

#[tokio::test]
async fn part_of_the_status_is_asked_for() {
    let address = served(shown(fixture::director())).await;
    let response = ask(address, "GET /status?service=web&problems").await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(response.contains(r#""name":"rs2""#), "{response}");
    for absent in [r#""name":"rs1""#, r#""name":"marked""#] {
        assert!(!response.contains(absent), "{response}");
    }
    let response = ask(address, "GET /status?target=*/rs1").await;
    assert!(response.contains(r#""name":"rs1""#), "{response}");
    assert!(!response.contains(r#""name":"rs2""#), "{response}");
    let response = ask(address, "GET /status?target=web/rs12").await;
    let text = "no real server is called `web/rs12`, did you mean `web/rs1`?\n";
    assert_eq!(head(&response).1, text);
    for (query, status) in [
        ("service=nothing", 404),
        ("target=web/nothing", 404),
        ("target", 400),
        ("service", 400),
        ("problem", 400),
        ("problems=yes", 400),
    ] {
        let response = ask(address, &format!("GET /status?{query}")).await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status} ")),
            "{query}: {response}"
        );
    }
}

#[tokio::test]
async fn part_of_the_page_is_asked_for() {
    let address = served(shown(fixture::director())).await;
    let response = ask(address, "GET /?q=RS2+down&problems=&sort=-active").await;
    let (head, body) = head(&response);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(
        head.contains("content-security-policy: default-src 'none'; script-src 'self'; "),
        "{head}"
    );
    assert!(body.contains(r#"<tr data-key="rs2">"#), "{body}");
    for absent in [r#"<tr data-key="rs1">"#, r#"<tbody data-key="marked">"#] {
        assert!(!body.contains(absent), "{body}");
    }
    for query in ["problem", "problems=yes", "sort=", "sort=colour", "Q=web"] {
        let response = ask(address, &format!("GET /?{query}")).await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{query}: {response}");
        assert!(response.contains("The page takes ?q=TEXT"), "{response}");
    }
}

#[tokio::test]
async fn alive_is_loops_that_turn() {
    let shown = shown(fixture::director());
    let long_ago = clock::monotonic()
        .checked_sub(Duration::from_mins(1))
        .unwrap();
    let liveness = Liveness::new(
        long_ago,
        Duration::from_secs(1),
        [Loop::Reconcile, Loop::Health],
    );
    liveness.beat(Loop::Health, clock::monotonic());
    shown.show(AppState {
        liveness: Arc::new(liveness),
        ..shown.view()
    });
    let response = ask(served(shown).await, "GET /livez").await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert_eq!(
        head(&response).1,
        "the reconcile loop has not turned for 1m\n"
    );
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "cannot listen on {address}: the port is taken by another process; \
             see `ss -ltnp`, or change http.listen"
        )
    );
    let foreign = (Ipv4Addr::new(192, 0, 2, 1), 9477).into();
    let error = bind(foreign).await.unwrap_err();
    assert!(matches!(error, ListenError::NoSuchAddress(_)), "{error}");
}

/// More silent clients than there are slots. Time is virtual, and passes when
/// all wait: the one that does ask takes the place of one that does not.
#[tokio::test(start_paused = true)]
async fn silent_clients_lose_their_slots() {
    let start = clock::monotonic();
    let address = served(shown(fixture::director())).await;
    let mut silent = Vec::new();
    for _ in 0..2 * connection_slots::SLOTS {
        silent.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.writable().await.unwrap();
    assert_eq!(stream.try_write(request).unwrap(), request.len());
    let mut answer = [0; 15];
    while stream.try_read(&mut answer).is_err() {
        stream.readable().await.unwrap();
    }
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    let waited = clock::monotonic() - start;
    // Long before the deadline of a connection.
    assert!(waited < Duration::from_secs(10), "{waited:?}");
}

/// A director of the size that is designed for: a scrape of all of it, read
/// slowly, holds up nobody else.
#[tokio::test]
async fn slow_reader_of_a_large_answer_delays_no_other_reader() {
    let mut config = fixture::config();
    let one = config.virtual_services[0].real_servers[0].clone();
    config.virtual_services[0].real_servers = vec![one; 20_000];
    for real_server in &mut config.virtual_services[1].real_servers {
        real_server.weight = Weight::MAX;
    }
    let snapshot = Snapshot::director(&config, "c".into(), fixture::start());
    let address = served(shown(snapshot)).await;
    let mut slow = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        stream.read_exact(&mut [0; 1024]).unwrap();
        stream
    })
    .await
    .unwrap();
    let response = ask(address, "GET /livez").await;
    assert!(response.contains("alive"));
    let rest = tokio::task::spawn_blocking(move || std::io::copy(&mut slow, &mut std::io::sink()));
    assert!(rest.await.unwrap().unwrap() > 20_000 * 12 * 50);
}

/// The head in lower case and the body of the next answer on a connection, by `Content-Length`.
fn next_answer(stream: &mut BufReader<TcpStream>) -> (String, Vec<u8>) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = stream.read_line(&mut head).unwrap();
        assert!(read > 0, "closed after {head:?}");
    }
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

/// The answers to these requests on one connection, each a target and further headers.
async fn ask_all(address: SocketAddr, requests: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let requests = requests
        .iter()
        .map(|(target, more)| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n"));
    let requests: Vec<_> = requests.collect();
    let exchange = tokio::task::spawn_blocking(move || {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(AMPLE)).unwrap();
        let mut stream = BufReader::new(stream);
        let answers = requests.iter().map(|request| {
            stream.get_mut().write_all(request.as_bytes()).unwrap();
            next_answer(&mut stream)
        });
        answers.collect()
    });
    exchange.await.unwrap()
}

fn unzipped(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn scraper_keeps_its_connection_and_gets_what_it_asks_for() {
    let address = served(shown(fixture::director())).await;
    let openmetrics = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1\r\n";
    let answers = ask_all(
        address,
        &[
            ("/metrics", ""),
            ("/metrics", openmetrics),
            ("/metrics", "Accept-Encoding: gzip\r\n"),
            ("/metrics?service=web", "Accept-Encoding: gzip;q=0\r\n"),
        ],
    )
    .await;
    let [plain, openmetrics, zipped, filtered] = answers.try_into().unwrap();
    for (head, _) in [&plain, &openmetrics, &zipped, &filtered] {
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        assert!(!head.contains("connection: close"), "{head}");
        assert!(head.contains("vary: accept, accept-encoding\r\n"), "{head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
    }
    let text = |answer: &(String, Vec<u8>)| String::from_utf8(answer.1.clone()).unwrap();
    assert!(
        plain
            .0
            .contains("content-type: text/plain; version=0.0.4\r\n")
    );
    assert!(text(&plain).contains("lvs_real_server_up{"));
    let media_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(openmetrics.0.contains(media_type), "{}", openmetrics.0);
    assert!(text(&openmetrics).ends_with("# EOF\n"));
    assert!(
        zipped.0.contains("content-encoding: gzip\r\n"),
        "{}",
        zipped.0
    );
    assert!(unzipped(&zipped.1).contains("lvs_real_server_up{"));
    assert!(zipped.1.len() * 4 < plain.1.len());
    let filtered = text(&filtered);
    assert!(filtered.contains("service=\"web\"") && !filtered.contains("service=\"marked\""));
}

#[tokio::test]
async fn status_and_page_are_compressed_and_close() {
    let address = served(shown(fixture::director())).await;
    for (path, text) in [("/status", "\"mode\":\"director\","), ("/", ">web</span>")] {
        let request = [(path, "Accept-Encoding: br, gzip\r\n")];
        let answers = ask_all(address, &request).await;
        let (head, body) = &answers[0];
        assert!(head.contains("content-encoding: gzip\r\n"), "{head}");
        assert!(head.contains("connection: close\r\n"), "{head}");
        assert!(unzipped(body).contains(text));
    }
}

#[tokio::test]
async fn scrape_of_no_service_is_refused_in_a_sentence() {
    let address = served(shown(fixture::director())).await;
    for (query, status, text) in [
        (
            "service=nothing",
            404,
            "There is no virtual service with the name \"nothing\".\n",
        ),
        (
            "service",
            400,
            "/metrics takes ?service=NAME, once or several times, and nothing else.\n",
        ),
        (
            "name=web",
            400,
            "/metrics takes ?service=NAME, once or several times, and nothing else.\n",
        ),
        (
            "service=web&service=nothing",
            404,
            "There is no virtual service with the name \"nothing\".\n",
        ),
    ] {
        // The connection closes, or this would wait.
        let response = ask(address, &format!("GET /metrics?{query}")).await;
        let (head, body) = head(&response);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert_eq!(body, text);
    }
}

/// As many scrapers as there are slots keep their connections.
#[tokio::test]
async fn idle_scrapers_block_no_other_client() {
    let address = served(shown(fixture::director())).await;
    let scrapers = tokio::task::spawn_blocking(move || {
        let scrapers = (0..connection_slots::SLOTS).map(|_| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(AMPLE)).unwrap();
            let mut stream = BufReader::new(stream);
            let request = b"GET /metrics?service=web HTTP/1.1\r\nHost: localhost\r\n\r\n";
            stream.get_mut().write_all(request).unwrap();
            next_answer(&mut stream);
            stream
        });
        scrapers.collect::<Vec<_>>()
    });
    let mut scrapers = scrapers.await.unwrap();
    let response = ask(address, "GET /livez").await;
    assert!(response.contains("alive"), "{response}");
    let ended = tokio::task::spawn_blocking(move || {
        let request = b"GET /metrics?service=web HTTP/1.1\r\nHost: localhost\r\n\r\n";
        // The oldest made room.
        let mut rest = Vec::new();
        let ended = scrapers.remove(0).read_to_end(&mut rest);
        let mut last = scrapers.pop().unwrap();
        last.get_mut().write_all(request).unwrap();
        next_answer(&mut last);
        (ended.map_err(|error| error.kind()), rest)
    });
    assert_eq!(ended.await.unwrap(), (Ok(0), Vec::new()));
}

/// 20,000 real servers in 1,000 services, all up: prints the size of a scrape in each form,
/// and the processor time that it takes.
#[test]
#[ignore = "it measures, and only prints"]
fn scrape_of_many_real_servers_is_measured() {
    use rustix::time::{ClockId, clock_gettime};

    let mut config = fixture::config();
    let service = config.virtual_services[0].clone();
    let real_server = service.real_servers[0].clone();
    config.virtual_services = (0..1000)
        .map(|number| crate::config::VirtualService {
            name: format!("s{number}").into(),
            real_servers: (0..20)
                .map(|number| crate::config::RealServer {
                    name: format!("rs{number}").into(),
                    ..real_server.clone()
                })
                .collect(),
            ..service.clone()
        })
        .collect();
    let names = config.virtual_services.iter().map(|service| &*service.name);
    let metrics = Metrics::new(names).unwrap();
    let processor_time = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::try_from(time).unwrap()
    };
    for form in [
        PerRealServer::Full,
        PerRealServer::Compact,
        PerRealServer::Off,
    ] {
        config.metrics.per_real_server = form;
        let snapshot = Snapshot::director(&config, "c".into(), fixture::start());
        for record in snapshot.services.iter().flat_map(|it| &it.real_servers) {
            let mut live = record.live.lock();
            live.health = Health::Up;
            (live.desired, live.kernel) = (Weight::ONE, Some(Weight::ONE));
            live.counters.set_probes(ProbeResult::Ok, 86_400);
            live.counters.set_transitions(1, 0);
            live.diagnosis = Some(Diagnosis::Ok);
        }
        let snapshot = Arc::new(snapshot);
        for encoding in [Encoding::Identity, Encoding::Gzip] {
            let before = processor_time();
            let mut sink = Sink::new(encoding);
            let pieces =
                metrics.exposition(Arc::clone(&snapshot), Format::Text, None, fixture::start());
            sink.put_all(pieces).unwrap();
            let size = sink.finish().unwrap().len();
            let took = processor_time().saturating_sub(before);
            println!("{form:?}, {encoding:?}: {size} bytes, {took:?} of one core");
        }
    }
}
