//! What a failed real server does to the clients that it has (`on_failure`),
//! with clients, `ipvsadm` and its list of connections as witnesses.
#![expect(
    clippy::disallowed_methods,
    reason = "clients send at intervals, on threads of their own, and measure how long they wait"
)]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use socket2::{Domain, Protocol, Socket, Type};

use crate::cluster::metric;
use crate::support::{Namespace, PATIENCE, ipvsadm_save, until};
use crate::vip_lan::{VIP, VIP6, VipLan};

const PORT: u16 = 7;
/// Where the checks of TCP services ask.
const CHECKED: u16 = 8;

/// What answers on a host, until it is dropped.
struct Server(Arc<AtomicBool>);

impl Server {
    fn over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Each datagram is answered with the name, from the address that it came to.
    fn udp(host: &Namespace, name: &'static str, addresses: &[IpAddr]) -> Self {
        let server = Self(Arc::default());
        for address in addresses {
            let over = server.over();
            let bind = || UdpSocket::bind((*address, PORT));
            let socket = until(PATIENCE, "an address", || host.enter(bind));
            let wait = Some(Duration::from_millis(100));
            socket.set_read_timeout(wait).expect("a socket");
            thread::spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    if let Ok((_, client)) = socket.recv_from(&mut [0; 64]) {
                        // A host that is switched off cannot answer.
                        let _ = socket.send_to(name.as_bytes(), client);
                    }
                }
            });
        }
        server
    }

    /// Each byte is answered with itself; connections outlive the listener.
    fn tcp(host: &Namespace, port: u16) -> Self {
        let server = Self(Arc::default());
        let over = server.over();
        let listener = host
            .enter(|| TcpListener::bind(("::", port)))
            .expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        thread::spawn(move || {
            while !over.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        stream.set_nonblocking(false).expect("a socket");
                        thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(20)),
                }
            }
        });
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// One that sends a datagram every 100 ms from one port.
struct Client {
    socket: UdpSocket,
    by: String,
}

impl Client {
    fn new(host: &Namespace, vip: IpAddr) -> Self {
        let unspecified: IpAddr = match vip {
            IpAddr::V4(_) => [0; 4].into(),
            IpAddr::V6(_) => [0; 16].into(),
        };
        let socket = host
            .enter(|| UdpSocket::bind((unspecified, 0)))
            .expect("a socket");
        socket.connect((vip, PORT)).expect("a route");
        let wait = Some(Duration::from_millis(100));
        socket.set_read_timeout(wait).expect("a socket");
        let by = until(PATIENCE, "an answer", || Self::ask(&socket).ok_or("none"));
        Self { socket, by }
    }

    /// Late answers to earlier datagrams count as none.
    fn ask(socket: &UdpSocket) -> Option<String> {
        let mut answer = [0; 64];
        socket.set_nonblocking(true).expect("a socket");
        while socket.recv(&mut answer).is_ok() {}
        socket.set_nonblocking(false).expect("a socket");
        socket.send(b"x").ok()?;
        let length = socket.recv(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    fn answered(&self) -> Option<String> {
        let started = Instant::now();
        let answer = Self::ask(&self.socket);
        thread::sleep(Duration::from_millis(100).saturating_sub(started.elapsed()));
        answer
    }
}

struct Service<'a> {
    vip: &'a str,
    protocol: &'a str,
    keys: &'a str,
    check: &'a str,
    real_servers: &'a [&'a str],
}

fn configuration(service: &Service<'_>) -> String {
    let Service {
        vip,
        protocol,
        keys,
        check,
        real_servers,
    } = service;
    let real_servers = (1..).zip(*real_servers).map(|(number, address)| {
        format!("      - {{ name: rs{number}, address: \"{address}\" }}\n")
    });
    format!(
        "
http: {{ listen: 127.0.0.1:9477 }}
director: {{ interface: eth0, resync_interval: 1s }}
virtual_services:
  - name: echo
    address: \"{vip}\"
    protocol: {protocol}
    scheduler: rr
    {keys}
    check: {{ {check}, interval: 500ms, timeout: 3s, rise: 1, fall: 2 }}
    real_servers:
{}",
        real_servers.collect::<Vec<_>>().concat()
    )
}

