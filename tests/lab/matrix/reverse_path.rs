//! `rp_filter` on the director, which takes answers from its own VIP only
//! where the VIP is on the interface that they come in by.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::sysctl;
use crate::cluster::shown;
use crate::support::{Namespace, PATIENCE, Web};
use crate::vip_lan::{VIP, VipLan, configuration, of_real_server};

/// A connection as a probe makes it, by the mark of rs1: is it answered?
fn answered(director: &Namespace, port: u16) -> bool {
    director.enter(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_mark(8193).expect("a mark");
        // No port from which the agent's own probes come.
        let own = SocketAddr::from((Ipv4Addr::new(192, 168, 11, 10), port));
        socket.bind(&own.into()).expect("a port");
        let vip: SocketAddr = format!("{VIP}:80").parse().expect("an address");
        let waited = Duration::from_secs(5);
        socket.connect_timeout(&vip.into(), waited).is_ok()
    })
}

/// How many packets the kernel has dropped for their source.
fn dropped(host: &Namespace) -> u64 {
    let netstat = host.enter(|| fs::read_to_string("/proc/thread-self/net/netstat"));
    let netstat = netstat.expect("the kernel's counts");
    let mut lines = netstat.lines().filter(|line| line.starts_with("TcpExt:"));
    let [names, values] = [lines.next(), lines.next()].map(|line| line.expect("a line"));
    let pair = names.split(' ').zip(values.split(' '));
    let mut found = pair.filter(|(name, _)| *name == "IPReversePathFilter");
    let (_, count) = found.next().expect("a count");
    count.parse().expect("a number")
}

fn settings(director: &str) -> String {
    let text = configuration(
        &format!("{VIP}:80"),
        "forwarding: direct",
        "via: vip, interval: 300ms, timeout: 3s",
        &["192.168.11.21"],
    );
    let usual = "director: { interface: eth0, resync_interval: 1s }";
    assert!(text.contains(usual), "{text}");
    text.replace(usual, director)
}

#[test]
fn a_strict_reverse_path_filter_bars_answers_from_a_vip_on_another_interface() {
    let vip_lan = VipLan::new(&settings(
        "director: { interface: eth0, resync_interval: 1s }",
    ));
    let _web = Web::start(&vip_lan.lan.rs1, "rs1");
    let director = &vip_lan.lan.director;
    sysctl(director, "net.ipv4.conf.eth0.rp_filter", "1");
    let mut agent = vip_lan.direct();
    vip_lan.wait_for_health("rs1", "up");
    vip_lan.wait_for_diagnosis("rs1", "ok");
    assert!(answered(director, 20_000));
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    agent.wait(PATIENCE);
    let (code, printed) = vip_lan.site.finish(director, &["cleanup"]);
    assert_eq!(code, 0, "{printed}");

    director.run(&format!("ip address add {VIP}/32 dev lo"));
    vip_lan.site.write_configuration(&settings(
        "director: { resync_interval: 1s, sysctls: { net.ipv4.conf.eth0.accept_local: 1 } }",
    ));
    let mut agent = vip_lan.direct();
    vip_lan.wait_for_diagnosis("rs1", "unverified");
    let reason = "net.ipv4.conf.eth0.rp_filter is 1 and the VIP is on another interface";
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("probes through VIPs are not verified") && line.contains(reason)
    });
    crate::support::until(PATIENCE, "the reason", || {
        let status = shown(director, "/status");
        let shown = of_real_server(&status, "rs1");
        if shown.contains(reason) {
            Ok(())
        } else {
            Err(shown.to_owned())
        }
    });
    // That is what the kernel does, and not only what is said of it.
    let before = dropped(director);
    assert!(!answered(director, 20_001));
    assert!(dropped(director) > before);

    for loose in ["2", "0"] {
        sysctl(director, "net.ipv4.conf.eth0.rp_filter", "1");
        vip_lan.wait_for_diagnosis("rs1", "unverified");
        sysctl(director, "net.ipv4.conf.eth0.rp_filter", loose);
        vip_lan.wait_for_diagnosis("rs1", "ok");
        vip_lan.wait_for_health("rs1", "up");
    }
    assert!(answered(director, 20_002));
}
