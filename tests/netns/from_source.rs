//! An installation from the source, under a real systemd, with the commands of
//! deploy/manual/install.md.

use crate::support::{Installer, Lan, PackageTool, SourceTree, Systemd};

#[test]
fn build_is_installed_from_the_source_as_the_manual_says_and_serves() {
    let tree = SourceTree::new();
    let lan = Lan::new();
    let unit = "lvs-agent-real-server.service";
    let systemd = Systemd::with_packages(&lan.rs1, unit, tree.path());
    let machine = Installer {
        systemd: &systemd,
        tool: PackageTool::Apt,
    };
    machine.install_from_source("### On each real server");
    let configuration = ["stat", "--format=%U:%G %a", "/etc/lvs-agent/config.yaml"];
    assert_eq!(systemd.run(&configuration), "root:lvs-agent 640");
    let agent = format!("/proc/{}/exe", systemd.agent());
    assert_eq!(
        systemd.run(&["readlink", &agent]),
        "/usr/local/bin/lvs-agent"
    );
    let vip = lan.rs1.run("ip -o address show label lo:0");
    assert!(vip.contains("192.168.11.200/32"), "{vip}");
}