const UDP: &str = "udp: { send: \"x\", expect: \"rs\" }";

fn wait_for(director: &Namespace, end: &str, there: bool) {
    until(PATIENCE, &format!("{end}: {there}"), || {
        let table = ipvsadm_save(director);
        if table.lines().any(|line| line.trim_end().ends_with(end)) == there {
            Ok(())
        } else {
            Err(table)
        }
    });
}

/// The entries of connections to a real server.
fn entries(director: &Namespace, real_server: &str) -> usize {
    let list = director.run("ipvsadm -Lnc");
    list.lines()
        .filter(|line| line.contains(real_server))
        .count()
}

fn no_drift(director: &Namespace) {
    for kind in [
        "real_server_missing",
        "real_server_changed",
        "real_server_extra",
    ] {
        assert!(
            metric(director, &format!("lvs_drift_total{{kind=\"{kind}\"}}")) < 0.5,
            "{kind}"
        );
    }
}

fn switch(host: &Namespace, number: u8, on: bool) {
    host.run(&format!(
        "ip link set eth0 {}",
        if on { "up" } else { "down" }
    ));
    if on {
        host.run(&format!(
            "ip address replace 2001:db8::{number}/64 dev eth0 nodad"
        ));
    }
}

#[test]
fn clients_of_udp_are_served_again_when_their_real_server_is_switched_off() {
    for (vip, own, [rip1, rip2], name) in [
        (
            VIP,
            format!("{VIP}:{PORT}"),
            ["192.168.11.21", "192.168.11.22"],
            "192.168.11.2",
        ),
        (
            VIP6,
            format!("[{VIP6}]:{PORT}"),
            ["2001:db8::21", "2001:db8::22"],
            "[2001:db8::2",
        ),
    ] {
        let vip_lan = VipLan::new(&configuration(&Service {
            vip: &own,
            protocol: "udp",
            keys: "",
            check: UDP,
            real_servers: &[rip1, rip2],
        }));
        let (client, director) = (&vip_lan.lan.client, &vip_lan.lan.director);
        let vip: IpAddr = vip.parse().expect("an address");
        let addresses = |rip: &str| [vip, rip.parse().expect("an address")];
        let _servers = [
            Server::udp(&vip_lan.lan.rs1, "rs1", &addresses(rip1)),
            Server::udp(&vip_lan.lan.rs2, "rs2", &addresses(rip2)),
        ];
        let mut agent = vip_lan.direct();
        let real_server = |number: u8| {
            let bracket = if vip.is_ipv6() { "]" } else { "" };
            format!("{name}{number}{bracket}:{PORT}")
        };
        let row = |number, weight| format!("-r {} -g -w {weight}", real_server(number));
        wait_for(director, &row(1, 1), true);
        wait_for(director, &row(2, 1), true);
        let clients: Vec<_> = (0..6).map(|_| Client::new(client, vip)).collect();
        let of_rs1 = clients.iter().filter(|client| client.by == "rs1").count();
        assert_eq!(of_rs1, 3, "by rr");

        switch(&vip_lan.lan.rs1, 21, false);
        let started = Instant::now();
        thread::scope(|scope| {
            let served = clients.iter().map(|client| {
                scope.spawn(move || {
                    let mut lost = 0;
                    while client.answered().is_none() {
                        lost += 1;
                        assert!(started.elapsed() < PATIENCE, "never served again");
                    }
                    (client, lost, started.elapsed())
                })
            });
            for thread in served.collect::<Vec<_>>() {
                let (client, lost, after) = thread.join().expect("served again");
                eprintln!("{vip} {}: {lost} datagrams lost, {after:.1?}", client.by);
                assert!(lost == 0 || client.by == "rs1");
            }
        });
        wait_for(director, &row(1, 0), true);
        assert_eq!(entries(director, &real_server(1)), 0);
        no_drift(director);

        // The last one has nobody to take its clients over. Killed and started
        // again, the agent does the same.
        agent.signal(Signal::SIGKILL);
        agent.wait(PATIENCE);
        switch(&vip_lan.lan.rs2, 22, false);
        let _agent = vip_lan.direct();
        wait_for(director, &row(2, 0), true);
        assert!(clients.iter().all(|client| client.answered().is_none()));
        assert!(
            entries(director, &real_server(2)) >= clients.len(),
            "theirs"
        );
        switch(&vip_lan.lan.rs1, 21, true);
        wait_for(director, &row(1, 1), true);
        for client in &clients {
            let by = until(PATIENCE, "served again", || client.answered().ok_or("lost"));
            assert_eq!(by, "rs1");
        }
        no_drift(director);
    }
}

