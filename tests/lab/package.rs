//! The Debian package on a director under traffic; tests/netns/package.rs has the rest.

use crate::cluster::{TABLE, add_vip, assert_has_vip, request, wait_for_table};
use crate::support::{
    Installer, Lan, PackageTool, Systemd, ipvsadm_save, nginx, packages, while_repeating,
};

#[test]
fn package_of_a_director_is_upgraded_and_removed_and_no_request_is_lost() {
    let (directory, [earlier, later]) = packages();
    let lan = Lan::new();
    let _pages = [nginx(&lan.rs1, "rs1"), nginx(&lan.rs2, "rs2")];
    for real_server in [&lan.rs1, &lan.rs2] {
        add_vip(real_server);
    }
    let unit = "lvs-agent-director.service";
    let systemd = Systemd::with_packages(&lan.director, unit, &directory);
    let tool = PackageTool::Dpkg;
    let machine = Installer {
        systemd: &systemd,
        tool,
    };
    machine.install("### On the director", &earlier);
    wait_for_table(&systemd);

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
    assert_has_vip(&lan.director);
}
