//! Secrets of the configuration stay where the configuration may be read: a
//! broken file is quoted to whoever runs `reload` or `check-config`, and not in
//! the log, the endpoints or notifications. Those that are elsewhere are quoted
//! to nobody.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{AMPLE, Site, end, until};

/// In every place of the file that may hold one.
const SECRET: &str = "hunter2";

/// Heads and bodies of requests.
#[derive(Clone, Default)]
struct Came {
    heads: Arc<Mutex<String>>,
    bodies: Arc<Mutex<String>>,
}

/// Answers every request with 200, and remembers what came.
fn recorder(address: SocketAddr) -> Came {
    let listener = TcpListener::bind(address).unwrap();
    let came = Came::default();
    let to = came.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            let mut request = String::new();
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut piece) {
                request.push_str(&String::from_utf8_lossy(&piece[..length]));
                let Some((head, body)) = request.split_once("\r\n\r\n") else {
                    continue;
                };
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    let is = name.eq_ignore_ascii_case("content-length");
                    is.then(|| value.trim().parse::<usize>().ok())?
                });
                if body.len() >= length.unwrap_or(0) {
                    to.bodies.lock().unwrap().push_str(body);
                    to.heads.lock().unwrap().push_str(head);
                    break;
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    came
}

/// A valid configuration.
fn whole(site: &Site, notify: SocketAddr) -> String {
    let (listen, socket, state) = (site.listen, site.socket(), site.path("state"));
    let (socket, state) = (socket.display(), state.display());
    let (one, two, port) = (site.ip(1), site.ip(2), site.port);
    format!(
        r#"http: {{ listen: "{listen}" }}
control: {{ socket: "{socket}" }}
state_dir: "{state}"
notify:
  - webhook:
      url: "http://{notify}/hook/{SECRET}"
      headers:
        authorization: "Bearer {SECRET}"
virtual_services:
  - name: web
    address: 192.0.2.1:80
    check:
      http:
        port: {port}
        path: "/health?token={SECRET}"
        headers:
          authorization: "Bearer {SECRET}"
    real_servers:
      - {{ name: rs1, address: {one} }}
  - name: mail
    address: 192.0.2.1:25
    check:
      tcp:
        steps:
          - send: "AUTH {SECRET}\r\n"
    real_servers:
      - {{ name: rs1, address: {two} }}
"#
    )
}

/// What to put in the place of what, so that the file is broken near a secret.
fn mistakes() -> Vec<(&'static str, &'static str)> {
    vec![
        // Not YAML.
        ("authorization: \"Bearer", "authorization: Bearer: \"x"),
        (
            "          authorization: \"Bearer",
            "\t  authorization: \"Bearer",
        ),
        ("hunter2\\r\\n\"", "hunter2\\q\""),
        ("- send: \"AUTH hunter2", "- send: \"AUTH\" hunter2"),
        // Values of the wrong kind or form.
        ("port: ", "port: hunter2"),
        (
            "authorization: \"Bearer hunter2\"",
            "authorization: [hunter2]",
        ),
        ("authorization: \"Bearer hunter2\"", "hunter2: [x]"),
        (
            "authorization: \"Bearer hunter2\"",
            "authorization: \"hunter2\\u0001\"",
        ),
        (
            "authorization: \"Bearer hunter2\"",
            "\"authorization hunter2\": x",
        ),
        ("path: \"/health?token=", "path: \"health?token="),
        ("url: \"http://", "url: \"ftp://user:hunter2@"),
        ("url: \"http://", "url: \"http://user:hunter2@ "),
        // Keys that there are not.
        ("- send:", "- hunter2:"),
        ("path:", "hunter2: x\n        pat:"),
        ("name: web", "name: \"hunter2 hunter2\""),
        ("name: web", "name: !hunter2 web"),
        ("name: web", "name: *hunter2"),
        ("steps:", "steps: hunter2\n        step:"),
        (
            "    real_servers:",
            "    persistence: hunter2\n    real_servers:",
        ),
        ("address: 192.0.2.1:80", "address: hunter2"),
    ]
}