#[test]
fn quiesce_leaves_connections_at_their_real_server() {
    let own = format!("{VIP}:{PORT}");
    let vip_lan = VipLan::new(&configuration(&Service {
        vip: &own,
        protocol: "udp",
        keys: "on_failure: quiesce",
        check: UDP,
        real_servers: &["192.168.11.21", "192.168.11.22"],
    }));
    let (client, director) = (&vip_lan.lan.client, &vip_lan.lan.director);
    let vip: IpAddr = VIP.parse().expect("an address");
    let addresses = |rip: &str| [vip, rip.parse().expect("an address")];
    let _servers = [
        Server::udp(&vip_lan.lan.rs1, "rs1", &addresses("192.168.11.21")),
        Server::udp(&vip_lan.lan.rs2, "rs2", &addresses("192.168.11.22")),
    ];
    let _agent = vip_lan.direct();
    wait_for(director, "-r 192.168.11.21:7 -g -w 1", true);
    wait_for(director, "-r 192.168.11.22:7 -g -w 1", true);
    let clients = [Client::new(client, vip), Client::new(client, vip)];
    switch(&vip_lan.lan.rs1, 21, false);
    wait_for(director, "-r 192.168.11.21:7 -g -w 0", true);
    for _ in 0..20 {
        for client in &clients {
            let answer = client.answered();
            assert!(answer.is_none_or(|by| by == "rs2" && client.by == "rs2"));
        }
    }
    assert!(entries(director, "192.168.11.21:7") > 0);
}

fn connect(client: &Namespace) -> TcpStream {
    let vip: IpAddr = VIP.parse().expect("an address");
    let connect = || TcpStream::connect_timeout(&SocketAddr::new(vip, PORT), PATIENCE);
    let mut stream = client.enter(connect).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .expect("a socket");
    answered(&mut stream).expect("an answer");
    stream
}

fn answered(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"x")?;
    stream.read_exact(&mut [0])
}

/// How many of the connections are ended by a reset within the time.
fn reset(connections: &mut [TcpStream], time: Duration) -> usize {
    let started = Instant::now();
    let mut reset = vec![false; connections.len()];
    while started.elapsed() < time && reset.contains(&false) {
        for (stream, reset) in connections.iter_mut().zip(&mut reset) {
            *reset |= answered(stream).is_err_and(|error| {
                use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
                matches!(error.kind(), ConnectionReset | BrokenPipe)
            });
        }
        thread::sleep(Duration::from_millis(200));
        if reset.iter().filter(|reset| **reset).count() == connections.len() / 2 {
            break;
        }
    }
    reset.into_iter().filter(|reset| *reset).count()
}

