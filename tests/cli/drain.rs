//! What an operator decides on a real server.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{AMPLE, Behaviour, Ended, Server, Site, end, until};

const CHECK: &str = "interval: 200ms, timeout: 1s, rise: 1, fall: 1";

fn run(site: &Site, words: &[&str]) -> Ended {
    end(site.command(words[0], &words[1..]))
}

fn wait_for(site: &Site, place: usize, wanted: impl Fn(&Value) -> bool) -> Value {
    until(AMPLE, "state of a real server", || {
        let shown = site.real_server(0, place);
        if wanted(&shown) {
            Ok(shown)
        } else {
            Err(shown)
        }
    })
}

fn up(shown: &Value) -> bool {
    shown["health"] == "up" && shown["weight"]["kernel"] == 1
}

#[test]
fn a_drain_outlives_verdicts_reloads_and_the_process() {
    let site = Site::new();
    let server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    site.configure(&site.service("web", 1, CHECK, &[1, 2]));
    let mut agent = site.agent();
    wait_for(&site, 0, up);
    let ended = run(&site, &["drain", "web/rs1", "--wait"]);
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    assert!(
        ended.stdout.starts_with("web/rs1: draining, 0 active"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.ends_with("web/rs1: drained\n"),
        "{}",
        ended.stdout
    );
    let drained =
        |shown: &Value| shown["admin"]["state"] == "drained" && shown["weight"]["kernel"] == 0;
    wait_for(&site, 0, drained);

    server.set(Behaviour::Close);
    wait_for(&site, 0, |shown| shown["health"] == "down");
    server.set(Behaviour::good());
    let shown = wait_for(&site, 0, |shown| shown["health"] == "up");
    assert!(drained(&shown), "health does not end it: {shown}");

    site.configure(&site.service("web", 1, CHECK, &[2, 1]));
    assert_eq!(run(&site, &["reload"]).code, 0);
    assert!(
        drained(&site.real_server(0, 1)),
        "{}",
        site.real_server(0, 1)
    );

    agent.signal(Signal::SIGKILL);
    agent.wait(AMPLE);
    let _agent = site.agent();
    wait_for(&site, 0, up);
    wait_for(&site, 1, drained);

    assert_eq!(run(&site, &["undrain", "web/rs1"]).code, 0);
    wait_for(&site, 1, |shown| {
        up(shown) && shown["admin"]["state"] == "enabled"
    });
}

#[test]
fn drains_a_real_server_in_every_service() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1)], Behaviour::good());
    let services = site.service("one", 1, CHECK, &[1]) + &site.service("two", 2, CHECK, &[1]);
    site.configure(&services);
    let _agent = site.agent();
    wait_for(&site, 0, up);
    let ended = run(&site, &["drain", "*/rs1", "--wait"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for service in [0, 1] {
        assert_eq!(site.real_server(service, 0)["admin"]["state"], "drained");
    }
}

#[test]
fn unknown_target_is_named() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let agent = site.agent();
    for (target, sentence) in [
        ("web/rs9", "no real server is called `web/rs9`"),
        ("web/rs11", "did you mean `web/rs1`?"),
        (
            "wbe/*",
            "no virtual service is called `wbe`, did you mean `web`?",
        ),
        ("rs1", "did you mean `*/rs1`?"),
        ("192.0.2.2", "no real server has the address `192.0.2.2`"),
        (
            "web/sorry_server",
            "no real server is called `web/sorry_server`",
        ),
    ] {
        for command in ["drain", "undrain"] {
            let ended = run(&site, &[command, target]);
            assert_eq!((ended.code, &*ended.stdout), (1, ""));
            assert!(ended.stderr.contains(sentence), "{}", ended.stderr);
        }
    }
    until(AMPLE, "the refusal and its reason in the log", || {
        let output = agent.output();
        let mut lines = output.lines();
        let is_told = |line: &str| {
            line.contains("refused to an operator")
                && line.contains("drain web/rs9")
                && line.contains("no real server is called `web/rs9`")
        };
        if lines.any(is_told) {
            Ok(())
        } else {
            Err(output)
        }
    });
    for target in ["we*/rs1", "*/*", "web/rs1/", "web/", "/rs1", "/", ""] {
        for command in ["drain", "undrain"] {
            let ended = run(&site, &[command, target]);
            assert_eq!((ended.code, &*ended.stdout), (2, ""), "{target}");
            assert!(
                ended.stderr.contains("is not a target: a virtual service"),
                "{}",
                ended.stderr
            );
        }
    }
    for deadline in ["5", "31days", "584542046090y"] {
        let ended = run(&site, &["drain", "web/rs1", "--deadline", deadline]);
        assert_eq!((ended.code, &*ended.stdout), (2, ""), "{deadline}");
    }
}

