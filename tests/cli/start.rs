//! What stands in the way of a start.

use std::fs;
use std::net::TcpListener;

use super::{Agent, Ended, Site, end};

const CHECK: &str = "interval: 200ms, timeout: 200ms";

fn site() -> Site {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    site
}

/// Fails with this as the last line, and leaves no socket.
fn refused(site: &Site, sentence: &str) {
    let Ended { code, stderr, .. } = end(site.run());
    assert_eq!(code, 1, "{stderr}");
    let last = stderr.lines().last().unwrap();
    assert!(last.starts_with("lvs-agent: "), "{stderr}");
    assert!(last.contains(sentence), "{stderr}");
}

#[test]
fn a_taken_port_is_named() {
    let site = site();
    let _taken = TcpListener::bind(site.listen).unwrap();
    let listen = site.listen;
    refused(
        &site,
        &format!("cannot listen on {listen}: the port is taken by another process"),
    );
    assert!(!site.socket().exists());
    assert!(!site.path("state").exists());
}

#[test]
fn a_living_agents_socket_is_not_taken() {
    let first = site();
    let agent: Agent = first.agent();
    let second = site();
    let configuration = fs::read_to_string(second.configuration()).unwrap();
    let socket = first.socket().display().to_string();
    let shared = configuration.replace(&second.socket().display().to_string(), &socket);
    fs::write(second.configuration(), shared).unwrap();
    refused(
        &second,
        &format!("another lvs-agent listens on {socket}: stop it"),
    );
    let ended = end(first.command("status", &[]));
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    assert_eq!(first.get("/livez").status, 200);
    drop(agent);
}

#[test]
fn file_that_is_not_a_socket_stays_at_the_path_of_the_socket() {
    let site = site();
    fs::write(site.socket(), "dear to someone").unwrap();
    refused(&site, "exists and is not a socket: move it away");
    assert_eq!(fs::read(site.socket()).unwrap(), b"dear to someone");
}

#[test]
fn impossible_state_directory_is_named() {
    let site = site();
    fs::write(site.path("file"), "").unwrap();
    let state = site.path("file/state").display().to_string();
    site.configure_with(&state, &site.service("web", 1, CHECK, &[1]));
    refused(
        &site,
        &format!("the state directory `{state}` is no directory"),
    );
    refused(&site, "`state_dir`");
}

/// A table in memory serves nobody: it can be tried out where the director's interface is not.
#[test]
fn with_a_table_in_memory_the_link_does_not_matter() {
    let site = Site::new();
    let service = site.service("web", 1, "interval: 200ms, timeout: 1s", &[1]);
    site.configure(&(service + "director: { interface: nosuch0 }\n"));
    let agent = site.agent();
    site.wait_for(&["down"]);
    assert!(!agent.output().contains("held"), "{}", agent.output());
}

/// Traffic comes first: what cannot be remembered is no reason not to work.
#[test]
fn state_directory_that_cannot_be_created_is_reported() {
    let site = Site::new();
    let state = "/proc/lvs-agent/state";
    site.configure_with(state, &site.service("web", 1, CHECK, &[1]));
    let agent = site.agent();
    let output = agent.output();
    assert!(output.contains("ERROR"), "{output}");
    assert!(
        output.contains("what the agent owns is not remembered: cannot make the directory"),
        "{output}"
    );
    assert!(output.contains(state), "{output}");
    site.wait_for(&["down"]);
}

#[test]
fn a_damaged_state_file_is_set_aside() {
    let site = site();
    fs::create_dir(site.path("state")).unwrap();
    let file = site.path("state/director-memory.json");
    fs::write(&file, "{\"version\": 1, ").unwrap();
    let agent = site.agent();
    let output = agent.output();
    let warning = output.lines().find(|line| line.contains("is damaged"));
    let warning = warning.unwrap_or_else(|| panic!("{output}"));
    assert!(warning.contains("WARN"), "{warning}");
    assert!(warning.contains(file.to_str().unwrap()), "{warning}");
    let aside = fs::read_to_string(site.path("state/director-memory.json.damaged")).unwrap();
    assert_eq!(aside, "{\"version\": 1, ");
    let state = fs::read_to_string(&file).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    assert_eq!(state["services"], serde_json::json!(["tcp 192.0.2.1:80"]));
}

#[test]
fn a_newer_agents_state_file_is_left_alone() {
    let site = site();
    fs::create_dir(site.path("state")).unwrap();
    let file = site.path("state/director-memory.json");
    fs::write(&file, "{\"version\": 99}").unwrap();
    refused(&site, "has version 99, which a newer lvs-agent wrote");
    assert_eq!(fs::read(&file).unwrap(), b"{\"version\": 99}");
    assert!(!site.socket().exists());
}
