//! Every forwarding method carries requests to a real server and answers back.

mod sctp;
mod tunnels;
mod unpacking;

use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::cluster::Cluster;
use crate::support::{Lan, Namespace, PATIENCE, Site, http_get, ipvsadm_save, nginx, until};

const VIP: &str = "192.168.11.200";
const VIP6: &str = "2001:db8::200";
const RIP: &str = "192.168.11.21";
const RIP6: &str = "2001:db8::21";

/// A web service and a UDP echo service for each of both VIPs, with rs1 as
/// their one real server; of the first family and of the second.
fn configuration(director: &str, forwarding: &str, real_servers: [&str; 2]) -> String {
    let mut text = format!(
        "
http: {{ listen: 127.0.0.1:9477 }}
director: {{ interface: eth0, resync_interval: 1s{director} }}
real_server: {{ resync_interval: 1s }}
virtual_services:
"
    );
    for (vip, real_server) in [format!("{VIP}:"), format!("[{VIP6}]:")]
        .iter()
        .zip(real_servers)
    {
        for (protocol, port) in [("tcp", 80), ("udp", 7)] {
            let address = format!("{vip}{port}");
            let name = address.replace(['[', ']', ':'], "-");
            let _ = write!(
                text,
                "  - name: s{name}
    address: \"{address}\"
    protocol: {protocol}
    forwarding: {forwarding}
    check: {{ http: {{ port: 80 }}, interval: 300ms, timeout: 2s, rise: 2, fall: 3 }}
    real_servers:
      - {{ name: rs1, address: \"{real_server}\" }}
"
            );
        }
    }
    text
}

/// IPv6 on all hosts, usable at once.
fn add_ipv6(lan: &Lan) {
    for (host, number) in [(&lan.client, 1), (&lan.director, 10), (&lan.rs1, 21)] {
        host.run(&format!(
            "ip address add 2001:db8::{number}/64 dev eth0 nodad"
        ));
    }
}

/// Answers each datagram with itself, from the address that it came to.
struct Echo {
    ending: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Echo {
    fn start(host: &Namespace, addresses: [&str; 2]) -> Self {
        let ending = Arc::new(AtomicBool::new(false));
        let serve = |address: &str| {
            let address: SocketAddr = SocketAddr::new(address.parse().expect("an address"), 7);
            let socket = until(PATIENCE, "address to echo on", || {
                host.enter(|| UdpSocket::bind(address))
            });
            let wait = Some(Duration::from_millis(100));
            socket.set_read_timeout(wait).expect("a time-out");
            let ending = Arc::clone(&ending);
            thread::spawn(move || {
                let mut datagram = [0; 64];
                while !ending.load(Ordering::SeqCst) {
                    if let Ok((length, client)) = socket.recv_from(&mut datagram) {
                        // A client that has gone is the client's affair.
                        let _ = socket.send_to(&datagram[..length], client);
                    }
                }
            })
        };
        let threads = addresses.into_iter().map(serve).collect();
        Self { ending, threads }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // A panic of it is on standard error already.
            let _ = thread.join();
        }
    }
}

fn echo(client: &Namespace, address: SocketAddr) -> io::Result<Vec<u8>> {
    client.enter(|| {
        let any = if address.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let socket = UdpSocket::bind(any)?;
        // Connected, it takes answers from the VIP alone.
        socket.connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.send(b"a datagram")?;
        let mut answer = vec![0; 64];
        let length = socket.recv(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    })
}

/// The client gets rs1's page and its own datagram back from both VIPs, by this
/// method in `ipvsadm -Sn`'s words.
fn carries(lan: &Lan, method: &str, real_servers: [&str; 2]) {
    for (vip, real_server) in [VIP, VIP6].into_iter().zip(real_servers) {
        let address = |host: &str, port| SocketAddr::new(host.parse().expect("an address"), port);
        for port in [80, 7] {
            let line = format!("-r {} {method}", address(real_server, port));
            until(PATIENCE, &line, || {
                let table = ipvsadm_save(&lan.director);
                let service = address(vip, port).to_string();
                let mut lines = table.lines();
                lines
                    .any(|l| l.contains(&service) && l.contains(&line))
                    .then_some(())
                    .ok_or(table)
            });
        }
        let page = until(PATIENCE, &format!("page from {vip}"), || {
            http_get(&lan.client, address(vip, 80), Duration::from_secs(10))
        });
        assert_eq!(page, "rs1");
        let answer = until(PATIENCE, &format!("datagram from {vip}"), || {
            echo(&lan.client, address(vip, 7))
        });
        assert_eq!(answer, b"a datagram");
    }
}

#[test]
fn direct_routing_carries_both_families() {
    let cluster = Cluster::new(&configuration("", "direct", [RIP, RIP6]));
    add_ipv6(&cluster.lan);
    let _page = nginx(&cluster.lan.rs1, "rs1");
    let _director = cluster.direct();
    let _echo = Echo::start(&cluster.lan.rs1, [VIP, VIP6]);
    carries(&cluster.lan, "-g -w 1", [RIP, RIP6]);
}

/// The client is in the LAN of the real server here, so that only a route of
/// the real server's makes its answers pass the director.
#[test]
fn masquerading_carries_both_families() {
    let lan = Lan::new();
    add_ipv6(&lan);
    lan.rs1.run(
        "sysctl -q -w net.ipv6.conf.eth0.accept_redirects=0 net.ipv6.conf.all.accept_redirects=0",
    );
    lan.rs1
        .run("ip route add 192.168.11.1/32 via 192.168.11.10");
    lan.rs1.run("ip route add 2001:db8::1/128 via 2001:db8::10");
    let sysctls = ", sysctls: { net.ipv4.ip_forward: 1, net.ipv6.conf.all.forwarding: 1, \
                   net.ipv4.conf.all.send_redirects: 0, net.ipv4.conf.eth0.send_redirects: 0 }";
    let site = Site::new(&configuration(sysctls, "masquerade", [RIP, RIP6]));
    let _page = nginx(&lan.rs1, "rs1");
    let _director = site.start(&lan.director, &[]);
    let _echo = Echo::start(&lan.rs1, [RIP, RIP6]);
    carries(&lan, "-m -w 1", [RIP, RIP6]);
}

fn add_tunnel(rs1: &Namespace, kind: &str) {
    rs1.run(&format!("ip link add unpack type {kind}"));
    rs1.run("sysctl -q -w net.ipv4.conf.unpack.rp_filter=0 net.ipv4.conf.all.rp_filter=0");
    rs1.run("ip link set unpack up");
}

#[test]
fn ipip_tunnels_carry_both_families() {
    let cluster = Cluster::new(&configuration("", "tunnel", [RIP, RIP6]));
    add_ipv6(&cluster.lan);
    let rs1 = &cluster.lan.rs1;
    add_tunnel(rs1, "ipip local 192.168.11.21 remote any");
    rs1.run("ip link add unpack6 type ip6tnl mode any local 2001:db8::21 remote any");
    rs1.run("ip link set unpack6 up");
    let _page = nginx(rs1, "rs1");
    let _director = cluster.direct();
    let _echo = Echo::start(rs1, [VIP, VIP6]);
    carries(&cluster.lan, "-i -w 1", [RIP, RIP6]);
}

#[test]
fn tunnels_carry_across_families() {
    let cluster = Cluster::new(&configuration("", "tunnel", [RIP6, RIP]));
    add_ipv6(&cluster.lan);
    let rs1 = &cluster.lan.rs1;
    add_tunnel(rs1, "ip6tnl mode any local 2001:db8::21 remote any");
    rs1.run("ip link add unpack6 type sit local 192.168.11.21 remote any");
    rs1.run("ip link set unpack6 up");
    let _page = nginx(rs1, "rs1");
    let _director = cluster.direct();
    let _echo = Echo::start(rs1, [VIP, VIP6]);
    carries(&cluster.lan, "-i -w 1", [RIP6, RIP]);
}
