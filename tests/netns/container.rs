//! The container image, built and run by podman with the commands of deploy/manual/install.md.

use std::fs;

use crate::support::{Installer, Lan, PATIENCE, PackageTool, SourceTree, Systemd, until};

/// What podman leaves out on a machine that lets nobody raise limits (`CAP_SYS_RESOURCE`).
const CONTAINERS: &str = "[containers]
cgroups = \"disabled\"
default_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]
[engine]
events_logger = \"file\"
";

#[test]
fn image_is_built_and_runs_as_the_manual_says() {
    let tree = SourceTree::new();
    tree.build_image_from_files();
    fs::write(tree.path().join("containers.conf"), CONTAINERS).unwrap();
    let lan = Lan::new();
    // As the host sets them at its boot: a container cannot.
    lan.rs1.run(
        "sysctl -q -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 \
         net.ipv4.conf.lo.arp_ignore=1 net.ipv4.conf.lo.arp_announce=2 \
         net.ipv4.conf.default.rp_filter=1",
    );
    let unit = "lvs-agent-real-server.service";
    let systemd = Systemd::with_packages(&lan.rs1, unit, tree.path());
    let machine = Installer {
        systemd: &systemd,
        tool: PackageTool::Apt,
    };
    let prepare = "cp /mnt/containers.conf /etc/containers && \
                   install -D /mnt/config/minimal.yaml /etc/lvs-agent/config.yaml";
    machine.run(prepare, "");
    machine.run_in_source("## Container", |command| match command.split(' ').nth(1) {
        // This kernel has no IPVS for a director.
        Some("run") => format!("{command} run --real-server"),
        // Who types the command gives the agent time to start.
        Some("exec") => format!(
            "{{ timeout 60 sh -c 'until {command} 2>/tmp/refused; do sleep 0.1; done' || \
             {{ tail -n 1 /tmp/refused; podman logs --tail 20 lvs-agent; false; }}; }}"
        ),
        _ => command,
    });
    until(PATIENCE, "the VIP by the agent in the container", || {
        let vip = lan.rs1.run("ip -o address show label lo:0");
        let is_there = vip.contains("192.168.11.200/32");
        let log = || machine.run("podman logs lvs-agent", "");
        is_there.then_some(()).ok_or_else(log)
    });
    let state = machine.run("ls /var/lib/lvs-agent", "");
    assert!(state.contains(".json"), "{state}");
    let pid = machine.run("podman inspect --format '{{.State.Pid}}' lvs-agent", "");
    let pid = pid.lines().next().unwrap();
    let bounds = systemd.run(&["grep", "^CapBnd:", &format!("/proc/{pid}/status")]);
    // CAP_NET_ADMIN and CAP_NET_RAW.
    assert_eq!(bounds, "CapBnd:\t0000000000003000");
}
