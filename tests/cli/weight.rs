//! A weight that an operator sets in place of the configured one.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{AMPLE, Behaviour, Ended, Server, Site, end, until};

const CHECK: &str = "interval: 200ms, timeout: 1s, rise: 1, fall: 1";

fn run(site: &Site, words: &[&str]) -> Ended {
    end(site.command(words[0], &words[1..]))
}

/// What the command has printed, which succeeds.
fn well(site: &Site, words: &[&str]) -> String {
    let ended = run(site, words);
    assert_eq!((ended.code, &*ended.stderr), (0, ""), "{words:?}");
    ended.stdout
}

/// The service with a weight for each of its real servers.
fn weighted(service: &str, weight: u32) -> String {
    let lines = service.lines().map(|line| match line.strip_suffix(" }") {
        Some(real_server) if line.contains("- { name:") => {
            format!("{real_server}, weight: {weight} }}\n")
        }
        _ => format!("{line}\n"),
    });
    lines.collect()
}

/// Waits until the real server of the first service has this weight in the table.
fn wait_for(site: &Site, place: usize, weight: u32) -> Value {
    until(AMPLE, &format!("weight {weight}"), || {
        let shown = site.real_server(0, place);
        if shown["weight"]["kernel"] == weight {
            Ok(shown)
        } else {
            Err(shown)
        }
    })
}

#[test]
fn weight_outlives_verdicts_reloads_and_the_process_until_it_is_reset() {
    let site = Site::new();
    let server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    let service = site.service("web", 1, CHECK, &[1, 2]);
    site.configure(&weighted(&service, 8));
    let mut agent = site.agent();
    for place in [0, 1] {
        wait_for(&site, place, 8);
    }
    let printed = well(&site, &["weight", "web/rs1", "50%"]);
    assert_eq!(printed, "web/rs1: weight 4, 50% of the configured 8\n");
    let shown = wait_for(&site, 0, 4);
    let set = &shown["weight"]["set"];
    assert_eq!(
        (&set["to"], &set["weight"]),
        (&"50%".into(), &4.into()),
        "{shown}"
    );
    assert!(set["since"].is_string(), "{shown}");
    let by = set["by"].as_str().unwrap().to_owned();
    assert!(
        by.contains(&format!("uid {}", nix::unistd::getuid())),
        "{shown}"
    );
    wait_for(&site, 1, 8);
    agent.wait_for_line(AMPLE, |line| {
        line.contains("an operator sets the weight of the real server")
            && line.contains("real_server=\"rs1\" weight=4 ")
            && line.contains(&by)
    });
    let status = well(&site, &["status"]);
    let line = status
        .lines()
        .find(|line| line.contains("rs1: weight set to 50% "));
    let line = line.unwrap_or_else(|| panic!("{status}"));
    assert!(line.ends_with(&format!(" ago by {by}")), "{status}");
    assert!(status.contains(" 8, set 4 "), "{status}");
    let page = site.get("/").body;
    assert!(page.contains("<small>set to 50% "), "{page}");

    server.set(Behaviour::Close);
    wait_for(&site, 0, 0);
    server.set(Behaviour::good());
    wait_for(&site, 0, 4);
    // Another place in the file, and a percentage of another weight.
    site.configure(&weighted(&site.service("web", 1, CHECK, &[2, 1]), 20));
    well(&site, &["reload"]);
    let before = wait_for(&site, 1, 10);
    agent.signal(Signal::SIGKILL);
    agent.wait(AMPLE);
    server.set(Behaviour::Close);
    let mut agent = site.agent();
    wait_for(&site, 1, 0);
    server.set(Behaviour::good());
    let after = wait_for(&site, 1, 10);
    assert_eq!(after["weight"]["set"]["by"], before["weight"]["set"]["by"]);
    let seconds =
        |shown: &Value| shown["weight"]["set"]["since"].as_str().unwrap()[..19].to_owned();
    assert_eq!(seconds(&after), seconds(&before));

    let printed = well(&site, &["weight", "web/rs1", "reset"]);
    assert_eq!(printed, "web/rs1: weight 20, as configured\n");
    let shown = wait_for(&site, 1, 20);
    assert!(shown["weight"]["set"].is_null(), "{shown}");
    agent.signal(Signal::SIGKILL);
    agent.wait(AMPLE);
    let _agent = site.agent();
    wait_for(&site, 1, 20);
}

#[test]
fn several_targets_change_together_or_not_at_all() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    let services = site.service("one", 1, CHECK, &[1, 2]) + &site.service("two", 2, CHECK, &[1]);
    site.configure(&weighted(&services, 8));
    let _agent = site.agent();
    wait_for(&site, 0, 8);
    wait_for(&site, 1, 8);
    let ended = run(&site, &["weight", "one/rs1", "two/rs3", "one/rs2", "5"]);
    assert_eq!((ended.code, &*ended.stdout), (1, ""));
    let sentence = "no real server is called `two/rs3`, did you mean `two/rs1`?";
    assert!(ended.stderr.contains(sentence), "{}", ended.stderr);
    let none_set = |service, place| site.real_server(service, place)["weight"]["set"].is_null();
    assert!(none_set(0, 0) && none_set(0, 1) && none_set(1, 0));

    let rs2 = site.ip(2).to_string();
    let printed = well(&site, &["weight", "*/rs1", &rs2, "one/rs1", "5"]);
    let expected = ["one/rs1", "one/rs2", "two/rs1"]
        .map(|name| format!("{name}: weight 5 in place of the configured 8\n"));
    assert_eq!(printed, expected.concat());
    wait_for(&site, 0, 5);
    wait_for(&site, 1, 5);
    assert_eq!(site.real_server(1, 0)["weight"]["set"]["weight"], 5);
    well(&site, &["weight", "one", "two/*", "reset"]);
    wait_for(&site, 0, 8);
    assert!(none_set(0, 0) && none_set(0, 1) && none_set(1, 0));
}