#[test]
fn errors_of_a_reload_contain_no_secret() {
    let site = Site::new();
    let notify = (site.ip(9), site.port).into();
    let came = recorder(notify).bodies;
    let good = whole(&site, notify);
    fs::write(site.configuration(), &good).unwrap();
    let agent = site.agent();
    for (number, (part, mistake)) in (1..).zip(mistakes()) {
        let broken = good.replacen(part, mistake, 1);
        assert_ne!(broken, good, "{part}");
        fs::write(site.configuration(), broken).unwrap();
        // Whoever asks may read the file.
        let asked = end(site.command("reload", &[]));
        assert_eq!(asked.code, 2, "{mistake}: {}", asked.stderr);
        assert!(asked.stderr.contains(SECRET), "{mistake}: {}", asked.stderr);
        agent.signal(Signal::SIGHUP);
        until(AMPLE, "both in the log", || {
            let output = agent.output();
            let refused = output.matches("the configuration is not reloaded").count();
            if refused == 2 * number {
                Ok(())
            } else {
                Err(output)
            }
        });
        for path in ["/status", "/metrics", "/", "/readyz"] {
            let body = site.get(path).body;
            assert!(!body.contains(SECRET), "{path} after {mistake}: {body}");
        }
        let error = site.status()["config"]["last_reload"]["error"].to_string();
        assert!(error.contains("config.yaml:"), "{error}");
    }
    let refused = 2 * mistakes().len();
    until(AMPLE, "all notifications", || {
        let came = came.lock().unwrap().clone();
        let failed = came.matches("\"reload_failed\"").count();
        if failed >= refused {
            Ok(())
        } else {
            Err(failed)
        }
    });
    let came = came.lock().unwrap().clone();
    assert!(!came.contains(SECRET), "{came}");
    let output = agent.output();
    assert!(!output.contains(SECRET), "{output}");
}

#[test]
fn errors_at_the_start_log_no_secret() {
    let site = Site::new();
    let good = whole(&site, (site.ip(9), site.port).into());
    for (part, mistake) in mistakes() {
        fs::write(site.configuration(), good.replacen(part, mistake, 1)).unwrap();
        for format in ["text", "json", "journald"] {
            let mut run = site.run();
            run.args(["--log-format", format]);
            let ended = end(run);
            assert_eq!(ended.code, 2, "{}", ended.stderr);
            assert!(ended.stderr.contains("config.yaml:"), "{}", ended.stderr);
            assert!(!ended.stderr.contains(SECRET), "{}", ended.stderr);
        }
        let checked = end(site.command("check-config", &[]));
        assert_eq!(checked.code, 2);
        assert!(checked.stderr.contains(SECRET), "{}", checked.stderr);
        for command in ["plan", "doctor", "cleanup"] {
            let ended = end(site.command(command, &[]));
            assert_eq!(ended.code, 2, "{command}: {}", ended.stderr);
            assert!(ended.stderr.contains("config.yaml:"), "{}", ended.stderr);
            let check = format!("check-config --config {}", site.configuration().display());
            assert!(ended.stderr.contains(&check), "{}", ended.stderr);
            assert!(!ended.stderr.contains(SECRET), "{}", ended.stderr);
        }
    }
}

/// Secrets in a variable, a file and a credential.
struct Elsewhere {
    site: Site,
    hook: Came,
    server: Came,
}

impl Elsewhere {
    fn new() -> Self {
        let site = Site::new();
        let (hook, server) = (site.server(9), site.server(1));
        let (listen, socket, state) = (site.listen, site.socket(), site.path("state"));
        let (socket, state) = (socket.display(), state.display());
        let (one, port) = (site.ip(1), site.port);
        let (url, token) = (site.path("url"), site.path("token"));
        Self::write(&url, &format!("http://{hook}/hook/{SECRET}\n"));
        Self::write(&token, &format!("{SECRET} 1\n"));
        fs::create_dir(site.path("credentials")).unwrap();
        Self::write(&site.path("credentials/probe"), &format!("Bearer {SECRET}"));
        let (url, token) = (url.display(), token.display());
        let text = format!(
            r#"http: {{ listen: "{listen}" }}
control: {{ socket: "{socket}" }}
state_dir: "{state}"
notify:
  - webhook:
      url: {{ file: "{url}" }}
      headers: {{ authorization: {{ env: HOOK_TOKEN }} }}
virtual_services:
  - name: web
    address: 192.0.2.1:80
    check:
      http:
        method: POST
        port: {port}
        headers:
          authorization: {{ credential: probe }}
          x-token: {{ file: "{token}" }}
        body: {{ env: HOOK_TOKEN }}
        expect: {{ body: "never there" }}
      interval: 200ms
    real_servers:
      - {{ name: rs1, address: {one} }}
"#
        );
        fs::write(site.configuration(), text).unwrap();
        Self {
            hook: recorder(hook),
            server: recorder(server),
            site,
        }
    }

