//! `cleanup --real-server`: the host is as it was before the agent.

use nix::sys::signal::Signal;

use crate::support::{Lan, Site, until};
use crate::witness::{
    BEFORE, DEADLINE, OURS, VIP_ON_LO, addresses, assert_sysctls, configuration, drift, finish,
    has_vip, of_real_server, set_sysctls, start,
};

const FOREIGN: &str = "inet 192.168.99.1/32 scope global lo:foreign";

#[test]
fn cleanup_takes_the_vip_away_and_then_restores_the_sysctls() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    let mut agent = start(&site, &lan.rs1);
    agent.signal(Signal::SIGTERM);
    agent.wait(DEADLINE);

    let done = of_real_server(&site, &lan.rs1, "cleanup");
    assert_eq!(done.code, Some(0), "{done:?}");
    let restored = BEFORE.into_iter().zip(OURS);
    let restored = restored.map(|((key, before), (_, ours))| {
        format!("~ sysctl {key}: {ours} -> {before} (as before the agent)")
    });
    let expected: Vec<_> = std::iter::once("- address 192.168.11.200/32 on lo".to_owned())
        .chain(restored)
        .collect();
    assert_eq!(done.stdout.lines().collect::<Vec<_>>(), expected);
    assert!(!has_vip(&lan.rs1));
    assert_sysctls(&lan.rs1, BEFORE);

    let again = of_real_server(&site, &lan.rs1, "cleanup");
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (Some(0), "nothing to remove\n")
    );
    assert_sysctls(&lan.rs1, BEFORE);
}

#[test]
fn cleanup_restores_what_was_before_the_first_of_many_agents() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    for _ in 0..3 {
        let mut agent = start(&site, &lan.rs1);
        agent.signal(Signal::SIGKILL);
        agent.wait(DEADLINE);
    }
    assert_sysctls(&lan.rs1, OURS);
    let done = of_real_server(&site, &lan.rs1, "cleanup");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_sysctls(&lan.rs1, BEFORE);
}

#[test]
fn cleanup_removes_the_stored_state() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    let run_and_clean_up = || {
        let mut agent = start(&site, &lan.rs1);
        agent.signal(Signal::SIGTERM);
        agent.wait(DEADLINE);
        let done = of_real_server(&site, &lan.rs1, "cleanup");
        assert_eq!(done.code, Some(0), "{done:?}");
    };
    run_and_clean_up();

    // The agent's values, but another program's wish.
    set_sysctls(&lan.rs1, OURS);
    let done = of_real_server(&site, &lan.rs1, "cleanup");
    assert_eq!(done.stdout, "nothing to remove\n");
    run_and_clean_up();
    assert_sysctls(&lan.rs1, OURS);
}

#[test]
fn sysctl_changed_by_another_program_stays_after_cleanup() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    let mut agent = start(&site, &lan.rs1);
    agent.signal(Signal::SIGTERM);
    agent.wait(DEADLINE);

    let (key, other) = ("net.ipv4.conf.all.arp_ignore", "2");
    set_sysctls(&lan.rs1, [(key, other)]);
    let done = of_real_server(&site, &lan.rs1, "cleanup");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!done.stdout.contains(key), "{}", done.stdout);
    let left = BEFORE.map(|(k, before)| (k, if k == key { other } else { before }));
    assert_sysctls(&lan.rs1, left);
}

#[test]
fn an_address_that_is_not_the_agents_outlives_it() {
    let lan = Lan::new();
    lan.rs1
        .run("ip address add 192.168.99.1/32 dev lo label lo:foreign");
    let foreign = || {
        let held = addresses(&lan.rs1, "lo");
        assert!(held.iter().any(|line| line == FOREIGN), "{held:?}");
    };
    let site = Site::new(&configuration("  on_exit: remove"));

    let mut agent = start(&site, &lan.rs1);
    foreign();
    // A resync is over once a repair is counted.
    lan.rs1.run("ip address del 192.168.11.200/32 dev lo");
    until(DEADLINE, "repair", || {
        if drift(&lan.rs1, "address_missing") > 0 && has_vip(&lan.rs1) {
            Ok(())
        } else {
            Err(addresses(&lan.rs1, "lo"))
        }
    });
    foreign();
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(DEADLINE).code(), Some(0));
    let log = agent.output();
    assert!(
        log.contains("INFO") && log.contains(" - address 192.168.11.200/32 on lo"),
        "{log}"
    );
    assert!(!has_vip(&lan.rs1));
    foreign();

    let mut agent = start(&site, &lan.rs1);
    agent.signal(Signal::SIGKILL);
    agent.wait(DEADLINE);
    let done = of_real_server(&site, &lan.rs1, "cleanup");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!has_vip(&lan.rs1));
    foreign();
}

#[test]
fn cleanup_beside_a_running_agent_is_refused() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    let agent = start(&site, &lan.rs1);
    let refused = of_real_server(&site, &lan.rs1, "cleanup");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(
        refused.stderr,
        format!(
            "lvs-agent: another lvs-agent (process {}) already runs here as real server: \
             stop it first (`systemctl stop` or `kill`)\n",
            agent.pid()
        )
    );
    assert!(
        addresses(&lan.rs1, "lo")
            .iter()
            .any(|line| line == VIP_ON_LO)
    );
    assert_sysctls(&lan.rs1, OURS);
}

#[test]
fn a_vip_that_cannot_be_taken_away_keeps_its_sysctls() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    let mut agent = start(&site, &lan.rs1);
    agent.signal(Signal::SIGTERM);
    agent.wait(DEADLINE);

    // User 0 may write sysctls by their mode; for addresses it needs the capability.
    let mut command = std::process::Command::new("setpriv");
    let cleanup = site.command("cleanup");
    command
        .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"])
        .arg(cleanup.get_program())
        .args(cleanup.get_args())
        .arg("--real-server");
    let failed = finish(&lan.rs1, command);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stderr.contains("CAP_NET_ADMIN"), "{}", failed.stderr);
    assert!(has_vip(&lan.rs1));
    assert_sysctls(&lan.rs1, OURS);

    let done = of_real_server(&site, &lan.rs1, "cleanup");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!has_vip(&lan.rs1));
    assert_sysctls(&lan.rs1, BEFORE);
}

#[test]
fn vip_moved_by_another_program_keeps_its_sysctls() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    let mut agent = start(&site, &lan.rs1);
    agent.signal(Signal::SIGTERM);
    agent.wait(DEADLINE);

    for (address, interface) in [("192.168.11.200/24", "lo"), ("192.168.11.200/32", "eth0")] {
        lan.rs1
            .run(&format!("ip address add {address} dev {interface}"));
        let held_back = of_real_server(&site, &lan.rs1, "cleanup");
        assert_eq!(held_back.code, Some(1), "{held_back:?}");
        let expected = "192.168.11.200 is still on this host, put there by another program";
        assert!(held_back.stderr.contains(expected), "{}", held_back.stderr);
        assert!(!has_vip(&lan.rs1));
        assert_sysctls(&lan.rs1, OURS);
        lan.rs1
            .run(&format!("ip address del {address} dev {interface}"));
    }
    let done = of_real_server(&site, &lan.rs1, "cleanup");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_sysctls(&lan.rs1, BEFORE);
}

#[test]
fn a_cleanup_leaves_no_state_directory_that_was_not_there() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    // Where the kernel has no IPVS, the first one fails.
    for arguments in [["cleanup"].as_slice(), &["cleanup", "--real-server"]] {
        let (_, printed) = site.finish(&lan.rs2, arguments);
        assert!(!site.state_directory().exists(), "{arguments:?}: {printed}");
    }
}
