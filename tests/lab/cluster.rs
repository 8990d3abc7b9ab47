//! The how-to's cluster with agents on all of its hosts.

use std::net::SocketAddr;

use crate::support::{
    Lan, Namespace, PATIENCE, Process, Site, Systemd, http_get, http_get_path, ipvsadm_save, until,
};

pub(crate) const VIP: &str = "192.168.11.200:80";

/// The how-to's cluster with short times, for tests that wait for verdicts.
pub(crate) const QUICK: &str = "
http: { listen: 127.0.0.1:9477 }
director: { interface: eth0, resync_interval: 1s }
real_server: { resync_interval: 1s }
virtual_services:
  - name: web
    address: 192.168.11.200:80
    check: { http: {}, interval: 300ms, timeout: 10s, rise: 2, fall: 2 }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
      - { name: rs2, address: 192.168.11.22 }
";

/// The director's table of the how-to's cluster, as `ipvsadm --save` has it.
pub(crate) const TABLE: &str = "-A -t 192.168.11.200:80 -s wlc\n\
                                -a -t 192.168.11.200:80 -r 192.168.11.21:80 -g -w 1\n\
                                -a -t 192.168.11.200:80 -r 192.168.11.22:80 -g -w 1\n";

/// The LAN with the agents of both real servers at work.
pub(crate) struct Cluster {
    pub(crate) site: Site,
    real_servers: Option<[(Site, Process); 2]>,
    pub(crate) lan: Lan,
}

impl Cluster {
    /// Sets both real servers up; the director is the test's to start.
    pub(crate) fn new(configuration: &str) -> Self {
        let lan = Lan::new();
        let real_servers = [&lan.rs1, &lan.rs2].map(|host| {
            let site = Site::new(configuration);
            let agent = site.start(host, &["--real-server"]);
            (site, agent)
        });
        Self {
            site: Site::new(configuration),
            real_servers: Some(real_servers),
            lan,
        }
    }

    /// Starts the director's agent.
    pub(crate) fn direct(&self) -> Process {
        self.site.start(&self.lan.director, &[])
    }

    /// The agent of rs1 (0) or rs2 (1).
    pub(crate) fn real_server_agent(&mut self, place: usize) -> &mut Process {
        let real_servers = self.real_servers.as_mut().expect("until it is dropped");
        &mut real_servers[place].1
    }

    /// The client's request to the VIP; the page that it got.
    pub(crate) fn request(&self) -> std::io::Result<String> {
        request(&self.lan.client)
    }

    /// Waits until `ipvsadm -Sn` shows the real server's weight as this.
    pub(crate) fn wait_for_weight(&self, real_server: &str, weight: u32) {
        let line = format!("-r {real_server}:80 -g -w {weight}");
        until(PATIENCE, &line, || {
            let table = self.lan.director.run("ipvsadm -Sn");
            if table.lines().any(|l| l.trim_end().ends_with(&line)) {
                Ok(())
            } else {
                Err(table)
            }
        });
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.real_servers = None;
    }
}

/// Sets a real server up without an agent: the VIP on `lo`, for which the host answers no ARP.
pub(crate) fn add_vip(real_server: &Namespace) {
    real_server.run("sysctl -q -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2");
    real_server.run("ip address add 192.168.11.200/32 dev lo");
}

/// Waits until the director of this systemd has [`TABLE`].
pub(crate) fn wait_for_table(director: &Systemd<'_>) {
    until(PATIENCE, "full table", || {
        let table = ipvsadm_save(director.namespace);
        (table == TABLE)
            .then_some(())
            .ok_or_else(|| (table, director.log()))
    });
}

/// Fails unless the director's agent has put the VIP on the LAN's interface.
pub(crate) fn assert_has_vip(director: &Namespace) {
    let vip = director.run("ip -o address show label eth0:0");
    assert!(vip.contains("192.168.11.200/32"), "{vip}");
}

/// A request from `client` to the VIP.
pub(crate) fn request(client: &Namespace) -> std::io::Result<String> {
    http_get(
        client,
        SocketAddr::from(([192, 168, 11, 200], 80)),
        PATIENCE,
    )
}

/// What the agent on this host serves at `path`.
pub(crate) fn shown(host: &Namespace, path: &str) -> String {
    let agent = SocketAddr::from(([127, 0, 0, 1], 9477));
    http_get_path(host, agent, path, PATIENCE).expect(path)
}

/// The value of one series of the director's metrics, as a client sees it. A result of
/// probes that has not occurred has no series.
pub(crate) fn metric(host: &Namespace, series: &str) -> f64 {
    let text = shown(host, "/metrics");
    let may_be_absent = series.starts_with("lvs_probes_total{");
    let absent = || may_be_absent.then_some(0.0);
    let found = find(&text, series).or_else(absent);
    found.unwrap_or_else(|| panic!("no {series} in:\n{text}"))
}

fn find(metrics: &str, series: &str) -> Option<f64> {
    let value = metrics.lines().find_map(|line| line.strip_prefix(series))?;
    Some(value.trim().parse().expect("a number"))
}

/// The weight of each destination in `ipvsadm -Sn`'s words, in its order.
pub(crate) fn weights(table: &str) -> Vec<u32> {
    let lines = table.lines().filter(|line| line.starts_with("-a"));
    lines
        .map(|line| {
            let (_, weight) = line.rsplit_once("-w ").expect("a weight");
            weight.trim().parse().expect("a number")
        })
        .collect()
}

/// Waits until the series has this value.
pub(crate) fn wait_for_metric(host: &Namespace, series: &str, value: f64) {
    until(PATIENCE, series, || {
        // Some are not there from the start on.
        match find(&shown(host, "/metrics"), series) {
            Some(found) if (found - value).abs() < 0.5 => Ok(()),
            found => Err(found),
        }
    });
}
