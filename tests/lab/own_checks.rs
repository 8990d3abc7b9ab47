//! Real servers of one service with checks and ways of forwarding of their own.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::Socket;

use crate::cluster::{Cluster, VIP};
use crate::support::{Namespace, PATIENCE, nginx, nginx_on, until};

/// Answers of a masqueraded real server to a client of its own LAN pass the director.
const ROUTER: &str = "net.ipv4.ip_forward: 1, net.ipv4.conf.all.send_redirects: 0, \
                      net.ipv4.conf.eth0.send_redirects: 0";

fn configuration(services: &str) -> String {
    format!(
        "
http: {{ listen: 127.0.0.1:9477 }}
director: {{ interface: eth0, resync_interval: 1s, sysctls: {{ {ROUTER} }} }}
real_server: {{ resync_interval: 1s }}
virtual_services:
{services}"
    )
}

/// Waits until `ipvsadm -Ln` shows these real servers with forwarding and weight.
fn wait_for_table(director: &Namespace, wanted: &[&str]) {
    until(PATIENCE, "these real servers", || {
        let table = director.run("ipvsadm -Ln");
        let lines = table
            .lines()
            .filter_map(|line| line.trim().strip_prefix("-> "));
        let mut found: Vec<_> = lines
            .filter(|line| !line.starts_with("RemoteAddress"))
            .map(|line| {
                let words: Vec<_> = line.split_whitespace().take(3).collect();
                words.join(" ")
            })
            .collect();
        found.sort();
        if found == wanted { Ok(()) } else { Err(table) }
    });
}

#[test]
fn each_real_server_is_checked_and_reached_in_its_own_way() {
    let services = "
  - name: web
    address: 192.168.11.200:80
    scheduler: rr
    check: { http: {}, interval: 300ms, timeout: 10s, rise: 2, fall: 2 }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
      - name: rs2
        address: 192.168.11.22
        port: 8080
        forwarding: masquerade
        check: { tcp: {}, interval: 300ms, timeout: 10s, rise: 1, fall: 2 }
  - name: unchecked
    address: 192.168.11.201:81
    check: none
    real_servers:
      - { name: rs1, address: 192.168.11.21, weight: 3 }
      - { name: rs3, address: 192.168.11.23, forwarding: tunnel, weight: 4 }
";
    let cluster = Cluster::new(&configuration(services));
    let (director, rs1, rs2) = (&cluster.lan.director, &cluster.lan.rs1, &cluster.lan.rs2);
    rs2.run("ip route add 192.168.11.1/32 via 192.168.11.10");
    let _agent = cluster.direct();
    // Nobody listens anywhere.
    wait_for_table(
        director,
        &[
            "192.168.11.21:80 Route 0",
            "192.168.11.21:81 Route 3",
            "192.168.11.22:8080 Masq 0",
            "192.168.11.23:81 Tunnel 4",
        ],
    );
    let _page = nginx(rs1, "rs1");
    let address: SocketAddr = "192.168.11.22:8080".parse().expect("an address");
    let _other = nginx_on(rs2, "rs2", address);
    wait_for_table(
        director,
        &[
            "192.168.11.21:80 Route 1",
            "192.168.11.21:81 Route 3",
            "192.168.11.22:8080 Masq 1",
            "192.168.11.23:81 Tunnel 4",
        ],
    );
    let mut pages: Vec<_> = (0..2)
        .map(|_| until(PATIENCE, "page", || cluster.request()))
        .collect();
    pages.sort();
    assert_eq!(pages, ["rs1", "rs2"]);
    let vips = |host: &Namespace| {
        let shown = host.run("ip -4 -brief address show dev lo");
        let vips = ["192.168.11.200", "192.168.11.201"];
        vips.map(|vip| shown.contains(&format!("{vip}/32")))
    };
    assert_eq!(vips(rs1), [true, true]);
    assert_eq!(vips(rs2), [false, false], "it is masqueraded");
}

