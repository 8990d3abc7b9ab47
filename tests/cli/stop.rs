//! The end of an agent, asked for or not.

use nix::sys::signal::Signal;

use super::{AMPLE, Site, end};

const CHECK: &str = "interval: 200ms, timeout: 60s";

#[test]
fn signal_ends_the_agent_cleanly() {
    for (signal, name) in [(Signal::SIGTERM, "SIGTERM"), (Signal::SIGINT, "SIGINT")] {
        let site = Site::new();
        // Probes hang until the end: they are no reason to wait.
        let hanging = super::Server::start(&[site.server(1)], super::Behaviour::Hang);
        site.configure(&site.service("web", 1, CHECK, &[1]));
        let mut agent = site.agent();
        super::until(AMPLE, "a probe in flight", || {
            match hanging.connections(site.ip(1)) {
                0 => Err("none"),
                _ => Ok(()),
            }
        });
        agent.signal(signal);
        assert_eq!(agent.wait(AMPLE).code(), Some(0), "{name}");
        agent.wait_for_line(AMPLE, |line| line.contains(&format!("{name}: ending")));
        assert!(!site.socket().exists(), "{name}");
        assert!(site.path("state/director-memory.json").exists(), "{name}");
    }
}

#[test]
fn a_killed_agent_leaves_a_socket_that_the_next_one_replaces() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let mut agent = site.agent();
    agent.signal(Signal::SIGKILL);
    assert_eq!(agent.wait(AMPLE).code(), None);
    assert!(site.socket().exists());
    let ended = end(site.command("status", &[]));
    assert_eq!((ended.code, &*ended.stdout), (1, ""));
    assert!(
        ended.stderr.contains("lvs-agent is not running"),
        "{}",
        ended.stderr
    );

    let mut agent = site.agent();
    let ended = end(site.command("status", &[]));
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    agent.signal(Signal::SIGTERM);
    agent.wait(AMPLE);
    assert!(!site.socket().exists());
}
