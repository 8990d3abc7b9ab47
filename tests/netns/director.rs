//! The director on the host kernel, which need not have IPVS.

use std::path::Path;

use nix::sys::signal::Signal;

use crate::support::{Lan, Namespace, Site, until};
use crate::witness::{DEADLINE, addresses, status};

const DIP: &str = "inet 192.168.11.10/24 scope global eth0";

fn configuration(director: &str) -> String {
    let service = |name: &str, vip: &str, real_server: &str| {
        format!(
            "  - name: {name}\n    address: \"{vip}\"\n    \
             real_servers: [{{ name: rs1, address: \"{real_server}\" }}]\n"
        )
    };
    format!("director:\n  interface: eth0\n  resync_interval: 1s\n{director}\nvirtual_services:\n")
        + &service("web", "192.168.11.200:80", "192.168.11.21")
        + &service("mail", "192.168.11.201:25", "192.168.11.21")
        + &service("web6", "[2001:db8::200]:80", "2001:db8::21")
}

/// Without the addresses that the kernel gives to every link by itself.
fn on_eth0(host: &Namespace) -> Vec<String> {
    let mut held = addresses(host, "eth0");
    held.retain(|line| !line.starts_with("inet6 fe80:"));
    held
}

#[test]
fn a_table_in_memory_gives_the_director_no_vip() {
    let lan = Lan::new();
    let site = Site::new(&configuration("  on_exit: remove"));
    let foreign = "inet 192.168.11.200/32 scope global eth0";
    lan.director
        .run("ip address add 192.168.11.200/32 dev eth0");
    let mut agent = site.run(&lan.director, &["--table", "memory"]);
    agent.wait_for_line(DEADLINE, |line| line.contains("director: "));
    assert!(
        agent.output().contains("no VIP is put on eth0"),
        "{}",
        agent.output()
    );
    assert_eq!(on_eth0(&lan.director), [DIP, foreign]);
    // The status shows the addresses beside the table in memory.
    let status = status(&lan.director);
    assert_eq!(status["table"], "memory");
    let vips = status["vips"].as_array().expect("a list of VIPs");
    assert_eq!(vips.len(), 3, "{vips:?}");
    assert!(vips.iter().all(|vip| vip["configured"] == true), "{vips:?}");
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(DEADLINE).code(), Some(0), "{}", agent.output());
    assert_eq!(on_eth0(&lan.director), [DIP, foreign]);
}

#[test]
fn a_kernel_without_ipvs_is_named_and_gets_no_vip() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let mut agent = site.run(&lan.director, &[]);
    let refused = until(DEADLINE, "decision of the agent", || {
        let output = agent.output();
        if output.contains("lvs-agent: cannot ") {
            Ok(true)
        } else if output.contains("director: ") {
            Ok(false)
        } else {
            Err(output)
        }
    });
    // Where the kernel has IPVS, all is well, and the lab's tests say more.
    assert_eq!(refused, !Path::new("/proc/net/ip_vs").exists());
    if refused {
        assert_eq!(agent.wait(DEADLINE).code(), Some(1));
        let expected = "this kernel has no IPVS: run `modprobe ip_vs`";
        assert!(agent.output().contains(expected), "{}", agent.output());
        assert_eq!(on_eth0(&lan.director), [DIP]);
        assert!(!site.state_directory().exists());
    }
}
