//! Readers of the endpoints who are many, slow, or never ask: whoever asks is
//! answered, the probes are made in time, and memory stays bounded.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::{AMPLE, Agent, Behaviour, Server, Site, exchange, here, until};

/// Real servers, each probed every 500 ms.
const REAL_SERVERS: u8 = 200;
const SERVICES: u8 = 10;

/// A director of [`SERVICES`] services over the same real servers, all up.
fn director(site: &Site) -> (Agent, Server) {
    super::many::raise_file_limit();
    let hosts: Vec<u8> = (1..=REAL_SERVERS).collect();
    let addresses: Vec<_> = hosts.iter().map(|host| site.server(*host)).collect();
    let servers = Server::start(&addresses, Behaviour::good());
    let check = "interval: 500ms, timeout: 500ms, rise: 1, fall: 2";
    let mut services = String::new();
    for number in 1..=SERVICES {
        let service = site.service(&format!("web{number}"), number, check, &hosts);
        services.write_str(&service).unwrap();
    }
    site.configure(&services);
    let agent = site.agent();
    site.wait_for(&vec!["up"; hosts.len()]);
    (agent, servers)
}

/// The most memory that the process ever had, in KiB.
pub(crate) fn most_memory(agent: &Agent) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, AMPLE).unwrap();
    stream.set_read_timeout(Some(AMPLE)).unwrap();
    stream
}

fn asked(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// No real server ever failed, and none waited for two intervals between two probes.
fn assert_undisturbed(site: &Site, servers: &Server) {
    let down = site.sum("lvs_transitions_total", "to=\"down\"");
    assert_eq!(down.to_bits(), 0, "{down} real servers went down");
    let connections = servers.arrivals().len();
    assert!(connections > usize::from(REAL_SERVERS), "{connections}");
}

#[test]
fn slow_readers_raise_no_memory_and_delay_no_probe() {
    let site = Site::new();
    let (agent, servers) = director(&site);
    let length = site.get("/status").body.len();
    assert!(length > 500_000, "{length}: too small to fill a socket");
    let before = most_memory(&agent);
    let mut slow = Vec::new();
    for (path, readers) in [("/status", 128), ("/metrics", 32), ("/", 32)] {
        for _ in 0..readers {
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            slow.push(asked(site.listen, &request));
        }
    }
    for path in ["/status", "/metrics", "/", "/livez", "/readyz"] {
        assert_eq!(site.get(path).status, 200, "{path}");
    }
    let after = most_memory(&agent);
    let bound = 40 * 1024;
    assert!(after - before < bound, "{before} KiB, then {after} KiB");
    // A reader that takes nothing is dropped, long before its connection's deadline.
    until(Duration::from_secs(20), "end of the slow readers", || {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap();
        let left = descriptors
            .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok())
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count();
        if left < 64 { Ok(()) } else { Err(left) }
    });
    assert_undisturbed(&site, &servers);
}

/// A client that takes no more than its kernel's smallest buffer.
fn asked_by_a_small_client(address: SocketAddr, request: &str) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    socket.connect(&address.into()).unwrap();
    (&socket).write_all(request.as_bytes()).unwrap();
    socket
}

/// The connections that the agent has, and how many bytes of answers wait in the kernel, by
/// `/proc/net/tcp` (proc(5)).
fn connections_of(listen: SocketAddr) -> Vec<(String, u64)> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{:04X}", listen.port());
    let rows = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let of_agent = rows.filter(|row| row[1].ends_with(&local) && !["0A", "06"].contains(&row[3]));
    let waiting = of_agent.map(|row| {
        let (sent, _) = row[4].split_once(':').unwrap();
        (row[2].to_owned(), u64::from_str_radix(sent, 16).unwrap())
    });
    waiting.collect()
}

#[test]
fn answers_that_fit_into_the_kernel_and_that_nobody_takes_end_as_well() {
    let site = Site::new();
    let (_agent, servers) = director(&site);
    let request = "GET /metrics?service=web1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = site.get("/metrics?service=web1").body.len();
    assert!((200_000..2_000_000).contains(&length), "{length}");
    let clients: Vec<_> = (0..20)
        .map(|_| asked_by_a_small_client(site.listen, request))
        .collect();
    until(AMPLE, "answers in the kernel", || {
        let waiting = connections_of(site.listen);
        let with_answer = waiting.iter().filter(|(_, bytes)| *bytes > 10_000).count();
        if with_answer >= clients.len() {
            Ok(())
        } else {
            Err(waiting)
        }
    });
    let most = connections_of(site.listen)
        .into_iter()
        .map(|(_, bytes)| bytes)
        .max();
    // More than twice SEND_BUFFER of src/http.rs, since the kernel counts its own overhead.
    assert!(most < Some(300_000), "{most:?}");
    until(
        here(Duration::from_secs(30)),
        "end of these clients",
        || {
            let left = connections_of(site.listen);
            if left.is_empty() { Ok(()) } else { Err(left) }
        },
    );
    drop(clients);
    assert_undisturbed(&site, &servers);
}

