//! State files that are damaged, or of a newer version: one rule for all of them.
//! `tests/netns/state_directory.rs` holds the same of a real server's file.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::signal::Signal;

use super::{AMPLE, Agent, Behaviour, Server, Site, end, until};

const CHECK: &str = "interval: 200ms, timeout: 1s, rise: 1, fall: 1";

/// The files that a director with a table in memory reads back, and a text of each
/// that is whole.
const FILES: [(&str, &str); 2] = [
    (
        "director-memory.json",
        r#"{"version":1,"services":["tcp 192.0.2.9:80"],"addresses":[],"sysctls":{},
            "timeouts":{},"leaving":[]}"#,
    ),
    (
        "drains-memory.json",
        r#"{"version":1,"drains":[{"service":"tcp 192.0.2.9:80","real_server":"192.0.2.99:80",
            "deadline":"2030-01-01T00:00:00Z"}]}"#,
    ),
];

/// A kind of damage, what it makes of a whole text, and what is said of the cause.
struct Kind {
    name: &'static str,
    damage: fn(&str) -> Vec<u8>,
    cause: &'static str,
}

const KINDS: [Kind; 11] = [
    Kind {
        name: "a version before the first",
        damage: |whole| whole.replace("\"version\":1", "\"version\":0").into(),
        cause: "it has version 0, which no lvs-agent writes",
    },
    Kind {
        name: "an array",
        damage: |_| b"[]".into(),
        cause: "it is not an object",
    },
    Kind {
        name: "an array with a version",
        damage: |_| b"[99]".into(),
        cause: "it is not an object",
    },
    Kind {
        name: "a key that the version does not have",
        damage: |whole| whole.replacen('{', "{\"owner\":1,", 1).into(),
        cause: "unknown field `owner`",
    },
    Kind {
        name: "empty",
        damage: |_| Vec::new(),
        cause: "it is empty",
    },
    Kind {
        name: "truncated",
        damage: |whole| whole[..whole.len() / 2].into(),
        cause: "EOF while parsing",
    },
    Kind {
        name: "zeros, as after a loss of power",
        damage: |whole| vec![0; whole.len()],
        cause: "expected value",
    },
    Kind {
        name: "two texts",
        damage: |whole| whole.repeat(2).into(),
        cause: "trailing characters",
    },
    Kind {
        name: "another shape",
        damage: |whole| whole.replace("\"version\":1", "\"version\":[1]").into(),
        cause: "invalid type",
    },
    Kind {
        name: "no version",
        damage: |whole| whole.replace("\"version\":1,", "").into(),
        cause: "missing field `version`",
    },
    Kind {
        name: "too large",
        damage: |_| vec![b' '; 64 * 1024 * 1024 + 1],
        cause: "it is larger than 64 MiB",
    },
];

fn site() -> (Site, Server) {
    let site = Site::new();
    let server = Server::start(&[site.server(1)], Behaviour::good());
    site.configure(&site.service("web", 1, CHECK, &[1]));
    (site, server)
}

fn stop(mut agent: Agent) -> String {
    agent.signal(Signal::SIGTERM);
    agent.wait(AMPLE);
    agent.output()
}

/// The one condition of damage in `/status`.
fn condition(site: &Site) -> serde_json::Value {
    let status = site.status();
    let all = status["conditions"].as_array().unwrap().iter();
    let damaged: Vec<_> = all
        .filter(|one| one["type"] == "state_file_damaged")
        .collect();
    assert_eq!(damaged.len(), 1, "{status}");
    damaged[0].clone()
}