#[test]
fn a_drain_that_cannot_be_written_is_shown_and_written_when_it_can() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    let service = site.service("web", 1, CHECK, &[1, 2]);
    site.configure(&service);
    let mut agent = site.agent();
    wait_for(&site, 0, up);
    let (state, away) = (site.path("state"), site.path("away"));
    std::fs::rename(&state, &away).unwrap();
    std::fs::write(&state, "").unwrap();
    let ended = run(&site, &["drain", "web/rs1"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let expected = "what operators have decided is not remembered across a restart: ";
    assert!(ended.stdout.contains(expected), "{}", ended.stdout);
    let shown = site.status()["conditions"][0].clone();
    assert_eq!(shown["type"], "drains_not_saved", "{shown}");
    let message = shown["message"].as_str().unwrap();
    assert!(message.starts_with(expected), "{shown}");
    let fix = shown["fix"].as_str().unwrap();
    assert!(fix.contains("is in the way, and move it away"), "{shown}");

    std::fs::remove_file(&state).unwrap();
    std::fs::rename(&away, &state).unwrap();
    agent.wait_for_line(AMPLE, |line| line.contains("cleared: drains not saved"));
    let conditions = site.status()["conditions"].clone();
    assert!(
        !conditions.to_string().contains("drains_not_saved"),
        "{conditions}"
    );
    agent.signal(Signal::SIGKILL);
    agent.wait(AMPLE);
    let _agent = site.agent();
    wait_for(&site, 0, |shown| shown["admin"]["state"] == "drained");

    site.configure(&service.replace("192.0.2.1:80", "192.0.2.1:81"));
    let ended = run(&site, &["reload"]);
    let note = "\nnote: web/rs1 is no longer drained: it has another address";
    assert!(ended.stdout.contains(note), "{}", ended.stdout);
}

#[test]
fn answer_to_the_drain_of_the_last_real_server_says_so_and_how_to_undo_it() {
    let site = Site::new();
    let hosts = [1, 2, 3].map(|host| site.server(host));
    let _server = Server::start(&hosts, Behaviour::good());
    let service = site.service("web", 1, CHECK, &[1, 2]);
    site.configure(&service);
    let _agent = site.agent();
    wait_for(&site, 0, up);
    wait_for(&site, 1, up);
    let none_serves = "\nnote: web has no other real server that serves: ";
    let drain = |name: &str| {
        let ended = run(&site, &["drain", name]);
        assert_eq!((ended.code, &*ended.stderr), (0, ""));
        ended.stdout
    };
    let first = drain("web/rs1");
    assert!(!first.contains("note: "), "{first}");
    let second = drain("web/rs2");
    let refused = format!("{none_serves}new connections are refused");
    assert!(second.contains(&refused), "{second}");
    let condition = until(AMPLE, "a lost quorum", || {
        let status = site.status();
        let conditions = status["conditions"].as_array().unwrap().iter();
        let mut found = conditions.filter(|condition| condition["type"] == "quorum_lost");
        found.next().cloned().ok_or(status.clone())
    });
    let fix = condition["fix"].as_str().unwrap();
    let config = site.configuration();
    for name in ["web/rs1", "web/rs2"] {
        let undrain = format!("`lvs-agent undrain {name} --config {}`", config.display());
        assert!(fix.contains(&undrain), "{fix}");
    }
    assert_eq!(run(&site, &["undrain", "web/rs2"]).code, 0);
    wait_for(&site, 1, up);

    let sorry_server = format!("    sorry_server: {{ address: {} }}\n", site.ip(3));
    site.configure(&service.replace("    check:", &format!("{sorry_server}    check:")));
    assert_eq!(run(&site, &["reload"]).code, 0);
    until(AMPLE, "a sorry server that is up", || {
        let shown = site.status()["virtual_services"][0]["sorry_server"].clone();
        if shown["health"] == "up" {
            Ok(())
        } else {
            Err(shown)
        }
    });
    let again = drain("web/rs2");
    let takes_over = format!("{none_serves}the sorry server takes over\n");
    assert!(again.contains(&takes_over), "{again}");
}

#[test]
fn answer_to_undrain_says_that_an_unwritten_file_would_drain_again_after_a_restart() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    site.configure(&site.service("web", 1, CHECK, &[1, 2]));
    let _agent = site.agent();
    wait_for(&site, 0, up);
    assert_eq!(run(&site, &["drain", "web/rs1"]).code, 0);
    let (state, away) = (site.path("state"), site.path("away"));
    std::fs::rename(&state, &away).unwrap();
    std::fs::write(&state, "").unwrap();
    let ended = run(&site, &["undrain", "web/rs1"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let again = "until the file is written, a restart of the agent may drain web/rs1 again";
    assert!(ended.stdout.contains(again), "{}", ended.stdout);
}

#[test]
fn drains_in_a_file_of_a_newer_agent_are_said_to_be_forgotten_until_it_is_moved_away() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    site.configure(&site.service("web", 1, CHECK, &[1, 2]));
    let mut agent = site.agent();
    wait_for(&site, 0, up);
    let file = site.path("state/drains-memory.json");
    let newer = r#"{"version":9,"all":"different","drains":[]}"#;
    std::fs::write(&file, newer).unwrap();
    let trouble = format!(
        "what operators have decided is not remembered across a restart: `{}` has version 9, \
         which a newer lvs-agent wrote and this one cannot read: run that one, for this one does \
         not start with this file; or move the file away, and ask again for the drains and \
         weights that it names",
        file.display()
    );
    let ended = run(&site, &["drain", "web/rs1"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let note = format!("\nnote: {trouble}\n");
    assert!(ended.stdout.contains(&note), "{}", ended.stdout);
    agent.wait_for_line(AMPLE, |line| {
        line.contains("ERROR") && line.contains(&trouble)
    });
    let not_saved = || -> Vec<Value> {
        let status = site.status();
        let conditions = status["conditions"].as_array().unwrap().iter();
        let not_saved = conditions.filter(|condition| condition["type"] == "drains_not_saved");
        not_saved
            .map(|condition| condition["message"].clone())
            .collect()
    };
    assert_eq!(not_saved(), [trouble.as_str()]);

    site.configure(&site.service("web", 1, CHECK, &[2]));
    let ended = run(&site, &["reload"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains(&note), "{}", ended.stdout);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), newer);

    std::fs::rename(&file, site.path("away")).unwrap();
    until(AMPLE, "drains that are saved", || match not_saved() {
        messages if messages.is_empty() => Ok(()),
        messages => Err(messages),
    });
}

#[test]
fn waiting_command_is_answered_when_its_real_server_leaves_the_configuration() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    // A drain of UDP ends with its deadline, and not before.
    let udp = |hosts: &[u8]| {
        let service = site.service("web", 1, CHECK, hosts);
        service.replace("    check:", "    protocol: udp\n    check:")
    };
    site.configure(&udp(&[1, 2]));
    let mut agent = site.agent();
    wait_for(&site, 0, up);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| run(&site, &["drain", "web/rs1", "--wait"]));
        let shown = wait_for(&site, 0, |shown| shown["admin"]["state"] == "draining");
        let deadline = shown["drain_deadline"].clone();
        assert!(deadline.is_string(), "{shown}");
        assert_eq!(run(&site, &["reload"]).code, 0);
        assert_eq!(site.real_server(0, 0)["drain_deadline"], deadline);
        agent.signal(Signal::SIGKILL);
        agent.wait(AMPLE);
        // Whoever waits has lost the agent, and waits no longer.
        let ended = waiting.join().unwrap();
        assert_eq!(ended.code, 1);
        let goes_on = "the drain of web/rs1 goes on when the agent is back: see `lvs-agent status \
                       --socket ";
        assert!(ended.stderr.contains(goes_on), "{}", ended.stderr);
        agent = site.agent();
        let again = wait_for(&site, 0, |shown| shown["admin"]["state"] == "draining");
        let seconds = |at: &Value| at.as_str().unwrap()[..19].to_owned();
        assert_eq!(seconds(&again["drain_deadline"]), seconds(&deadline));

        let waiting = scope.spawn(|| run(&site, &["drain", "web/rs1", "--wait"]));
        wait_for(&site, 0, |shown| {
            shown["drain_deadline"] != again["drain_deadline"]
        });
        site.configure(&udp(&[2]));
        assert_eq!(run(&site, &["reload"]).code, 0);
        let ended = waiting.join().unwrap();
        assert_eq!(ended.code, 1, "{}", ended.stdout);
        let gone = "web/rs1 is no longer in the agent's configuration";
        assert!(ended.stderr.contains(gone), "{}", ended.stderr);
    });
    assert_eq!(run(&site, &["undrain", "web/rs1"]).code, 1);
    site.configure(&udp(&[1, 2]));
    assert_eq!(run(&site, &["reload"]).code, 0);
    wait_for(&site, 0, |shown| {
        up(shown) && shown["admin"]["state"] == "enabled"
    });
    agent.signal(Signal::SIGKILL);
    agent.wait(AMPLE);
    let _agent = site.agent();
    wait_for(&site, 0, |shown| {
        up(shown) && shown["admin"]["state"] == "enabled"
    });
}

