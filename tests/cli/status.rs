//! `lvs-agent status` and the control socket.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

use serde_json::Value;

use super::{AMPLE, Behaviour, Ended, Server, Site, end, program, until};

const CHECK: &str = "interval: 200ms, timeout: 200ms";

fn status(site: &Site, arguments: &[&str]) -> Ended {
    end(site.command("status", arguments))
}

/// The names of the virtual services and of their real servers.
fn names(json: &str) -> Vec<String> {
    let json: Value = serde_json::from_str(json).unwrap();
    let services = json["virtual_services"].as_array().unwrap().iter();
    let names = services.flat_map(|service| {
        let real_servers = service["real_servers"].as_array().unwrap();
        let name = |one: &Value| one["name"].as_str().unwrap().to_owned();
        std::iter::once(name(service)).chain(real_servers.iter().map(name))
    });
    names.collect()
}

/// `web` with rs1, which is up, and rs2, which is down; `mail` with rs1, which is up.
fn half_down() -> (Site, Server) {
    let site = Site::new();
    let server = Server::start(&[site.server(1)], Behaviour::good());
    let services = site.service("web", 1, CHECK, &[1, 2]) + &site.service("mail", 2, CHECK, &[1]);
    site.configure(&services);
    (site, server)
}

#[test]
fn targets_choose_what_is_shown() {
    let (site, _server) = half_down();
    let _agent = site.agent();
    site.wait_for(&["up", "down"]);
    let (ip, network) = (site.ip(2).to_string(), site.server(2).to_string());
    for (targets, expected) in [
        (&["web"][..], &["web", "rs1", "rs2"][..]),
        (&["web/*"], &["web", "rs1", "rs2"]),
        (&["web/rs2"], &["web", "rs2"]),
        (&["*/rs1"], &["web", "rs1", "mail", "rs1"]),
        (&["mail", "web/rs2"], &["web", "rs2", "mail", "rs1"]),
        (&[&ip], &["web", "rs2"]),
        (&["192.0.2.2"], &["mail", "rs1"]),
        (&["192.0.2.2:80"], &["mail", "rs1"]),
    ] {
        let ended = status(&site, &[&["--json"], targets].concat());
        assert_eq!((ended.code, &*ended.stderr), (0, ""), "{targets:?}");
        assert_eq!(names(&ended.stdout), expected, "{targets:?}");
    }
    let ended = status(&site, &["web/rs1"]);
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    assert!(ended.stdout.contains("rs1"), "{}", ended.stdout);
    for absent in ["rs2", "mail"] {
        assert!(!ended.stdout.contains(absent), "{}", ended.stdout);
    }
    for (target, error) in [
        (
            "wbe",
            "no virtual service is called `wbe`, did you mean `web`?".to_owned(),
        ),
        (
            "web/rs3",
            "no real server is called `web/rs3`, did you mean `web/rs1`?".to_owned(),
        ),
        (
            &network,
            format!("no virtual service and no real server has the address `{network}`"),
        ),
    ] {
        let ended = status(&site, &["mail", target]);
        assert_eq!((ended.code, &*ended.stdout), (1, ""), "{target}");
        assert!(ended.stderr.contains(&error), "{error}: {}", ended.stderr);
    }
}

#[test]
fn problems_are_shown_alone_and_decide_the_exit_code_if_asked() {
    let (site, server) = half_down();
    let _agent = site.agent();
    site.wait_for(&["up", "down"]);
    let condition = || {
        let found = site.status()["conditions"].to_string();
        if found.contains("web/rs2") {
            Ok(())
        } else {
            Err(found)
        }
    };
    until(AMPLE, "condition of rs2", condition);
    let ended = status(&site, &["--problems", "--json"]);
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    assert_eq!(names(&ended.stdout), ["web", "rs2"]);
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json["totals"]["real_servers"], 3, "of all");
    let text = status(&site, &["--problems"]).stdout;
    assert!(text.contains("rs2") && !text.contains("rs1 "), "{text}");
    let text = status(&site, &["--problems", "mail"]).stdout;
    let last = "nothing is wrong with 1 real server of 1 virtual service";
    assert_eq!(text.lines().last(), Some(last), "{text}");

    let summary = status(&site, &["--summary"]).stdout;
    for line in [
        "2 virtual services",
        "real servers: 1 of 3 down, 2 up, 0 unknown, 0 draining, 0 drained",
        // Those that `status` lists: the real server stands in the line above.
        "conditions: 0 problems, 0 warnings",
    ] {
        assert!(summary.lines().any(|one| one == line), "{line}: {summary}");
    }
    assert!(summary.contains("--table memory"), "{summary}");

    for (arguments, code) in [
        (&["--exit-code"][..], 3),
        (&["--exit-code", "--problems"], 3),
        (&["--exit-code", "--summary"], 3),
        (&["--exit-code", "--json", "web"], 3),
        (&["--exit-code", "*/rs1"], 0),
        (&["--exit-code", "--summary", "mail"], 0),
        (&["--exit-code", "nothing"], 1),
        (&["--summary"], 0),
    ] {
        assert_eq!(status(&site, arguments).code, code, "{arguments:?}");
    }
    server.set(Behaviour::Close);
    site.wait_for(&["down", "down"]);
    let ended = status(&site, &["--exit-code", "--summary", "web/rs1"]);
    assert_eq!(ended.code, 3, "{}", ended.stdout);
}

#[test]
fn absent_agent_is_a_failure_and_no_finding() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    assert_eq!(status(&site, &["--exit-code"]).code, 1);
}

#[test]
fn text_output_shows_names_and_states() {
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
fn option_socket_overrides_the_configuration() {
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

#[test]
fn condition_of_a_sorry_server_that_is_down_is_shown_wherever_conditions_are() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1)], Behaviour::good());
    let service = site.service("web", 1, CHECK, &[1]);
    let sorry_server = format!("    sorry_server: {{ address: {} }}\n", site.ip(2));
    site.configure(&service.replace("    check:", &format!("{sorry_server}    check:")));
    let _agent = site.agent();
    until(AMPLE, "a condition of the sorry server", || {
        let conditions = site.status()["conditions"].clone();
        if conditions[0]["subject"] == "web/sorry_server" {
            Ok(())
        } else {
            Err(conditions)
        }
    });
    site.wait_for(&["up"]);
    let summary = status(&site, &["--summary", "--exit-code"]);
    assert_eq!(summary.code, 3);
    let conditions = "\nconditions: 1 problem, 0 warnings\n";
    assert!(summary.stdout.contains(conditions), "{}", summary.stdout);
    let line = "problem real_server_down web/sorry_server ";
    for arguments in [&[][..], &["--problems"], &["web"]] {
        let shown = status(&site, arguments).stdout;
        assert_eq!(shown.matches(line).count(), 1, "{arguments:?}: {shown}");
    }
    let page = site.get("/").body;
    assert!(page.contains("real_server_down"), "{page}");
    let doctor = end(site.command("doctor", &[])).stdout;
    assert!(doctor.contains("real_server_down"), "{doctor}");
    let readyz = site.get("/readyz").body;
    assert!(readyz.contains(line.trim_end()), "{readyz}");
}
