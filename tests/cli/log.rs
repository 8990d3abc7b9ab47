//! The log on standard error.

use std::io::{BufRead as _, BufReader, ErrorKind, PipeReader, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use rustix::io::ioctl_fionbio;
use serde_json::Value;

use super::{AMPLE, Behaviour, Server, Site, end, exchange, program, until};

const CHECK: &str = "interval: 200ms, timeout: 200ms";

#[test]
fn json_is_an_object_a_line() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let mut command = site.run();
    command.args(["--log-format", "json"]);
    let mut agent = Site::start(command);
    agent.wait_for_line(AMPLE, |line| line.contains("real server down"));
    let output = agent.output();
    let (whole, _) = output.rsplit_once('\n').unwrap();
    for line in whole.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(humantime::parse_rfc3339(line["timestamp"].as_str().unwrap()).is_ok());
        assert!(
            ["INFO", "WARN"].contains(&line["level"].as_str().unwrap()),
            "{line}"
        );
        assert!(
            line["target"].as_str().unwrap().starts_with("lvs_agent"),
            "{line}"
        );
        assert!(line["fields"]["message"].is_string(), "{line}");
    }
    let down = whole
        .lines()
        .find(|line| line.contains("real server down"))
        .unwrap();
    let down: Value = serde_json::from_str(down).unwrap();
    assert_eq!(down["level"], "WARN");
    assert_eq!(down["fields"]["service"], "web");
    assert_eq!(down["fields"]["real_server"], "rs1");
}

#[test]
fn an_outage_is_one_line_with_its_cause_and_its_fix() {
    let site = Site::new();
    let server = Server::start(&[site.server(1)], Behaviour::good());
    let check = "interval: 200ms, timeout: 1s, rise: 1, fall: 2";
    site.configure(&site.service("web", 1, check, &[1]));
    let agent = site.agent();
    site.wait_for(&["up"]);
    server.set(Behaviour::status("503 Service Unavailable"));
    site.wait_for(&["down"]);
    server.set(Behaviour::good());
    site.wait_for(&["up"]);
    let output = agent.output();
    let of_rs1 = |line: &&str| line.contains("WARN") && line.contains("rs1");
    let lines: Vec<_> = output.lines().filter(of_rs1).collect();
    assert_eq!(lines.len(), 1, "{output}");
    let curl = format!("`curl -si -H 'Host: site' http://{}/`", site.server(1));
    for part in [
        "real server down",
        "2 probes in a row failed",
        "HTTP 503",
        "application_down",
        &curl,
        "correct the check's `expect.status`",
    ] {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
}

#[test]
fn outage_is_logged_before_the_lost_quorum() {
    let site = Site::new();
    let server = Server::start(&[site.server(1)], Behaviour::good());
    let check = "interval: 200ms, timeout: 1s, rise: 1, fall: 2";
    site.configure(&site.service("web", 1, check, &[1]));
    let mut agent = site.agent();
    site.wait_for(&["up"]);
    server.set(Behaviour::status("503 Service Unavailable"));
    agent.wait_for_line(AMPLE, |line| line.contains("quorum lost"));
    let output = agent.output();
    let at = |words: &str| output.lines().position(|line| line.contains(words));
    let (down, lost) = (at("real server down"), at("quorum lost"));
    assert!(down.is_some() && down < lost, "{output}");
}

#[test]
fn outage_of_many_real_servers_is_a_few_lines_and_a_count() {
    let site = Site::new();
    let check = "interval: 300ms, timeout: 1s, rise: 1, fall: 1";
    let hosts: Vec<u8> = (1..=120).collect();
    site.configure(&site.service("web", 1, check, &hosts));
    let mut agent = site.agent();
    let line = agent.wait_for_line(AMPLE, |line| line.contains("more real servers are down"));
    for part in ["application_down", "web/rs", "ss -ltnup"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let output = agent.output();
    let down = output.matches("real server down").count();
    assert!((10..40).contains(&down), "{down} lines: {output}");
}

#[test]
fn single_probes_are_logged_only_at_level_debug() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let probe = |line: &str| {
        line.contains("DEBUG")
            && line.contains("probe ")
            && line.contains("reason=\"connection refused")
    };
    let agent = site.agent();
    site.wait_for(&["down"]);
    assert!(!agent.output().lines().any(probe), "{}", agent.output());
    drop(agent);

    let mut command = site.run();
    command.env("LVS_AGENT_LOG", "debug");
    let mut agent = Site::start(command);
    let line = agent.wait_for_line(AMPLE, probe);
    assert!(line.contains("result=\"refused\""), "{line}");
}

#[test]
fn invalid_filter_is_a_usage_error() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    for (filter, problem) in [
        (
            "lvs_agent=loud",
            "`loud` in `lvs_agent=loud` is not a level",
        ),
        ("loud", "`loud` is neither a level (off, error, warn, info,"),
        ("inof", "did you mean `info`?"),
        ("info,loud", "`loud` is neither a level"),
    ] {
        let mut command = site.run();
        command.env("LVS_AGENT_LOG", filter);
        let ended = end(command);
        assert_eq!((ended.code, &*ended.stdout), (2, ""), "{filter}");
        let expected = format!("LVS_AGENT_LOG=`{filter}` is not a log filter such as `info`");
        assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
        assert!(ended.stderr.contains(problem), "{}", ended.stderr);
        assert!(!site.socket().exists());
    }
}

