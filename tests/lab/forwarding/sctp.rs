//! SCTP services carry messages, by direct routing and by masquerading.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::{RIP, VIP};
use crate::cluster::Cluster;
use crate::support::{Lan, Namespace, PATIENCE, Site, ipvsadm_save, nginx, until};

const CLIENT: &str = "192.168.11.1";
const PORT: u16 = 5060;

fn configuration(director: &str, forwarding: &str) -> String {
    format!(
        "
http: {{ listen: 127.0.0.1:9477 }}
director: {{ interface: eth0, resync_interval: 1s{director} }}
real_server: {{ resync_interval: 1s }}
virtual_services:
  - name: messages
    address: {VIP}:{PORT}
    protocol: sctp
    forwarding: {forwarding}
    check: {{ http: {{ port: 80 }}, interval: 300ms, timeout: 2s, rise: 2, fall: 3 }}
    real_servers: [{{ name: rs1, address: {RIP} }}]
"
    )
}

/// A one-to-one socket (RFC 6458, section 4) with this address alone.
fn socket(host: &Namespace, address: &str, port: u16) -> io::Result<Socket> {
    host.enter(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::SCTP))?;
        let address = SocketAddr::new(address.parse().expect("an address"), port);
        socket.bind(&address.into())?;
        Ok(socket)
    })
}

/// Answers the first message of each association.
struct Server {
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(host: &Namespace, address: &str) -> Self {
        let listener = until(PATIENCE, "address to listen on", || {
            socket(host, address, PORT)
        });
        listener.listen(8).expect("to listen");
        let wait = Some(Duration::from_millis(100));
        listener.set_read_timeout(wait).expect("a time-out");
        let ending = Arc::new(AtomicBool::new(false));
        let thread = {
            let ending = Arc::clone(&ending);
            thread::spawn(move || {
                while !ending.load(Ordering::SeqCst) {
                    if let Ok((association, _)) = listener.accept() {
                        // A client that gives up is the client's affair.
                        let _ = answer(&association);
                    }
                }
            })
        };
        Self {
            ending,
            thread: Some(thread),
        }
    }
}

fn answer(association: &Socket) -> io::Result<()> {
    association.set_read_timeout(Some(Duration::from_secs(5)))?;
    let message = receive(association)?;
    association.send(format!("rs1 heard: {message}").as_bytes())?;
    // Until the client is done.
    receive(association).map(drop)
}

fn receive(association: &Socket) -> io::Result<String> {
    let mut reader = association;
    let mut message = [0; 256];
    let length = io::Read::read(&mut reader, &mut message)?;
    Ok(String::from_utf8_lossy(&message[..length]).into_owned())
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic of it is on standard error already.
            let _ = thread.join();
        }
    }
}

fn say(client: &Namespace, message: &str) -> io::Result<String> {
    let association = socket(client, CLIENT, 0)?;
    association.set_read_timeout(Some(Duration::from_secs(10)))?;
    association.set_write_timeout(Some(Duration::from_secs(10)))?;
    let vip = VIP.parse().map_err(io::Error::other)?;
    association.connect(&SocketAddr::new(vip, PORT).into())?;
    association.send(message.as_bytes())?;
    receive(&association)
}

fn carries(lan: &Lan, method: &str) {
    let wanted = format!(
        "-A --sctp-service {VIP}:{PORT} -s wlc\n\
         -a --sctp-service {VIP}:{PORT} -r {RIP}:{PORT} {method} -w 1\n"
    );
    until(PATIENCE, "service", || {
        let table = ipvsadm_save(&lan.director);
        if table == wanted { Ok(()) } else { Err(table) }
    });
    let answer = until(PATIENCE, "answer by SCTP", || {
        say(&lan.client, "good morning")
    });
    assert_eq!(answer, "rs1 heard: good morning");
    let connections = lan.director.run("ipvsadm -Lnc");
    assert!(connections.contains("SCTP"), "{connections}");
}

#[test]
fn direct_routing_carries_sctp() {
    let cluster = Cluster::new(&configuration("", "direct"));
    let _page = nginx(&cluster.lan.rs1, "rs1");
    let _director = cluster.direct();
    let _server = Server::start(&cluster.lan.rs1, VIP);
    carries(&cluster.lan, "-g");
}

#[test]
fn masquerading_carries_sctp() {
    let lan = Lan::new();
    lan.rs1
        .run("ip route add 192.168.11.1/32 via 192.168.11.10");
    let sysctls = ", sysctls: { net.ipv4.ip_forward: 1, net.ipv4.conf.all.send_redirects: 0, \
                   net.ipv4.conf.eth0.send_redirects: 0 }";
    let site = Site::new(&configuration(sysctls, "masquerade"));
    let _page = nginx(&lan.rs1, "rs1");
    let _director = site.start(&lan.director, &[]);
    let _server = Server::start(&lan.rs1, RIP);
    carries(&lan, "-m");
}
