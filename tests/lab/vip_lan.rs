//! The LAN of the tests of checks through the VIP, and what the status says there.

use std::fmt::Write as _;

use crate::cluster::shown;
use crate::support::{Lan, Namespace, PATIENCE, Process, Site, until};

pub(crate) const VIP: &str = "192.168.11.200";
pub(crate) const VIP6: &str = "2001:db8::200";

/// A director whose one service asks these real servers, `rs1` first.
pub(crate) fn configuration(
    vip: &str,
    service: &str,
    check: &str,
    real_servers: &[&str],
) -> String {
    let mut text = format!(
        "
http: {{ listen: 127.0.0.1:9477 }}
director: {{ interface: eth0, resync_interval: 1s }}
virtual_services:
  - name: web
    address: \"{vip}\"
    {service}
    check: {{ http: {{}}, rise: 2, fall: 2, {check} }}
    real_servers:
"
    );
    for (number, address) in (1..).zip(real_servers) {
        let _ = writeln!(
            text,
            "      - {{ name: rs{number}, address: \"{address}\" }}"
        );
    }
    text
}

/// The LAN with the VIPs on lo of both real servers, set up by hand: nobody
/// puts back what a test takes away.
pub(crate) struct VipLan {
    pub(crate) lan: Lan,
    pub(crate) site: Site,
}

impl VipLan {
    pub(crate) fn new(configuration: &str) -> Self {
        let lan = Lan::new();
        for (host, number) in [
            (&lan.client, 1),
            (&lan.director, 10),
            (&lan.rs1, 21),
            (&lan.rs2, 22),
        ] {
            host.run(&format!(
                "ip address add 2001:db8::{number}/64 dev eth0 nodad"
            ));
        }
        for host in [&lan.rs1, &lan.rs2] {
            host.run(
                "sysctl -q -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2",
            );
            host.run(&format!("ip address add {VIP}/32 dev lo"));
            host.run(&format!("ip address add {VIP6}/128 dev lo nodad"));
        }
        Self {
            lan,
            site: Site::new(configuration),
        }
    }

    pub(crate) fn direct(&self) -> Process {
        self.site.start(&self.lan.director, &[])
    }

    pub(crate) fn wait_for_diagnosis(&self, real_server: &str, diagnosis: &str) {
        let what = format!("{diagnosis} of {real_server}");
        until(PATIENCE, &what, || {
            let status = status(&self.lan.director);
            let found = of_real_server(&status, real_server);
            if found.contains(&format!("\"diagnosis\":\"{diagnosis}\"")) {
                Ok(())
            } else {
                Err(found.to_owned())
            }
        });
    }

    pub(crate) fn wait_for_health(&self, real_server: &str, health: &str) {
        until(PATIENCE, &format!("{real_server} {health}"), || {
            let status = status(&self.lan.director);
            let found = of_real_server(&status, real_server);
            if found.contains(&format!("\"health\":\"{health}\"")) {
                Ok(())
            } else {
                Err(found.to_owned())
            }
        });
    }
}

pub(crate) fn status(host: &Namespace) -> String {
    shown(host, "/status")
}

/// What the status says of one real server.
pub(crate) fn of_real_server<'s>(status: &'s str, name: &str) -> &'s str {
    let start = status
        .find(&format!("{{\"name\":\"{name}\""))
        .expect("the real server");
    let rest = &status[start..];
    let end = rest[1..]
        .find("{\"name\":")
        .map_or(rest.len(), |end| end + 1);
    &rest[..end]
}