#[test]
fn many_readers_at_once_are_all_answered() {
    let site = Site::new();
    let (_agent, servers) = director(&site);
    let listen = site.listen;
    let readers: Vec<_> = (0..200)
        .map(|number| {
            let path = ["/metrics", "/status", "/", "/readyz"][number % 4];
            thread::spawn(move || exchange(listen, "GET", path, AMPLE).unwrap().status)
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.join().unwrap(), 200);
    }
    assert_undisturbed(&site, &servers);
}

#[test]
fn clients_that_never_ask_make_room_for_those_that_do() {
    let site = Site::new();
    site.configure(&site.service("web", 1, "interval: 1s", &[1]));
    let _agent = site.agent();
    let idle: Vec<_> = (0..400).map(|_| connect(site.listen)).collect();
    // Heads that do not end.
    let heads: Vec<_> = (0..100)
        .map(|_| {
            asked(
                site.listen,
                "GET /status HTTP/1.1\r\nHost: localhost\r\nX: y",
            )
        })
        .collect();
    let quickly = here(Duration::from_secs(5));
    for path in ["/livez", "/readyz", "/status", "/metrics"] {
        let answer = exchange(site.listen, "GET", path, quickly).unwrap();
        assert!([200, 503].contains(&answer.status), "{path}: {answer:?}");
    }
    for mut stream in idle.into_iter().chain(heads) {
        let mut answer = Vec::new();
        // Closed, or reset because of what it had sent.
        let _ = stream.read_to_end(&mut answer);
        assert!(
            !answer.starts_with(b"HTTP/1.1 200"),
            "no request, no answer"
        );
    }
}

#[test]
fn endless_heads_and_pipelines_are_bounded() {
    let site = Site::new();
    site.configure(&site.service("web", 1, "interval: 1s", &[1]));
    let agent = site.agent();
    let before = most_memory(&agent);
    for _ in 0..20 {
        let mut stream = asked(site.listen, "GET /livez HTTP/1.1\r\nHost: localhost\r\n");
        let line = format!("X-Filler: {}\r\n", "y".repeat(1000));
        // Until it is refused.
        for _ in 0..10_000 {
            if stream.write_all(line.as_bytes()).is_err() {
                break;
            }
        }
    }
    let pipeline = "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    let mut stream = asked(site.listen, &pipeline);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answers = String::from_utf8_lossy(&answer)
        .matches("HTTP/1.1 200")
        .count();
    assert!(answers <= 1, "{answers} answers on one connection");
    let after = most_memory(&agent);
    assert!(after - before < 8 * 1024, "{before} KiB, then {after} KiB");
    assert_eq!(site.get("/livez").status, 200);
}

/// A director whose check asks another agent, to which many are connected who ask nothing.
#[test]
fn agent_check_is_answered_beside_clients_that_never_ask() {
    let (asked, site) = (Site::new(), Site::new());
    asked.configure(&asked.service("web", 1, "interval: 1s", &[1]));
    let _asked = asked.agent();
    let (ip, port) = (asked.listen.ip(), asked.listen.port());
    site.configure(&format!(
        "  - name: web\n    address: 192.0.2.1:80\n    check: {{ agent: {{ port: {port} }}, \
         interval: 200ms, timeout: 2s }}\n    real_servers: [{{ name: rs1, address: {ip} }}]\n"
    ));
    let idle: Vec<_> = (0..300).map(|_| connect(asked.listen)).collect();
    let _agent = site.agent();
    // The other agent is no real server's, and says so; that it was asked is what counts.
    let series = |cause| {
        let labels = format!("service=\"web\",real_server=\"rs1\",cause=\"{cause}\"");
        // A cause has a series once it occurs.
        site.metric(&format!("lvs_probe_failures_total{{{labels}}}"))
            .unwrap_or_default()
    };
    let mut more = Vec::new();
    until(AMPLE, "20 answers", || {
        // Some come again and again.
        more.extend((0..20).map(|_| connect(asked.listen)));
        let answered = series("status");
        if answered >= 20.0 {
            Ok(())
        } else {
            Err(answered)
        }
    });
    for cause in ["timeout", "refused", "reset", "protocol"] {
        assert_eq!(series(cause).to_bits(), 0, "{cause}");
    }
    let detail = site.real_server(0, 0)["last_probe"]["detail"].to_string();
    assert!(detail.contains("is a director"), "{detail}");
    drop(idle);
}

/// The value that `ps -o ni` shows, of each thread with this name.
fn nice_of_threads(agent: &Agent, name: &str) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
    // A thread that has ended meanwhile has no files.
    let stats =
        threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("stat")).ok());
    let named = stats.filter_map(|stat| {
        let (before, after) = stat.rsplit_once(") ")?;
        let of_name = before.ends_with(&format!("({name}"));
        // The 19th field of proc_pid_stat(5); the third one is the first of `after`.
        let nice = after.split(' ').nth(16)?;
        of_name.then(|| nice.to_owned())
    });
    named.collect()
}

#[test]
fn readers_are_served_with_a_low_priority_and_probes_with_the_usual_one() {
    let site = Site::new();
    let (agent, _servers) = director(&site);
    assert_eq!(nice_of_threads(&agent, "http"), ["10"]);
    assert_eq!(nice_of_threads(&agent, "control"), ["10"]);
    let workers = nice_of_threads(&agent, "tokio-rt-worker");
    assert_eq!(workers, ["0", "0"]);
}
