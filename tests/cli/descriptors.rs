//! An agent that runs out of file descriptors.

use std::process::Command;

use super::{AMPLE, Behaviour, Server, Site, until};

/// More than the agent has descriptors for.
const REAL_SERVERS: u8 = 120;

#[test]
fn probes_that_cannot_be_made_change_no_verdict() {
    super::many::raise_file_limit();
    let site = Site::new();
    let hosts: Vec<u8> = (1..=REAL_SERVERS).collect();
    let addresses: Vec<_> = hosts.iter().map(|host| site.server(*host)).collect();
    let servers = Server::start(&addresses, Behaviour::good());
    // One failure would be enough; and a probe waits as long as this test may take.
    let check = "interval: 1s, timeout: 60s, rise: 1, fall: 1";
    site.configure(&site.service("web", 1, check, &hosts));
    let run = site.run();
    let mut limited = Command::new("/bin/sh");
    limited
        .env_clear()
        .env("LVS_AGENT_LOG", "info,lvs_agent::health=debug")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(run.get_program())
        .args(run.get_args());
    let mut agent = Site::start(limited);
    let all_up = vec!["up"; hosts.len()];
    site.wait_for(&all_up);

    // Now every probe keeps its descriptor until there is none left. There is
    // none for asking the agent either, so its log has to do.
    servers.set(Behaviour::Hang);
    let warning = agent.wait_for_line(AMPLE, |line| line.contains("probes cannot be made"));
    assert!(warning.contains("WARN"), "{warning}");
    assert!(warning.contains("out of file descriptors"), "{warning}");
    until(AMPLE, "two rounds of it", || {
        let output = agent.output();
        let internal = output.matches("result=\"internal\"").count();
        if internal > 2 * usize::from(REAL_SERVERS) {
            Ok(())
        } else {
            Err(internal)
        }
    });

    servers.set(Behaviour::good());
    agent.wait_for_line(AMPLE, |line| line.contains("probes can be made again"));
    let status = site.status();
    let real_servers = status["virtual_services"][0]["real_servers"]
        .as_array()
        .unwrap();
    let seen: Vec<_> = real_servers.iter().map(|one| &one["health"]).collect();
    assert_eq!(seen, all_up);
    assert!(site.sum("lvs_probes_total", "result=\"internal\"") > 0.0);
    assert_eq!(
        site.sum("lvs_transitions_total", "to=\"down\"").to_bits(),
        0
    );
    assert!(!agent.output().contains("real server down"));
}