#[test]
fn connections_of_tcp_end_with_their_host_and_live_while_only_the_service_fails() {
    const LITTLE: Duration = Duration::from_secs(5);
    for (keys, refused, gone) in [
        ("", 0, 2),
        ("on_failure: reset", 2, 2),
        ("on_failure: quiesce", 0, 0),
    ] {
        let own = format!("{VIP}:{PORT}");
        let vip_lan = VipLan::new(&configuration(&Service {
            vip: &own,
            protocol: "tcp",
            keys,
            check: &format!("tcp: {{ port: {CHECKED} }}"),
            real_servers: &["192.168.11.21", "192.168.11.22"],
        }));
        let (client, director) = (&vip_lan.lan.client, &vip_lan.lan.director);
        let hosts = [&vip_lan.lan.rs1, &vip_lan.lan.rs2];
        let _echo = hosts.map(|host| Server::tcp(host, PORT));
        let mut checked = Some(Server::tcp(hosts[0], CHECKED));
        let _checked = Server::tcp(hosts[1], CHECKED);
        let _agent = vip_lan.direct();
        let row = |number, weight| format!("-r 192.168.11.2{number}:{PORT} -g -w {weight}");
        wait_for(director, &row(1, 1), true);
        wait_for(director, &row(2, 1), true);
        let connections = || -> Vec<_> { (0..4).map(|_| connect(client)).collect() };

        let mut living = connections();
        checked.take();
        wait_for(director, &row(1, 0), true);
        let time = if refused > 0 { PATIENCE } else { LITTLE };
        assert_eq!(reset(&mut living, time), refused, "refused: {keys:?}");
        let _back = Server::tcp(hosts[0], CHECKED);
        wait_for(director, &row(1, 1), true);

        let mut living = connections();
        switch(hosts[0], 21, false);
        wait_for(director, &row(1, 0), true);
        let time = if gone > 0 { PATIENCE } else { LITTLE };
        assert_eq!(reset(&mut living, time), gone, "gone: {keys:?}");
        no_drift(director);
    }
}

/// A one-to-one socket of SCTP (RFC 6458, section 4) with this address alone.
fn sctp_socket(host: &Namespace, address: &str, port: u16) -> std::io::Result<Socket> {
    host.enter(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::SCTP))?;
        let address = SocketAddr::new(address.parse().expect("an address"), port);
        socket.bind(&address.into())?;
        Ok(socket)
    })
}

/// Each message of an association is answered with itself.
fn sctp_server(host: &Namespace) -> Server {
    let server = Server(Arc::default());
    let over = server.over();
    let bind = || sctp_socket(host, VIP, PORT);
    let listener = until(PATIENCE, "an address", bind);
    listener.listen(8).expect("to listen");
    let wait = Some(Duration::from_millis(100));
    listener.set_read_timeout(wait).expect("a socket");
    thread::spawn(move || {
        while !over.load(Ordering::SeqCst) {
            if let Ok((association, _)) = listener.accept() {
                association.set_read_timeout(None).expect("a socket");
                thread::spawn(move || std::io::copy(&mut &association, &mut &association));
            }
        }
    });
    server
}

fn associate(client: &Namespace) -> Socket {
    let vip: IpAddr = VIP.parse().expect("an address");
    until(PATIENCE, "an association", || {
        let association = sctp_socket(client, "192.168.11.1", 0)?;
        let wait = Some(Duration::from_secs(2));
        association.set_read_timeout(wait)?;
        association.set_write_timeout(wait)?;
        association.connect(&SocketAddr::new(vip, PORT).into())?;
        associated(&association).map(|()| association)
    })
}

fn associated(association: &Socket) -> std::io::Result<()> {
    let mut association = association;
    association.write_all(b"x")?;
    association.read_exact(&mut [0])
}

