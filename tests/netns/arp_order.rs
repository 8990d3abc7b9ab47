//! A real server never claims the VIP on the LAN, whatever happens to its agent.

use nix::sys::signal::Signal;

use crate::arp::{Host, Watch, watching};
use crate::support::{Lan, Namespace, Process, Site, until};
use crate::witness::{
    DEADLINE, VIP_ON_LO, addresses, configuration, has_vip, of_real_server, set_sysctls, start,
    sysctls, wait_for_vip,
};

const ROUNDS: usize = 12;

/// The sysctls with which a host answers for, and asks in the name of, any
/// address that it has.
const OPEN: [(&str, &str); 5] = [
    ("net.ipv4.conf.all.arp_announce", "0"),
    ("net.ipv4.conf.all.arp_ignore", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    ("net.ipv4.conf.lo.arp_announce", "0"),
    ("net.ipv4.conf.lo.arp_ignore", "0"),
];

/// A LAN whose director holds the VIP and whose real servers are `OPEN`.
fn lan() -> Lan {
    let lan = Lan::new();
    lan.director
        .run("ip address add 192.168.11.200/32 dev eth0 label eth0:0");
    for real_server in [&lan.rs1, &lan.rs2] {
        set_sysctls(real_server, OPEN);
        set_sysctls(
            real_server,
            [
                ("net.ipv4.conf.eth0.arp_announce", "0"),
                ("net.ipv4.conf.eth0.arp_ignore", "0"),
            ],
        );
    }
    lan
}

#[test]
fn the_watcher_sees_a_real_server_that_claims_the_vip() {
    let lan = lan();
    let seen = |watch: &Watch| (watch.claims(Host::Rs1), watch.claims(Host::Rs2));
    watching(&lan, |watch| {
        watch.for_requests(100);
        assert_eq!(seen(watch), (0, 0));

        lan.rs1
            .run("ip address add 192.168.11.200/32 dev lo label lo:0");
        until(DEADLINE, "answer of rs1", || {
            if watch.claims(Host::Rs1) > 0 {
                Ok(())
            } else {
                Err(())
            }
        });
        assert_eq!(watch.claims(Host::Rs2), 0);
        lan.rs1.run("ip address del 192.168.11.200/32 dev lo");

        // It answers for no VIP now, but asks in its name.
        set_sysctls(&lan.rs2, [("net.ipv4.conf.all.arp_ignore", "1")]);
        lan.rs2
            .run("ip address add 192.168.11.200/32 dev lo label lo:0");
        until(DEADLINE, "request of rs2 in the VIP's name", || {
            if watch.claims(Host::Rs2) > 0 {
                Ok(())
            } else {
                Err(())
            }
        });
    });
}

#[test]
fn no_real_server_claims_the_vip_while_its_agent_comes_and_goes() {
    let lan = lan();
    let hosts = [&lan.rs1, &lan.rs2];
    let keep = hosts.map(|_| Site::new(&configuration("")));
    let remove = hosts.map(|_| Site::new(&configuration("  on_exit: remove")));
    watching(&lan, |watch| {
        for round in 0..ROUNDS {
            kill_at_some_instant(round, &keep, hosts);
            let mut agents = start_all(&keep, hosts);
            watch.for_requests(50);
            kill(&mut agents);
            watch.for_requests(50);
            terminate(start_all(&keep, hosts));
            watch.for_requests(50);
            assert!(hosts.into_iter().all(has_vip), "the VIP went");
            clean_up(&keep, hosts);

            terminate(start_all(&remove, hosts));
            watch.for_requests(50);
            assert_open(hosts);

            for which in [Host::Rs1, Host::Rs2] {
                assert_eq!(watch.claims(which), 0, "{which:?} in round {round}");
            }
        }
    });
}

/// Kills the agents as they start: as soon as they run, when the first sysctl
/// is theirs, when the VIP is there. In some rounds cleans up after that.
fn kill_at_some_instant(round: usize, sites: &[Site; 2], hosts: [&Namespace; 2]) {
    let mut agents = run_all(sites, hosts);
    for host in hosts {
        match round % 3 {
            0 => {}
            1 => until(DEADLINE, "sysctl of the agent's", || {
                let seen = sysctls(host);
                if seen.iter().any(|(_, value)| value != "0") {
                    Ok(())
                } else {
                    Err(seen)
                }
            }),
            _ => wait_for_vip(host),
        }
    }
    kill(&mut agents);
    if round.is_multiple_of(2) {
        clean_up(sites, hosts);
    }
}

fn run_all(sites: &[Site; 2], hosts: [&Namespace; 2]) -> Vec<Process> {
    let pairs = sites.iter().zip(hosts);
    pairs
        .map(|(site, host)| site.run(host, &["--real-server"]))
        .collect()
}

fn start_all(sites: &[Site; 2], hosts: [&Namespace; 2]) -> Vec<Process> {
    let pairs = sites.iter().zip(hosts);
    pairs.map(|(site, host)| start(site, host)).collect()
}

fn kill(agents: &mut [Process]) {
    for agent in agents {
        agent.signal(Signal::SIGKILL);
        agent.wait(DEADLINE);
    }
}

fn terminate(agents: Vec<Process>) {
    for mut agent in agents {
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait(DEADLINE).code(), Some(0));
    }
}

fn clean_up(sites: &[Site; 2], hosts: [&Namespace; 2]) {
    for (site, host) in sites.iter().zip(hosts) {
        let done = of_real_server(site, host, "cleanup");
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    assert_open(hosts);
}

/// Nothing is left of the agent: a VIP would be answered for now.
fn assert_open(hosts: [&Namespace; 2]) {
    for host in hosts {
        let held = addresses(host, "lo");
        assert!(!held.iter().any(|line| line == VIP_ON_LO), "{held:?}");
        assert_eq!(
            sysctls(host),
            OPEN.map(|(key, value)| (key, value.to_owned()))
        );
    }
}