/// The line of the log that says so, once.
fn line(output: &str, path: &Path) -> String {
    let path = path.display().to_string();
    let lines: Vec<_> = output
        .lines()
        .filter(|line| line.contains("state file damaged") && line.contains(&path))
        .filter(|line| !line.contains("cleared"))
        .collect();
    assert_eq!(lines.len(), 1, "{output}");
    lines[0].to_owned()
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn run_sets_every_damaged_file_aside_says_so_once_and_goes_on() {
    for (name, whole) in FILES {
        let (site, _server) = site();
        let state = site.path("state");
        fs::create_dir(&state).unwrap();
        let file = state.join(name);
        let (first, second) = (
            state.join(format!("{name}.damaged")),
            state.join(format!("{name}.damaged.1")),
        );
        for Kind {
            name: kind,
            damage,
            cause,
        } in KINDS
        {
            let text = damage(whole);
            fs::write(&file, &text).unwrap();
            fs::write(&first, "an earlier one").unwrap();
            let agent = site.agent();
            site.wait_for(&["up"]);
            assert!(fs::read(&second).unwrap() == text, "{name}, {kind}");
            assert_eq!(fs::read_to_string(&first).unwrap(), "an earlier one");
            let condition = condition(&site);
            assert_eq!(condition["subject"], second.to_str().unwrap(), "{kind}");
            let message = condition["message"].as_str().unwrap();
            assert!(message.contains(cause), "{name}, {kind}: {message}");
            assert!(message.contains(file.to_str().unwrap()), "{message}");
            let (severity, level) = match name {
                "drains-memory.json" => ("problem", "ERROR"),
                _ => ("warning", "WARN"),
            };
            assert_eq!(condition["severity"], severity);
            let shown = end(site.command("status", &[])).stdout;
            assert!(shown.contains("state_file_damaged"), "{shown}");
            let written: serde_json::Value =
                serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            assert_eq!(written["version"], 1, "{name}, {kind}");

            // The condition ends when somebody has removed the file.
            fs::remove_file(&second).unwrap();
            until(AMPLE, "no condition", || {
                let status = site.status();
                match status["conditions"].as_array().unwrap().as_slice() {
                    [] => Ok(()),
                    _ => Err(status),
                }
            });
            let output = stop(agent);
            let line = line(&output, &second);
            assert!(line.contains(level), "{line}");
            assert!(line.contains("fix="), "{line}");
        }
    }
}

/// Puts something at a path.
type Put = fn(&Path);

/// Whatever is in the place of the lock's file: a second agent does not write there.
#[test]
fn what_is_no_lock_file_is_set_aside_and_the_state_directory_is_locked() {
    let kinds: [(Put, &str); 3] = [
        (|path| fs::create_dir(path).unwrap(), "this is a directory"),
        (
            |path| symlink("/nonexistent/lvs-agent", path).unwrap(),
            "this is a link to",
        ),
        (super::fifo, "this is a FIFO"),
    ];
    for (put, cause) in kinds {
        let (site, _server) = site();
        let state = site.path("state");
        fs::create_dir(&state).unwrap();
        let file = state.join("director.lock");
        put(&file);
        let dry = Site::start(site.command("run", &["--table", "memory", "--dry-run"]));
        assert_eq!(condition(&site)["subject"], file.to_str().unwrap());
        stop(dry);
        let aside = state.join("director.lock.damaged");
        let agent = site.agent();
        site.wait_for(&["up"]);
        let condition = condition(&site);
        assert_eq!(condition["subject"], aside.to_str().unwrap(), "{cause}");
        let message = condition["message"].as_str().unwrap();
        assert!(message.contains(cause), "{message}");
        let second = Site::new();
        second.configure_with(
            state.to_str().unwrap(),
            &second.service("web", 1, CHECK, &[1]),
        );
        let refused = end(second.run());
        assert_eq!(refused.code, 1, "{}", refused.stderr);
        let sentence = "keeps its state as director in";
        assert!(refused.stderr.contains(sentence), "{}", refused.stderr);
        let line = line(&stop(agent), &aside);
        assert!(line.contains("WARN"), "{line}");
    }
}

#[test]
fn dry_run_says_that_a_file_is_damaged_and_leaves_it() {
    for (name, whole) in FILES {
        let (site, _server) = site();
        let state = site.path("state");
        fs::create_dir(&state).unwrap();
        let file = state.join(name);
        for Kind {
            name: kind,
            damage,
            cause,
        } in KINDS
        {
            let text = damage(whole);
            fs::write(&file, &text).unwrap();
            let agent = Site::start(site.command("run", &["--table", "memory", "--dry-run"]));
            site.wait_for(&["up"]);
            let condition = condition(&site);
            assert_eq!(condition["subject"], file.to_str().unwrap(), "{kind}");
            let message = condition["message"].as_str().unwrap();
            assert!(message.contains(cause), "{name}, {kind}: {message}");
            assert!(message.contains("stays where it is"), "{message}");
            line(&stop(agent), &file);
            assert_eq!(entries(&state), [name], "{kind}");
            assert!(fs::read(&file).unwrap() == text, "{name}, {kind}");
        }
    }
}

#[test]
fn file_of_newer_version_is_refused_and_left_alone_whatever_its_shape() {
    for (name, _) in FILES {
        for newer in [
            r#"{"version":3}"#,
            r#"{"version":99999999999,"services":7,"drains":7}"#,
        ] {
            let (site, _server) = site();
            let state = site.path("state");
            fs::create_dir(&state).unwrap();
            let file = state.join(name);
            fs::write(&file, newer).unwrap();
            for arguments in [
                &["--table", "memory"][..],
                &["--table", "memory", "--dry-run"],
            ] {
                let ended = end(site.command("run", arguments));
                assert_eq!(ended.code, 1, "{}", ended.stderr);
                let last = ended.stderr.lines().last().unwrap();
                let sentence = "which a newer lvs-agent wrote and this one cannot read: run that \
                                one, for this one does not start with this file; or move the \
                                file away, and ";
                assert!(last.contains(sentence), "{last}");
                assert!(last.contains(file.to_str().unwrap()), "{last}");
                assert_eq!(entries(&state), [name], "{newer}");
                assert_eq!(fs::read_to_string(&file).unwrap(), newer);
            }
        }
    }
}

/// A drain that can be read goes on, and the others are not given up in silence.
#[test]
fn drains_that_can_be_read_go_on_and_the_file_of_the_others_is_set_aside() {
    let (site, _server) = site();
    let state = site.path("state");
    fs::create_dir(&state).unwrap();
    let ip = site.ip(1);
    let text = format!(
        r#"{{"version":1,"drains":[{{"service":"tcp 192.0.2.1:80","real_server":"{ip}:80","deadline":"2030-01-01T00:00:00Z"}},{{"service":"tcp 192.0.2.1:80","real_server":"rs2"}}]}}"#
    );
    let file = state.join("drains-memory.json");
    fs::write(&file, &text).unwrap();
    let _agent = site.agent();
    site.wait_for(&["up"]);
    assert_ne!(site.real_server(0, 0)["admin"]["state"], "enabled");
    let condition = condition(&site);
    assert!(
        condition["message"].as_str().unwrap().contains("rs2"),
        "{condition}"
    );
    let aside = state.join("drains-memory.json.damaged");
    assert_eq!(fs::read_to_string(aside).unwrap(), text);
    assert!(fs::read_to_string(&file).unwrap().contains(&ip.to_string()));
}

/// Drains that could not be read are missing after a restart as well: so the condition stays, until
/// somebody has removed the file.
#[test]
fn condition_is_there_after_a_restart_until_the_file_is_removed() {
    for (name, whole) in FILES {
        let (site, _server) = site();
        let state = site.path("state");
        fs::create_dir(&state).unwrap();
        fs::write(state.join(name), &whole[..whole.len() / 2]).unwrap();
        let aside = state.join(format!("{name}.damaged"));
        let agent = site.agent();
        site.wait_for(&["up"]);
        assert_eq!(condition(&site)["subject"], aside.to_str().unwrap());
        stop(agent);
        let agent = site.agent();
        site.wait_for(&["up"]);
        let after = condition(&site);
        assert_eq!(after["subject"], aside.to_str().unwrap(), "{name}");
        let message = after["message"].as_str().unwrap();
        assert!(message.contains("found at an earlier start"), "{message}");
        fs::remove_file(&aside).unwrap();
        until(AMPLE, "the end of the condition", || {
            let status = site.status();
            let all = status["conditions"].as_array().unwrap();
            if all.iter().any(|one| one["type"] == "state_file_damaged") {
                Err(status)
            } else {
                Ok(())
            }
        });
        stop(agent);
    }
}

/// While the agent runs it knows what its files hold: whatever another program does to
/// them, a restart afterwards finds them whole, and no damage is reported.
#[test]
fn changes_of_a_state_file_by_another_program_are_undone() {
    type Deed = fn(&Path);
    let deeds: [(&str, Deed); 7] = [
        ("removed", |file| fs::remove_file(file).unwrap()),
        ("emptied", |file| fs::write(file, "").unwrap()),
        ("damaged", |file| fs::write(file, "{").unwrap()),
        ("moved away", |file| {
            fs::rename(file, file.with_extension("away")).unwrap();
        }),
        ("a link that leads nowhere", |file| {
            fs::remove_file(file).unwrap();
            symlink("nowhere", file).unwrap();
        }),
        ("directory removed", |file| {
            fs::remove_dir_all(file.parent().unwrap()).unwrap();
        }),
        ("directory moved away", |file| {
            let directory = file.parent().unwrap();
            fs::rename(directory, directory.with_extension("away")).unwrap();
        }),
    ];
    for (deed, perform) in deeds {
        let site = Site::new();
        let _server = Server::start(&[site.server(1)], Behaviour::good());
        let services = site.service("web", 1, CHECK, &[1]);
        site.configure(&format!("{services}director: {{ resync_interval: 1s }}\n"));
        let state = site.path("state");
        let agent = site.agent();
        site.wait_for(&["up"]);
        let drained = end(site.command("drain", &["web/rs1"]));
        assert_eq!(drained.code, 0, "{}", drained.stderr);
        let files = FILES.map(|(name, _)| state.join(name));
        let whole = files.each_ref().map(|file| fs::read(file).unwrap());
        for file in &files {
            if file.exists() {
                perform(file);
            }
        }
        until(AMPLE, "files as they were", || {
            let found = files
                .each_ref()
                .map(|file| fs::read(file).unwrap_or_default());
            if found == whole {
                Ok(())
            } else {
                Err((deed, found))
            }
        });
        assert_no_state_file_is_damaged(&site, deed);
        let output = stop(agent);
        assert!(
            output.contains("another program has changed or removed the file"),
            "{output}"
        );
        let _agent = site.agent();
        until(AMPLE, "drain after the restart", || {
            let real_server = site.real_server(0, 0);
            match real_server["admin"]["state"].as_str() {
                Some("drained" | "draining") => Ok(()),
                _ => Err((deed, real_server)),
            }
        });
        assert_no_state_file_is_damaged(&site, deed);
    }
}

fn assert_no_state_file_is_damaged(site: &Site, deed: &str) {
    let status = site.status();
    let conditions = status["conditions"].as_array().unwrap().iter();
    let mut others = conditions.filter(|one| one["type"] != "quorum_lost");
    assert!(others.next().is_none(), "{deed}: {status}");
}

/// What stands in the place of a file and is none keeps no agent from its start.
#[test]
fn start_sets_aside_whatever_is_not_a_regular_file() {
    type Make = fn(&Path);
    let kinds: [(&str, Make); 3] = [
        ("this is a directory", |path| fs::create_dir(path).unwrap()),
        ("this is a FIFO, not a regular file", super::fifo),
        ("this is a link to `nowhere`", |path| {
            symlink("nowhere", path).unwrap();
        }),
    ];
    for (name, _) in FILES {
        for (what, make) in kinds {
            let (site, _server) = site();
            let state = site.path("state");
            fs::create_dir(&state).unwrap();
            make(&state.join(name));
            let _agent = site.agent();
            site.wait_for(&["up"]);
            let condition = condition(&site);
            let message = condition["message"].as_str().unwrap();
            assert!(message.contains(what), "{message}");
            let aside = state.join(format!("{name}.damaged"));
            assert!(fs::symlink_metadata(aside).is_ok());
        }
    }
}