/// How many of the associations are ended within the time, if not before it
/// this many.
fn aborted(associations: &[Socket], expected: usize, time: Duration) -> usize {
    let started = Instant::now();
    let mut aborted = vec![false; associations.len()];
    loop {
        for (association, aborted) in associations.iter().zip(&mut aborted) {
            if !*aborted && let Err(error) = associated(association) {
                use std::io::ErrorKind::{TimedOut, WouldBlock};
                *aborted = !matches!(error.kind(), TimedOut | WouldBlock);
                eprintln!("an association after {:.1?}: {error}", started.elapsed());
            }
        }
        let count = aborted.iter().filter(|aborted| **aborted).count();
        if started.elapsed() >= time || expected > 0 && count >= expected {
            return count;
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// The kernel that frees the entry of an association answers the client's next
/// packet with an ABORT, or with "protocol unreachable" where it has no SCTP.
#[test]
fn associations_of_sctp_end_with_their_host_as_connections_of_tcp_do() {
    for (keys, refused, gone) in [
        ("", 0, 2),
        ("on_failure: reset", 2, 2),
        ("on_failure: quiesce", 0, 0),
    ] {
        let own = format!("{VIP}:{PORT}");
        let vip_lan = VipLan::new(&configuration(&Service {
            vip: &own,
            protocol: "sctp",
            keys,
            check: &format!("tcp: {{ port: {CHECKED} }}"),
            real_servers: &["192.168.11.21", "192.168.11.22"],
        }));
        let (client, director) = (&vip_lan.lan.client, &vip_lan.lan.director);
        let hosts = [&vip_lan.lan.rs1, &vip_lan.lan.rs2];
        let _echo = hosts.map(sctp_server);
        let mut checked = Some(Server::tcp(hosts[0], CHECKED));
        let _checked = Server::tcp(hosts[1], CHECKED);
        let _agent = vip_lan.direct();
        let row = |number, weight| format!("-r 192.168.11.2{number}:{PORT} -g -w {weight}");
        let few = Duration::from_secs(4);
        let time = |expected| if expected > 0 { PATIENCE } else { few };
        wait_for(director, &row(1, 1), true);
        wait_for(director, &row(2, 1), true);
        let associations = || -> Vec<_> { (0..4).map(|_| associate(client)).collect() };

        let living = associations();
        let of_rs1 = entries(director, "192.168.11.21:7");
        assert!(of_rs1 >= 2, "{of_rs1}");
        checked.take();
        wait_for(director, &row(1, 0), true);
        let found = aborted(&living, refused, time(refused));
        assert_eq!(found, refused, "refused: {keys:?}");
        let _back = Server::tcp(hosts[0], CHECKED);
        wait_for(director, &row(1, 1), true);

        let living = associations();
        switch(hosts[0], 21, false);
        wait_for(director, &row(1, 0), true);
        assert_eq!(aborted(&living, gone, time(gone)), gone, "gone: {keys:?}");
        if gone > 0 {
            assert_eq!(entries(director, "192.168.11.21:7"), 0);
        }
        no_drift(director);
    }
}

#[test]
fn remove_excludes_the_real_server_until_it_passes_even_after_reload_and_restart() {
    let own = format!("{VIP}:{PORT}");
    let configuration = configuration(&Service {
        vip: &own,
        protocol: "tcp",
        keys: "on_failure: remove",
        check: &format!("tcp: {{ port: {CHECKED} }}"),
        real_servers: &["192.168.11.21", "192.168.11.22"],
    });
    let vip_lan = VipLan::new(&configuration);
    let director = &vip_lan.lan.director;
    let hosts = [&vip_lan.lan.rs1, &vip_lan.lan.rs2];
    let mut checked = hosts.map(|host| Some(Server::tcp(host, CHECKED)));
    let mut agent = vip_lan.direct();
    let row = |number| format!("-r 192.168.11.2{number}:{PORT} -g -w 1");
    wait_for(director, &row(1), true);
    wait_for(director, &row(2), true);
    checked[0].take();
    wait_for(director, "-g -w 0", false);
    wait_for(director, &row(1), false);
    let there = || ipvsadm_save(director).contains("192.168.11.21");
    until(PATIENCE, "removed", || {
        if there() { Err("there") } else { Ok(()) }
    });
    let heavier = configuration.replace("192.168.11.22\"", "192.168.11.22\", weight: 5");
    vip_lan.site.write_configuration(&heavier);
    let (code, printed) = vip_lan.site.finish(director, &["reload"]);
    assert_eq!(code, 0, "{printed}");
    assert!(!there());
    no_drift(director);
    agent.signal(Signal::SIGKILL);
    agent.wait(PATIENCE);
    let mut agent = vip_lan.direct();
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("+ real server 192.168.11.21:7")
    });
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("removed from the table until")
    });
    until(PATIENCE, "removed again", || {
        if there() { Err("there") } else { Ok(()) }
    });
    checked[0] = Some(Server::tcp(hosts[0], CHECKED));
    wait_for(director, &row(1), true);
    no_drift(director);
}

