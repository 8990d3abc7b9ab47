//! What leaves the configuration with `on_removal: drain`.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::cluster::{Cluster, shown};
use crate::support::{Namespace, PATIENCE, ipvsadm_save, until};

const PORT: u16 = 7;

/// The client and the director.
const OTHERS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 168, 11, 1)),
    IpAddr::V4(Ipv4Addr::new(192, 168, 11, 10)),
];

/// Answers each byte with itself, and counts who came from other hosts, probes
/// included: a real server's own agent tests itself. It lasts as long as the
/// process.
struct Echo(Arc<AtomicUsize>);

impl Echo {
    fn start(host: &Namespace) -> Self {
        let accepted = Arc::new(AtomicUsize::new(0));
        let listener = host
            .enter(|| TcpListener::bind(("0.0.0.0", PORT)))
            .expect("the port");
        let count = Arc::clone(&accepted);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let from = stream.peer_addr().map(|address| address.ip());
                if from.is_ok_and(|from| OTHERS.contains(&from)) {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                thread::spawn(move || {
                    // A client that goes away is the client's affair.
                    let _ = std::io::copy(&mut &stream, &mut &stream);
                });
            }
        });
        Self(accepted)
    }

    fn accepted(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// `echo` with these real servers, and `other`, which stays.
fn configuration(removal: &str, real_servers: &[&str], with_echo: bool) -> String {
    let check = "check: { tcp: {}, interval: 300ms, timeout: 10s, rise: 1, fall: 3 }";
    let real_servers = real_servers
        .iter()
        .map(|host| format!("      - {{ name: rs{host}, address: 192.168.11.2{host} }}\n"));
    let real_servers = real_servers.collect::<Vec<_>>().concat();
    let service = |name, vip| {
        format!(
            "  - name: {name}\n    address: 192.168.11.{vip}:{PORT}\n    scheduler: rr\n    \
             {check}\n    real_servers:\n{real_servers}"
        )
    };
    let echo = if with_echo {
        service("echo", 200)
    } else {
        String::new()
    };
    format!(
        "
http: {{ listen: 127.0.0.1:9477 }}
director: {{ interface: eth0, resync_interval: 1s, {removal} }}
real_server: {{ resync_interval: 1s }}
virtual_services:
{echo}{}",
        service("other", 201)
    )
}

/// A client's connection to `echo`, which is answered.
fn connect(cluster: &Cluster) -> TcpStream {
    let vip = SocketAddr::from(([192, 168, 11, 200], PORT));
    let connect = || TcpStream::connect_timeout(&vip, PATIENCE);
    let mut stream = cluster.lan.client.enter(connect).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    answered(&mut stream).expect("an answer");
    stream
}

fn answered(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"x")?;
    stream.read_exact(&mut [0])
}

fn wait_for_line(cluster: &Cluster, line: &str, there: bool) {
    until(PATIENCE, &format!("{line}: {there}"), || {
        let table = ipvsadm_save(&cluster.lan.director);
        if table.lines().any(|found| found.contains(line)) == there {
            Ok(())
        } else {
            Err(table)
        }
    });
}

fn serving(real_server: u8, weight: u32) -> String {
    format!("-a -t 192.168.11.200:{PORT} -r 192.168.11.2{real_server}:{PORT} -g -w {weight}")
}

/// What `/status` says of the one that leaves `echo`; null if there is none.
fn leaving(cluster: &Cluster) -> Value {
    let status = shown(&cluster.lan.director, "/status");
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let mut leaving = status["leaving"].as_array().into_iter().flatten();
    let echo = leaving.find(|leaver| leaver["service"] == "echo");
    echo.cloned().unwrap_or_default()
}

fn reload(cluster: &Cluster, configuration: &str) -> String {
    cluster.site.write_configuration(configuration);
    let (code, printed) = cluster.site.finish(&cluster.lan.director, &["reload"]);
    assert_eq!(code, 0, "{printed}");
    printed
}

#[test]
fn removed_real_server_keeps_its_connections_until_the_last_has_ended() {
    const DRAIN: &str = "on_removal: drain";
    let cluster = Cluster::new(&configuration(DRAIN, &["1", "2"], true));
    let echoes = [&cluster.lan.rs1, &cluster.lan.rs2].map(Echo::start);
    let mut agent = cluster.direct();
    wait_for_line(&cluster, &serving(1, 1), true);
    wait_for_line(&cluster, &serving(2, 1), true);
    // One each, by `rr`.
    let mut living = [connect(&cluster), connect(&cluster)];

    let printed = reload(&cluster, &configuration(DRAIN, &["2"], true));
    // Of both services.
    assert!(printed.contains("; 2 changes in the kernel"), "{printed}");
    wait_for_line(&cluster, &serving(1, 0), true);
    let probes_of_rs2 = || {
        let before = echoes[1].accepted();
        until(PATIENCE, "probes of rs2", || match echoes[1].accepted() {
            now if now >= before + 8 => Ok(()),
            now => Err(now),
        });
    };
    // A probe may have been under way.
    let accepted = until(PATIENCE, "the last probe of rs1", || {
        let before = echoes[0].accepted();
        probes_of_rs2();
        match echoes[0].accepted() {
            now if now == before => Ok(now),
            now => Err(now),
        }
    });
    for _ in 0..3 {
        connect(&cluster);
    }
    probes_of_rs2();
    assert_eq!(echoes[0].accepted(), accepted, "neither client nor probe");
    for stream in &mut living {
        answered(stream).expect("it is not cut");
    }
    let shown = leaving(&cluster);
    assert_eq!(shown["name"], "rs1", "{shown}");

    agent.signal(Signal::SIGKILL);
    agent.wait(PATIENCE);
    let _agent = cluster.direct();
    until(PATIENCE, "one active connection", || {
        let again = leaving(&cluster);
        if again["connections"]["active"] == 1 {
            assert_eq!(again["deadline"], shown["deadline"]);
            Ok(())
        } else {
            Err(again)
        }
    });
    for stream in &mut living {
        answered(stream).expect("it is not cut");
    }
    wait_for_line(&cluster, &serving(1, 0), true);
    drop(living);
    wait_for_line(&cluster, &serving(1, 0), false);
    wait_for_line(&cluster, &serving(2, 1), true);
    assert_eq!(leaving(&cluster), Value::Null);
}

#[test]
fn at_the_deadline_a_whole_service_goes_with_its_vip() {
    const DRAIN: &str = "on_removal: drain, removal_deadline: 25s";
    let cluster = Cluster::new(&configuration(DRAIN, &["1"], true));
    let _echo = Echo::start(&cluster.lan.rs1);
    let _agent = cluster.direct();
    wait_for_line(&cluster, &serving(1, 1), true);
    let mut living = connect(&cluster);

    reload(&cluster, &configuration(DRAIN, &["1"], false));
    wait_for_line(&cluster, &serving(1, 0), true);
    answered(&mut living).expect("it is not cut");
    let director = &cluster.lan.director;
    let addresses = || director.run("ip -o address show dev eth0");
    assert!(addresses().contains("192.168.11.200/32"), "{}", addresses());

    wait_for_line(&cluster, &format!("192.168.11.200:{PORT}"), false);
    until(PATIENCE, "end of the VIP", || match addresses() {
        shown if shown.contains("192.168.11.200/32") => Err(shown),
        _ => Ok(()),
    });
    assert!(addresses().contains("192.168.11.201/32"), "{}", addresses());
    wait_for_line(
        &cluster,
        &format!("192.168.11.201:{PORT} -r 192.168.11.21:{PORT} -g -w 1"),
        true,
    );
}