#[test]
fn client_that_waits_is_answered_at_the_deadline_of_udp_and_ends_nothing_when_it_goes_away() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    let service = site.service("web", 1, CHECK, &[1, 2]);
    site.configure(&service.replace("    check:", "    protocol: udp\n    check:"));
    let _agent = site.agent();
    wait_for(&site, 0, up);
    let words = ["web/rs1", "--wait", "--deadline", "2s"];
    let ended = run(&site, &[&["drain"][..], &words].concat());
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    assert!(
        ended.stdout.ends_with("web/rs1: drained\n"),
        "{}",
        ended.stdout
    );

    let mut command = site.command("drain", &["web/rs2", "--wait", "--deadline", "4s"]);
    let mut waiting = command.spawn().unwrap();
    wait_for(&site, 1, |shown| shown["admin"]["state"] == "draining");
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    wait_for(&site, 1, |shown| shown["admin"]["state"] == "drained");
}

#[test]
fn several_targets_are_drained_together_or_not_at_all_and_who_and_why_stay() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    let services = site.service("one", 1, CHECK, &[1, 2]) + &site.service("two", 2, CHECK, &[1]);
    site.configure(&services);
    let mut agent = site.agent();
    wait_for(&site, 0, up);
    wait_for(&site, 1, up);
    let state = |service, place| site.real_server(service, place)["admin"]["state"].clone();
    let states = || [state(0, 0), state(0, 1), state(1, 0)];
    for words in [
        &["drain", "one/rs1", "tow/rs1"][..],
        &["drain", "two", "192.0.2.9"],
        &["drain", "one/rs1", "--reason", &"x".repeat(201)],
        &["drain", "one/rs1", "--reason", " "],
    ] {
        let ended = run(&site, words);
        assert_ne!(ended.code, 0, "{words:?}");
        assert_eq!(states(), ["enabled"; 3], "{words:?}");
    }
    let reason = "new \u{202e}kernel\n{\"rs1\"}";
    let words = ["drain", "two/*", "one/rs2", "--wait", "--reason", reason];
    let ended = run(&site, &words);
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    let drained = "two/*, one/rs2: drained\n";
    assert!(ended.stdout.ends_with(drained), "{}", ended.stdout);
    assert_eq!(states(), ["enabled", "drained", "drained"]);

    let shown = "new \\u{202e}kernel {\"rs1\"}";
    let uid = format!("uid {}", nix::unistd::getuid());
    let is_shown = |admin: &Value| {
        assert_eq!(admin["reason"], shown, "{admin}");
        assert!(admin["by"].as_str().unwrap().contains(&uid), "{admin}");
        assert!(admin["since"].is_string(), "{admin}");
    };
    let before = site.real_server(0, 1)["admin"].clone();
    is_shown(&before);
    let text = run(&site, &["status"]).stdout;
    let line = text
        .lines()
        .find(|line| line.contains("rs2: drain asked for "));
    assert!(line.unwrap_or(&text).ends_with(shown), "{text}");
    let page = site.get("/").body;
    let escaped = shown.replace('"', "&quot;");
    assert!(page.contains(&format!(": {escaped}<")), "{page}");
    // A field is quoted, and its quotes and backslashes with it.
    let logged = shown.replace('\\', "\\\\").replace('"', "\\\"");
    agent.wait_for_line(AMPLE, |line| {
        line.contains("real server drained") && line.contains(&logged) && line.contains(&uid)
    });

    agent.signal(Signal::SIGKILL);
    agent.wait(AMPLE);
    let _agent = site.agent();
    let after = wait_for(&site, 1, |shown| shown["admin"]["state"] == "drained");
    let after = &after["admin"];
    is_shown(after);
    let second = |admin: &Value| admin["since"].as_str().unwrap()[..19].to_owned();
    assert_eq!(second(after), second(&before));
    let rs1 = site.ip(1).to_string();
    assert_eq!(run(&site, &["undrain", "one/*", &rs1]).code, 0);
    assert_eq!(states(), ["enabled"; 3]);
    assert!(site.real_server(0, 1)["admin"]["reason"].is_null());
}