#[test]
fn weight_of_zero_is_no_drain_and_says_what_follows() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1)], Behaviour::good());
    site.configure(&weighted(&site.service("web", 1, CHECK, &[1]), 8));
    let _agent = site.agent();
    wait_for(&site, 0, 8);
    let printed = well(&site, &["weight", "web/rs1", "0"]);
    for line in [
        "web/rs1: weight 0 in place of the configured 8\n",
        "note: web has no other real server that serves: new connections are refused",
        "for maintenance, use `lvs-agent drain`\n",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    let shown = wait_for(&site, 0, 0);
    assert_eq!(shown["admin"]["state"], "enabled");
    assert_eq!(shown["health"], "up");
    let condition = until(AMPLE, "a lost quorum", || {
        let status = site.status();
        let mut conditions = status["conditions"].as_array().unwrap().iter();
        let lost = conditions.find(|condition| condition["type"] == "quorum_lost");
        lost.cloned().ok_or(status.clone())
    });
    let fix = condition["fix"].as_str().unwrap();
    assert!(
        fix.contains("`lvs-agent weight web/rs1 reset --config "),
        "{fix}"
    );
    // A drain goes before it, and leaves it.
    let printed = well(&site, &["drain", "web/rs1"]);
    assert!(printed.starts_with("web/rs1: draining"), "{printed}");
    let printed = well(&site, &["weight", "web/rs1", "6"]);
    assert!(
        printed.contains("and has the weight when it is undrained"),
        "{printed}"
    );
    well(&site, &["undrain", "web/rs1"]);
    wait_for(&site, 0, 6);
}

#[test]
fn report_of_a_check_waits_for_the_operator_unless_it_refuses_connections() {
    let site = Site::new();
    let file = site.path("weight");
    fs::write(&file, "50%\n").unwrap();
    let (ip, path) = (site.ip(1), file.display());
    site.configure(&format!(
        "  - name: web\n    address: 192.0.2.1:80\n    \
         check: {{ file: {{ path: \"{path}\" }}, {CHECK} }}\n    \
         real_servers: [{{ name: rs1, address: {ip}, weight: 8 }}]\n"
    ));
    let _agent = site.agent();
    wait_for(&site, 0, 4);
    let printed = well(&site, &["weight", "web/rs1", "7"]);
    let waits = "note: the check of web/rs1 reports weight 4, which is not in effect until \
                 `lvs-agent weight web/rs1 reset --config ";
    assert!(printed.contains(waits), "{printed}");
    wait_for(&site, 0, 7);
    fs::write(&file, "drain\n").unwrap();
    let shown = wait_for(&site, 0, 0);
    assert_eq!(shown["weight"]["set"]["weight"], 7);
    fs::write(&file, "25%\n").unwrap();
    wait_for(&site, 0, 7);
    well(&site, &["weight", "web/rs1", "reset"]);
    wait_for(&site, 0, 2);
}

#[test]
fn invalid_weight_is_a_usage_error_and_options_may_precede_or_follow_arguments() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1)], Behaviour::good());
    site.configure(&weighted(&site.service("web", 1, CHECK, &[1]), 8));
    let _agent = site.agent();
    wait_for(&site, 0, 8);
    for wrong in ["half", "101 %", "25601%", "2147483648", ""] {
        let ended = run(&site, &["weight", "web/rs1", wrong]);
        assert_eq!((ended.code, &*ended.stdout), (2, ""), "{wrong}");
        let sentence = "is not a weight: a percentage of the configured one";
        assert!(ended.stderr.contains(sentence), "{}", ended.stderr);
    }
    for words in [&["weight"][..], &["weight", "web/rs1"], &["weight", "50%"]] {
        let ended = run(&site, words);
        assert_eq!((ended.code, &*ended.stdout), (2, ""), "{words:?}");
    }
    let socket = site.socket();
    let socket = socket.to_str().unwrap();
    for (weight, words) in [
        (4, &["weight", "web/rs1", "50%", "--socket", socket][..]),
        (2, &["weight", "--socket", socket, "web/rs1", "25%"]),
    ] {
        let ended = end(super::program(words));
        assert_eq!((ended.code, &*ended.stderr), (0, ""), "{words:?}");
        wait_for(&site, 0, weight);
    }
    // An option there would make the target the last word but one.
    let ended = run(&site, &["weight", "web/rs1", "--socket", socket, "75%"]);
    assert_eq!((ended.code, &*ended.stdout), (2, ""), "{}", ended.stderr);
    assert_eq!(site.real_server(0, 0)["weight"]["set"]["to"], "25%");
}
