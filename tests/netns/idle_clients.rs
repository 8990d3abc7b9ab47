//! The check of the kind `agent`, while clients that ask nothing hold
//! connections to the agent of the real server.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use crate::support::{Lan, Site, Web, until};
use crate::witness::{DEADLINE, OURS, metric, set_sysctls, start, status};

const REAL_SERVER: &str = "
http: { listen: 0.0.0.0:9477 }
real_server: { resync_interval: 1s }
virtual_services:
  - name: web
    address: 192.168.11.200:80
    real_servers: [{ name: rs1, address: 192.168.11.21 }]
";

const DIRECTOR: &str = "
virtual_services:
  - name: web
    address: 192.168.11.200:80
    check: { agent: { port: 9477 }, interval: 200ms, timeout: 5s, rise: 1, fall: 1 }
    real_servers: [{ name: rs1, address: 192.168.11.21 }]
";

fn probes(lan: &Lan, result: &str) -> u64 {
    let labels = format!("service=\"web\",real_server=\"rs1\",result=\"{result}\"");
    metric(&lan.director, &format!("lvs_probes_total{{{labels}}}")).unwrap_or(0)
}

#[test]
fn idle_connections_to_a_real_servers_agent_take_no_real_server_down() {
    let lan = Lan::new();
    let _web = Web::start(&lan.rs1, "rs1");
    set_sysctls(&lan.rs1, OURS);
    let sites = [Site::new(REAL_SERVER), Site::new(DIRECTOR)];
    let _real_server = start(&sites[0], &lan.rs1);
    let _director = sites[1].start(&lan.director, &["--table", "memory"]);
    until(DEADLINE, "a real server that is up", || {
        let mut shown = status(&lan.director);
        let found = shown["virtual_services"][0]["real_servers"][0].take();
        if found["health"] == "up" {
            Ok(())
        } else {
            Err(found)
        }
    });

    let agent = SocketAddr::from((Ipv4Addr::new(192, 168, 11, 21), 9477));
    let connect = || lan.client.enter(|| TcpStream::connect(agent).unwrap());
    let mut idle: Vec<_> = (0..300).map(|_| connect()).collect();
    let passed = probes(&lan, "ok");
    until(DEADLINE, "30 probes that pass", || {
        // Those that were closed come again.
        idle.extend((0..20).map(|_| connect()));
        match probes(&lan, "ok") - passed {
            30.. => Ok(()),
            fewer => Err(fewer),
        }
    });
    assert_eq!(probes(&lan, "failed"), 0);
    let down = "lvs_transitions_total{service=\"web\",real_server=\"rs1\",to=\"down\"}";
    assert_eq!(metric(&lan.director, down), Some(0));
    drop(idle);
}