#[test]
fn waiting_for_a_drain_ends_with_the_reason_of_the_reload_that_ended_it() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    let service = site.service("web", 1, CHECK, &[1, 2]);
    // A drain of a service by UDP ends with its deadline alone.
    let udp = service.replace("192.0.2.1:80\n", "192.0.2.1:80\n    protocol: udp\n");
    site.configure(&udp);
    let mut agent = site.agent();
    wait_for(&site, 0, up);
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| run(&site, &["drain", "web/rs1", "--wait"]));
        agent.wait_for_line(AMPLE, |line| line.contains("an operator drains"));
        let other = format!("address: {}", site.ip(3));
        site.configure(&udp.replace(&format!("address: {}", site.ip(1)), &other));
        let reload = run(&site, &["reload"]);
        assert_eq!(reload.code, 0, "{}", reload.stderr);
        waiting.join().unwrap()
    });
    assert_eq!(waiting.code, 1, "{}", waiting.stdout);
    let why = "web/rs1 is no longer drained: it has another address now";
    assert!(waiting.stderr.contains(why), "{}", waiting.stderr);
}

/// No configured real server serves: what has left the configuration goes on.
#[test]
fn drain_of_a_server_that_is_down_ends_no_service_of_those_that_left() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1)], Behaviour::good());
    site.configure(&site.service("web", 1, CHECK, &[1, 2]));
    let agent = site.agent();
    wait_for(&site, 0, up);
    wait_for(&site, 1, |shown| shown["health"] == "down");
    site.configure(&site.service("web", 1, CHECK, &[2]));
    assert_eq!(run(&site, &["reload"]).code, 0);
    let serves = || {
        let leaving = site.status()["leaving"].clone();
        if leaving[0]["serves"] == true {
            Ok(())
        } else {
            Err(leaving)
        }
    };
    until(AMPLE, "rs1 that serves on", serves);

    let ended = run(&site, &["drain", "web/rs2"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    wait_for(&site, 0, |shown| shown["admin"]["state"] == "drained");
    let refused = run(&site, &["drain", "web/rs1"]);
    assert_eq!(refused.code, 1);
    let why = "it is no longer configured, and serves until a configured real server";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    let everywhere = run(&site, &["drain", "*/rs1", "web/rs2"]);
    assert_eq!(everywhere.code, 1, "{}", everywhere.stdout);
    let of_service = run(&site, &["drain", "web"]);
    let note = "note: web/rs1 is no longer configured, is not drained, and serves until";
    assert!(of_service.stdout.contains(note), "{}", of_service.stdout);

    // A whole pass, with the decision already made.
    assert_eq!(run(&site, &["reload"]).code, 0);
    serves().unwrap();
    agent.signal(Signal::SIGTERM);
    assert!(
        !agent
            .output()
            .contains("removed, as it is no longer configured")
    );
}
