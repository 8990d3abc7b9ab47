//! `lvs-agent status` and the control socket.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

use super::{Site, end, program};

const CHECK: &str = "interval: 200ms, timeout: 200ms";

#[test]
fn people_see_names_and_states() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1, 2]));
    let _agent = site.agent();
    site.wait_for(&["down", "down"]);
    let ended = end(site.command("status", &[]));
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    for text in [
        "director",
        "web",
        "tcp 192.0.2.1:80",
        "rs1",
        "rs2",
        "down",
        "refused",
    ] {
        assert!(ended.stdout.contains(text), "{text}: {}", ended.stdout);
    }
    let json = end(site.command("status", &["--json"]));
    assert_eq!((json.code, &*json.stderr), (0, ""));
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["config"], site.status()["config"]);
}

#[test]
fn the_sockets_option_is_stronger_than_the_configurations() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let _agent = site.agent();
    let other = Site::new();
    other.configure(&other.service("other", 1, CHECK, &[1]));
    let mut command = other.command("status", &["--socket"]);
    command.arg(site.socket());
    let ended = end(command);
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    assert!(ended.stdout.contains("web"), "{}", ended.stdout);

    let mut command = site.command("status", &["--socket"]);
    command.arg(other.socket());
    let ended = end(command);
    assert_eq!((ended.code, &*ended.stdout), (1, ""));
    let other = other.socket();
    assert_eq!(
        ended.stderr,
        format!(
            "lvs-agent: there is no control socket {}: is lvs-agent running?\n",
            other.display()
        )
    );
    let mut command = program(&["status"]);
    command.env("LVS_AGENT_CONFIG", site.configuration());
    assert_eq!(end(command).code, 0);
}

#[test]
fn only_the_owner_may_open_the_socket() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let _agent = site.agent();
    let socket = fs::symlink_metadata(site.socket()).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o7777, 0o600);
}