    fn write(path: &Path, secret: &str) {
        fs::write(path, secret).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The environment that a unit gives its agent.
    fn of_unit(&self, mut command: Command) -> Command {
        command
            .env("CREDENTIALS_DIRECTORY", self.site.path("credentials"))
            .env("HOOK_TOKEN", format!("Bearer {SECRET}"));
        command
    }

    fn wait_for(came: &Arc<Mutex<String>>, wanted: &str) {
        until(AMPLE, wanted, || {
            let came = came.lock().unwrap().to_ascii_lowercase();
            if came.contains(&wanted.to_ascii_lowercase()) {
                Ok(())
            } else {
                Err(came)
            }
        });
    }
}

#[test]
fn secrets_from_elsewhere_are_sent_and_shown_nowhere() {
    let here = Elsewhere::new();
    let site = &here.site;
    let mut run = here.of_unit(site.run());
    run.env("LVS_AGENT_LOG", "trace");
    let agent = Site::start(run);
    let Came { heads, bodies } = &here.server;
    Elsewhere::wait_for(heads, &format!("authorization: Bearer {SECRET}"));
    Elsewhere::wait_for(heads, &format!("x-token: {SECRET} 1"));
    Elsewhere::wait_for(bodies, &format!("Bearer {SECRET}"));
    site.wait_for(&["down"]);
    let sha256 = site.status()["config"]["sha256"].clone();

    // A reload reads a file again, and nothing else has changed.
    Elsewhere::write(&site.path("token"), &format!("{SECRET} 2\n"));
    assert_eq!(end(site.command("reload", &[])).code, 0);
    Elsewhere::wait_for(heads, &format!("x-token: {SECRET} 2"));
    assert_eq!(site.status()["config"]["sha256"], sha256);
    Elsewhere::wait_for(&here.hook.heads, &format!("POST /hook/{SECRET}"));
    Elsewhere::wait_for(&here.hook.heads, &format!("authorization: Bearer {SECRET}"));

    // Without it, the configuration of before stays in force.
    fs::remove_file(site.path("token")).unwrap();
    let refused = end(site.command("reload", &[]));
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("config.yaml:17:20: "),
        "{}",
        refused.stderr
    );
    let seen = heads.lock().unwrap().len();
    until(AMPLE, "a further probe", || {
        let heads = heads.lock().unwrap();
        heads[seen..]
            .contains(SECRET)
            .then_some(())
            .ok_or(heads.clone())
    });
    Elsewhere::write(&site.path("token"), &format!("{SECRET}\u{1}"));
    assert_eq!(end(site.command("reload", &[])).code, 2);
    Elsewhere::write(&site.path("token"), SECRET);

    for path in ["/status", "/metrics", "/", "/readyz"] {
        let body = site.get(path).body;
        assert!(!body.contains(SECRET), "{path}: {body}");
    }
    for (command, arguments) in [
        ("status", &[][..]),
        ("status", &["--json"]),
        ("plan", &[]),
        ("plan", &["--json"]),
        ("doctor", &["--json"]),
        ("check-config", &[]),
        ("check-config", &["--json"]),
    ] {
        for command in [
            site.command(command, arguments),
            here.of_unit(site.command(command, arguments)),
        ] {
            let ended = end(command);
            let output_text = ended.stdout + &ended.stderr;
            assert!(
                !output_text.contains(SECRET),
                "{arguments:?}: {output_text}"
            );
        }
    }
    Elsewhere::wait_for(&here.hook.bodies, "\"reload_failed\"");
    let events = here.hook.bodies.lock().unwrap().clone();
    assert!(!events.contains(SECRET), "{events}");
    let output = agent.output();
    assert!(output.contains("real server down"), "{output}");
    assert!(!output.contains(SECRET), "{output}");
}

#[test]
fn an_agent_needs_its_secrets_and_a_check_of_the_file_does_not() {
    let here = Elsewhere::new();
    let site = &here.site;
    let checked = end(site.command("check-config", &[]));
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let missing = |output: &str| output.matches(" is not set\n").count();
    assert_eq!(missing(&checked.stdout), 3, "{}", checked.stdout);
    let checked = end(here.of_unit(site.command("check-config", &[])));
    assert_eq!(missing(&checked.stdout), 0, "{}", checked.stdout);

    let ended = end(site.run());
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    for expected in [
        ":7:33: the environment variable `HOOK_TOKEN` is not set",
        ":16:26: the credential `probe` cannot be read: `$CREDENTIALS_DIRECTORY` is not set",
        "3 problems",
    ] {
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
    // A probe by a command without the secrets says nothing of the real server.
    let examined = end(site.command("doctor", &["--json"]));
    let expected = "is a secret that this command has not got";
    assert!(examined.stdout.contains(expected), "{}", examined.stdout);
    assert_eq!(*here.server.heads.lock().unwrap(), "");
}
