//! Each cause that keeps clients from a real server, really made: its name
//! within three probes, and `ok` within three after the fix; for both
//! families, by direct routing and by tunnel.

mod reverse_path;

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::cluster::shown;
use crate::support::{
    Namespace, PATIENCE, Process, http_get_path, ipvsadm_save, nginx, nginx_on, until,
};
use crate::vip_lan::{VIP, VIP6, VipLan, configuration};

/// As the documentation has it.
const CAUSES: [&str; 8] = [
    "ok",
    "application_down",
    "vip_missing",
    "not_listening_on_vip",
    "path_filtered",
    "arp_conflict",
    "unreachable",
    "unverified",
];

/// The label's values of the diagnosis of one real server, which is one at a time, and how
/// many probes of it have ended: of one and the same scrape. No fork is in it,
/// which would cost longer than a probe.
#[derive(Debug)]
struct Scrape {
    causes: Vec<String>,
    probes: f64,
}

impl Scrape {
    fn of(director: &Namespace, real_server: &str) -> Self {
        let text = shown(director, "/metrics");
        let series = |name: &str| {
            let start = format!("{name}{{service=\"web\",real_server=\"{real_server}\",");
            let lines = text.lines().filter_map(|line| line.strip_prefix(&start));
            let values = lines.map(|line| {
                let (label, value) = line.split_once("\"} ").expect("a value");
                let (_, label) = label.split_once("=\"").expect("a label");
                (label.to_owned(), value.parse::<f64>().expect("a number"))
            });
            values.collect::<Vec<_>>()
        };
        let diagnosis = series("lvs_real_server_diagnosis");
        for (cause, value) in &diagnosis {
            let is_known = CAUSES.contains(&&**cause);
            assert!(
                is_known && (*value - 1.0).abs() < 0.1,
                "{real_server}: {cause} {value}"
            );
        }
        let probes = series("lvs_probes_total").into_iter();
        Self {
            causes: diagnosis.into_iter().map(|(cause, _)| cause).collect(),
            probes: probes.map(|(_, count)| count).sum(),
        }
    }
}