/// An agent whose standard output and standard error are one full pipe. It is
/// killed when dropped.
struct Unread {
    child: Child,
    pipe: PipeReader,
}

impl Unread {
    fn start(mut command: Command) -> Self {
        let (pipe, mut writer) = std::io::pipe().unwrap();
        ioctl_fionbio(&writer, true).unwrap();
        let full = loop {
            if let Err(error) = writer.write(b"\n") {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        ioctl_fionbio(&writer, false).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap();
        Self { child, pipe }
    }

    /// Waits for its end, and returns the exit code.
    fn wait(&mut self) -> Option<i32> {
        let ended = until(AMPLE, "the end", || {
            self.child.try_wait().unwrap().ok_or("it runs")
        });
        ended.code()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // It fails only for a process that has already been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An agent that logs thousands of lines a second until some were dropped.
fn dropping(site: &Site) -> (Unread, Server) {
    let hosts: Vec<u8> = (1..=20).collect();
    let addresses: Vec<_> = hosts.iter().map(|&host| site.server(host)).collect();
    let server = Server::start(&addresses, Behaviour::good());
    // Probed once, and told of for each service.
    let check = "interval: 100ms, timeout: 100ms";
    let services = (1..=10).map(|n| site.service(&format!("web{n}"), n, check, &hosts));
    site.configure(&services.collect::<String>());
    let mut command = site.run();
    command.env("LVS_AGENT_LOG", "trace");
    let agent = Unread::start(command);
    until(AMPLE, "an answer", || {
        exchange(site.listen, "GET", "/livez", AMPLE).map(drop)
    });
    until(AMPLE, "dropped lines", || {
        let dropped = site.metric("lvs_log_lines_dropped_total").unwrap();
        if dropped > 0.0 { Ok(()) } else { Err(dropped) }
    });
    (agent, server)
}

#[test]
fn unread_log_does_not_block_the_agent() {
    let site = Site::new();
    let (mut agent, server) = dropping(&site);
    let weight = |wanted: u32| {
        until(AMPLE, "the weight", || {
            let shown = site.real_server(0, 0);
            if shown["weight"]["kernel"] == wanted {
                Ok(())
            } else {
                Err(shown)
            }
        });
    };
    weight(1);
    drop(server);
    weight(0);
    assert_eq!(site.get("/livez").status, 200);
    let pid = Pid::from_raw(agent.child.id().try_into().unwrap());
    signal::kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(agent.wait(), Some(0));
    assert!(!site.socket().exists());
}

#[test]
fn reader_that_resumes_gets_the_number_of_missing_lines() {
    let site = Site::new();
    let (agent, _server) = dropping(&site);
    let lines = BufReader::new(agent.pipe.try_clone().unwrap()).lines();
    let reported = lines
        .map(Result::unwrap)
        .find(|line| line.contains("lines of the log were dropped"))
        .unwrap();
    assert!(reported.contains(" WARN lvs_agent"), "{reported}");
    let number = reported
        .split(' ')
        .find_map(|word| word.parse::<f64>().ok());
    let counted = site.metric("lvs_log_lines_dropped_total").unwrap();
    assert!(
        number.is_some_and(|number| number > 0.0 && number <= counted),
        "{reported}; {counted}"
    );
}

#[test]
fn fatal_error_ends_the_agent_though_its_log_is_unread() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let _taken = TcpListener::bind(site.listen).unwrap();
    for format in ["text", "json"] {
        let mut command = site.run();
        command.args(["--log-format", format]);
        assert_eq!(Unread::start(command).wait(), Some(1), "{format}");
    }
}

#[test]
fn fatal_error_is_json_in_a_json_log() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let _taken = TcpListener::bind(site.listen).unwrap();
    let mut command = site.run();
    command.args(["--log-format", "json"]);
    let ended = end(command);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let lines = ended.stderr.lines().map(serde_json::from_str::<Value>);
    let lines: Vec<_> = lines.map(Result::unwrap).collect();
    let last = lines.last().unwrap();
    assert_eq!(last["level"], "ERROR");
    let message = last["fields"]["message"].as_str().unwrap();
    assert!(message.starts_with("cannot listen on "), "{message}");

    // A filter may hide all else, but not why the agent is gone.
    let mut command = site.run();
    command.args(["--log-format", "json"]);
    command.env("LVS_AGENT_LOG", "off");
    let ended = end(command);
    assert!(
        ended.stderr.starts_with("lvs-agent: cannot listen on "),
        "{}",
        ended.stderr
    );
}

/// Runs the agent with `JOURNAL_STREAM` made of standard error's own device and
/// inode by `format`, as printf has it.
fn with_journal_stream(site: &Site, format: &str, arguments: &[&str]) -> Command {
    let run = site.run();
    let script = r#"stream=$(printf "$0" $(stat -L -c '%d %i' /proc/self/fd/2))
        JOURNAL_STREAM=$stream exec "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, format]);
    command.arg(run.get_program()).args(run.get_args());
    command.args(arguments);
    for (key, value) in run.get_envs() {
        if let Some(value) = value {
            command.env(key, value);
        }
    }
    command
}

/// Waits until a real server is down, and returns the output.
fn until_down(command: Command) -> String {
    let mut agent = Site::start(command);
    agent.wait_for_line(AMPLE, |line| line.contains("real server down"));
    agent.output()
}

#[test]
fn the_journal_gets_priorities_where_standard_error_is_the_journal() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    for (format, arguments) in [
        ("%d:%d", &[][..]),
        ("1:1%.0s%.0s", &["--log-format", "journald"]),
    ] {
        let output = until_down(with_journal_stream(&site, format, arguments));
        let (whole, _) = output.rsplit_once('\n').unwrap();
        for line in whole.lines() {
            let (priority, rest) = line.split_at(3);
            assert!(["<4>", "<6>"].contains(&priority), "{line}");
            let first = rest.split_whitespace().next().unwrap();
            assert!(humantime::parse_rfc3339(first).is_err(), "{line}");
            assert!(!["WARN", "INFO"].contains(&first), "{line}");
        }
        let line = |part: &str| whole.lines().find(|line| line.contains(part)).unwrap();
        assert!(line("real server down").starts_with("<4>"), "{whole}");
        assert!(line(": listening ").starts_with("<6>"), "{whole}");
    }
}

#[test]
fn a_stream_that_is_not_standard_error_changes_nothing() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    for (format, arguments) in [
        ("1:1%.0s%.0s", &[][..]),
        ("%d:%d", &["--log-format", "text"]),
    ] {
        let output = until_down(with_journal_stream(&site, format, arguments));
        for line in output.lines() {
            let first = line.split_whitespace().next().unwrap();
            assert!(humantime::parse_rfc3339(first).is_ok(), "{line}");
        }
    }
}

