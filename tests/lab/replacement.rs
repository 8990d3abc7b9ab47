//! All real servers of a virtual service are replaced at once, by a reload, by a
//! restart with another file, and by two services that exchange their VIPs:
//! the client sees none of it.

use std::net::SocketAddr;

use nix::sys::signal::Signal;

use crate::cluster::shown;
use crate::support::{Namespace, PATIENCE, Web, http_get, ipvsadm_save, until, while_repeating};
use crate::vip_lan::VipLan;

/// Real servers by the last part of their addresses, of the services `web`
/// (192.168.11.200, or that of `other` if they are exchanged) and `other`.
fn configuration(director: &str, scheduler: &str, web: &[u8], exchanged: bool) -> String {
    let service = |name: &str, vip: u8, hosts: &[u8]| {
        let real_servers = hosts
            .iter()
            .map(|host| format!("      - {{ name: rs{host}, address: 192.168.11.{host} }}\n"));
        format!(
            "  - name: {name}\n    address: 192.168.11.{vip}:80\n    scheduler: {scheduler}\n    \
             check: {{ http: {{ host: {name} }}, interval: 300ms, timeout: 10s, rise: 3, fall: 3 }}\n    \
             real_servers:\n{}",
            real_servers.collect::<Vec<_>>().concat()
        )
    };
    let vips = if exchanged { (201, 200) } else { (200, 201) };
    format!(
        "
http: {{ listen: 127.0.0.1:9477 }}
director: {{ interface: eth0, resync_interval: 1s, {director} }}
virtual_services:
{}{}",
        service("web", vips.0, web),
        service("other", vips.1, &[22])
    )
}

/// Requests to both VIPs, each over a connection of its own, until `work` is
/// done; none may fail.
fn under_requests(client: &Namespace, work: impl FnOnce()) {
    let ask = |vip| {
        let vip = SocketAddr::from(([192, 168, 11, vip], 80));
        move || {
            let answer = http_get(client, vip, PATIENCE);
            answer.unwrap_or_else(|error| panic!("{vip}: {error}"));
        }
    };
    while_repeating(ask(200), |web| {
        while_repeating(ask(201), |other| {
            work();
            assert!(web.ended() + other.ended() > 20);
        });
    });
}

/// The weights of the real servers of a VIP, as `ipvsadm` shows them.
fn table(director: &Namespace, vip: u8) -> String {
    let start = format!("-a -t 192.168.11.{vip}:80 -r 192.168.11.");
    let table = ipvsadm_save(director);
    let lines = table.lines().filter_map(|line| {
        let (host, rest) = line.strip_prefix(&start)?.split_once(":80")?;
        let (_, weight) = rest.split_once("-w ")?;
        Some(format!("{host}={weight}"))
    });
    lines.collect::<Vec<_>>().join(" ")
}

fn wait_for_table(director: &Namespace, vip: u8, wanted: &str) {
    until(PATIENCE, &format!("{vip}: {wanted}"), || {
        match table(director, vip) {
            found if found == wanted => Ok(()),
            found => Err(found),
        }
    });
}

fn reload(vip_lan: &VipLan, configuration: &str) {
    vip_lan.site.write_configuration(configuration);
    let (code, printed) = vip_lan.site.finish(&vip_lan.lan.director, &["reload"]);
    assert_eq!(code, 0, "{printed}");
}

fn vip_lan(configuration: &str) -> (VipLan, [Web; 2]) {
    let vip_lan = VipLan::new(configuration);
    let webs = [(&vip_lan.lan.rs1, "rs1"), (&vip_lan.lan.rs2, "rs2")].map(|(host, name)| {
        host.run("ip address add 192.168.11.201/32 dev lo");
        Web::start(host, name)
    });
    // Two more addresses of theirs: for the director, four real servers.
    vip_lan
        .lan
        .rs1
        .run("ip address add 192.168.11.31/24 dev eth0");
    vip_lan
        .lan
        .rs2
        .run("ip address add 192.168.11.32/24 dev eth0");
    (vip_lan, webs)
}

#[test]
fn real_servers_are_replaced_by_reload_or_restart_without_a_failed_connection() {
    for scheduler in ["rr", "sh"] {
        let old = configuration("", scheduler, &[21, 22], false);
        let new = configuration("", scheduler, &[31, 32], false);
        let (vip_lan, _webs) = vip_lan(&old);
        let director = &vip_lan.lan.director;
        let mut agent = vip_lan.direct();
        wait_for_table(director, 200, "21=1 22=1");
        wait_for_table(director, 201, "22=1");
        under_requests(&vip_lan.lan.client, || {
            reload(&vip_lan, &new);
            wait_for_table(director, 200, "31=1 32=1");

            agent.signal(Signal::SIGTERM);
            agent.wait(PATIENCE);
            vip_lan.site.write_configuration(&old);
            agent = vip_lan.direct();
            wait_for_table(director, 200, "21=1 22=1");

            // Killed while they wait: 99 is nobody, and its verdict takes long.
            let slow = "interval: 300ms, timeout: 10s, rise: 3, fall: 3";
            let waits = configuration("", scheduler, &[31, 32, 99], false)
                .replace(slow, "interval: 20s, timeout: 10s, rise: 3, fall: 20");
            reload(&vip_lan, &waits);
            wait_for_table(director, 200, "21=1 22=1 31=0 32=0 99=0");
            assert!(shown(director, "/status").contains("\"serves\":true"));
            agent.signal(Signal::SIGKILL);
            agent.wait(PATIENCE);
            vip_lan.site.write_configuration(&new);
            agent = vip_lan.direct();
            wait_for_table(director, 200, "31=1 32=1");
        });
    }
}

#[test]
fn where_two_services_exchange_their_vips_the_verdicts_move_with_the_probes() {
    let before = configuration("", "wlc", &[21], false);
    let (vip_lan, _webs) = vip_lan(&before);
    let director = &vip_lan.lan.director;
    let _agent = vip_lan.direct();
    wait_for_table(director, 200, "21=1");
    wait_for_table(director, 201, "22=1");
    under_requests(&vip_lan.lan.client, || {
        reload(&vip_lan, &configuration("", "wlc", &[21], true));
        // At once: nothing had to be probed again. What was replaced may still
        // be on its way out.
        let [first, second] = [200, 201].map(|last| table(director, last));
        assert!(["22=1", "21=0 22=1"].contains(&&*first), "{first}");
        assert!(["21=1", "21=1 22=0"].contains(&&*second), "{second}");
        wait_for_table(director, 200, "22=1");
        wait_for_table(director, 201, "21=1");
    });
}

#[test]
fn failed_real_servers_never_replace_others_even_at_the_deadline() {
    let deadline = "removal_deadline: 5s";
    let (vip_lan, _webs) = vip_lan(&configuration(deadline, "rr", &[21, 22], false));
    let director = &vip_lan.lan.director;
    let mut agent = vip_lan.direct();
    wait_for_table(director, 200, "21=1 22=1");
    wait_for_table(director, 201, "22=1");
    under_requests(&vip_lan.lan.client, || {
        reload(&vip_lan, &configuration(deadline, "rr", &[98, 99], false));
        agent.wait_for_line(PATIENCE, |line| line.contains("beyond `removal_deadline`"));
        assert_eq!(table(director, 200), "21=1 22=1 98=0 99=0");
        // One that is well is enough at the deadline.
        reload(&vip_lan, &configuration(deadline, "rr", &[31, 99], false));
        wait_for_table(director, 200, "31=1 99=0");
    });
}
