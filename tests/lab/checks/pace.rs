//! How often a real server is asked, by what nginx has written down. Nothing
//! here depends on how fast the machine is: requests are counted against those
//! of a check that always has the same interval.

use std::fs;
use std::path::{Path, PathBuf};

use super::server::Server;
use super::{Director, seen, service};
use crate::cluster::metric;
use crate::support::{Lan, PATIENCE, Site, until};

/// Of each check the file of nginx's that it asks for, and its times.
const CHECKS: [(&str, &str); 5] = [
    // There is a verdict before the first hour is over.
    (
        "doubt",
        "interval: 1h, fast_interval: 200ms, rise: 3, fall: 3",
    ),
    (
        "doubt-too",
        "interval: 1h, fast_interval: 200ms, rise: 3, fall: 3",
    ),
    (
        "down",
        "interval: 200ms, down_interval: 1h, rise: 1, fall: 2",
    ),
    // Nineteen intervals are 95 s, longer than anything here is waited for.
    (
        "failing",
        "interval: 5s, fast_interval: 100ms, rise: 1, fall: 20",
    ),
    ("control", "interval: 200ms, rise: 1, fall: 1"),
];

/// How often nginx was asked for each file.
struct Log(PathBuf);

impl Log {
    fn count(&self, name: &str) -> usize {
        let log = fs::read_to_string(&self.0).unwrap();
        let asked = format!("/{name}");
        log.lines().filter(|line| *line == asked).count()
    }

    /// Waits until `control` was asked for 20 times more, and returns how
    /// often `name` was meanwhile.
    fn meanwhile(&self, name: &str) -> usize {
        let [before, control] = [name, "control"].map(|name| self.count(name));
        until(PATIENCE, "20 requests for control", || {
            let now = self.count("control");
            if now >= control + 20 {
                Ok(())
            } else {
                Err(now)
            }
        });
        self.count(name) - before
    }
}

fn configuration(directory: &Path) -> String {
    let at = directory.display();
    format!(
        "daemon off;
        master_process off;
        pid {at}/nginx.pid;
        error_log /dev/null;
        events {{}}
        http {{
            log_format path $uri;
            access_log {at}/log path;
            client_body_temp_path {at}/body;
            proxy_temp_path {at}/proxy;
            fastcgi_temp_path {at}/fastcgi;
            uwsgi_temp_path {at}/uwsgi;
            scgi_temp_path {at}/scgi;
            server {{ listen 80; root {at}/files; }}
        }}
        "
    )
}

#[test]
fn rate_is_higher_in_doubt_and_lower_while_down() {
    let lan = Lan::new();
    let site = Site::new("");
    let directory = site.directory();
    let files = directory.join("files");
    fs::create_dir(&files).unwrap();
    for (name, _) in CHECKS {
        fs::write(files.join(name), "").unwrap();
    }
    let nginx = directory.join("nginx.conf");
    fs::write(&nginx, configuration(directory)).unwrap();
    let _nginx = Server::start(&lan.rs1, &format!("nginx -c {}", nginx.display()));
    let log = Log(directory.join("log"));
    until(PATIENCE, "nginx", || {
        match fs::exists(directory.join("nginx.pid")) {
            Ok(true) => Ok(()),
            missing => Err(missing),
        }
    });
    let services: Vec<_> = CHECKS
        .iter()
        .zip(1..)
        .map(|((name, times), port)| {
            let check = format!("http: {{ port: 80, path: /{name} }}, timeout: 10s, {times}");
            service(name, "tcp", port, &check, "")
        })
        .collect();
    let _director = Director::start(&lan.director, &site, &services);
    let wait_for = |name: &str, weight: u32| {
        until(PATIENCE, &format!("{weight} of {name}"), || {
            let seen = seen(&lan.director);
            if seen[name].weight == weight {
                Ok(())
            } else {
                Err(seen)
            }
        });
    };

    for (name, _) in CHECKS {
        wait_for(name, 1);
    }
    for name in ["doubt", "doubt-too"] {
        assert!(log.count(name) >= 3, "{name}");
        let steady = log.meanwhile(name);
        assert!(steady <= 5, "{name}: {steady} once there was a verdict");
    }
    let steady = log.meanwhile("down");
    assert!(steady >= 5, "{steady} while it was up");

    for name in ["down", "failing"] {
        fs::remove_file(files.join(name)).unwrap();
        wait_for(name, 0);
    }
    let failing = "lvs_detection_seconds_sum{service=\"failing\"}";
    let detection = metric(&lan.director, failing);
    assert!(detection < 60.0, "{detection} s");
    fs::write(files.join("down"), "").unwrap();
    let down = log.meanwhile("down");
    assert!(down <= 5, "{down} while it was down");
    assert_eq!(seen(&lan.director)["down"].weight, 0);
}
