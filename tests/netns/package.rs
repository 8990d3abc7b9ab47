//! The Debian package on a real server, by apt and under a real systemd, with the
//! commands of deploy/manual/install.md and deploy/manual/upgrade.md.

use std::net::SocketAddr;

use crate::support::{
    Installer, Lan, Namespace, PATIENCE, PackageTool, Systemd, Web, http_get, packages, until,
    while_repeating,
};

const CONFIG: &str = "/etc/lvs-agent/config.yaml";
const ROLE: &str = "### On each real server";

fn has_vip(host: &Namespace) -> bool {
    host.run("ip -o address show label lo:0")
        .contains("192.168.11.200/32")
}

/// A new version that refuses the configuration leaves the running agent alone.
fn refuse(machine: &Installer<'_>, package: &str) {
    let before = machine.systemd.agent();
    let break_it = format!("cp -p {CONFIG} {CONFIG}.saved && echo mistake: 1 >>{CONFIG}");
    machine.run(&break_it, "");
    let output = machine.run(&format!("apt install --reinstall /mnt/{package}"), "");
    for part in [
        "config.yaml:",
        "mistake",
        "lvs-agent-real-server.service was not restarted",
        "systemctl restart lvs-agent-real-server.service",
    ] {
        assert!(output.contains(part), "no `{part}` in:\n{output}");
    }
    assert_eq!(machine.systemd.agent(), before, "{output}");
    machine.run(&format!("mv {CONFIG}.saved {CONFIG}"), "");
}

#[test]
fn package_is_installed_upgraded_removed_and_purged_and_no_request_is_lost() {
    let (directory, [earlier, later]) = packages();
    let lan = Lan::new();
    let _web = Web::start(&lan.rs1, "rs1");
    let unit = "lvs-agent-real-server.service";
    let systemd = Systemd::with_packages(&lan.rs1, unit, &directory);
    let machine = Installer {
        systemd: &systemd,
        tool: PackageTool::Apt,
    };

    machine.install(ROLE, &earlier);
    assert_eq!(machine.version(), "0.0.9-1");
    assert!(has_vip(&lan.rs1));
    until(PATIENCE, "status line", || {
        let status = systemd.property("StatusText");
        let is_right = status.starts_with("1 of 1 VIP configured; ");
        is_right.then_some(()).ok_or(status)
    });
    machine.run_section("install.md", "### Removal from the kernel", "");
    assert!(!has_vip(&lan.rs1));
    machine.assert_is_gone();

    machine.install(ROLE, &earlier);
    lan.client
        .run("ip route add 192.168.11.200 via 192.168.11.21");
    let ask = || {
        let vip = SocketAddr::from(([192, 168, 11, 200], 80));
        http_get(&lan.client, vip, PATIENCE).expect("an answer");
    };
    while_repeating(ask, |requests| {
        machine.replace("### Debian package", &later);
        assert_eq!(machine.version(), "0.1.0-1");
        refuse(&machine, &later);
        machine.replace("## Rollback", &earlier);
        assert_eq!(machine.version(), "0.0.9-1");
        machine.remove("real_server.json");
        machine.purge();
        requests.wait_for(10);
    });
    assert!(has_vip(&lan.rs1));
}
