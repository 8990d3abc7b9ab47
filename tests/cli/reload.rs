//! Another configuration for an agent that runs.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{AMPLE, Agent, Behaviour, Ended, Server, Site, end, fifo, until};

const CHECK: &str = "interval: 200ms, timeout: 1s, rise: 2, fall: 2";

fn reload(site: &Site) -> Ended {
    end(site.command("reload", &[]))
}

/// An agent whose two real servers have their verdicts: rs1 is up, rs2 down.
fn up_and_down(site: &Site) -> (Agent, Server) {
    let server = Server::start(&[site.server(1)], Behaviour::good());
    site.configure(&site.service("web", 1, CHECK, &[1, 2]));
    let agent = site.agent();
    wait_for(site, 0, "up");
    wait_for(site, 1, "down");
    (agent, server)
}

fn wait_for(site: &Site, real_server: usize, health: &str) -> Value {
    until(AMPLE, health, || {
        let shown = site.real_server(0, real_server);
        if shown["health"] == health {
            Ok(shown)
        } else {
            Err(shown)
        }
    })
}

#[test]
fn reload_keeps_verdicts_and_new_real_servers_must_pass() {
    let site = Site::new();
    let (_agent, _server) = up_and_down(&site);
    let [since_up, since_down] = [0, 1].map(|place| site.real_server(0, place)["since"].clone());
    let another = Server::start(&[site.server(3)], Behaviour::Hang);
    let reordered = site.service("web", 1, CHECK, &[3, 2, 1]);
    site.configure(&reordered.replace("name: rs1,", "name: rs1, weight: 7,"));

    let ended = reload(&site);
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    assert_eq!(
        ended.stdout,
        "reloaded: 1 virtual service, 3 real servers; 2 changes in the table in memory\n"
    );
    let [new, down, up] = [0, 1, 2].map(|place| site.real_server(0, place));
    assert_eq!(
        (&new["health"], &new["weight"]["kernel"]),
        (&"unknown".into(), &0.into())
    );
    assert_eq!(
        (&down["health"], &down["since"]),
        (&"down".into(), &since_down)
    );
    assert_eq!((&up["health"], &up["since"]), (&"up".into(), &since_up));
    assert_eq!(up["weight"]["kernel"], 7);
    drop(another);
}

#[test]
fn a_changed_check_starts_over_in_the_present_state() {
    let site = Site::new();
    let (_agent, server) = up_and_down(&site);
    server.set(Behaviour::Hang);
    // Fails at once in the first probe, and would need an hour for the second.
    let slow = "interval: 1h, timeout: 1s, rise: 2, fall: 2";
    let service = site.service("web", 1, slow, &[1, 2]);
    site.configure(&service.replace("path: /,", "path: /other,"));
    assert_eq!(reload(&site).code, 0);
    until(AMPLE, "a failed probe", || {
        let shown = site.real_server(0, 0);
        if shown["last_probe"]["result"] == "timeout" {
            Ok(())
        } else {
            Err(shown)
        }
    });
    assert_eq!(site.real_server(0, 0)["health"], "up");
    assert_eq!(site.real_server(0, 1)["health"], "down");
}

#[test]
fn reloads_that_change_only_fall_do_not_keep_a_dead_server_up() {
    let site = Site::new();
    let server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    let service = |fall: u8| {
        let check = format!("interval: 400ms, timeout: 300ms, rise: 1, fall: {fall}");
        site.configure(&site.service("web", 1, &check, &[1, 2]));
    };
    service(4);
    let _agent = site.agent();
    wait_for(&site, 0, "up");
    server.set(Behaviour::Close);
    let probes = || server.connections(site.ip(1));
    // Each reload follows one failed probe, or two.
    for reloads in 0..12 {
        let before = probes();
        service(3 + reloads % 2);
        assert_eq!(reload(&site).code, 0);
        until(AMPLE, "another probe", || {
            let now = probes();
            if now > before { Ok(()) } else { Err(now) }
        });
    }
    assert_eq!(site.real_server(0, 0)["health"], "down");
}

