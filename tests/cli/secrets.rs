//! Secrets of the configuration stay where the configuration may be read: a
//! broken file is quoted to whoever runs `reload` or `check-config`, and not in
//! the log, the endpoints or notifications.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{AMPLE, Site, end, until};

/// In every place of the file that may hold one.
const SECRET: &str = "hunter2";

/// Answers every POST with 200, and remembers what came.
fn webhook(address: SocketAddr) -> Arc<Mutex<String>> {
    let listener = TcpListener::bind(address).unwrap();
    let came = Arc::new(Mutex::new(String::new()));
    let to = Arc::clone(&came);
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
                    to.lock().unwrap().push_str(body);
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
fn errors_of_a_reload_tell_no_secret() {
    let site = Site::new();
    let notify = (site.ip(9), site.port).into();
    let came = webhook(notify);
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
        let told = came.matches("\"reload_failed\"").count();
        if told >= refused { Ok(()) } else { Err(told) }
    });
    let came = came.lock().unwrap().clone();
    assert!(!came.contains(SECRET), "{came}");
    let output = agent.output();
    assert!(!output.contains(SECRET), "{output}");
}

#[test]
fn errors_at_the_start_tell_no_secret_to_a_log() {
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
    }
}
