//! Many real servers in one agent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{AMPLE, Behaviour, Server, Site, until};

const SERVICES: u8 = 50;
const EACH: u8 = 10;

/// The servers of these tests take more descriptors than the usual soft limit allows.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

#[test]
fn five_hundred_real_servers_are_probed_evenly() {
    raise_file_limit();
    // Fifty networks of ten: no real server is anybody else's.
    let sites: Vec<_> = (0..SERVICES).map(|_| Site::new()).collect();
    let site = &sites[0];
    let port = site.port;
    let mut addresses = Vec::new();
    let mut services = String::new();
    for (number, network) in (1..).zip(&sites) {
        writeln!(
            services,
            "  - name: s{number}\n    address: 192.0.2.{number}:80\n    \
             check: {{ http: {{ path: /, port: {port} }}, interval: 1s, timeout: 1s, rise: 1 }}\n    \
             real_servers:"
        )
        .unwrap();
        for host in 1..=EACH {
            let ip = network.ip(host);
            writeln!(services, "      - {{ name: rs{host}, address: {ip} }}").unwrap();
            addresses.push((ip, port).into());
        }
    }
    let servers = Server::start(&addresses, Behaviour::good());
    site.configure(&services);
    let _agent = site.agent();
    let all = f64::from(SERVICES) * f64::from(EACH);
    until(AMPLE, "500 verdicts", || {
        let up = site.sum("lvs_virtual_service_real_servers", "health=\"up\"");
        if up < all { Err(up) } else { Ok(()) }
    });

    let mut first = BTreeMap::new();
    for (ip, at) in servers.arrivals() {
        first.entry(ip).or_insert(at);
    }
    assert_eq!(first.len(), addresses.len());
    let start = *first.values().min().unwrap();
    let mut windows: BTreeMap<u128, usize> = BTreeMap::new();
    for at in first.values() {
        *windows.entry((*at - start).as_millis() / 100).or_default() += 1;
    }
    let fullest = windows.values().max().unwrap();
    assert!(fullest * 10 <= first.len() * 4, "{windows:?}");
    let last = *first.values().max().unwrap() - start;
    assert!(last > Duration::from_millis(500), "{windows:?}");
}