/// The real servers answer, so that neither the link nor a route is at fault.
#[test]
fn wrong_path_of_all_checks_freezes_all_weights_and_the_fix_is_the_check() {
    let site = Site::new();
    let hosts = [1, 2, 3, 4].map(|host| site.server(host));
    let server = Server::start(&hosts, Behaviour::good());
    let check = "interval: 500ms, timeout: 400ms, rise: 1, fall: 3";
    let services = |path: &str, second: &str| {
        let paths = [(1, &[1, 2][..], path), (2, &[3, 4], second)];
        let services = paths.map(|(vip, hosts, path)| {
            let name = format!("web{vip}");
            let service = site.service(&name, vip, check, hosts);
            service.replace("path: /,", &format!("path: {path},"))
        });
        site.configure(&services.concat());
    };
    services("/", "/");
    let mut agent = site.agent();
    let all = |health: &str| {
        until(AMPLE, health, || {
            let up = |(service, one)| site.real_server(service, one)["health"] == health;
            if [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().all(up) {
                Ok(())
            } else {
                Err(site.status())
            }
        });
    };
    all("up");
    services("/wrong", "/wrong");
    server.set(Behaviour::status("503 Service Unavailable"));
    assert_eq!(reload(&site).code, 0);
    let line = agent.wait_for_line(AMPLE, |line| line.contains("all weights are frozen"));
    let condition = until(AMPLE, "frozen weights", || {
        let status = site.status();
        let conditions = status["conditions"].as_array().unwrap().iter();
        let mut frozen = conditions.filter(|condition| condition["type"] == "weights_frozen");
        frozen.next().cloned().ok_or(status.clone())
    });
    let fix = condition["fix"].as_str().unwrap();
    let message = condition["message"].as_str().unwrap();
    assert!(
        fix.starts_with("correct the check that the last reload changed, and reload;"),
        "{condition}"
    );
    assert!(!fix.contains("ip route"), "{condition}");
    let seen = "with the result `status` (such as: HTTP 503, expected 200-299)";
    assert!(message.contains(seen), "{condition}");
    assert!(line.contains(fix), "{line}");
    all("up");

    let failed = |service, since: &Value| {
        until(AMPLE, "another failed probe", || {
            let probe = site.real_server(service, 1)["last_probe"].clone();
            if probe["at"] == *since {
                Err(probe)
            } else {
                Ok(probe["at"].clone())
            }
        })
    };
    // No reload is a reason to believe the failures: neither one that changes no check, nor one
    // that changes those of one service, or of both.
    for (first, second) in [
        ("/wrong", "/wrong"),
        ("/wrong", "/other"),
        ("/other", "/another"),
    ] {
        services(first, second);
        assert_eq!(reload(&site).code, 0);
        for service in [0, 1] {
            (0..5).fold(Value::Null, |last, _| failed(service, &last));
        }
        all("up");
        let status = site.status();
        let conditions = status["conditions"].as_array().unwrap();
        let is_same = |other: &&Value| other["since"] == condition["since"];
        assert!(conditions.iter().any(|other| is_same(&other)), "{status}");
    }
    agent.signal(Signal::SIGTERM);
    agent.wait(AMPLE);
    let output = agent.output();
    assert!(!output.contains("frozen no longer"), "{output}");
}

#[test]
fn fix_of_a_failed_reload_works_as_it_is_pasted_into_a_shell() {
    let site = Site::new();
    let (mut agent, _server) = up_and_down(&site);
    let elsewhere = site.path("it's elsewhere.yaml");
    fs::copy(site.configuration(), &elsewhere).unwrap();
    agent.signal(Signal::SIGTERM);
    agent.wait(AMPLE);
    let mut command = super::program(&["run", "--table", "memory", "--config"]);
    command.arg(&elsewhere);
    let _agent = Site::start(command);
    fs::write(&elsewhere, "virtual_services: 1").unwrap();
    let mut reload = super::program(&["reload", "--socket"]);
    reload.arg(site.socket());
    assert_eq!(end(reload).code, 2);
    let conditions = site.status()["conditions"].clone();
    let failed = conditions.as_array().unwrap().iter();
    let mut failed = failed.filter(|condition| condition["type"] == "reload_failed");
    let fix = failed.next().unwrap()["fix"].as_str().unwrap().to_owned();

    fs::copy(site.configuration(), &elsewhere).unwrap();
    let mut shell = std::process::Command::new("/bin/sh");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_lvs-agent"));
    shell.env_clear().env("PATH", program.parent().unwrap());
    shell.args(["-c", &fix]);
    let ended = end(shell);
    assert_eq!((ended.code, &*ended.stderr), (0, ""), "{fix}");
    assert!(ended.stdout.contains("\nreloaded: "), "{}", ended.stdout);
}

#[test]
fn a_broken_file_changes_nothing_and_is_seen_everywhere() {
    let site = Site::new();
    let (mut agent, _server) = up_and_down(&site);
    let good = site.service("web", 1, CHECK, &[1, 2]);
    for broken in [good.replace("rs2,", "rs1,"), good.clone() + "  - ["] {
        site.configure(&good);
        assert_eq!(reload(&site).code, 0);
        site.configure(&broken);
        let ended = reload(&site);
        assert_eq!((ended.code, &*ended.stdout), (2, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains("config.yaml:"), "{}", ended.stderr);
        // That was the agent's own answer.
        assert_eq!(site.status()["config"]["last_reload"]["ok"], false);
        let shown = end(site.command("status", &[]));
        assert_eq!((shown.code, &*shown.stderr), (0, ""));
        assert!(shown.stdout.contains("problem reload_failed "));
    }
    fs::remove_file(site.configuration()).unwrap();
    let ended = end({
        let mut command = site.command("reload", &["--socket"]);
        command.arg(site.socket());
        command
    });
    assert_eq!((ended.code, &*ended.stdout), (2, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("there is no such file"));
    site.configure(&good.replace("rs2,", "rs1,"));
    assert_eq!(reload(&site).code, 2);
    agent.wait_for_line(AMPLE, |line| {
        line.contains("the configuration is not reloaded")
    });
    let status = site.status();
    let last = &status["config"]["last_reload"];
    assert_eq!(last["ok"], false);
    assert!(last["error"].as_str().unwrap().contains("rs1"), "{last}");
    assert!(
        site.get("/metrics")
            .body
            .contains("\nlvs_config_last_reload_successful 0\n")
    );
    assert_eq!(site.real_server(0, 0)["health"], "up");
    assert_eq!(site.real_server(0, 0)["weight"]["kernel"], 1);

    site.configure(&good);
    agent.signal(Signal::SIGHUP);
    until(AMPLE, "the good file", || {
        let status = site.status();
        if status["config"]["last_reload"]["ok"] == true {
            Ok(())
        } else {
            Err(status)
        }
    });
    assert!(
        site.get("/metrics")
            .body
            .contains("\nlvs_config_last_reload_successful 1\n")
    );
}

#[test]
fn fixed_key_is_named() {
    let site = Site::new();
    let (_agent, _server) = up_and_down(&site);
    site.configure_with("/elsewhere", &site.service("web", 1, CHECK, &[1, 2]));
    let ended = reload(&site);
    assert_eq!(ended.code, 2);
    assert!(
        ended
            .stderr
            .contains("`state_dir` cannot be changed while the agent runs"),
        "{}",
        ended.stderr
    );
    assert_eq!(site.real_server(0, 0)["health"], "up");
}

#[test]
fn reloads_faster_than_the_interval_starve_no_probe() {
    let site = Site::new();
    let server = Server::start(&[site.server(1)], Behaviour::good());
    let check = "interval: 1s, timeout: 1s, rise: 2, fall: 2";
    let weighted = |weight: u32| {
        let service = site.service("web", 1, check, &[1]);
        service.replace("name: rs1,", &format!("name: rs1, weight: {weight},"))
    };
    site.configure(&weighted(1));
    let _agent = site.agent();
    for weight in 0..50 {
        site.configure(&weighted(weight));
        assert_eq!(reload(&site).code, 0);
    }
    let probed = server.connections(site.ip(1));
    wait_for(&site, 0, "up");
    assert!(
        server.connections(site.ip(1)) <= probed + 2,
        "it was probed all the time"
    );
    assert_eq!(site.real_server(0, 0)["weight"]["kernel"], 49);
}

#[test]
fn series_come_and_go_with_their_services() {
    let site = Site::new();
    let (_agent, _server) = up_and_down(&site);
    let count = |text: &str, name: &str| text.matches(&format!("service=\"{name}\"")).count();
    let before = site.get("/metrics").body;
    site.configure(&site.service("other", 2, CHECK, &[1]));
    assert_eq!(reload(&site).code, 0);
    let after = site.get("/metrics").body;
    assert!(count(&before, "web") > 0 && count(&before, "other") == 0);
    assert!(count(&after, "web") == 0 && count(&after, "other") > 0);
    assert!(after.contains("lvs_probe_duration_seconds_count{service=\"other\"}"));
}

#[test]
fn commands_and_signals_at_once_are_done_one_after_the_other() {
    let site = Site::new();
    let (agent, _server) = up_and_down(&site);
    let well = |subcommand: &str, arguments: &[&str]| {
        let ended = end(site.command(subcommand, arguments));
        assert_eq!(ended.code, 0, "{subcommand}: {}", ended.stderr);
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..10).for_each(|_| well("reload", &[])));
        }
        scope.spawn(|| {
            for _ in 0..10 {
                well("drain", &["*/rs1"]);
                well("undrain", &["web/rs1"]);
            }
        });
        for _ in 0..100 {
            agent.signal(Signal::SIGHUP);
        }
    });
    let shown = site.real_server(0, 0);
    assert_eq!(
        (&shown["health"], &shown["admin"]["state"]),
        (&"up".into(), &"enabled".into())
    );
    let service = site.service("web", 1, CHECK, &[2, 1]);
    site.configure(&service.replace("name: rs1,", "name: rs1, weight: 7,"));
    well("reload", &[]);
    until(AMPLE, "the weight", || {
        let shown = site.real_server(0, 1);
        if shown["weight"]["kernel"] == 7 {
            Ok(())
        } else {
            Err(shown)
        }
    });
}

/// A FIFO among the included files is told, and nothing waits for its writer.
#[test]
fn a_fifo_among_the_files_is_refused() {
    let site = Site::new();
    let included = site.path("conf.d");
    std::fs::create_dir(&included).unwrap();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let text = std::fs::read_to_string(site.configuration()).unwrap();
    std::fs::write(site.configuration(), format!("include: conf.d/*\n{text}")).unwrap();
    let mut agent = site.agent();
    let pipe = included.join("web.yaml");
    fifo(&pipe);

    let ended = reload(&site);
    assert_eq!((ended.code, &*ended.stdout), (2, ""));
    let expected = "web.yaml` cannot be read: this is a FIFO, not a regular file";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);

    std::fs::remove_file(&pipe).unwrap();
    assert_eq!(reload(&site).code, 0);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(AMPLE).code(), Some(0));
}