/// Answers each byte with the address to which the client's packets were sent.
struct Witness {
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How often a thread of the witness looks whether it is to end.
const TURN: Duration = Duration::from_millis(100);

impl Witness {
    fn start(host: &Namespace) -> Self {
        let listener = host.enter(|| TcpListener::bind("0.0.0.0:80").expect("a listener"));
        let listener = Socket::from(listener);
        listener.set_read_timeout(Some(TURN)).expect("a time-out");
        let ending = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ending);
        let thread = thread::spawn(move || {
            let mut connections = Vec::new();
            while !end.load(Ordering::SeqCst) {
                if let Ok((connection, _)) = listener.accept() {
                    let end = Arc::clone(&end);
                    connections.push(thread::spawn(move || answer(connection.into(), &end)));
                }
            }
            for connection in connections {
                // A panic of it is on standard error already.
                let _ = connection.join();
            }
        });
        Self {
            ending,
            thread: Some(thread),
        }
    }
}

fn answer(mut connection: TcpStream, end: &AtomicBool) {
    connection.set_read_timeout(Some(TURN)).expect("a time-out");
    let mut byte = [0];
    while !end.load(Ordering::SeqCst) {
        match connection.read(&mut byte) {
            Ok(0) => return,
            Ok(_) => {
                let own = connection.local_addr().expect("an address");
                // A client that has gone is the client's affair.
                let _ = writeln!(connection, "{own}");
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic of it is on standard error already.
            let _ = thread.join();
        }
    }
}

fn connect(client: &Namespace) -> TcpStream {
    let vip: SocketAddr = VIP.parse().expect("an address");
    let connected = until(PATIENCE, "connection", || {
        client.enter(|| TcpStream::connect_timeout(&vip, Duration::from_secs(10)))
    });
    connected
        .set_read_timeout(Some(PATIENCE))
        .expect("a time-out");
    connected
}

/// The address at which the real server sees what the client sends.
fn seen_at(connection: &mut TcpStream) -> String {
    connection.write_all(b"?").expect("to send");
    let mut answer = String::new();
    let mut byte = [0];
    while connection.read(&mut byte).expect("an answer") == 1 && byte != *b"\n" {
        answer.push(char::from(byte[0]));
    }
    answer
}

#[test]
fn reload_that_changes_the_forwarding_keeps_established_connections_as_they_are() {
    let with = |own: &str| {
        configuration(&format!(
            "
  - name: web
    address: {VIP}
    check: {{ tcp: {{}}, interval: 300ms, timeout: 10s, rise: 1, fall: 2 }}
    real_servers:
      - {{ name: rs1, address: 192.168.11.21{own} }}
"
        ))
    };
    let cluster = Cluster::new(&with(""));
    let (client, director) = (&cluster.lan.client, &cluster.lan.director);
    let rs1 = &cluster.lan.rs1;
    // What rs1 sends from its own address to the client passes the director.
    rs1.run("ip rule add from 192.168.11.21 table 100");
    rs1.run("ip route add 192.168.11.1/32 via 192.168.11.10 table 100");
    let _witness = Witness::start(rs1);
    let _agent = cluster.direct();
    wait_for_table(director, &["192.168.11.21:80 Route 1"]);
    let mut direct = connect(client);
    assert_eq!(seen_at(&mut direct), VIP);

    let reload = |configuration: &str| {
        cluster.site.write_configuration(configuration);
        let (code, printed) = cluster.site.finish(director, &["reload"]);
        assert_eq!(code, 0, "{printed}");
        assert!(printed.contains("; 1 change in the kernel"), "{printed}");
    };
    reload(&with(", forwarding: masquerade"));
    wait_for_table(director, &["192.168.11.21:80 Masq 1"]);
    assert_eq!(seen_at(&mut direct), VIP, "it goes on as it began");
    let mut masqueraded = connect(client);
    assert_eq!(seen_at(&mut masqueraded), "192.168.11.21:80");

    reload(&with(""));
    wait_for_table(director, &["192.168.11.21:80 Route 1"]);
    assert_eq!(seen_at(&mut direct), VIP);
    assert_eq!(seen_at(&mut masqueraded), "192.168.11.21:80");
    assert_eq!(seen_at(&mut connect(client)), VIP);
}