#[test]
fn the_error_that_ends_the_agent_has_a_priority_in_the_journal() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let _taken = TcpListener::bind(site.listen).unwrap();
    let mut command = site.run();
    command.args(["--log-format", "journald"]);
    let ended = end(command);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("<3>lvs-agent: cannot listen on "),
        "{last}"
    );
}

#[test]
fn the_log_says_where_the_agent_listens_and_who_asks_for_what() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let mut agent = site.agent();
    let listening = format!(
        "listening http={} control={}",
        site.listen,
        site.socket().display()
    );
    agent.wait_for_line(AMPLE, |line| line.ends_with(&listening));
    let socket = site.socket();
    let socket = socket.to_str().unwrap();
    let uid = nix::unistd::getuid();
    for (words, asked) in [
        (
            &["drain", "web/rs1", "--deadline", "90s"][..],
            "drain web/rs1 within 1m 30s",
        ),
        (
            &["drain", "web", "192.0.2.1", "--reason", "new\nkernel"],
            "drain web, 192.0.2.1 within 5m: \"new kernel\"",
        ),
        (&["undrain", "web/rs1"], "undrain web/rs1"),
        (
            &["weight", "web/rs1", "50%"],
            "set the weight of web/rs1 to 50%",
        ),
        (
            &["weight", "web/rs1", "reset"],
            "reset the weight of web/rs1",
        ),
        (&["reload"], "reload"),
    ] {
        let ended = end(program(&[words, &["--socket", socket]].concat()));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        agent.wait_for_line(AMPLE, |line| {
            let operation = format!("asked by an operator operation={asked} by=");
            line.contains(&operation) && line.ends_with(&format!("(uid {uid})"))
        });
    }
}

