//! Two directors as `deploy/manual/pair.md` has them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use crate::cluster::add_vip;
use crate::support::{Lan, Namespace, PATIENCE, Process, Site, until};

const VIP: &str = "192.168.11.200";
const CONNECTIONS: usize = 200;

/// What the page says, and where the agent serves its status.
fn configuration() -> String {
    let page = include_str!("../../deploy/manual/pair.md");
    let (_, rest) = page.split_once("```yaml\n").expect("the configuration");
    let (yaml, _) = rest.split_once("```").expect("its end");
    let check =
        "    address: 192.168.11.200:80\n    check: { tcp: {}, interval: 300ms, timeout: 10s }\n";
    let yaml = yaml.replace("    address: 192.168.11.200:80\n", check);
    format!("http: {{ listen: 127.0.0.1:9477 }}\n{yaml}")
}

/// The page's file for keepalived.
fn keepalived_conf() -> String {
    let page = include_str!("../../deploy/manual/pair.md");
    let lines = page
        .lines()
        .skip_while(|line| !line.contains("vrrp_instance"));
    let block = lines.take_while(|line| line.starts_with("    "));
    let lines: Vec<_> = block.map(str::trim).collect();
    lines.join("\n") + "\n"
}

/// Says back what it hears, on each connection; ends with the process.
fn echo(host: &Namespace) {
    let listener = host.enter(|| TcpListener::bind("0.0.0.0:80")).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut byte = [0];
                while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
            });
        }
    });
}

/// An agent, keepalived and both of the kernel's daemons.
struct Director<'l> {
    host: &'l Namespace,
    /// Its port of the switch.
    port: &'static str,
    site: Site,
    agent: Option<Process>,
    keepalived: Option<Process>,
}

impl<'l> Director<'l> {
    fn new(host: &'l Namespace, port: &'static str) -> Self {
        let site = Site::new(&configuration());
        let agent = site.start(host, &[]);
        let mut director = Self {
            host,
            port,
            site,
            agent: Some(agent),
            keepalived: None,
        };
        until(PATIENCE, "rs1 in the table", || {
            let table = host.run("ipvsadm -Sn");
            if table.contains("-r 192.168.11.21:80 -g -w 1") {
                Ok(())
            } else {
                Err(table)
            }
        });
        for role in ["master", "backup"] {
            host.run(&format!(
                "ipvsadm --start-daemon {role} --mcast-interface eth0 --syncid 1"
            ));
        }
        director.start_keepalived();
        director
    }

    fn start_keepalived(&mut self) {
        let directory = self.site.directory();
        let file = |name: &str| directory.join(name);
        std::fs::write(file("keepalived.conf"), keepalived_conf()).unwrap();
        let mut command = Command::new("keepalived");
        command.args(["-P", "-n", "-l", "-D", "-f"]);
        command.arg(file("keepalived.conf"));
        command.arg("-p").arg(file("keepalived.pid"));
        command.arg("-r").arg(file("vrrp.pid"));
        self.keepalived = Some(self.host.spawn(command));
    }

    fn has_vip(&self) -> bool {
        let shown = self.host.run("ip -o address show dev eth0");
        shown.contains(VIP)
    }

    /// The connections by its table that are established.
    fn connections(&self) -> usize {
        let list = self.host.run("ipvsadm -Lnc");
        list.lines()
            .filter(|line| line.contains("ESTABLISHED"))
            .count()
    }

    fn wait_for_connections(&self) {
        let what = format!("connections on {}", self.port);
        until(PATIENCE, &what, || match self.connections() {
            CONNECTIONS => Ok(()),
            other => Err(other),
        });
    }

    fn end(&mut self) {
        self.keepalived = None;
        self.agent = None;
    }
}

fn cable(lan: &Lan, director: &Director<'_>, state: &str) {
    lan.bridge
        .run(&format!("ip link set {} {state}", director.port));
}

/// How many of these connections do not answer any more.
fn lost(connections: &mut [TcpStream]) -> usize {
    let answers = |stream: &mut TcpStream| {
        let mut byte = [0];
        stream.write_all(b"x").is_ok() && stream.read_exact(&mut byte).is_ok()
    };
    let answering = connections
        .iter_mut()
        .map(answers)
        .filter(|answers| *answers);
    CONNECTIONS - answering.count()
}

#[test]
fn no_connection_is_lost_when_the_active_directors_cable_is_pulled_and_put_back() {
    let lan = Lan::new();
    add_vip(&lan.rs1);
    echo(&lan.rs1);
    let mut a = Director::new(&lan.director, "director");
    until(PATIENCE, "the VIP on the first director", || {
        if a.has_vip() { Ok(()) } else { Err(()) }
    });
    let mut b = Director::new(&lan.rs2, "rs2");

    let vip: SocketAddr = format!("{VIP}:80").parse().unwrap();
    let mut connections: Vec<_> = lan.client.enter(|| {
        let connect = |_| TcpStream::connect_timeout(&vip, PATIENCE).expect("a connection");
        (0..CONNECTIONS).map(connect).collect()
    });
    for stream in &connections {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    // Half of them has said something, and the other half has not.
    for stream in &mut connections[..CONNECTIONS / 2] {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    b.wait_for_connections();
    assert!(a.has_vip() && !b.has_vip());
    let (_, printed) = b.site.finish(b.host, &["doctor", "--all"]);
    assert!(printed.contains("this one is the standby"), "{printed}");
    assert!(!printed.contains("ip address add"), "{printed}");

    for turn in 0..2 {
        cable(&lan, &a, "down");
        until(PATIENCE, "the VIP on the other director", || {
            if b.has_vip() { Ok(()) } else { Err(()) }
        });
        assert_eq!(lost(&mut connections), 0, "turn {turn}, out");
        // Without its link, the director changes no weight.
        let table = a.host.run("ipvsadm -Sn");
        assert!(table.contains("-r 192.168.11.21:80 -g -w 1"), "{table}");
        cable(&lan, &a, "up");
        until(PATIENCE, "one director with the VIP", || {
            if b.has_vip() && !a.has_vip() {
                Ok(())
            } else {
                Err(())
            }
        });
        assert_eq!(lost(&mut connections), 0, "turn {turn}, in");
        a.wait_for_connections();
        std::mem::swap(&mut a, &mut b);
    }
    a.end();
    b.end();
}