/// Writes a sysctl of the host, without a fork.
fn sysctl(host: &Namespace, key: &str, value: &str) {
    let path = format!("/proc/sys/{}", key.replace('.', "/"));
    host.enter(|| fs::write(&path, value))
        .unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// All parameters of the host's interfaces and of its IPVS.
fn sysctls(host: &Namespace) -> BTreeMap<String, String> {
    let mut sysctl = Command::new("sysctl");
    sysctl.args(["-a", "--pattern", r"^net\.ipv[46]\.(conf|vs)\."]);
    // Some parameters cannot be read, and it says so in its exit code.
    let shown = String::from_utf8(host.output(sysctl).stdout).expect("output in UTF-8");
    assert!(shown.contains(".accept_local = "), "{shown}");
    let pairs = shown.lines().filter_map(|line| line.split_once(" = "));
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Forwarding {
    Direct,
    Tunnel,
}

/// One combination: rs1 is what is broken and fixed, rs2 is well throughout.
struct Row {
    vip_lan: VipLan,
    director: Process,
    vip: IpAddr,
    rip: IpAddr,
    forwarding: Forwarding,
    /// How the check goes.
    via: &'static str,
    web: Option<Process>,
    other: Process,
    /// Of the director, before the agent.
    sysctls: BTreeMap<String, String>,
}

impl Row {
    fn new(family: Family, forwarding: Forwarding, via: &'static str) -> Self {
        let (vip, rip) = match family {
            Family::V4 => (VIP, "192.168.11.21"),
            Family::V6 => (VIP6, "2001:db8::21"),
        };
        let [vip, rip] = [vip, rip].map(|address| address.parse().expect("an address"));
        let vip_lan = VipLan::new(&settings(vip, forwarding, via, "1s"));
        if forwarding == Forwarding::Tunnel {
            for (host, last) in [(&vip_lan.lan.rs1, 21), (&vip_lan.lan.rs2, 22)] {
                let kind = match family {
                    Family::V4 => format!("ipip local 192.168.11.{last}"),
                    Family::V6 => format!("ip6tnl mode any local 2001:db8::{last}"),
                };
                host.run(&format!("ip link add unpack type {kind} remote any"));
                host.run("ip link set unpack up");
                sysctl(host, "net.ipv4.conf.unpack.rp_filter", "0");
                sysctl(host, "net.ipv4.conf.all.rp_filter", "0");
            }
        }
        // Or a link that goes down takes the addresses along.
        sysctl(
            &vip_lan.lan.rs1,
            "net.ipv6.conf.eth0.keep_addr_on_down",
            "1",
        );
        let web = Some(nginx(&vip_lan.lan.rs1, "rs1"));
        let other = nginx(&vip_lan.lan.rs2, "rs2");
        let sysctls = sysctls(&vip_lan.lan.director);
        let director = vip_lan.direct();
        let row = Self {
            vip_lan,
            director,
            vip,
            rip,
            forwarding,
            via,
            web,
            other,
            sysctls,
        };
        for real_server in ["rs1", "rs2"] {
            row.vip_lan.wait_for_health(real_server, "up");
        }
        row.wait_for("ok", row.scrape().probes);
        row
    }

    fn scrape(&self) -> Scrape {
        Scrape::of(&self.vip_lan.lan.director, "rs1")
    }

    /// Makes the cause, waits for its name, fixes it, and waits for `ok`.
    fn cell(&mut self, name: &str, cause: impl FnOnce(&mut Self), fix: impl FnOnce(&mut Self)) {
        cause(self);
        self.wait_for(name, self.scrape().probes);
        self.is_seen_again(name);
        fix(self);
        self.wait_for("ok", self.scrape().probes);
        self.vip_lan.wait_for_diagnosis("rs2", "ok");
    }

    /// At most three whole probes that began after the change show it, the
    /// last of them with this count since. The one that was under way at that
    /// instant may have seen what was before, and does not count; so four may
    /// have ended. By the director's own probes, and not by a clock, because
    /// a machine that stands still makes none.
    fn wait_for(&self, name: &str, before: f64) {
        let found = until(PATIENCE, &format!("{name} of rs1"), || {
            let found = self.scrape();
            if found.causes == [name] {
                Ok(found)
            } else {
                Err((found, shown(&self.vip_lan.lan.director, "/status")))
            }
        });
        let took = found.probes - before;
        assert!(took < 4.5, "{name} after {took} probes");
    }

    /// A later probe shows the same, and so does the status. It need not be
    /// the next: one may be late on a busy machine.
    fn is_seen_again(&self, name: &str) {
        let before = self.scrape().probes;
        until(PATIENCE, &format!("{name} once more"), || {
            let found = self.scrape();
            if found.probes - before > 0.5 && found.causes == [name] {
                Ok(())
            } else {
                Err(found)
            }
        });
        self.vip_lan.wait_for_diagnosis("rs1", name);
    }

    fn run(&self, line: &str) {
        self.vip_lan.lan.rs1.run(line);
    }

    /// `VIP/32`, or `VIP/128`.
    fn prefix(&self) -> String {
        let length = if self.vip.is_ipv4() { 32 } else { 128 };
        format!("{}/{length}", self.vip)
    }

    /// A firewall on rs1 that does this to what comes for the web server, at
    /// these addresses.
    fn firewall(&self, at: &str, verdict: &str) {
        self.run(&format!(
            "nft add table inet lab {{ chain input {{ \
             type filter hook input priority 0 ; {at} tcp dport 80 {verdict} ; }} ; }}"
        ));
    }

    /// In nftables' words.
    fn at_vip(&self) -> String {
        let family = if self.vip.is_ipv4() { "ip" } else { "ip6" };
        format!("{family} daddr {}", self.vip)
    }

    fn no_firewall(&self) {
        self.run("nft delete table inet lab");
    }

    /// All causes that a probe shows.
    fn probed(&mut self) {
        let prefix = self.prefix();
        let nodad = if self.vip.is_ipv6() { " nodad" } else { "" };
        self.cell(
            "vip_missing",
            |row| row.run(&format!("ip address del {prefix} dev lo")),
            |row| row.run(&format!("ip address add {prefix} dev lo{nodad}")),
        );
        self.cell(
            "vip_missing",
            |row| row.firewall(&row.at_vip(), "drop"),
            |row| row.no_firewall(),
        );
        // A refusal for a port, and one as firewalls give it: different codes,
        // and different numbers of the error that the socket has.
        let reject = if self.vip.is_ipv4() == (self.forwarding == Forwarding::Direct) {
            "reject"
        } else {
            "reject with icmpx type admin-prohibited"
        };
        self.cell(
            "path_filtered",
            |row| row.firewall(&row.at_vip(), reject),
            |row| row.no_firewall(),
        );
        self.cell(
            "application_down",
            |row| row.web = None,
            |row| row.web = Some(nginx(&row.vip_lan.lan.rs1, "rs1")),
        );
        // Nothing comes back, and yet the host is there: it says so itself.
        self.cell(
            "application_down",
            |row| row.firewall("", "drop"),
            |row| row.no_firewall(),
        );
        self.cell(
            "not_listening_on_vip",
            |row| {
                row.web = None;
                let own = SocketAddr::new(row.rip, 80);
                row.web = Some(nginx_on(&row.vip_lan.lan.rs1, "rs1", own));
            },
            |row| {
                row.web = None;
                row.web = Some(nginx(&row.vip_lan.lan.rs1, "rs1"));
            },
        );
        self.cell(
            "unreachable",
            |row| row.run("ip link set eth0 down"),
            |row| {
                row.run("ip link set eth0 up");
                row.wait_for_link();
            },
        );
    }

    /// A link carries some time after it was set up.
    fn wait_for_link(&self) {
        let other = match self.rip {
            IpAddr::V4(_) => "192.168.11.22:80",
            IpAddr::V6(_) => "[2001:db8::22]:80",
        };
        let other = other.parse().expect("an address");
        until(PATIENCE, "answer of rs2 to rs1", || {
            http_get_path(&self.vip_lan.lan.rs1, other, "/", Duration::from_secs(1))
        });
    }

    /// With the usual interval from here on. What the ARP audit finds does not
    /// wait for a probe: it is counted by them all the same.
    fn usual_interval(&self) {
        let settings = settings(self.vip, self.forwarding, self.via, "5s");
        self.vip_lan.site.write_configuration(&settings);
        let director = &self.vip_lan.lan.director;
        let (code, printed) = self.vip_lan.site.finish(director, &["reload"]);
        assert_eq!(code, 0, "{printed}");
    }

    fn arp_conflict(&self, cause: impl FnOnce(&Self), fix: impl FnOnce(&Self)) {
        cause(self);
        self.wait_for("arp_conflict", self.scrape().probes);
        self.vip_lan.wait_for_diagnosis("rs1", "arp_conflict");
        fix(self);
        self.wait_for("ok", self.scrape().probes);
    }

    fn arp_sysctls(&self, ignore: &str, announce: &str) {
        let rs1 = &self.vip_lan.lan.rs1;
        sysctl(rs1, "net.ipv4.conf.all.arp_ignore", ignore);
        sysctl(rs1, "net.ipv4.conf.all.arp_announce", announce);
    }

    /// Nothing of ours remains on the director, and rs2 was well all the time.
    fn end(mut self) {
        let director = &self.vip_lan.lan.director;
        let metrics = shown(director, "/metrics");
        let down = "lvs_transitions_total{service=\"web\",real_server=\"rs2\",to=\"down\"} 0";
        assert!(metrics.lines().any(|line| line == down), "{metrics}");
        let marks = ipvsadm_save(director);
        assert!(marks.contains(" -f 8193 "), "{marks}");

        self.director.signal(Signal::SIGTERM);
        self.director.wait(PATIENCE);
        let (code, printed) = self.vip_lan.site.finish(director, &["cleanup"]);
        assert_eq!(code, 0, "{printed}");
        assert_eq!(ipvsadm_save(director), "", "{printed}");
        let addresses = director.run("ip -o address");
        let vip = format!("{}/", self.vip);
        assert!(!addresses.contains(&vip), "{addresses}");
        let mut after = sysctls(director);
        // A module that another test has loaded meanwhile brings interfaces.
        after.retain(|key, _| self.sysctls.contains_key(key));
        assert_eq!(after, self.sysctls, "{printed}");
        drop((self.web, self.other));
    }
}

fn settings(vip: IpAddr, forwarding: Forwarding, via: &str, interval: &str) -> String {
    let forwarding = match forwarding {
        Forwarding::Direct => "forwarding: direct",
        Forwarding::Tunnel => "forwarding: tunnel",
    };
    let real_servers = match vip {
        IpAddr::V4(_) => ["192.168.11.21", "192.168.11.22"],
        IpAddr::V6(_) => ["2001:db8::21", "2001:db8::22"],
    };
    let check = format!("via: {via}, interval: {interval}, timeout: 3s");
    let service = SocketAddr::new(vip, 80).to_string();
    configuration(&service, forwarding, &check, &real_servers)
}

fn ipv4(forwarding: Forwarding, via: &'static str) {
    let mut row = Row::new(Family::V4, forwarding, via);
    row.probed();
    row.usual_interval();
    row.arp_conflict(
        |row| row.arp_sysctls("0", "0"),
        |row| row.arp_sysctls("1", "2"),
    );
    // A request never comes in on lo: its keys do nothing.
    let rs1 = &row.vip_lan.lan.rs1;
    sysctl(rs1, "net.ipv4.conf.lo.arp_ignore", "1");
    sysctl(rs1, "net.ipv4.conf.lo.arp_announce", "2");
    row.arp_conflict(
        |row| row.arp_sysctls("0", "0"),
        |row| row.arp_sysctls("1", "2"),
    );
    row.end();
}

/// IPv6 has no `arp_ignore`, and needs none: a solicitation is answered for
/// the addresses of the interface it came in by, and for proxied ones, never
/// for those of lo (`ndisc_recv_ns` in `net/ipv6/ndisc.c` looks the target up
/// on that interface alone). So rs1 does without those sysctls throughout, and
/// nothing is amiss. Its ARP conflict comes from the VIP on its eth0.
fn ipv6(forwarding: Forwarding, via: &'static str) {
    let mut row = Row::new(Family::V6, forwarding, via);
    row.arp_sysctls("0", "0");
    row.probed();
    row.usual_interval();
    let vip = row.prefix();
    row.arp_conflict(
        |row| row.run(&format!("ip address add {vip} dev eth0 nodad")),
        |row| row.run(&format!("ip address del {vip} dev eth0")),
    );
    row.end();
}

#[test]
fn each_cause_of_direct_routing_with_ipv4_has_its_name() {
    ipv4(Forwarding::Direct, "both");
}

#[test]
fn each_cause_of_a_tunnel_with_ipv4_has_its_name() {
    ipv4(Forwarding::Tunnel, "vip");
}

#[test]
fn each_cause_of_direct_routing_with_ipv6_has_its_name() {
    ipv6(Forwarding::Direct, "vip");
}

#[test]
fn each_cause_of_a_tunnel_with_ipv6_has_its_name() {
    ipv6(Forwarding::Tunnel, "both");
}