/// What a server says may turn the direction of writing, or hide what it says.
#[test]
fn invisible_characters_of_a_server_are_shown_as_escapes() {
    let site = Site::new();
    let reason = "no \u{202e}PIV\u{2066}\u{200b}\u{2028} here";
    let body = format!(
        "{{\"mode\":\"real_server\",\"readiness\":{{\"services\":[{{\"address\":\
         \"192.0.2.1:80\",\"protocol\":\"tcp\",\"ready\":false,\"reasons\":[\"{reason}\"]}}]}}}}"
    );
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let _server = Server::start(&[site.server(1)], Behaviour::Answer(answer.into()));
    let (ip, port) = (site.ip(1), site.port);
    site.configure(&format!(
        "  - name: web\n    address: 192.0.2.1:80\n    check: {{ agent: {{ port: {port} }}, \
         interval: 200ms, timeout: 100ms }}\n    real_servers: [{{ name: rs1, address: {ip} }}]\n"
    ));
    let mut agent = site.agent();
    site.wait_for(&["down"]);
    let shown = "no \\u{202e}PIV\\u{2066}\\u{200b}\\u{2028} here";
    // A field is quoted, and its backslashes with it.
    let logged = shown.replace('\\', "\\\\");
    agent.wait_for_line(AMPLE, |line| line.contains(&logged));
    let detail = site.real_server(0, 0)["last_probe"]["detail"].clone();
    assert!(detail.as_str().unwrap().contains(shown), "{detail}");
    assert!(site.get("/").body.contains(shown));
    for path in ["/", "/status", "/metrics"] {
        let body = site.get(path).body;
        let hidden = body.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{2028}']);
        assert!(!hidden, "{path}: {body}");
    }
}