/// Masquerading (the client is in the LAN of the real servers, so a route of
/// theirs leads their answers through the director) and a service by mark.
#[test]
fn clients_are_served_again_behind_masquerading_and_by_firewall_mark() {
    const FORWARD: &str = "
  sysctls: { net.ipv4.ip_forward: 1, net.ipv4.conf.all.send_redirects: 0,
             net.ipv4.conf.eth0.send_redirects: 0 }
virtual_services:";
    for (forwarding, by_mark) in [
        ("masquerade", false),
        ("direct", true),
        ("masquerade", true),
    ] {
        let own = format!("{VIP}:{PORT}");
        let text = configuration(&Service {
            vip: &own,
            protocol: "udp",
            keys: &format!("forwarding: {forwarding}"),
            check: UDP,
            real_servers: &["192.168.11.21", "192.168.11.22"],
        });
        let text = text
            .replace(
                "director: { interface: eth0, resync_interval: 1s }\nvirtual_services:",
                &format!("director:\n  interface: eth0\n  resync_interval: 1s{FORWARD}"),
            )
            .replace("udp: { send", "udp: { port: 7, send");
        let text = if by_mark {
            text.replace(
                &format!("address: \"{own}\""),
                "fwmark: 7\n    family: ipv4",
            )
            .replace("    protocol: udp\n", "    on_failure: reset\n")
        } else {
            text
        };
        let vip_lan = VipLan::new(&text);
        let (client, director) = (&vip_lan.lan.client, &vip_lan.lan.director);
        if by_mark {
            director.run(&format!("ip address replace {VIP}/32 dev eth0"));
            director.run("nft add table ip lab");
            director.run(
                "nft add chain ip lab marks { type filter hook prerouting priority mangle ; }",
            );
            director.run(&format!(
                "nft add rule ip lab marks ip daddr {VIP} udp dport {PORT} meta mark set 7"
            ));
        }
        let masquerade = forwarding == "masquerade";
        for host in [&vip_lan.lan.rs1, &vip_lan.lan.rs2] {
            if masquerade {
                host.run(&format!("ip address del {VIP}/32 dev lo"));
                host.run("ip route add 192.168.11.1/32 via 192.168.11.10");
            }
        }
        let addresses = |rip: &str| -> Vec<IpAddr> {
            let both = [rip, VIP].map(|address| address.parse().expect("an address"));
            if masquerade {
                both[..1].to_vec()
            } else {
                both.to_vec()
            }
        };
        let _servers = [
            Server::udp(&vip_lan.lan.rs1, "rs1", &addresses("192.168.11.21")),
            Server::udp(&vip_lan.lan.rs2, "rs2", &addresses("192.168.11.22")),
        ];
        let _agent = vip_lan.direct();
        let port = if by_mark { 0 } else { PORT };
        let letter = if masquerade { "m" } else { "g" };
        let row = |number, weight| format!("-r 192.168.11.2{number}:{port} -{letter} -w {weight}");
        wait_for(director, &row(1, 1), true);
        wait_for(director, &row(2, 1), true);
        let vip: IpAddr = VIP.parse().expect("an address");
        let clients: Vec<_> = (0..4).map(|_| Client::new(client, vip)).collect();
        let of_rs1 = clients.iter().filter(|client| client.by == "rs1").count();
        assert_eq!(of_rs1, 2, "by rr");

        switch(&vip_lan.lan.rs1, 21, false);
        let started = Instant::now();
        for client in &clients {
            let by = until(PATIENCE, "served again", || client.answered().ok_or("lost"));
            assert_eq!(by, "rs2", "{forwarding}, by mark: {by_mark}");
        }
        eprintln!(
            "{forwarding}, by mark: {by_mark}: {:.1?}",
            started.elapsed()
        );
        wait_for(director, &row(1, 0), true);
        assert_eq!(entries(director, "192.168.11.21:"), 0);
        no_drift(director);
    }
}
