//! A dry run, and a table in memory: what they write, and what is shown of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{AMPLE, Agent, Behaviour, Server, Site, end, until};

const CHECK: &str = "interval: 200ms, timeout: 1s, rise: 1, fall: 1";

/// The drains of an agent that writes the kernel: one that is configured, one
/// that is not, and one that nobody can read.
const DRAINS: &str = r#"{"version":1,"drains":[
  {"service":"tcp 192.0.2.1:80","real_server":"ADDRESS:80","deadline":"2030-01-01T00:00:00Z"},
  {"service":"tcp 192.0.2.9:80","real_server":"192.0.2.99:80","deadline":"2030-01-01T00:00:00Z"},
  {"service":"damaged"}]}"#;

fn dry_run(site: &Site) -> Agent {
    Site::start(site.command("run", &["--table", "memory", "--dry-run"]))
}

/// The names and contents of all files.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    });
    entries.collect()
}

fn state(site: &Site) -> BTreeMap<String, String> {
    let directory = site.path("state");
    fs::create_dir(&directory).unwrap();
    let drains = DRAINS.replace("ADDRESS", &site.ip(1).to_string());
    for file in ["drains.json", "drains-memory.json"] {
        fs::write(directory.join(file), &drains).unwrap();
    }
    fs::write(
        directory.join("director.json"),
        r#"{"version":1,"damaged":{}}"#,
    )
    .unwrap();
    files(&directory)
}

#[test]
fn dry_run_leaves_the_state_directory_as_it_is_and_refuses_drains() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    let before = state(&site);
    site.configure(&site.service("web", 1, CHECK, &[1, 2]));
    let mut agent = dry_run(&site);
    site.wait_for(&["up", "up"]);
    assert_eq!(
        site.real_server(0, 0)["admin"]["state"],
        "draining",
        "as in the file"
    );
    for words in [
        &["drain", "web/rs2"][..],
        &["undrain", "web/rs2"],
        &["weight", "web/rs2", "0"],
    ] {
        let ended = end(site.command(words[0], &words[1..]));
        assert_eq!((ended.code, &*ended.stdout), (1, ""));
        assert_eq!(
            ended.stderr,
            "lvs-agent: this agent makes a dry run and changes nothing, so it neither drains nor \
             undrains a real server, nor sets a weight: start the agent without --dry-run, and ask \
             again\n"
        );
    }
    assert_eq!(site.real_server(0, 1)["admin"]["state"], "enabled");
    // What is drained is no longer configured now, which a real run would note.
    site.configure(&site.service("web", 1, CHECK, &[2]));
    let ended = end(site.command("reload", &[]));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended
            .stdout
            .contains("pending, which a dry run does not make"),
        "{}",
        ended.stdout
    );
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    agent.wait(AMPLE);
    assert_eq!(files(&site.path("state")), before);
    assert!(!site.socket().exists(), "the real agent's place is free");
}

#[test]
fn dry_run_says_everywhere_what_it_is_and_is_not_ready() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1)], Behaviour::good());
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let agent = dry_run(&site);
    site.wait_for(&["up"]);
    // The service, the real server with weight 1 and two sysctls of IPVS.
    let status = until(AMPLE, "four steps", || match site.status() {
        status if status["reconcile"]["pending_steps"] == 4 => Ok(status),
        status => Err(status),
    });
    assert_eq!(status["schema"], 1);
    assert_eq!(
        status["host"],
        rustix::system::uname().nodename().to_str().unwrap()
    );
    assert_eq!(status["pid"], agent.pid().as_raw());
    assert!(humantime::parse_rfc3339(status["started_at"].as_str().unwrap()).is_ok());
    assert_eq!(
        (&status["dry_run"], &status["table"]),
        (&true.into(), &"memory".into())
    );
    assert_eq!(status["reconcile"]["last_success"], serde_json::Value::Null);
    let answer = site.get("/readyz");
    let pending = format!(
        "not ready: dry run: 4 steps are pending, which a dry run never makes (`lvs-agent plan \
         --config {}` lists them)\n",
        site.configuration().display()
    );
    assert_eq!((answer.status, answer.body), (503, pending));
    let labels = "mode=\"director\",table=\"memory\",dry_run=\"true\"} 1";
    let metrics = site.get("/metrics").body;
    assert!(metrics.contains(labels), "{metrics}");
    assert_eq!(
        site.metric("lvs_reconcile_last_success_timestamp_seconds"),
        Some(0.0),
        "never"
    );
    assert_eq!(
        site.metric("lvs_reconcile_duration_seconds_count"),
        Some(0.0)
    );
    let shown = end(site.command("status", &[])).stdout;
    for shown in [shown, site.get("/").body] {
        assert!(shown.contains("ry run: 4 steps are pending"), "{shown}");
        assert!(
            shown.contains("--table memory: the table is inside the agent"),
            "{shown}"
        );
        assert!(!shown.contains("as configured"), "{shown}");
    }
    assert!(
        agent
            .output()
            .contains("1 probe; dry run: nothing is written")
    );
}

#[test]
fn dry_run_sends_no_event_after_a_reload() {
    let site = Site::new();
    let server = Server::start(&[site.server(1)], Behaviour::good());
    let services = site.service("web", 1, CHECK, &[1]);
    site.configure(&services);
    let _agent = dry_run(&site);
    site.wait_for(&["up"]);
    let file = site.path("notified");
    let script = format!("touch {}", file.display());
    site.configure(&format!(
        "{services}notify:\n  - exec: [/bin/sh, -c, \"{script}\"]\n"
    ));
    let ended = end(site.command("reload", &[]));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    drop(server);
    site.wait_for(&["down"]);
    let seen = until(AMPLE, "another verdict of the next reload", || {
        let ended = end(site.command("reload", &[]));
        if ended.code == 0 {
            Ok(file.exists())
        } else {
            Err(ended)
        }
    });
    assert!(!seen);
    assert!(
        !site
            .get("/metrics")
            .body
            .contains("lvs_notifications_total")
    );
}

#[test]
fn table_in_memory_leaves_the_drains_of_the_kernel_alone_and_is_shown() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    let before = state(&site);
    fs::remove_file(site.path("state/drains-memory.json")).unwrap();
    site.configure(&site.service("web", 1, CHECK, &[1, 2]));
    let _agent = site.agent();
    site.wait_for(&["up", "up"]);
    assert_eq!(
        site.real_server(0, 0)["admin"]["state"],
        "enabled",
        "the kernel's drain"
    );
    let ended = end(site.command("drain", &["web/rs2"]));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let after = files(&site.path("state"));
    for file in ["drains.json", "director.json"] {
        assert_eq!(after[file], before[file]);
    }
    assert!(!after.contains_key("drains.json.damaged"));
    let status = site.status();
    assert_eq!(
        (&status["dry_run"], &status["table"]),
        (&false.into(), &"memory".into())
    );
    let answer = site.get("/readyz");
    let memory = "--table memory: the table is inside the agent and forwards nothing\n";
    assert_eq!(
        (answer.status, answer.body),
        (200, format!("ready\n{memory}"))
    );
    let shown = end(site.command("status", &[])).stdout;
    assert!(
        shown.contains("the table in memory was as configured"),
        "{shown}"
    );
    assert!(!shown.contains("the kernel was as configured"), "{shown}");
}

#[test]
fn table_in_memory_is_refused_on_a_real_server() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let ended = end(site.command("run", &["--real-server", "--table", "memory", "--dry-run"]));
    assert_eq!(ended.code, 2);
    assert!(
        ended
            .stderr
            .contains("--table memory is for a director: a real server has no table"),
        "{}",
        ended.stderr
    );
}
