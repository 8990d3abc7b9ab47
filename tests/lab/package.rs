//! The Debian package on a director under traffic; tests/netns/package.rs has the rest.

use crate::cluster::request;
use crate::support::{
    Installer, Lan, PATIENCE, PackageTool, Systemd, ipvsadm_save, nginx, packages, until,
    while_repeating,
};

const TABLE: &str = "-A -t 192.168.11.200:80 -s wlc\n\
                     -a -t 192.168.11.200:80 -r 192.168.11.21:80 -g -w 1\n\
                     -a -t 192.168.11.200:80 -r 192.168.11.22:80 -g -w 1\n";

#[test]
fn package_of_a_director_is_upgraded_and_removed_and_no_request_is_lost() {
    let (directory, [earlier, later]) = packages();
    let lan = Lan::new();
    let _pages = [nginx(&lan.rs1, "rs1"), nginx(&lan.rs2, "rs2")];
    for real_server in [&lan.rs1, &lan.rs2] {
        real_server
            .run("sysctl -q -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2");
        real_server.run("ip address add 192.168.11.200/32 dev lo");
    }
    let unit = "lvs-agent-director.service";
    let systemd = Systemd::with_packages(&lan.director, unit, &directory);
    let tool = PackageTool::Dpkg;
    let machine = Installer {
        systemd: &systemd,
        tool,
    };
    machine.install("### On the director", &earlier);
    until(PATIENCE, "full table", || {
        let table = ipvsadm_save(&lan.director);
        (table == TABLE).then_some(()).ok_or((table, systemd.log()))
    });

    let ask = || {
        request(&lan.client).expect("an answer");
    };
    while_repeating(ask, |requests| {
        machine.replace("### Debian package", &later);
        assert_eq!(machine.version(), "0.1.0-1");
        machine.remove("director.json");
        requests.wait_for(10);
    });
    assert_eq!(ipvsadm_save(&lan.director), TABLE);
    let vip = lan.director.run("ip -o address show label eth0:0");
    assert!(vip.contains("192.168.11.200/32"), "{vip}");
}
